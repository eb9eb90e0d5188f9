"""Where operations are carried out: decided in their lane, recorded at once, answered."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from greenroom.adapters.ids import Ids
from greenroom.answers import Answer
from greenroom.domain.errors import Conflict, Refused, RequestMismatch
from greenroom.domain.message import Decided, Event, EventId, RequestId
from greenroom.domain.operations.operation import Operation
from greenroom.domain.ports import Clock, EventStore, Request
from greenroom.domain.streams import erased_by
from greenroom.domain.turn import Claim, Load, Turn
from greenroom.lanes import Lanes
from greenroom.states import States, fold

T = TypeVar("T", bound=Turn)
A = TypeVar("A", bound=Answer)

ATTEMPTS: Final = 200
"""How often a command is decided again because other processes wrote first."""


@dataclass(frozen=True, slots=True)
class Command(Generic[T, A]):
    """An operation with everything it takes to carry it out."""

    lane: str
    """What it must not run beside: a cid, a call type's or a user's stream."""
    operation: Operation[T]
    turn: Callable[[datetime, Load], T]
    claim: Claim
    answer: Callable[[T], A]
    """What the asker is told, from the turn as decided; the position is added once recorded."""
    kind: TypeAdapter[A]
    """How the answer is kept for a repeat under the same request id."""
    request_id: RequestId | None = None
    causation_id: EventId | None = None
    """The event that made the system ask; None where somebody did."""
    correlation_id: RequestId | None = None
    """Of the chain it belongs to; None for the first of one."""


@dataclass(frozen=True, slots=True)
class Done(Generic[A]):
    """A command that was carried out, or had been before."""

    answer: A
    position: int
    """Of the last event it recorded; else of the log when it was decided."""
    events: tuple[Decided[Event], ...] = ()
    """What it recorded just now."""


class Desk:
    """Carries commands out. Safe for many threads; correct beside other processes."""

    def __init__(self, store: EventStore, clock: Clock, ids: Ids, states: States) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._states = states
        self._lanes = Lanes()

    def carry_out(self, command: Command[T, A]) -> Done[A]:
        """Decide, record, answer: all of it or nothing.

        Raises:
            Refused: the rules say no.
            RequestMismatch: the request id belongs to another command.
            Conflict: others wrote first, time and again.
            StoreError: it could not be recorded.
        """
        print_ = fingerprint(command) if command.request_id is not None else ""
        with self._lanes.hold(command.lane):
            for attempt in range(ATTEMPTS):
                repeated = self._repeated(command, print_)
                if repeated is not None:
                    return repeated
                try:
                    return self._once(command, print_)
                except Conflict:
                    time.sleep(random.uniform(0, min(0.001 * 2**attempt, 0.05)))  # noqa: S311 - jitter
        raise Conflict(f"{command.operation.name}: others wrote first {ATTEMPTS} times in a row")

    def _decide(self, command: Command[T, A]) -> T:
        turn = command.turn(self._clock.now(), self._states.load)
        try:
            command.operation.decide(turn)
        except Refused as refusal:
            if self._states.stand(turn.expects):
                raise
            raise Conflict(f"{command.operation.name}: refused on what is past") from refusal
        return turn

    def _once(self, command: Command[T, A], print_: str) -> Done[A]:
        erasures = self._states.follow()
        turn = self._decide(command)
        before = self._store.position()
        answer = command.answer(turn)
        request = None
        if command.request_id is not None:
            kept = answer.impersonal()
            if not turn.steps:  # a position that no event will give it
                kept = kept.model_copy(update={"position": before})
            request = Request(command.request_id, print_, command.kind.dump_json(kept))
        if not turn.steps and request is None:
            return Done(answer, before)
        events = self._decided(command, turn)
        written = {step.stream for step in turn.steps}  # their versions say what they expect
        expects = {
            stream: version for stream, version in turn.expects.items() if stream not in written
        }
        try:
            positions = self._store.append(events, expects, request, erased(turn))
        except Conflict:
            self._states.forget(turn.expects)
            raise
        self._states.keep(turn.states, positions, erasures)
        return Done(answer, positions[-1] if positions else before, events)

    def _decided(self, command: Command[T, A], turn: T) -> tuple[Decided[Event], ...]:
        request_id = command.request_id or self._ids.request_id()
        return tuple(
            Decided(
                stream=step.stream,
                version=step.version,
                event=step.event,
                event_id=self._ids.event_id(),
                by=step.by,
                request_id=request_id,
                correlation_id=command.correlation_id or request_id,
                causation_id=command.causation_id,
            )
            for step in turn.steps
        )

    def _repeated(self, command: Command[T, A], print_: str) -> Done[A] | None:
        """What was answered when this was asked before."""
        if command.request_id is None:
            return None
        before = self._store.request(command.request_id)
        if before is None:
            return None
        if before.fingerprint != print_:
            raise RequestMismatch(command.request_id)
        kept = command.kind.validate_json(before.answer)
        position = before.position or kept.position
        answer = kept.personal_again(lambda stream: fold(self._store, stream, position).state)
        return Done(answer, position)


def erased(turn: Turn) -> list[str]:
    """The subjects whose personal data the turn does away with."""
    subjects = (erased_by(step.event) for step in turn.steps)
    return [subject for subject in subjects if subject is not None]


def fingerprint(command: Command[Any, Any]) -> str:
    """The same for the same wish of the same actor, and for no other."""
    wish = {
        "lane": command.lane,
        "by": to_jsonable_python(command.claim),
        "operation": command.operation.name,
        "arguments": to_jsonable_python(command.operation.arguments),
    }
    return hashlib.sha256(json.dumps(wish, sort_keys=True).encode()).hexdigest()
