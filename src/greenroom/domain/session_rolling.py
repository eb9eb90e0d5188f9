"""Rolling a long session up: the same as evolving by one event after the other, but faster."""

from __future__ import annotations

from collections.abc import Iterable

from immutables import Map

from greenroom.domain.message import EntryId
from greenroom.domain.session_events import (
    Joined,
    Left,
    MediaEvent,
    MediaMeasured,
    Pinned,
    RecordingResumed,
    RecordingStarted,
    RecordingStopped,
    SessionEvent,
    TrackRecorded,
    Unpinned,
    UsersMuted,
    UserUnmuted,
)
from greenroom.domain.session_recording import evolve as recorded
from greenroom.domain.session_state import (
    Entry,
    Occupant,
    Session,
    claimed,
    entered,
    told_of,
    unmeasured_of,
)


def roll(session: Session, events: Iterable[SessionEvent]) -> Session:
    """The session after all of `events`: what evolving says, in plain dicts until the end.

    Most who join a long session have left it before its end: nothing need be made of them.
    """
    entries: dict[EntryId, Entry | Joined] = dict(session.entries)
    crowd = {user: [*one.entry_ids] for user, one in session.occupants.items()}
    roles = {user: one.claimed for user, one in session.occupants.items()}
    counts = {user: one.counts for user, one in session.occupants.items()}
    closes_at, pinned = session.closes_at, set(session.pinned)
    unmeasured = dict(session.unmeasured)
    recordings = session.recordings
    for event in events:
        match event:
            case Joined(entry_id=entry_id, user_id=user_id):
                entries[entry_id] = event
                if user_id not in crowd:
                    crowd[user_id], counts[user_id] = [], event.counts
                crowd[user_id].append(entry_id)
                roles[user_id] = claimed(event)
                closes_at = None
            case Left(entry_id=entry_id):
                entry = entries.pop(entry_id, None)
                if entry is None:
                    continue
                if running := unmeasured_of(_made(entry)):
                    unmeasured[entry_id] = running
                user_id = entry.user_id
                rest = [other for other in crowd[user_id] if other != entry_id]
                if rest:
                    crowd[user_id] = rest
                else:
                    del crowd[user_id]
                    pinned.discard(user_id)
                closes_at = event.closes_at
            case UsersMuted() | UserUnmuted():
                _mute(event, entries)
            case Pinned(user_id=user_id):
                pinned.add(user_id)
            case Unpinned(user_id=user_id):
                pinned.discard(user_id)
            case RecordingStarted() | RecordingResumed() | RecordingStopped() | TrackRecorded():
                recordings = recorded(recordings, event)
            case _:
                _hear(event, entries, unmeasured)
    present = {user: Occupant(tuple(ids), roles[user], counts[user]) for user, ids in crowd.items()}
    return Session(
        Map({entry_id: _made(entry) for entry_id, entry in entries.items()}),
        Map(present),
        sum(one.counts for one in present.values()),
        closes_at,
        frozenset(pinned),
        Map(unmeasured),
        recordings,
    )


def _mute(event: UsersMuted | UserUnmuted, entries: dict[EntryId, Entry | Joined]) -> None:
    for entry_id in event.entry_ids:
        if entry_id in entries:
            entries[entry_id] = told_of(_made(entries[entry_id]), event)


def _hear(
    event: MediaEvent,
    entries: dict[EntryId, Entry | Joined],
    unmeasured: dict[EntryId, tuple[int, ...]],
) -> None:
    """Note what media told of an entry; of one that has left, only that it was measured."""
    entry_id, entry = event.entry_id, entries.get(event.entry_id)
    if entry is not None:
        entries[entry_id] = told_of(_made(entry), event)
    elif isinstance(event, MediaMeasured) and entry_id in unmeasured:
        rest = tuple(one for one in unmeasured.pop(entry_id) if one != event.epoch)
        if rest:
            unmeasured[entry_id] = rest


def _made(entry: Entry | Joined) -> Entry:
    return entry if isinstance(entry, Entry) else entered(entry)
