"""Packets in the order in which they were sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

PATIENCE: Final = 1.0
"""Seconds to wait for a packet that is missing: by then it was asked for in vain."""
MOST_HELD: Final = 512
"""Packets that wait for one before them."""


class Arrived(NamedTuple):
    """A packet, as the media loop had it."""

    ordinal: int
    timestamp: int
    marker: int
    payload: bytes
    at: float
    """When it came, by a clock that never goes back."""


class Ordering:
    """Puts packets into their order; what does not come in time is left out, once and for all."""

    def __init__(self) -> None:
        self.lost = 0
        """Packets that were left out."""
        self._next: int | None = None
        self._held: dict[int, Arrived] = {}
        self._since = 0.0
        """When the first of those came that wait."""

    def put(self, packet: Arrived) -> Iterator[Arrived | None]:
        """What is next by now; None stands for a gap."""
        if self._next is None:
            self._next = packet.ordinal
        if packet.ordinal < self._next or packet.ordinal in self._held:
            return
        if not self._held:
            self._since = packet.at
        self._held[packet.ordinal] = packet
        yield from self._ready()
        if len(self._held) > MOST_HELD:
            yield from self._skip()

    def give_up(self, now: float) -> Iterator[Arrived | None]:
        """What is next, if what is missing before it has been waited for long enough."""
        while self._held and now - self._since > PATIENCE:
            yield from self._skip()

    def flush(self) -> Iterator[Arrived | None]:
        """All that waits; what comes next, whatever it is, is no gap."""
        while self._held:
            yield from self._skip()
        self._next = None

    def _skip(self) -> Iterator[Arrived | None]:
        first = min(self._held)
        assert self._next is not None, "something is held, so something has come"  # noqa: S101 - a bug here
        self.lost += first - self._next
        self._next = first
        yield None
        yield from self._ready()

    def _ready(self) -> Iterator[Arrived]:
        while self._next in self._held:
            packet = self._held.pop(self._next)
            self._next += 1
            yield packet
        if self._held:
            self._since = min(packet.at for packet in self._held.values())
