"""Where operations are carried out: decided in their lane, recorded at once, answered."""

from __future__ import annotations

import hmac
import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct, to_builtins
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from greenroom.adapters.ids import Ids
from greenroom.answers import Answer
from greenroom.causes import explained
from greenroom.domain.errors import (
    Conflict,
    GreenroomError,
    InvalidInput,
    Refused,
    Repeated,
    RequestMismatch,
)
from greenroom.domain.message import CallId, Decided, Event, EventId, RequestId, UserId
from greenroom.domain.operations.operation import Operation
from greenroom.domain.ports import Append, Clock, EventStore, Request
from greenroom.domain.streams import ERASING, call_stream, erased_by
from greenroom.domain.turn import Claim, Turn
from greenroom.folding import fold
from greenroom.intake import Intake
from greenroom.lanes import Lanes
from greenroom.pipeline import Pipeline
from greenroom.proposal import Proposal
from greenroom.sight import Sight
from greenroom.telemetry import Watch, again

T = TypeVar("T", bound=Turn)
A = TypeVar("A", bound=Answer)

ATTEMPTS: Final = 200
"""How often a command is decided again because others wrote first."""
PATIENCE: Final = 2
"""Attempts before a command is decided while nobody else can record."""


class Command(Struct, Generic[T, A], frozen=True):
    """An operation with everything it takes to carry it out."""

    lane: str
    """What it must not run beside: a cid, a call type's or a user's stream."""
    operation: Operation[T]
    turn: Callable[[datetime, Sight], T]
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
    watch: Watch | None = None
    """Looks at what becomes of it; None where nobody wants to know."""

    @property
    def deletes(self) -> bool:
        """Whether it is to delete a call."""
        return self.operation.name == "delete"


class Done(Struct, Generic[A], frozen=True):
    """A command that was carried out, or had been before."""

    answer: A
    position: int
    """Of the last event it recorded; else of the log when it was decided."""
    events: tuple[Decided[Event], ...] = ()
    """What it recorded just now."""
    erased: tuple[Event, ...] = ()
    """What did away with personal data, now or before: what is left of it goes as well."""
    repeated: bool = False
    """Whether it had been carried out before."""

    @property
    def wakes(self) -> bool:
        """Whether something may follow by itself: whoever was first may not have come to it."""
        return self.repeated or bool(self.events)


class Decision(Struct, Generic[A], frozen=True):
    """What was decided on a command, on its way into the log."""

    proposal: Proposal
    answer: A | GreenroomError
    """What the asker is told once it is settled; a refusal, too, has to stand by then."""
    events: tuple[Decided[Event], ...]


class Desk:
    """Carries commands out. Safe for many threads; correct beside other processes."""

    def __init__(
        self,
        store: EventStore,
        clock: Clock,
        ids: Ids,
        pipeline: Pipeline,
        *,
        members: Callable[[CallId], Iterable[UserId]],
        in_flight: int,
    ) -> None:
        self.intake: Final = Intake(in_flight)
        self.lanes: Final = Lanes()
        self.pipeline: Final = pipeline
        self.states: Final = pipeline.states
        self.store: Final = store
        self.members: Final = members
        self.refused: Callable[[Command[Any, Any], Refused, int], None] = lambda *_: None
        """Told of every command that is refused, and of the position it was refused at."""
        self._clock = clock
        self._ids = ids

    def carry_out(self, command: Command[T, A]) -> Done[A]:
        """Decide, record, answer: all of it or nothing.

        Raises:
            Refused: the rules say no.
            RequestMismatch: the request id belongs to another command.
            Conflict: others wrote first, time and again.
            Overloaded: too many commands are on their way.
            StoreError: it could not be recorded.
        """
        with self.intake.hold():
            return self._carry_out(command)

    def carry_out_in_order(
        self, commands: Iterable[Command[T, A]], ahead: int
    ) -> Iterator[Done[A]]:
        """Carry out one after the other, each decided on what those before it will have led to.

        Up to `ahead` of them are on their way into the log at once. One that is refused is the
        last: those before it stand, and no other is asked for.

        Raises:
            Refused, Conflict, Overloaded, StoreError: as for `carry_out`.
        """
        on_their_way: deque[tuple[Command[T, A], Decision[A], Gate]] = deque()
        try:
            with self.intake.hold():
                for command in commands:
                    with self.lanes.hold(command.lane):
                        on_their_way.append((command, *self._propose(command)))
                    refused = isinstance(on_their_way[-1][1].answer, GreenroomError)
                    while on_their_way and (refused or len(on_their_way) >= ahead):
                        yield self._awaited(*on_their_way.popleft())
                while on_their_way:
                    yield self._awaited(*on_their_way.popleft())
        finally:
            for _, decision, _ in on_their_way:
                self.pipeline.withdraw(decision.proposal)

    def _awaited(self, command: Command[T, A], decision: Decision[A], gate: Gate) -> Done[A]:
        """What came of a decision on its way; decided again where others wrote first."""
        done = self.conclude(command, self._settle(decision, gate))
        return self._carry_out(command) if done is None else done

    def _carry_out(self, command: Command[T, A]) -> Done[A]:
        for attempt in range(ATTEMPTS):
            with self.lanes.hold(command.lane):
                if attempt < PATIENCE:
                    decision, gate = self._propose(command)
                else:
                    decision, gate = self.decide_alone(command), Gate()
            done = self.conclude(command, self._settle(decision, gate))
            if done is not None:
                return done
            again(command, attempt + 1)
            time.sleep(pause(attempt))
        raise Conflict(f"{command.operation.name}: others wrote first {ATTEMPTS} times in a row")

    def decide_alone(self, command: Command[T, A]) -> Decision[A]:
        """Decide while nobody else can record, and record it: where others are always quicker.

        Raises:
            StoreError: others kept the store for too long.
        """
        with self.pipeline.alone():
            decision, _ = self._propose(command)
            self.pipeline.record(decision.proposal)
        return decision

    def decide(
        self, command: Command[T, A], sight: Sight, wake: Callable[[Proposal], None]
    ) -> Decision[A] | None:
        """Decide, and send it on its way; None where it has to be done again.

        That is where not everything was at hand, or what was seen is outdated by now.

        Args:
            command: in its lane.
            sight: what to decide on.
            wake: of the proposal.

        Raises:
            StoreClosed: nothing is decided any more.
            LogRewritten: the log was set back since the room was opened.
        """
        self.states.check()
        turn = command.turn(self._clock.now(), sight)
        try:
            command.operation.decide(turn)
            decision = self._decision(command, turn, wake)
        except (Refused, InvalidInput) as refusal:
            if isinstance(refusal, Refused):
                explained(refusal, turn, command.operation, self.store)
            proposal = Proposal(Append(expects=turn.expects), {}, wake)
            decision = Decision(proposal, refusal, ())
        except Exception:
            if sight.whole:
                raise
            return None
        if not sight.whole:
            return None
        if command.watch is not None:
            command.watch.attempts += 1
            decision.proposal.watch = command.watch
        taken = self.pipeline.enter(decision.proposal, sight, turn.expects)
        return decision if taken else None

    def conclude(self, command: Command[T, A], decision: Decision[A]) -> Done[A] | None:
        """What came of a decision that is settled; None where it has to be decided again.

        Looks into the store where the request is known already.

        Raises:
            Refused, RequestMismatch, StoreError: as for `carry_out`.
        """
        outcome, answer = decision.proposal.outcome, decision.answer
        if isinstance(outcome, Repeated):
            return self._repeated(command)
        if isinstance(outcome, Conflict):
            return None
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(answer, GreenroomError):
            repeated = self._repeated(command)
            if repeated is None:
                if isinstance(answer, Refused):
                    self.refused(command, answer, decision.proposal.before)
                raise answer
            return repeated
        proposal = decision.proposal
        position = outcome[-1] if outcome else proposal.before
        done = Done(answer, position, decision.events, self._erased(command, decision))
        if command.watch is not None:
            command.watch.done = done
        return done

    def _propose(self, command: Command[T, A]) -> tuple[Decision[A], Gate]:
        while True:
            gate = Gate()
            sight = Sight(self.pipeline.ahead, self.states, self.states.fetch, self.members)
            decision = self.decide(command, sight, gate.open)
            if decision is not None:
                return decision, gate

    def _settle(self, decision: Decision[A], gate: Gate) -> Decision[A]:
        """Wait for it, and lead where nobody else does."""
        try:
            while not self.pipeline.lead(decision.proposal):
                gate.wait()
        except BaseException:
            self.pipeline.withdraw(decision.proposal)
            raise
        return decision

    def _decision(
        self, command: Command[T, A], turn: T, wake: Callable[[Proposal], None]
    ) -> Decision[A]:
        events, answer = self._decided(command, turn), command.answer(turn)
        states = {step.stream: turn.states[step.stream] for step in turn.steps}
        expects = dict(turn.expects)
        for stream in states:
            del expects[stream]  # what is written to says by its versions what it expects
        request_id = command.request_id
        request = None if request_id is None else self._request(request_id, command, answer, events)
        append = Append(events, expects, request, erased(turn))
        return Decision(Proposal(append, states, wake), answer, events)

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

    def _request(
        self,
        request_id: RequestId,
        command: Command[T, A],
        answer: A,
        events: tuple[Decided[Event], ...],
    ) -> Request:
        """What is remembered of a command that has a request id."""
        kept = answer.impersonal()
        if not events:  # a position that no event will give it
            kept = kept.model_copy(update={"position": self.states.seen})
        return Request(request_id, self._fingerprint(command), command.kind.dump_json(kept))

    def _repeated(self, command: Command[T, A]) -> Done[A] | None:
        """What was answered when this was asked before."""
        if command.request_id is None:
            return None
        before = self.store.request(command.request_id)
        if before is None:
            return None
        if not hmac.compare_digest(before.fingerprint, self._fingerprint(command)):
            raise RequestMismatch(command.request_id)
        kept = command.kind.validate_json(before.answer)
        position = before.position or kept.position
        self.states.wrote(position)  # maybe as another process
        answer = kept.personal_again(lambda stream: fold(self.store, stream, position).state)
        # Whoever was first may have died before all of it was gone.
        last = (one.event for _, one in self.store.pick([position]))
        return Done(answer, position, erased=tuple(filter(erased_by, last)), repeated=True)

    def _erased(self, command: Command[Any, Any], decision: Decision[Any]) -> tuple[Event, ...]:
        """What did away with personal data: just now, or when the call was deleted before."""
        if decision.events or not command.deletes:
            told: Iterable[Event] = (one.event for one in decision.events)
        else:  # whoever did may have died before all of it was gone
            told = self.store.events(call_stream(CallId(command.lane)))
        return tuple(event for event in told if erased_by(event))

    def _fingerprint(self, command: Command[Any, Any]) -> str:
        """The same for the same wish of the same actor, and for no other.

        Keyed, so that nobody who reads it can find out by trying what was said.
        """
        wish = {
            "lane": command.lane,
            "by": to_builtins(command.claim),
            "operation": command.operation.name,
            "arguments": to_jsonable_python(command.operation.arguments),
        }
        said = json.dumps(wish, sort_keys=True).encode()
        return hmac.digest(self.store.secret, said, "sha256").hex()


class Gate:
    """Where one thread waits; opening it again and again lets it through once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def open(self, _: Proposal) -> None:
        """Let it go on, now or when it comes."""
        with suppress(RuntimeError):
            self._lock.release()

    def wait(self) -> None:
        """Until it is opened."""
        self._lock.acquire()


def pause(attempt: int) -> float:
    """Seconds to wait before deciding again, so that not everybody comes back at once."""
    return random.uniform(0, min(0.001 * 2**attempt, 0.05)) if attempt else 0  # noqa: S311 - jitter


def erased(turn: Turn) -> list[str]:
    """The subjects whose personal data the turn does away with."""
    return [
        subject
        for step in turn.steps
        if step.event.name in ERASING and (subject := erased_by(step.event)) is not None
    ]
