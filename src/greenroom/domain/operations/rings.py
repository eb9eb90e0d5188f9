"""Ringing and notifying (semantics 7)."""

from __future__ import annotations

from collections.abc import Iterable

from greenroom.domain import checks
from greenroom.domain.access import Capability
from greenroom.domain.call_commands import CancelRing, NotifyMembers, RingMembers
from greenroom.domain.call_events import RingEndReason
from greenroom.domain.call_state import Call, Ring
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.decider import Asker
from greenroom.domain.errors import CallEnded, InvalidInput, MemberNotFound
from greenroom.domain.membership import Accept, Answer, Reject
from greenroom.domain.message import UserId
from greenroom.domain.operations.operation import Operation
from greenroom.domain.turn import TIMERS


def ring(member_ids: Iterable[str], *, video: bool = True) -> Operation[CallTurn]:
    """Call up to 25 members; whoever is in the call, or rings already, is left alone."""
    users = checks.user_ids(member_ids, "member_ids", checks.MAX_RUNG)
    checks.flag(video, "video")
    if not users:
        raise InvalidInput("member_ids", "at least one member")

    def decide(turn: CallTurn) -> None:
        turn.existing()
        ring_members(turn, users, video=video)

    return Operation("ring", decide, {"member_ids": users, "video": video})


def notify(member_ids: Iterable[str]) -> Operation[CallTurn]:
    """Tell members of the call without ringing."""
    users = checks.user_ids(member_ids, "member_ids")

    def decide(turn: CallTurn) -> None:
        turn.existing()
        notify_members(turn, users)

    return Operation("notify", decide, {"member_ids": users})


def ring_members(turn: CallTurn, users: Iterable[UserId], *, video: bool) -> None:
    """Ring those of these members who are not in the call and do not ring already."""
    _must_belong(turn)
    call, by, session = turn.call, turn.by, turn.session
    for past in call.rings:
        if past.missed_at <= turn.at:  # about to be forgotten, whether or not the timer was heard
            turn.miss(past, TIMERS)
    called = tuple(
        user
        for user in users
        if _member(turn, user)
        and user != by.user_id
        and user not in session.occupants
        and user not in call.blocked
        and not _rings(turn, user)
    )
    turn.tell_call(
        RingMembers(
            at=turn.at,
            by=by,
            cid=turn.cid,
            user_ids=called,
            video=video,
            settings=turn.settings,
        )
    )


def notify_members(turn: CallTurn, users: Iterable[UserId]) -> None:
    """Notify those of these members who are not in the call."""
    _must_belong(turn)
    by, session = turn.by, turn.session
    told = tuple(
        user
        for user in users
        if _member(turn, user) and user != by.user_id and user not in session.occupants
    )
    turn.tell_call(NotifyMembers(at=turn.at, by=by, cid=turn.cid, user_ids=told))


def cancel_ring() -> Operation[CallTurn]:
    """Withdraw one's own rings; the system withdraws all."""

    def decide(turn: CallTurn) -> None:
        turn.existing()
        _cancel_own(turn)

    return Operation("cancel_ring", decide)


def accept() -> Operation[CallTurn]:
    """Take the call one was rung for."""

    def decide(turn: CallTurn) -> None:
        call, by = _open(turn), turn.by
        user_id = by.user_id
        number = call.rung.get(user_id, 0)
        turn.tell_member(Accept(at=turn.at, by=by, cid=turn.cid, user_id=user_id, ring=number))

    return Operation("accept", decide)


def reject(reason: str = "decline") -> Operation[CallTurn]:
    """Decline the call one was rung for; for the caller, withdraw the ring with `cancel`.

    Who was rung and has called, too, is a caller unless they were rung when their own was over:
    if they were one only while it rings, asking again would be an answer that nobody meant.
    """
    reason = checks.text(reason, "reason", 200)

    def decide(turn: CallTurn) -> None:
        call, by = _open(turn), turn.by
        user_id = by.user_id
        if reason == "cancel" and call.calls(user_id):
            _cancel_own(turn)
            return
        number = call.rung.get(user_id, 0)
        turn.tell_member(
            Reject(
                at=turn.at,
                by=by,
                cid=turn.cid,
                user_id=user_id,
                ring=number,
                reason=reason,
                present=user_id in turn.session.occupants,
            )
        )
        ring = call.open_ring(user_id, turn.at)
        if ring is not None and _answers(turn, ring) == {Answer.REJECTED}:
            cancel(turn, ring, RingEndReason.ALL_REJECTED, by)

    return Operation("reject", decide, {"reason": reason})


def cancel(turn: CallTurn, ring: Ring, reason: RingEndReason, by: Asker) -> None:
    """Withdraw a ring; whoever had not answered has missed it."""
    turn.tell_call(CancelRing(at=turn.at, by=by, cid=turn.cid, ring=ring.number, reason=reason))
    turn.miss(ring, by)


def accepted(turn: CallTurn, ring: Ring) -> bool:
    """Whether anybody took the call."""
    return Answer.ACCEPTED in _answers(turn, ring)


def _answers(turn: CallTurn, ring: Ring) -> set[Answer | None]:
    return {turn.member(user).answer_to(ring.number) for user in ring.user_ids}


def _cancel_own(turn: CallTurn) -> None:
    by = turn.by
    for ring in turn.call.rings:
        if turn.at < ring.missed_at and (by.actor.system or ring.caller == by.user_id):
            cancel(turn, ring, RingEndReason.CANCELLED, by)


def _open(turn: CallTurn) -> Call:
    call = turn.existing()
    if call.ended_at is not None:
        raise CallEnded(call.ended_at)
    return call


def _member(turn: CallTurn, user_id: UserId) -> bool:
    if turn.member(user_id).role is None:
        raise MemberNotFound(user_id)
    return True


def _rings(turn: CallTurn, user_id: UserId) -> bool:
    ring = turn.call.open_ring(user_id, turn.at)
    return ring is not None and turn.member(user_id).answer_to(ring.number) is None


def _must_belong(turn: CallTurn) -> None:
    """Only who belongs to the call may disturb its members: members, the creator, hosts."""
    by = turn.by
    by.must(Capability.READ_CALL)
    standing = turn.standing
    if standing.member_role is None and not standing.owner:
        by.must(Capability.UPDATE_CALL)
