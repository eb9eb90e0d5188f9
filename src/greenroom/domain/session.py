"""The Session aggregate: one occupation of a call; who came, left, is there.

Streams: `session-<cid>/<number>`. Opening and closing a session are facts of the call's stream,
so that the call always knows which session is the current one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, assert_never

from msgspec import structs

from greenroom.domain import session_media, session_recording
from greenroom.domain.access import Capability
from greenroom.domain.admission import Evidence, special_grants
from greenroom.domain.decider import Decider
from greenroom.domain.errors import EntryNotFound, NotPresent
from greenroom.domain.message import EntryId, UserId
from greenroom.domain.session_commands import (
    ConnectMedia,
    EndRecording,
    Enter,
    Leave,
    LoseMedia,
    MeasureMedia,
    MediaReport,
    MuteUsers,
    Pin,
    Publish,
    PutOut,
    PutOutLost,
    ReportFile,
    ResumeRecording,
    SessionCommand,
    StartRecording,
    StopRecording,
    Unmute,
    Unpin,
    Unpublish,
)
from greenroom.domain.session_events import (
    Joined,
    Left,
    LeftReason,
    MediaConnected,
    MediaEvent,
    MediaLost,
    MediaMeasured,
    MediaPublished,
    MediaUnpublished,
    Pinned,
    RecordingResumed,
    RecordingStarted,
    RecordingStopped,
    SessionEvent,
    Track,
    TrackRecorded,
    Unpinned,
    UsersMuted,
    UserUnmuted,
)
from greenroom.domain.session_media import SENDING, Media
from greenroom.domain.session_rolling import roll
from greenroom.domain.session_state import (
    Occupant,
    Session,
    claimed,
    entered,
    told_of,
    unmeasured_of,
)


def decide(session: Session, command: SessionCommand) -> Sequence[SessionEvent]:
    """The events that `command` brings about; none where it is already so.

    Raises:
        Refused: the rules of joining (semantics 3) refuse, a capability is missing, or the
            entry is somebody else's.
    """
    match command:
        case Enter():
            return _enter(session, command)
        case Leave(entry_id=entry_id, by=by):
            entry = session.entries.get(entry_id)
            if entry is None:
                return []
            if not (by.actor.system or entry.user_id == by.user_id):
                raise EntryNotFound(entry_id)
            return _out(session, command, LeftReason.LEFT, [entry_id], command.inactivity_timeout)
        case PutOut(reason=reason, user_ids=users):
            return _out(
                session, command, reason, _entries(session, users), command.inactivity_timeout
            )
        case PutOutLost(at=at):
            late = _overdue(session, at)
            return _out(session, command, LeftReason.LOST, late, command.inactivity_timeout)
        case MuteUsers():
            return _mute(session, command)
        case Unmute():
            return _unmute(session, command)
        case Pin(user_id=user_id) | Unpin(user_id=user_id):
            return _pin(session, command, user_id)
        case ConnectMedia() | Publish() | Unpublish() | LoseMedia() | MeasureMedia():
            return _hear(session, command)
        case StartRecording() | StopRecording() | EndRecording() | ResumeRecording() | ReportFile():
            return session_recording.decide(session.recordings, command)
        case _:
            assert_never(command)


def evolve(session: Session, event: SessionEvent) -> Session:
    """The session after `event`. Never refuses: what is recorded has happened."""
    match event:
        case Joined():
            return _with(session, event)
        case Left(entry_id=entry_id, closes_at=closes_at):
            return _without(session, entry_id, closes_at)
        case Pinned(user_id=user_id):
            return structs.replace(session, pinned=session.pinned | {user_id})
        case Unpinned(user_id=user_id):
            return structs.replace(session, pinned=session.pinned - {user_id})
        case UsersMuted(entry_ids=entry_ids) | UserUnmuted(entry_ids=entry_ids):
            present = [one for one in entry_ids if one in session.entries]
            changed = {one: told_of(session.entries[one], event) for one in present}
            return structs.replace(session, entries=session.entries.update(changed))
        case (
            MediaConnected() | MediaPublished() | MediaUnpublished() | MediaLost() | MediaMeasured()
        ):
            return _heard(session, event)
        case RecordingStarted() | RecordingResumed() | RecordingStopped() | TrackRecorded():
            recordings = session_recording.evolve(session.recordings, event)
            return structs.replace(session, recordings=recordings)
        case _:
            assert_never(event)


def _with(session: Session, event: Joined) -> Session:
    entry = entered(event)
    before = session.occupants.get(event.user_id)
    if before is None:
        occupant = Occupant((event.entry_id,), claimed(event), event.counts)
        counted = session.counted + event.counts
    else:
        occupant = Occupant((*before.entry_ids, event.entry_id), claimed(event), before.counts)
        counted = session.counted
    return Session(
        session.entries.set(event.entry_id, entry),
        session.occupants.set(event.user_id, occupant),
        counted,
        None,
        session.pinned,
        session.unmeasured,
        session.recordings,
    )


def _without(session: Session, entry_id: EntryId, closes_at: datetime | None) -> Session:
    entry = session.entries.get(entry_id)
    if entry is None:
        return session
    occupant = session.occupants[entry.user_id]
    rest = tuple(other for other in occupant.entry_ids if other != entry_id)
    if rest:
        remaining = Occupant(rest, occupant.claimed, occupant.counts)
        occupants, counted = session.occupants.set(entry.user_id, remaining), session.counted
        pinned = session.pinned
    else:
        occupants = session.occupants.delete(entry.user_id)
        counted = session.counted - occupant.counts
        pinned = session.pinned - {entry.user_id} if session.pinned else session.pinned
    unmeasured = session.unmeasured
    if running := unmeasured_of(entry):
        unmeasured = unmeasured.set(entry_id, running)
    entries = session.entries.delete(entry_id)
    return Session(entries, occupants, counted, closes_at, pinned, unmeasured, session.recordings)


def _enter(session: Session, command: Enter) -> Sequence[SessionEvent]:
    if command.entry_id in session.entries:
        return []
    facts = command.facts
    grants = special_grants(facts, session.occupancy(command.by.user_id))
    call, call_type, membership, user = facts.versions
    return [
        Joined(
            at=command.at,
            cid=command.cid,
            session=command.session,
            entry_id=command.entry_id,
            user_id=command.by.user_id,
            role=facts.standing.user_role,
            claimed=facts.claimed,
            counts=facts.counts,
            muted=_muted(session, command.by.user_id),
            evidence=Evidence(
                call=call,
                call_type=call_type,
                membership=membership,
                user=user,
                member_role=facts.standing.member_role,
                owner=facts.standing.owner,
                grants=grants,
            ),
        )
    ]


def _out(
    session: Session,
    command: SessionCommand,
    reason: LeftReason,
    entry_ids: Sequence[EntryId],
    inactivity_timeout: timedelta | None,
) -> Sequence[SessionEvent]:
    closes_at = None
    if inactivity_timeout is not None and len(entry_ids) == len(session.entries):
        closes_at = command.at + inactivity_timeout
    last = len(entry_ids) - 1
    return [
        Left(
            at=command.at,
            cid=command.cid,
            session=command.session,
            entry_id=entry_id,
            user_id=session.entries[entry_id].user_id,
            reason=reason,
            closes_at=closes_at if n == last else None,
            awaited=session.entries[entry_id].media.leaves_at is not None,
        )
        for n, entry_id in enumerate(entry_ids)
    ]


def _entries(session: Session, users: frozenset[UserId] | None) -> list[EntryId]:
    """The entries of these users, or of everybody, in a fixed order."""
    named: Iterable[UserId] = session.occupants if users is None else users
    return [
        entry_id
        for user_id in sorted(named)
        if (occupant := session.occupants.get(user_id)) is not None
        for entry_id in occupant.entry_ids
    ]


def _overdue(session: Session, at: datetime) -> list[EntryId]:
    """Entries that should have connected again by now."""
    return [
        entry_id
        for entry_id, entry in session.entries.items()
        if entry.media.leaves_at is not None and entry.media.leaves_at <= at
    ]


def _mute(session: Session, command: MuteUsers) -> Sequence[SessionEvent]:
    command.by.must(Capability.MUTE_USERS)
    wanted = {*command.tracks}
    named = command.user_ids
    if named is None:
        named = frozenset(session.occupants) - {command.by.user_id}
    louder = [
        entry_id
        for entry_id in _entries(session, named)
        if not wanted.issubset(session.entries[entry_id].media.muted)
    ]
    if not louder:
        return []
    users = {session.entries[entry_id].user_id: None for entry_id in louder}
    return [
        UsersMuted(
            at=command.at,
            cid=command.cid,
            session=command.session,
            user_ids=tuple(users),
            tracks=command.tracks,
            entry_ids=tuple(louder),
        )
    ]


def _unmute(session: Session, command: Unmute) -> Sequence[SessionEvent]:
    by, entry = command.by, session.entries.get(command.entry_id)
    if entry is None or not (by.actor.system or entry.user_id == by.user_id):
        raise EntryNotFound(command.entry_id)
    for track in command.tracks:
        by.must(SENDING[track])
    muted = _muted(session, entry.user_id)
    tracks = tuple(track for track in command.tracks if track in muted)
    if not tracks:
        return []
    return [
        UserUnmuted(
            at=command.at,
            cid=command.cid,
            session=command.session,
            user_id=entry.user_id,
            tracks=tracks,
            entry_ids=session.occupants[entry.user_id].entry_ids,
        )
    ]


def _muted(session: Session, user_id: UserId) -> tuple[Track, ...]:
    """What is muted of a user, whichever entry it would come through."""
    occupant = session.occupants.get(user_id)
    if occupant is None:
        return ()
    found = {track for one in occupant.entry_ids for track in session.entries[one].media.muted}
    return tuple(sorted(found))


def _pin(session: Session, command: Pin | Unpin, user_id: UserId) -> Sequence[SessionEvent]:
    command.by.must(Capability.PIN_FOR_EVERYONE)
    at, cid, number = command.at, command.cid, command.session
    if isinstance(command, Unpin):
        if user_id not in session.pinned:
            return []
        return [Unpinned(at=at, cid=cid, session=number, user_id=user_id)]
    if user_id not in session.occupants:
        raise NotPresent(user_id)
    if user_id in session.pinned:
        return []
    return [Pinned(at=at, cid=cid, session=number, user_id=user_id)]


def _hear(session: Session, command: MediaReport) -> Sequence[SessionEvent]:
    """What media reports of an entry; of one that has left, only what went through it."""
    entry_id, entry = command.entry_id, session.entries.get(command.entry_id)
    if entry is None:
        if not isinstance(command, MeasureMedia):
            return []
        left = Media(fallen=session.unmeasured.get(entry_id, ()))
        return session_media.decide(left, structs.replace(command, grace=timedelta(0)))
    events = session_media.decide(entry.media, command)
    if not (isinstance(command, LoseMedia) and events) or command.grace > timedelta(0):
        return events
    if any(other != command.epoch for other in entry.media.standing):
        return events
    gone = _out(session, command, LeftReason.LOST, [entry_id], command.inactivity_timeout)
    return [*events, *gone]


def _heard(session: Session, event: MediaEvent) -> Session:
    entry_id, entry = event.entry_id, session.entries.get(event.entry_id)
    if entry is not None:
        entries = session.entries.set(entry_id, told_of(entry, event))
        return structs.replace(session, entries=entries)
    if entry_id not in session.unmeasured or not isinstance(event, MediaMeasured):
        return session
    rest = tuple(one for one in session.unmeasured[entry_id] if one != event.epoch)
    unmeasured = session.unmeasured
    unmeasured = unmeasured.set(entry_id, rest) if rest else unmeasured.delete(entry_id)
    return structs.replace(session, unmeasured=unmeasured)


SESSION: Final = Decider(Session(), decide, evolve, roll)
