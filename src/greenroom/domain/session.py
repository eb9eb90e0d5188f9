"""The Session aggregate: one occupation of a call; who came, left, is there.

Streams: `session-<cid>/<number>`. Opening and closing a session are facts of the call's stream,
so that the call always knows which session is the current one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, assert_never

from immutables import Map
from msgspec import Struct, structs

from greenroom.domain.access import Capability
from greenroom.domain.admission import Evidence, Occupancy, special_grants
from greenroom.domain.decider import Decider
from greenroom.domain.errors import EntryNotFound, NotPresent
from greenroom.domain.message import EntryId, Role, UserId
from greenroom.domain.session_commands import (
    ConnectMedia,
    Enter,
    Leave,
    LoseMedia,
    MuteUsers,
    Pin,
    PutOut,
    SessionCommand,
    Unpin,
)
from greenroom.domain.session_events import (
    Joined,
    Left,
    LeftReason,
    MediaConnected,
    MediaLost,
    Pinned,
    SessionEvent,
    Unpinned,
    UsersMuted,
)


class Entry(Struct, frozen=True, gc=False):
    """One connection that is in the call."""

    user_id: UserId
    joined_at: datetime
    connected: bool = False
    """Whether media was reported to flow."""


class Occupant(Struct, frozen=True, gc=False):
    """A user who is in the call, through one or several connections."""

    entry_ids: tuple[EntryId, ...]
    claimed: Role | None
    """Their user role as their last admission was told it; None where the User record says it."""
    counts: bool
    """Whether they count against the limit of participants."""


class Session(Struct, frozen=True, gc=False):
    """What deciding needs to know of one occupation of a call."""

    entries: Map[EntryId, Entry] = Map()
    occupants: Map[UserId, Occupant] = Map()
    counted: int = 0
    """Distinct users present who count against the limit."""
    closes_at: datetime | None = None
    """When it closes if nobody comes; None while somebody is there."""
    pinned: frozenset[UserId] = frozenset()

    def occupancy(self, user_id: UserId) -> Occupancy:
        """What admitting `user_id` depends on."""
        return Occupancy(self.counted, user_id in self.occupants)


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
        case MuteUsers():
            return _mute(session, command)
        case Pin(user_id=user_id) | Unpin(user_id=user_id):
            return _pin(session, command, user_id)
        case ConnectMedia():
            return _connect(session, command)
        case LoseMedia(entry_id=entry_id):
            if entry_id not in session.entries:
                return []
            lost = MediaLost(
                at=command.at, cid=command.cid, session=command.session, entry_id=entry_id
            )
            gone = _out(session, command, LeftReason.LOST, [entry_id], command.inactivity_timeout)
            return [lost, *gone]
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
        case MediaConnected(entry_id=entry_id):
            entry = session.entries.get(entry_id)
            if entry is None:
                return session
            entries = session.entries.set(entry_id, structs.replace(entry, connected=True))
            return structs.replace(session, entries=entries)
        case UsersMuted() | MediaLost():
            return session
        case _:
            assert_never(event)


def _with(session: Session, event: Joined) -> Session:
    entry = Entry(event.user_id, event.at)
    before = session.occupants.get(event.user_id)
    if before is None:
        occupant = Occupant((event.entry_id,), _claimed(event), event.counts)
        counted = session.counted + event.counts
    else:
        occupant = Occupant((*before.entry_ids, event.entry_id), _claimed(event), before.counts)
        counted = session.counted
    return Session(
        session.entries.set(event.entry_id, entry),
        session.occupants.set(event.user_id, occupant),
        counted,
        None,
        session.pinned,
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
    return Session(session.entries.delete(entry_id), occupants, counted, closes_at, pinned)


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


def _mute(session: Session, command: MuteUsers) -> Sequence[SessionEvent]:
    command.by.must(Capability.MUTE_USERS)
    if command.user_ids is None:
        muted = sorted(user for user in session.occupants if user != command.by.user_id)
    else:
        muted = sorted(user for user in command.user_ids if user in session.occupants)
    if not muted or not command.tracks:
        return []
    return [
        UsersMuted(
            at=command.at,
            cid=command.cid,
            session=command.session,
            user_ids=tuple(muted),
            tracks=command.tracks,
        )
    ]


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


def _connect(session: Session, command: ConnectMedia) -> Sequence[SessionEvent]:
    entry = session.entries.get(command.entry_id)
    if entry is None or entry.connected:
        return []
    return [
        MediaConnected(
            at=command.at,
            cid=command.cid,
            session=command.session,
            entry_id=command.entry_id,
            fingerprint=command.fingerprint,
        )
    ]


def roll(session: Session, events: Iterable[SessionEvent]) -> Session:
    """The session after all of `events`: what evolving says, in plain dicts until the end.

    Most who join a long session have left it before its end: nothing need be made of them.
    """
    entries: dict[EntryId, Entry | Joined] = dict(session.entries)
    crowd = {user: [*one.entry_ids] for user, one in session.occupants.items()}
    roles = {user: one.claimed for user, one in session.occupants.items()}
    counts = {user: one.counts for user, one in session.occupants.items()}
    closes_at, pinned = session.closes_at, set(session.pinned)
    for event in events:
        match event:
            case Joined(entry_id=entry_id, user_id=user_id):
                entries[entry_id] = event
                if user_id in crowd:
                    crowd[user_id].append(entry_id)
                else:
                    crowd[user_id] = [entry_id]
                    counts[user_id] = event.counts
                roles[user_id] = _claimed(event)
                closes_at = None
            case Left(entry_id=entry_id):
                entry = entries.pop(entry_id, None)
                if entry is None:
                    continue
                user_id = entry.user_id
                rest = [other for other in crowd[user_id] if other != entry_id]
                if rest:
                    crowd[user_id] = rest
                else:
                    del crowd[user_id]
                    pinned.discard(user_id)
                closes_at = event.closes_at
            case MediaConnected(entry_id=entry_id):
                entry = entries.get(entry_id)
                if entry is not None:
                    entries[entry_id] = structs.replace(_entry(entry), connected=True)
            case Pinned(user_id=user_id):
                pinned.add(user_id)
            case Unpinned(user_id=user_id):
                pinned.discard(user_id)
            case UsersMuted() | MediaLost():
                pass
            case _:
                assert_never(event)
    present = {user: Occupant(tuple(ids), roles[user], counts[user]) for user, ids in crowd.items()}
    return Session(
        Map({entry_id: _entry(entry) for entry_id, entry in entries.items()}),
        Map(present),
        sum(one.counts for one in present.values()),
        closes_at,
        frozenset(pinned),
    )


def _claimed(joined: Joined) -> Role | None:
    return joined.role if joined.claimed else None


def _entry(entry: Entry | Joined) -> Entry:
    return entry if isinstance(entry, Entry) else Entry(entry.user_id, entry.at)


SESSION: Final = Decider(Session(), decide, evolve, roll)
