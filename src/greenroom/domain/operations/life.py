"""The life of a call: create, read, update, go live, stop, end, delete (semantics 2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from greenroom.domain import checks
from greenroom.domain.access import Capability
from greenroom.domain.call_commands import (
    CreateCall,
    DeleteCall,
    EndCall,
    EndSession,
    GoLive,
    RestoreCall,
    StopLive,
    UpdateCall,
)
from greenroom.domain.call_events import EndReason
from greenroom.domain.call_state import Call, Existence
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.decider import Asker
from greenroom.domain.errors import InvalidInput
from greenroom.domain.message import Json, Role, Team, UserId
from greenroom.domain.operations.members import Member, checked_members, put_members
from greenroom.domain.operations.operation import Operation
from greenroom.domain.operations.rings import notify_members, ring_members
from greenroom.domain.session_events import LeftReason
from greenroom.domain.settings import SettingsPatch, patched
from greenroom.domain.turn import TIMERS


@dataclass(frozen=True, slots=True)
class Backstage:
    """Backstage settings of one call; None leaves a field to the call's type.

    Args:
        enabled: whether the call starts closed to regular users.
        join_ahead_time_seconds: how long before `starts_at` they may come in all the same.
    """

    enabled: bool | None = None
    join_ahead_time_seconds: int | None = None


class Unset:
    """The type of `UNSET`."""

    def __repr__(self) -> str:
        """Read in help texts and signatures."""
        return "UNSET"


UNSET: Final = Unset()
"""Leave it as it is, where None means something else."""


@dataclass(frozen=True, slots=True)
class NewCall:
    """Checked create options."""

    members: tuple[tuple[UserId, Role | None, Json], ...] = ()
    custom: Json | None = None
    starts_at: datetime | None = None
    team: Team | None = None
    settings: SettingsPatch | None = None

    def in_turn(self, turn: CallTurn) -> bool:
        """Create the call with its members, unless it exists; whether it was created."""
        existed = turn.call.existence is Existence.HERE
        declared = turn.known_type().indexed_custom
        if not existed:
            checks.typed(self.custom or {}, declared.get("calls", {}), "custom")
        turn.tell_call(
            CreateCall(
                at=turn.at,
                by=turn.by,
                cid=turn.cid,
                call_type=turn.type_name,
                type_settings=turn.call_type.settings,
                team=self.team,
                custom=self.custom or {},
                starts_at=self.starts_at,
                settings=self.settings or {},
            )
        )
        if not existed:
            put_members(turn, self.members, founding=True)
        return not existed


def new_call(
    *,
    members: Iterable[Member] = (),
    member_ids: Iterable[str] = (),
    custom: Mapping[str, Any] | None = None,
    starts_at: datetime | None = None,
    team: str | None = None,
    max_duration: int | None = None,
    max_participants: int | None = None,
    backstage: Backstage | None = None,
    settings: Mapping[str, Any] | None = None,
) -> NewCall:
    """The create options of semantics 2, checked."""
    named = checked_members(members)
    known = {user_id for user_id, _, _ in named}
    plain = [user for user in checks.user_ids(member_ids, "member_ids") if user not in known]
    if len(named) + len(plain) > checks.MAX_MEMBERS:
        raise InvalidInput("members", f"at most {checks.MAX_MEMBERS} at once, member_ids included")
    no_custom: Json = {}
    return NewCall(
        members=(*named, *((user, None, no_custom) for user in plain)),
        custom=None
        if custom is None
        else checks.custom(custom, "custom", checks.CALL_CUSTOM_BYTES),
        starts_at=None if starts_at is None else checks.instant(starts_at, "starts_at"),
        team=None if team is None else checks.team(team, "team"),
        settings=patched({}, _settings(settings, max_duration, max_participants, backstage)),
    )


def create(
    call: NewCall, *, ring: bool = False, notify: bool = False, video: bool = True
) -> Operation[CallTurn]:
    """Get or create: an existing call is answered as it is, its options ignored."""
    checks.flags(ring=ring, notify=notify, video=video)

    def decide(turn: CallTurn) -> None:
        if not call.in_turn(turn):
            turn.existing()
            turn.by.must(Capability.READ_CALL)
        call_out(turn, ring=ring, notify=notify, video=video)

    return Operation(
        "create", decide, {"call": call, "ring": ring, "notify": notify, "video": video}
    )


def get(*, ring: bool = False, notify: bool = False, video: bool = True) -> Operation[CallTurn]:
    """Read the call; may ring or notify its members as well."""
    checks.flags(ring=ring, notify=notify, video=video)

    def decide(turn: CallTurn) -> None:
        turn.existing()
        turn.by.must(Capability.READ_CALL)
        call_out(turn, ring=ring, notify=notify, video=video)

    return Operation("get", decide, {"ring": ring, "notify": notify, "video": video})


def call_out(turn: CallTurn, *, ring: bool, notify: bool, video: bool) -> None:
    """Ring or notify every member."""
    if not (ring or notify):
        return
    everyone = turn.everyone()
    if len(everyone) > checks.MAX_MEMBERS:
        raise InvalidInput(
            "ring" if ring else "notify",
            f"a call of at most {checks.MAX_MEMBERS} members; name them instead",
        )
    if ring:
        ring_members(turn, everyone, video=video)
    if notify:
        notify_members(turn, everyone)


def update(
    *,
    custom: Mapping[str, Any] | None = None,
    starts_at: datetime | Unset | None = UNSET,
    settings: Mapping[str, Any] | None = None,
    max_duration: int | None = None,
    max_participants: int | None = None,
    backstage: Backstage | None = None,
) -> Operation[CallTurn]:
    """Change custom data (a JSON Merge Patch), schedule and settings."""
    patch = None if custom is None else checks.custom(custom, "custom", checks.CALL_CUSTOM_BYTES)
    moves = starts_at is not UNSET
    start = checks.instant(starts_at, "starts_at") if moves and starts_at is not None else None
    own = _settings(settings, max_duration, max_participants, backstage)

    def decide(turn: CallTurn) -> None:
        call = turn.existing()
        turn.tell_call(
            UpdateCall(
                at=turn.at,
                by=turn.by,
                cid=turn.cid,
                type_settings=turn.call_type.settings,
                occupied=bool(turn.session.entries),
                custom=patch,
                starts_at=start,
                moves_start=moves,
                settings=own,
            )
        )
        if turn.call is not call:
            declared = turn.call_type.indexed_custom.get("calls", {})
            checks.typed(turn.call.custom, declared, "custom")
            checks.custom(turn.call.custom, "custom", checks.CALL_CUSTOM_BYTES)

    return Operation(
        "update",
        decide,
        {"custom": patch, "starts_at": start, "moves_start": moves, "settings": own},
    )


def go_live() -> Operation[CallTurn]:
    """Leave backstage; open an ended call again."""

    def decide(turn: CallTurn) -> None:
        turn.existing()
        turn.tell_call(GoLive(at=turn.at, by=turn.by, cid=turn.cid))

    return Operation("go_live", decide)


def stop_live() -> Operation[CallTurn]:
    """Back to backstage; whoever may not be there is put out."""

    def decide(turn: CallTurn) -> None:
        before = turn.existing()
        turn.tell_call(StopLive(at=turn.at, by=turn.by, cid=turn.cid))
        if turn.call is before:
            return
        strangers = frozenset(
            user_id
            for user_id in turn.session.occupants
            if not turn.holds(user_id, Capability.JOIN_BACKSTAGE)
        )
        if strangers:
            turn.put_out(LeftReason.STOPPED_LIVE, strangers)

    return Operation("stop_live", decide)


def end() -> Operation[CallTurn]:
    """End the call for everyone."""

    def decide(turn: CallTurn) -> None:
        turn.existing()
        end_in_turn(turn, turn.by, EndReason.ENDED, LeftReason.ENDED)

    return Operation("end", decide)


def end_in_turn(turn: CallTurn, by: Asker, reason: EndReason, left: LeftReason) -> None:
    """End the call: everybody out, its session closed, its rings silent."""
    before = turn.call
    if before.ended_at is None:
        by.must(Capability.END_CALL)
        turn.put_out(left, by=by, closing=True)
    turn.tell_call(EndCall(at=turn.at, by=by, cid=turn.cid, reason=reason))
    _miss_all(turn, before, by)


def end_if_over(turn: CallTurn) -> None:
    """End a call whose session has lasted as long as it may, whether or not the timer was heard."""
    call = turn.call
    if call.existence is not Existence.HERE:
        return
    if call.timer_ends_at is None or turn.at < call.timer_ends_at:
        return
    if call.ended_at is None:
        end_in_turn(turn, TIMERS, EndReason.MAX_DURATION, LeftReason.MAX_DURATION)
    else:  # it had ended before this session began: only the session is over
        turn.put_out(LeftReason.MAX_DURATION, by=TIMERS, closing=True)
        turn.tell_call(EndSession(at=turn.at, by=TIMERS, cid=turn.cid, session=call.session))


def delete(*, hard: bool = False) -> Operation[CallTurn]:
    """Make the call unreachable; hard: for good, with everything personal in it."""
    checks.flag(hard, "hard")

    def decide(turn: CallTurn) -> None:
        before, by = turn.call, turn.by
        if before.existence in {Existence.HERE, Existence.ABSENT}:
            turn.existing()
        by.must(Capability.DELETE_CALL)
        turn.put_out(LeftReason.DELETED, closing=True)
        _miss_all(turn, before, by)
        turn.tell_call(DeleteCall(at=turn.at, by=by, cid=turn.cid, hard=hard))

    return Operation("delete", decide, {"hard": hard})


def restore() -> Operation[CallTurn]:
    """Take a soft deletion back; for the system."""

    def decide(turn: CallTurn) -> None:
        turn.tell_call(RestoreCall(at=turn.at, by=turn.by, cid=turn.cid))

    return Operation("restore", decide)


def _miss_all(turn: CallTurn, before: Call, by: Asker) -> None:
    """Whoever has not answered has missed the call, now that it is over."""
    for ring in before.rings:
        turn.miss(ring, by if turn.at < ring.missed_at else TIMERS)


def _settings(
    settings: Mapping[str, Any] | None,
    max_duration: int | None,
    max_participants: int | None,
    backstage: Backstage | None,
) -> SettingsPatch:
    """One patch from the general settings and the options that are named for themselves."""
    patch: SettingsPatch = {} if settings is None else checks.settings(settings)
    limits: dict[str, Any] = {}
    if max_duration is not None:
        limits["max_duration_seconds"] = checks.integer(
            max_duration, "max_duration", 1, 366 * 86400
        )
    if max_participants is not None:
        limits["max_participants"] = checks.integer(
            max_participants, "max_participants", 1, 1_000_000
        )
    named: dict[str, Any] = {"limits": limits}
    if backstage is not None:
        if type(backstage) is not Backstage:
            raise InvalidInput("backstage", "a Backstage")
        named["backstage"] = _said(backstage)
    return patched(patch, named)


def _said(backstage: Backstage) -> dict[str, Any]:
    """What somebody says of backstage, checked."""
    said: dict[str, Any] = {}
    if backstage.enabled is not None:
        said["enabled"] = checks.flag(backstage.enabled, "backstage.enabled")
    if backstage.join_ahead_time_seconds is not None:
        said["join_ahead_time_seconds"] = checks.integer(
            backstage.join_ahead_time_seconds, "backstage.join_ahead_time_seconds", 0, 366 * 86400
        )
    return said
