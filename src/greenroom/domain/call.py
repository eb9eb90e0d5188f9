"""The Call aggregate: life cycle, schedule, settings, blocks, rings, and which session is on.

Streams: `call-<cid>`. Short, and rarely written: who is in the call is the session's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from greenroom.domain.access import Capability
from greenroom.domain.call_commands import (
    BlockUser,
    CallCommand,
    CancelRing,
    CreateCall,
    DeleteCall,
    EndCall,
    EndSession,
    GoLive,
    NotifyMembers,
    RestoreCall,
    RingMembers,
    StartSession,
    StopLive,
    UnblockUser,
    UpdateCall,
)
from greenroom.domain.call_events import (
    CallCreated,
    CallDeleted,
    CallEnded,
    CallEvent,
    CallRestored,
    CallRung,
    CallUpdated,
    MembersNotified,
    RingCancelled,
    RingEndReason,
    SessionEnded,
    SessionEndReason,
    SessionStarted,
    StoppedLive,
    UserBlocked,
    UserUnblocked,
    WentLive,
)
from greenroom.domain.call_state import Call, Existence, Ring
from greenroom.domain.decider import Decider
from greenroom.domain.errors import CallEnded as AlreadyEnded
from greenroom.domain.errors import CallNotFound, NotAllowed, RingingDisabled
from greenroom.domain.merge import merge_patch, same_json
from greenroom.domain.settings import Settings, patched


def decide(call: Call, command: CallCommand) -> Sequence[CallEvent]:
    """The events that `command` brings about; none where it is already so.

    Raises:
        CallNotFound: there is no such call, or it was deleted.
        NotAllowed: a capability is missing (semantics 2).
        CallEnded: ringing an ended call.
    """
    match command:
        case CreateCall():
            return _create(call, command)
        case DeleteCall():
            return _delete(call, command)
        case RestoreCall():
            return _restore(call, command)
    if call.existence is not Existence.HERE:
        raise CallNotFound(command.cid)
    at, cid, by = command.at, command.cid, command.by
    match command:
        case UpdateCall():
            return _update(call, command)
        case GoLive():
            by.must(Capability.UPDATE_CALL)
            if not call.backstage and call.ended_at is None:
                return []
            return [WentLive(at=at, cid=cid, backstage=call.backstage)]
        case StopLive():
            by.must(Capability.UPDATE_CALL)
            return [] if call.backstage else [StoppedLive(at=at, cid=cid)]
        case EndCall():
            by.must(Capability.END_CALL)
            return _end(call, command)
        case BlockUser(user_id=user_id):
            by.must(Capability.BLOCK_USERS)
            return [] if user_id in call.blocked else [UserBlocked(at=at, cid=cid, user_id=user_id)]
        case UnblockUser(user_id=user_id):
            by.must(Capability.BLOCK_USERS)
            if user_id not in call.blocked:
                return []
            return [UserUnblocked(at=at, cid=cid, user_id=user_id)]
        case RingMembers() | CancelRing() | NotifyMembers():
            return _ring(call, command)
        case StartSession() | EndSession():
            return _session(call, command)
        case _:
            assert_never(command)


def evolve(call: Call, event: CallEvent) -> Call:
    """The call after `event`. Never refuses: what is recorded has happened."""
    match event:
        case CallCreated():
            return _created(event)
        case CallUpdated():
            return replace(
                call,
                custom=event.custom,
                starts_at=event.starts_at,
                settings=event.settings,
                backstage=event.backstage,
                timer_ends_at=event.timer_ends_at,
                updated_at=event.at,
            )
        case WentLive(at=at):
            return replace(
                call,
                backstage=False,
                ended_at=None,
                live_started_at=at,
                live_ended_at=None,
                updated_at=at,
            )
        case StoppedLive(at=at):
            return replace(call, backstage=True, live_ended_at=at, updated_at=at)
        case CallEnded(at=at):
            return replace(call, ended_at=at, updated_at=at)
        case UserBlocked(at=at, user_id=user_id):
            return replace(call, blocked=call.blocked | {user_id}, updated_at=at)
        case UserUnblocked(at=at, user_id=user_id):
            return replace(call, blocked=call.blocked - {user_id}, updated_at=at)
        case CallDeleted(hard=True):
            return Call(Existence.ERASED, call.cid, call.call_type)
        case CallDeleted():
            return replace(call, existence=Existence.DELETED)
        case CallRestored(at=at):
            return replace(call, existence=Existence.HERE, updated_at=at)
        case CallRung() | RingCancelled():
            return _rung(call, event)
        case MembersNotified():
            return call
        case SessionStarted(at=at, session=number):
            return replace(
                call,
                session=number,
                sessions=number,
                session_started_at=at,
                timer_ends_at=event.timer_ends_at,
            )
        case SessionEnded():
            return replace(call, session=0, session_started_at=None, timer_ends_at=None)
        case _:
            assert_never(event)


def _create(call: Call, command: CreateCall) -> Sequence[CallEvent]:
    command.by.must(Capability.CREATE_CALL)
    match call.existence:
        case Existence.HERE:
            return []
        case Existence.DELETED | Existence.ERASED:
            raise CallNotFound(command.cid)
        case Existence.ABSENT:
            settings = command.type_settings.overridden(command.settings)
            return [
                CallCreated(
                    at=command.at,
                    cid=command.cid,
                    call_type=command.call_type,
                    created_by=command.by.user_id,
                    team=command.team,
                    custom=dict(command.custom),
                    starts_at=command.starts_at,
                    settings=command.settings,
                    backstage=settings.backstage.enabled,
                )
            ]
        case _:
            assert_never(call.existence)


def _created(event: CallCreated) -> Call:
    return Call(
        existence=Existence.HERE,
        cid=event.cid,
        call_type=event.call_type,
        created_by=event.created_by,
        team=event.team,
        custom=event.custom,
        settings=event.settings,
        created_at=event.at,
        updated_at=event.at,
        starts_at=event.starts_at,
        backstage=event.backstage,
    )


def _update(call: Call, command: UpdateCall) -> Sequence[CallEvent]:
    _may_update(command)
    own = patched(call.settings, command.settings)
    before = command.type_settings.overridden(call.settings)
    after = command.type_settings.overridden(own)
    backstage = call.backstage
    if before.backstage.enabled != after.backstage.enabled and not (
        after.backstage.enabled and command.occupied
    ):
        backstage = after.backstage.enabled
    timer = call.timer_ends_at
    if before.limits.max_duration_seconds != after.limits.max_duration_seconds:
        timer = _timer(call.session_started_at, after)
    updated = CallUpdated(
        at=command.at,
        cid=command.cid,
        custom=merge_patch(call.custom, command.custom or {}),
        starts_at=command.starts_at if command.moves_start else call.starts_at,
        settings=own,
        backstage=backstage,
        timer_ends_at=timer,
    )
    unchanged = replace(evolve(call, updated), updated_at=call.updated_at) == call
    return [] if unchanged and same_json(updated.custom, call.custom) else [updated]


def _may_update(command: UpdateCall) -> None:
    """Each part of an update needs its own capability (semantics 2)."""
    groups = {name: set(fields) for name, fields in command.settings.items()}
    duration = "max_duration_seconds" in groups.get("limits", set())
    if duration:
        groups["limits"].discard("max_duration_seconds")
        command.by.must(Capability.CHANGE_MAX_DURATION)
    others = any(groups.values())
    if others:
        command.by.must(Capability.UPDATE_CALL_SETTINGS)
    if command.custom is not None or command.moves_start or not (duration or others):
        command.by.must(Capability.UPDATE_CALL)


def _end(call: Call, command: EndCall) -> Sequence[CallEvent]:
    if call.ended_at is not None:
        return []
    return [
        *_silence(call, command, RingEndReason.ENDED),
        CallEnded(at=command.at, cid=command.cid, reason=command.reason),
        *_close(call, command, SessionEndReason.ENDED),
    ]


def _delete(call: Call, command: DeleteCall) -> Sequence[CallEvent]:
    if command.hard and not command.by.actor.system:
        raise NotAllowed(command.by.actor.name, f"{Capability.DELETE_CALL} hard=True")
    if call.existence is Existence.ABSENT:
        raise CallNotFound(command.cid)
    command.by.must(Capability.DELETE_CALL)
    if call.existence is Existence.ERASED:
        return []
    if call.existence is Existence.DELETED and not command.hard:
        return []
    return [
        *_silence(call, command, RingEndReason.DELETED),
        *_close(call, command, SessionEndReason.DELETED),
        CallDeleted(at=command.at, cid=command.cid, hard=command.hard),
    ]


def _restore(call: Call, command: RestoreCall) -> Sequence[CallEvent]:
    if call.existence in {Existence.ABSENT, Existence.ERASED}:
        raise CallNotFound(command.cid)
    if not command.by.actor.system:
        raise NotAllowed(command.by.actor.name, "restore (the system only)")
    if call.existence is Existence.HERE:
        return []
    return [CallRestored(at=command.at, cid=command.cid)]


def _silence(call: Call, command: CallCommand, reason: RingEndReason) -> Sequence[CallEvent]:
    return [
        RingCancelled(at=command.at, cid=command.cid, ring=ring.number, reason=reason)
        for ring in call.rings
        if command.at < ring.missed_at
    ]


def _close(call: Call, command: CallCommand, reason: SessionEndReason) -> Sequence[CallEvent]:
    if call.session == 0:
        return []
    return [SessionEnded(at=command.at, cid=command.cid, session=call.session, reason=reason)]


def _session(call: Call, command: StartSession | EndSession) -> Sequence[CallEvent]:
    match command:
        case EndSession(session=number):
            if call.session != number:
                return []
            return _close(call, command, SessionEndReason.EMPTY)
        case StartSession(settings=settings):
            if call.session:
                return []
            return [
                SessionStarted(
                    at=command.at,
                    cid=command.cid,
                    session=call.sessions + 1,
                    started_by=command.by.user_id,
                    backstage=call.backstage,
                    timer_ends_at=_timer(command.at, settings),
                )
            ]
        case _:
            assert_never(command)


def _timer(started_at: datetime | None, settings: Settings) -> datetime | None:
    seconds = settings.limits.max_duration_seconds
    if started_at is None or seconds is None:
        return None
    return started_at + timedelta(seconds=seconds)


def _ring(call: Call, command: RingMembers | CancelRing | NotifyMembers) -> Sequence[CallEvent]:
    at, cid = command.at, command.cid
    match command:
        case CancelRing(ring=number, reason=reason):
            if all(ring.number != number for ring in call.rings):
                return []
            return [RingCancelled(at=at, cid=cid, ring=number, reason=reason)]
        case NotifyMembers(user_ids=users):
            return [MembersNotified(at=at, cid=cid, user_ids=users)] if users else []
        case RingMembers(user_ids=users, settings=settings):
            cancel, missed = (
                settings.ring.auto_cancel_timeout_ms,
                settings.ring.missed_call_timeout_ms,
            )
            if cancel is None or missed is None:
                raise RingingDisabled(call.call_type)
            if call.ended_at is not None:
                raise AlreadyEnded(call.ended_at)
            if not users:
                return []
            return [
                CallRung(
                    at=at,
                    cid=cid,
                    ring=call.ring_count + 1,
                    caller=command.by.user_id,
                    user_ids=users,
                    video=command.video,
                    auto_cancel_at=at + timedelta(milliseconds=min(cancel, missed)),
                    missed_at=at + timedelta(milliseconds=missed),
                )
            ]
        case _:
            assert_never(command)


def _rung(call: Call, event: CallRung | RingCancelled) -> Call:
    if isinstance(event, RingCancelled):
        return replace(call, rings=tuple(r for r in call.rings if r.number != event.ring))
    ring = Ring(event.ring, event.caller, event.user_ids, event.auto_cancel_at, event.missed_at)
    still = tuple(r for r in call.rings if event.at < r.missed_at)
    calling = {event.caller, *(r.caller for r in still if r.caller in event.user_ids)}
    return replace(
        call,
        rings=(*still, ring),
        ring_count=event.ring,
        rung=call.rung.update(dict.fromkeys(event.user_ids, event.ring)),
        callers=call.callers.update(dict.fromkeys(calling, event.ring)),
    )


CALL: Final = Decider(Call(), decide, evolve)
