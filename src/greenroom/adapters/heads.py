"""Which version each stream has: kept in memory, and brought up to date before it is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from eventsourcing.persistence import StoredEvent

from greenroom.adapters.recorder import HeadRow
from greenroom.projections import forks

_MOST: Final = 100_000
"""Streams whose versions are kept; past that, all are forgotten."""
_FURTHEST: Final = 10_000
"""Positions of others that are read after; past that, all versions are forgotten."""


class Heads:
    """Versions of streams as of one position of the log. Safe for many threads.

    Whoever checks what a decision expects would look up half a dozen versions in the store
    otherwise, time and again the same.
    """

    def __init__(self, position: int) -> None:
        self._lock = forks.lock()
        self._position = position
        self._versions: dict[str, int] = {}

    def follow(self, position: int, read: Callable[[int], Iterable[HeadRow]]) -> None:
        """Learn what stands past the position known, up to `position`."""
        if position <= self._position:
            return
        with self._lock:
            if position - self._position > _FURTHEST:
                self._versions.clear()
            else:
                for _, stream, version, _ in read(self._position):
                    self._meet(stream, version)
            self._position = max(self._position, position)

    def version(self, stream: str) -> int | None:
        """Of `stream`; None where it must be looked up."""
        return self._versions.get(stream)

    def learn(self, found: Mapping[str, int]) -> None:
        """What was looked up: streams and their versions."""
        with self._lock:
            if len(self._versions) >= _MOST:
                self._versions.clear()
            for stream, version in found.items():
                self._meet(stream, version)

    def append(self, before: int, rows: Sequence[StoredEvent]) -> None:
        """Count rows in that were appended after position `before`."""
        with self._lock:
            for row in rows:
                self._meet(str(row.originator_id), row.originator_version)
            if before == self._position:
                self._position = before + len(rows)

    def _meet(self, stream: str, version: int) -> None:
        self._versions[stream] = max(version, self._versions.get(stream, 0))
