"""What goes through all the media of a room, and what went through it."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.lines import CountsLines, LineStatistics
from greenroom.media.port import MediaPort
from greenroom.media.summing import together

_NOTHING = MediaStatistics()


@dataclass(frozen=True, slots=True)
class EntryMediaStats:
    """What goes through the connections of one entry."""

    user_id: UserId
    counted: MediaStatistics | None
    """Of the connections that stand now; None where none does."""
    lines: Sequence[LineStatistics]
    """The same line by line; empty where the adapter does not tell."""


@dataclass(frozen=True, slots=True)
class CallMediaStats:
    """What goes through the media of one call in this process, and went through it."""

    counted: MediaStatistics
    """Counters from the first connection on, those that are over included; they do not fall before
    the last one is over. Times are the longest of any that stands."""
    entries: Mapping[EntryId, EntryMediaStats]
    """Who is in the call."""


@dataclass(frozen=True, slots=True)
class RoomMediaStats:
    """What goes through the media of this process, and went through it."""

    load: float | None
    """The share of its time that the media thread computes, from 0 to 1; beyond its limit nobody
    new is let in. None where the adapter does not tell."""
    counted: MediaStatistics
    """Counters since media began, which do not fall; times are the longest of any that stands."""
    calls: Mapping[CallId, CallMediaStats]
    """Those in which anybody is."""


class Tally:
    """What went through the connections of a room that are over. From any thread."""

    def __init__(self) -> None:
        self._standing: Counter[CallId] = Counter()
        """Connections that were reported to stand, by call."""
        self._over: defaultdict[CallId, MediaStatistics] = defaultdict(MediaStatistics)
        """What went through the others of these calls."""
        self._gone = _NOTHING
        """What went through the calls that have no connection any more."""
        self._said: dict[CallId | None, MediaStatistics] = {}
        """What was answered last, of each call and of all."""
        self._lock = threading.Lock()

    def began(self, cid: CallId) -> None:
        """A connection of the call stands."""
        with self._lock:
            self._standing[cid] += 1

    def ended(self, cid: CallId, statistics: MediaStatistics) -> None:
        """A connection of the call is over."""
        with self._lock:
            self._over[cid] = together([self._over[cid], counters(statistics)])
            self._standing[cid] -= 1
            if self._standing[cid] <= 0:
                del self._standing[cid]
                self._said.pop(cid, None)
                self._gone = together([self._gone, self._over.pop(cid)])

    def stats(
        self, media: MediaPort, places: Iterable[tuple[CallId, EntryId, UserId]]
    ) -> RoomMediaStats:
        """All of it, as of now.

        Args:
            media: which counts what stands.
            places: who is in which call.
        """
        with self._lock:  # first: what ends from here on is missing, for a moment, and not doubled
            gone, over = self._gone, dict(self._over)
        standing = media.statistics()
        counts = media if isinstance(media, CountsLines) else None
        lines = {} if counts is None else counts.lines()
        entries: defaultdict[CallId, dict[EntryId, EntryMediaStats]] = defaultdict(dict)
        for cid, entry_id, user_id in places:
            entries[cid][entry_id] = EntryMediaStats(
                user_id, standing.get(entry_id), tuple(lines.get(entry_id, ()))
            )
        with self._lock:
            calls = {
                cid: CallMediaStats(self._call(cid, over.get(cid, _NOTHING), those), those)
                for cid, those in entries.items()
            }
            total = together([gone, *over.values(), *standing.values()])
            load = None if counts is None else counts.load
            return RoomMediaStats(load, self._never_less(None, total), calls)

    def _call(
        self, cid: CallId, over: MediaStatistics, entries: Mapping[EntryId, EntryMediaStats]
    ) -> MediaStatistics:
        standing = [one.counted for one in entries.values() if one.counted is not None]
        found = together([over, *standing])
        return self._never_less(cid, found) if cid in self._standing else found

    def _never_less(self, cid: CallId | None, now: MediaStatistics) -> MediaStatistics:
        """Counters as of now, or as they were said last: loss is corrected, news takes a moment."""
        before = self._said.get(cid, _NOTHING)
        self._said[cid] = said = replace(
            now,
            packets_received=max(before.packets_received, now.packets_received),
            bytes_received=max(before.bytes_received, now.bytes_received),
            packets_sent=max(before.packets_sent, now.packets_sent),
            bytes_sent=max(before.bytes_sent, now.bytes_sent),
            packets_lost=max(before.packets_lost, now.packets_lost),
            key_frame_requests=max(before.key_frame_requests, now.key_frame_requests),
        )
        return said


def counters(statistics: MediaStatistics) -> MediaStatistics:
    """Without what is told of connections that stand, and of no others."""
    return replace(statistics, seconds=0.0, round_trip=None, jitter=None)
