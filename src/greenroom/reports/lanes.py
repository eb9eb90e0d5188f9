"""A lane for each person of a call: invited, called, there, heard and seen, gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from greenroom.domain.call_events import CallRung, SessionEnded
from greenroom.domain.membership import RingAccepted, RingMissed, RingRejected
from greenroom.domain.message import Event, Recorded
from greenroom.domain.session_events import Joined, Left, LeftReason, Track
from greenroom.projections.stepping import Change

CALM: Final = frozenset({LeftReason.LEFT, LeftReason.ENDED})
"""Ways to leave that nobody was put out by."""


class Span(NamedTuple):
    """Something that lasted."""

    kind: str
    """`invited rung there audio video shared blocked`, or `recorded` of the call."""
    start: datetime
    end: datetime | None
    """None where it goes on."""
    how: str
    """How it ended; empty where that is nothing to tell."""


@dataclass(slots=True)
class Lane:
    """One person's part in a call."""

    user_id: str
    role: str = ""
    """In the call, or of their user record: the last that was known."""
    spans: list[Span] = field(default_factory=list)


_TRACKS: Final = {
    Track.AUDIO: "audio",
    Track.VIDEO: "video",
    Track.SCREENSHARE: "shared",
    Track.SCREENSHARE_AUDIO: "shared",
}


class Lanes:
    """Draws lanes from the records of a call and from what each of them changes."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self._open: dict[tuple[str, str, str], datetime] = {}
        """Since when, by person, kind, and what keeps two of a kind apart."""
        self._entries: dict[str, str] = {}

    def take(self, record: Recorded[Event], changes: Sequence[Change]) -> None:
        """Go on with a record, and with what it changed."""
        event, at = record.event, record.at
        match event:
            case CallRung(user_ids=user_ids):
                for user_id in user_ids:
                    self._begin(user_id, "rung", "", at)
            case RingAccepted(user_id=user_id):
                self._end(user_id, "rung", "", at, "accepted")
            case RingRejected(user_id=user_id):
                self._end(user_id, "rung", "", at, "rejected")
            case RingMissed(user_id=user_id):
                self._end(user_id, "rung", "", at, "missed")
            case Joined(user_id=user_id, role=role):
                self._lane(user_id).role = role
            case Left(entry_id=entry_id, reason=reason):
                how = str(reason) if reason in CALM else f"{reason} by {record.by.user_id}"
                self._leave(entry_id, at, how)
            case SessionEnded():
                for entry in [*self._entries]:
                    self._leave(entry, at, "")
            case _:
                pass
        for change in changes:
            self._changed(change, at)

    def lanes(self) -> Sequence[Lane]:
        """All of them, in the order in which people appeared."""
        for (user_id, kind, _), since in self._open.items():
            self._lane(user_id).spans.append(Span(kind, since, None, ""))
        self._open.clear()
        return [*self._lanes.values()]

    def _changed(self, change: Change, at: datetime) -> None:
        match change:
            case Change("member", user_id, None):
                self._end(user_id, "invited", "", at, "removed")
            case Change("member", user_id, facts) if facts is not None:
                self._lane(user_id).role = facts["role"]
                self._begin(user_id, "invited", "", at)
            case Change("block", user_id, None):
                self._end(user_id, "blocked", "", at, "unblocked")
            case Change("block", user_id, _):
                self._begin(user_id, "blocked", "", at)
            case Change("participant", entry_id, facts) if facts is not None:
                self._entries[entry_id] = facts["user_id"]
                self._begin(facts["user_id"], "there", entry_id, at)
                heard = {*facts["published"]} - {*facts["muted"]}
                self._sends(entry_id, {_TRACKS[Track(track)] for track in heard}, at)
            case _:
                pass

    def _sends(self, entry_id: str, kinds: set[str], at: datetime) -> None:
        """What others may receive of an entry from now on."""
        user_id = self._entries[entry_id]
        for kind in _KINDS:
            if kind in kinds:
                self._begin(user_id, kind, entry_id, at)
            else:
                self._end(user_id, kind, entry_id, at, "")

    def _leave(self, entry_id: str, at: datetime, how: str) -> None:
        if entry_id in self._entries:
            self._sends(entry_id, set(), at)
            self._end(self._entries.pop(entry_id), "there", entry_id, at, how)

    def _begin(self, user_id: str, kind: str, which: str, at: datetime) -> None:
        self._lane(user_id)
        self._open.setdefault((user_id, kind, which), at)

    def _end(self, user_id: str, kind: str, which: str, at: datetime, how: str) -> None:
        since = self._open.pop((user_id, kind, which), None)
        if since is not None:
            self._lane(user_id).spans.append(Span(kind, since, max(since, at), how))

    def _lane(self, user_id: str) -> Lane:
        if user_id not in self._lanes:
            self._lanes[user_id] = Lane(user_id)
        return self._lanes[user_id]


_KINDS: Final = tuple(dict.fromkeys(_TRACKS.values()))


def told(lane: Lane) -> Iterator[str]:
    """The same in words, for who cannot see it: `there 12:00:00 to 12:01:30 (left)`."""
    for span in sorted(lane.spans, key=lambda span: span.start):
        end = f" to {span.end:%H:%M:%S}" if span.end else " on"
        yield f"{span.kind} {span.start:%H:%M:%S}{end}{f' ({span.how})' if span.how else ''}"
