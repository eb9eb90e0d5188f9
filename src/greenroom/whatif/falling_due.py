"""What falls due in a call that goes another way than it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from greenroom.domain.call_state import Call, Existence
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.message import CallId
from greenroom.domain.operations.timers import TIMED
from greenroom.domain.session_state import Session
from greenroom.domain.streams import call_stream, session_stream
from greenroom.domain.turn import TIMERS, Claim
from greenroom.whatif.worlds import CallWorld

Turning = Callable[[CallId, Claim, datetime, CallWorld], CallTurn]
Due = tuple[datetime, str, int]
"""When what falls due, and for which session or ring."""
_CLAIM: Final = Claim(TIMERS.actor.name, system=True)


def fire_due(world: CallWorld, until: datetime, turn: Turning) -> None:
    """Let happen what falls due in `world` before `until`, each at its instant."""
    void: set[Due] = set()
    while True:
        due = min((one for one in _deadlines(world) if one not in void), default=None)
        if due is None or due[0] > until:
            return
        at, kind, number = due
        made = turn(world.cid, _CLAIM, at, world)
        TIMED[kind](number).decide(made)
        if made.steps:
            world.take(made.steps)
        else:
            void.add(due)


def _deadlines(world: CallWorld) -> Iterator[Due]:
    call: Call = world.load(call_stream(world.cid)).state
    if call.existence is not Existence.HERE:
        return
    number = call.session
    if number:
        session: Session = world.load(session_stream(world.cid, number)).state
        if call.timer_ends_at is not None:
            yield call.timer_ends_at, "max_duration", number
        if session.closes_at is not None:
            yield session.closes_at, "inactivity", number
        for entry in session.entries.values():
            if entry.media.leaves_at is not None:
                yield entry.media.leaves_at, "reconnection", number
    for ring in call.rings:
        yield ring.auto_cancel_at, "auto_cancel", ring.number
        yield ring.missed_at, "missed", ring.number
