"""What the clock asks.

Each looks again before it acts: firing late, twice or on two machines is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from greenroom.domain.call_events import RingEndReason
from greenroom.domain.call_state import Call, Existence, Ring
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.operations.life import end_if_over
from greenroom.domain.operations.operation import Operation
from greenroom.domain.operations.presence import close_if_over
from greenroom.domain.operations.rings import accepted, cancel
from greenroom.domain.session_commands import PutOutLost
from greenroom.domain.turn import TIMERS


def max_duration(session: int) -> Operation[CallTurn]:
    """End the call whose session has lasted as long as it may."""

    def decide(turn: CallTurn) -> None:
        if turn.call.session == session:
            end_if_over(turn)

    return Operation("max_duration", decide, {"session": session})


def inactivity(session: int) -> Operation[CallTurn]:
    """Close the session that has been empty for long enough."""

    def decide(turn: CallTurn) -> None:
        if _here(turn.call) and turn.call.session == session:
            close_if_over(turn)

    return Operation("inactivity", decide, {"session": session})


def reconnection(session: int) -> Operation[CallTurn]:
    """Put out whoever was lost and has not connected again in time."""

    def decide(turn: CallTurn) -> None:
        if turn.call.session == session:
            turn.tell_session(
                PutOutLost(
                    at=turn.at,
                    by=TIMERS,
                    cid=turn.cid,
                    session=session,
                    inactivity_timeout=turn.inactivity_timeout,
                )
            )

    return Operation("reconnection", decide, {"session": session})


def auto_cancel(ring: int) -> Operation[CallTurn]:
    """Cancel the ring that nobody has accepted in time."""

    def decide(turn: CallTurn) -> None:
        one = _ring(turn.call, ring)
        if one is not None and one.auto_cancel_at <= turn.at and not accepted(turn, one):
            cancel(turn, one, RingEndReason.TIMEOUT, TIMERS)

    return Operation("auto_cancel", decide, {"ring": ring})


def missed(ring: int) -> Operation[CallTurn]:
    """Record whoever has not answered the ring in time."""

    def decide(turn: CallTurn) -> None:
        one = _ring(turn.call, ring)
        if one is not None and one.missed_at <= turn.at:
            turn.miss(one, TIMERS)

    return Operation("missed", decide, {"ring": ring})


TIMED: Final[Mapping[str, Callable[[int], Operation[CallTurn]]]] = {
    "max_duration": max_duration,
    "inactivity": inactivity,
    "reconnection": reconnection,
    "auto_cancel": auto_cancel,
    "missed": missed,
}
"""The operation of each kind of deadline, given the number of the session or ring it is for."""


def _here(call: Call) -> bool:
    return call.existence is Existence.HERE


def _ring(call: Call, number: int) -> Ring | None:
    if not _here(call):
        return None
    return next((ring for ring in call.rings if ring.number == number), None)
