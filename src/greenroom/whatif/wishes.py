"""From what was recorded back to what was asked for.

The log holds facts, not commands. What a command changed says what it was, so that the rules can
decide on it again; what it named beside that, and was so already, is not known and not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from greenroom.domain.access import Capability
from greenroom.domain.call_events import (
    CallCreated,
    CallDeleted,
    CallEnded,
    CallRestored,
    CallRung,
    CallUpdated,
    MembersNotified,
    RingCancelled,
    RingEndReason,
    SessionEnded,
    SessionEndReason,
    StoppedLive,
    UserBlocked,
    UserUnblocked,
    WentLive,
)
from greenroom.domain.call_state import Call
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import InvalidInput
from greenroom.domain.membership import (
    MemberAdded,
    MemberRemoved,
    Membership,
    MemberUpdated,
    PermissionRequested,
    PermissionsGranted,
    PermissionsRevoked,
    RingAccepted,
    RingMissed,
    RingRejected,
)
from greenroom.domain.merge import same_json
from greenroom.domain.message import Actor, Event, Json, Role, StreamId, UserId
from greenroom.domain.operations import life, media, people, presence, recording, rings
from greenroom.domain.operations.members import put_members
from greenroom.domain.operations.operation import Operation
from greenroom.domain.operations.timers import TIMED
from greenroom.domain.session_commands import MuteUsers
from greenroom.domain.session_events import (
    Joined,
    Left,
    LeftReason,
    MediaConnected,
    MediaLost,
    MediaMeasured,
    MediaPublished,
    MediaUnpublished,
    Pinned,
    RecordingEnd,
    RecordingResumed,
    RecordingStarted,
    RecordingStopped,
    TrackRecorded,
    Unpinned,
    UsersMuted,
    UserUnmuted,
)
from greenroom.domain.streams import call_stream, member_stream, user_stream
from greenroom.domain.turn import Claim, Folded
from greenroom.domain.user import User
from greenroom.whatif.deeds import Deed, Record

Load = Callable[[StreamId], Folded[Any]]
Wanted = Operation[CallTurn]


class Wish(Struct, frozen=True, gc=False):
    """What somebody asked for."""

    claim: Claim
    operation: Wanted
    asked: bool = True
    """Whether somebody asked; not where time was up, or media or a recorder had to report."""


def wish_of(deed: Deed, load: Load) -> Wish | None:
    """What led to `deed`; None where that cannot be told.

    Args:
        deed: of the log.
        load: the streams of its call as they were before it.
    """
    own = deed.own
    if not own:
        return _of_time(deed)
    try:
        operation = _operation(deed, own, load)
    except InvalidInput:  # what was allowed once need not be now
        return None
    if operation is None:
        return None
    return Wish(_claim(own, load), operation, asked=not _reports(own[0].event))


def _claim(own: Sequence[Record], load: Load) -> Claim:
    """Who asked, as they were when it was decided; looked up again where a join looked it up."""
    by: Actor = own[0].by
    if by.system:
        return Claim(by.name, system=True)
    joined = next((one.event for one in own if isinstance(one.event, Joined)), None)
    if joined is None or (joined.claimed and joined.evidence.user == 0):
        return Claim(by.name, by.role, by.teams)
    known: User = load(user_stream(UserId(by.name))).state
    teams = None if known.teams == by.teams else by.teams
    return Claim(by.name, by.role if joined.claimed else None, teams)


def _of_time(deed: Deed) -> Wish | None:
    """What fell due."""
    due = _due([record.event for record in deed.records])
    if not due:
        return None
    every = [TIMED[kind](number) for kind, number in due]
    return Wish(_TIMERS, _together("timers", every), asked=False)


def _due(events: Sequence[Event]) -> Sequence[tuple[str, int]]:
    """The deadlines, by kind and number."""
    missed = dict.fromkeys(("missed", one.ring) for one in events if isinstance(one, RingMissed))
    for event in events:
        match event:
            case RingCancelled(ring=number, reason=RingEndReason.TIMEOUT):
                return [("auto_cancel", number)]
            case Left(reason=LeftReason.LOST, session=number):
                return [("reconnection", number)]
            case Left(reason=LeftReason.MAX_DURATION, session=number):
                return [("max_duration", number)]
            case SessionEnded(reason=SessionEndReason.ENDED, session=number):
                return [("max_duration", number)]
            case SessionEnded(session=number):  # empty: either may have been due
                return [("inactivity", number), ("max_duration", number)]
    return [*missed]


def _together(name: str, operations: Sequence[Wanted]) -> Wanted:
    """All of them, one after the other."""

    def decide(turn: CallTurn) -> None:
        for operation in operations:
            operation.decide(turn)

    return Operation(name, decide)


def _operation(deed: Deed, own: Sequence[Record], load: Load) -> Wanted | None:
    """What was asked for, by what came of it: the most telling event decides."""
    found = {type(record.event): record.event for record in reversed(own)}  # the first of each
    for kind, made in _MADE.items():
        if kind in found:
            return made(found[kind], deed, [record.event for record in own], load)
    return None


def _of(kind: type[Event] | tuple[type[Event], ...], events: Iterable[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def _calling_out(events: Sequence[Event]) -> Callable[[CallTurn], None]:
    """Rings and notifies those who were rung and notified: whoever was left out would be again."""
    rung, notified = _of(CallRung, events), _of(MembersNotified, events)

    def call_out(turn: CallTurn) -> None:
        for one in rung:
            rings.ring_members(turn, one.user_ids, video=one.video)
        for one in notified:
            rings.notify_members(turn, one.user_ids)

    return call_out


def _and_call_out(operation: Wanted, events: Sequence[Event]) -> Wanted:
    call_out = _calling_out(events)

    def decide(turn: CallTurn) -> None:
        operation.decide(turn)
        call_out(turn)

    return Operation(operation.name, decide, operation.arguments)


def _join(event: Any, _deed: Deed, events: Sequence[Event], _load: Load) -> Wanted:
    create = life.new_call() if _of(CallCreated, events) else None
    return _and_call_out(presence.join(event.entry_id, create=create), events)


def _create(event: Any, _deed: Deed, events: Sequence[Event], _load: Load) -> Wanted:
    members = tuple((one.user_id, one.role, one.custom) for one in _of(MemberAdded, events))
    new = life.NewCall(members, event.custom, event.starts_at, event.team, event.settings)
    return _and_call_out(life.create(new), events)


def _update(event: Any, deed: Deed, _events: Sequence[Event], load: Load) -> Wanted:
    before: Call = load(call_stream(deed.cid)).state
    groups = {
        name: difference(before.settings.get(name, {}), event.settings.get(name, {}))
        for name in dict.fromkeys([*before.settings, *event.settings])
    }
    said: dict[str, Any] = {"settings": {name: fields for name, fields in groups.items() if fields}}
    if event.starts_at != before.starts_at:
        said["starts_at"] = event.starts_at
    custom = difference(before.custom, event.custom)
    if custom:
        said["custom"] = custom
    return life.update(**said)


def _put(_event: Any, deed: Deed, events: Sequence[Event], load: Load) -> Wanted:
    members: list[tuple[UserId, Role | None, Json]] = []
    for one in _of((MemberAdded, MemberUpdated), events):
        before: Membership = load(member_stream(deed.cid, one.user_id)).state
        members.append((one.user_id, one.role, difference(before.custom, one.custom)))

    def decide(turn: CallTurn) -> None:
        turn.existing()
        put_members(turn, members)

    return Operation("add_members", decide)


def _out(event: Any, _deed: Deed, events: Sequence[Event], _load: Load) -> Wanted | None:
    """What closes entries of itself."""
    match event:
        case Left(reason=LeftReason.LEFT):
            return presence.leave(event.entry_id if len(_of(Left, events)) == 1 else None)
        case Left(reason=LeftReason.KICKED):
            return people.kick(event.user_id, block=bool(_of(UserBlocked, events)))
        case _:
            return None


def _block(event: Any, _deed: Deed, events: Sequence[Event], _load: Load) -> Wanted:
    kicked = any(one.reason is LeftReason.KICKED for one in _of(Left, events))
    return people.kick(event.user_id, block=True) if kicked else people.block(event.user_id)


def _ring(_event: Any, _deed: Deed, events: Sequence[Event], _load: Load) -> Wanted:
    call_out = _calling_out(events)

    def decide(turn: CallTurn) -> None:
        turn.existing()
        call_out(turn)

    return Operation("ring" if _of(CallRung, events) else "notify", decide)


def _mute(event: Any, *_: Any) -> Wanted:
    def decide(turn: CallTurn) -> None:
        call, by = turn.existing(), turn.by
        by.must(Capability.MUTE_USERS)
        if call.session:
            turn.tell_session(
                MuteUsers(
                    at=turn.at,
                    by=by,
                    cid=turn.cid,
                    session=call.session,
                    tracks=event.tracks,
                    user_ids=frozenset(event.user_ids),
                )
            )

    return Operation("mute", decide)


def _unmute(event: Any, *_: Any) -> Wanted:
    return people.unmute(event.entry_ids[0], **dict.fromkeys(event.tracks, True))


def _measured(event: Any, *_: Any) -> Wanted:
    return media.measured(event.entry_id, event.session, event.epoch, event.statistics)


def _stopped_recording(event: Any, *_: Any) -> Wanted | None:
    """What stops a recording of itself: somebody, or that it cannot be written."""
    match event.reason:
        case RecordingEnd.STOPPED:
            return recording.stop()
        case RecordingEnd.FAILED:
            return recording.failed(event.session, event.recording, event.because)
        case _:
            return None


def _reports(event: Event) -> bool:
    """Whether nobody asked for it: it is how things are."""
    failed = isinstance(event, RecordingStopped) and event.reason is RecordingEnd.FAILED
    return failed or isinstance(event, _REPORTS)


_MADE: Final[Mapping[type[Event], Callable[..., Wanted | None]]] = {
    Joined: _join,
    CallCreated: _create,
    CallUpdated: _update,
    CallEnded: lambda *_: life.end(),
    CallDeleted: lambda event, *_: life.delete(hard=event.hard),
    CallRestored: lambda *_: life.restore(),
    WentLive: lambda *_: life.go_live(),
    StoppedLive: lambda *_: life.stop_live(),
    UserBlocked: _block,
    UserUnblocked: lambda event, *_: people.unblock(event.user_id),
    MemberRemoved: lambda _event, _deed, events, _load: people.remove(
        [one.user_id for one in _of(MemberRemoved, events)]
    ),
    MemberAdded: _put,
    MemberUpdated: _put,
    PermissionRequested: lambda event, *_: people.request_permissions(event.permissions),
    PermissionsGranted: lambda event, *_: people.grant_permissions(
        event.user_id, event.permissions
    ),
    PermissionsRevoked: lambda event, *_: people.revoke_permissions(
        event.user_id, event.permissions
    ),
    RingAccepted: lambda *_: rings.accept(),
    RingRejected: lambda event, *_: rings.reject(event.reason),
    RingCancelled: lambda *_: rings.cancel_ring(),
    CallRung: _ring,
    MembersNotified: _ring,
    UsersMuted: _mute,
    UserUnmuted: _unmute,
    Pinned: lambda event, *_: people.pin(event.user_id),
    Unpinned: lambda event, *_: people.unpin(event.user_id),
    MediaConnected: lambda event, *_: media.connected(
        event.entry_id, event.epoch, event.fingerprint
    ),
    MediaPublished: lambda event, *_: media.published(event.entry_id, event.epoch, event.kind),
    MediaUnpublished: lambda event, *_: media.unpublished(event.entry_id, event.epoch, event.kind),
    MediaLost: lambda event, *_: media.lost(event.entry_id, event.epoch),
    MediaMeasured: _measured,
    Left: _out,
    RecordingStarted: lambda *_: recording.start(),
    RecordingStopped: _stopped_recording,
    RecordingResumed: lambda event, *_: recording.resumed(event.session, event.recording),
    TrackRecorded: lambda event, *_: recording.recorded(
        event.session,
        event.recording,
        event.file,
        entry_id=event.entry_id,
        user_id=event.user_id,
        epoch=event.epoch,
        kind=event.kind,
    ),
}
"""What each event says was asked for; of several, the first that is named here."""
_REPORTS: Final = (
    MediaConnected,
    MediaPublished,
    MediaUnpublished,
    MediaLost,
    MediaMeasured,
    RecordingResumed,
    TrackRecorded,
)
_TIMERS: Final = Claim("timers", system=True)
TOLD_AGAIN: Final = frozenset(_MADE)
"""The events that say what was asked for; what else there is of calls follows from them."""


def difference(before: Json, after: Json) -> dict[str, Any]:
    """The JSON Merge Patch that leads from one object to the other."""
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        was = before.get(key)
        if isinstance(value, Mapping) and isinstance(was, Mapping):
            inner = difference(was, value)
            if inner:
                patch[key] = inner
        elif key not in before or not same_json({"": was}, {"": value}):
            patch[key] = value
    return patch
