"""What lines up the tracks of one connection: its sender's clock, within bounds."""

from __future__ import annotations

from typing import Final, NamedTuple

MOST: Final = 0.5
"""Seconds that a file may be moved from where it arrived; who says more is not believed."""
ENOUGH: Final = 5
"""Reports of a track that are listened to; senders make one every second or few."""
_HALF: Final = 1 << 31
_WHOLE: Final = 1 << 32


class Report(NamedTuple):
    """How a sender's clock and the timestamps of one of its tracks relate (RFC 3550, 6.4.1)."""

    at: float
    """By the sender's clock, in seconds."""
    timestamp: int
    """Of 32 bits, at that moment."""

    def sent_at(self, timestamp: int, rate: int) -> float:
        """When something with this timestamp was made, by the sender's clock; near the report."""
        ahead = (timestamp - self.timestamp + _HALF) % _WHOLE - _HALF
        return self.at + ahead / rate


class Known(NamedTuple):
    """Where the file of a track begins."""

    leads: bool
    """Whether it stays where it is: sound does."""
    arrived: float
    """By when it came, in seconds of the recording."""
    sent: float
    """By its sender's clock."""


class Alignment:
    """The tracks of one connection: pictures follow sound, as their sender made both.

    Sound stays where it arrived, as what others say to it does. Between connections nothing is
    compared: their clocks are their own.
    """

    def __init__(self) -> None:
        self._known: dict[object, Known] = {}
        self._apart: float | None = None
        """How far the clock here is from the sender's, as heard here."""

    def note(self, track: object, known: Known) -> None:
        """Where the file of a track begins, as far as that is known by now."""
        self._known[track] = known

    def begins(self, track: object, arrived: float) -> float:
        """Where a track's file begins, in line with the others; from then on the line is fixed."""
        known = self._known.get(track)
        if known is None:
            return arrived
        if self._apart is None:
            lead = max(self._known.values(), key=lambda one: one.leads)  # the first that does
            self._apart = lead.arrived - lead.sent
        begins = max(0.0, known.sent + self._apart)
        return begins if abs(begins - arrived) <= MOST else arrived
