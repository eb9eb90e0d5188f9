"""Whatever fails, whoever else writes, and in whichever order: the log is whole, answers are true.

One thread does everything, so that a failing course can be gone through again: what happens
while a batch is in the store happens inside of its `record`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from tests.engine.clerk import (
    ALICE,
    FIRST,
    SECOND,
    THIRD,
    Clerk,
    Fault,
    Made,
    Script,
    events_by_stream,
    versions_at,
)

from greenroom.adapters.stores import MemoryStore
from greenroom.domain.errors import OutcomeUnknown
from greenroom.domain.message import EventId, RequestId, StreamId
from greenroom.domain.ports import Append, EventStore, Request
from greenroom.domain.streams import decider_of
from greenroom.folding import fold
from greenroom.states import CAPACITY
from greenroom.testing.store_events import added

WIDER: Final = settings(max_examples=4 * settings().max_examples)
"""A course takes some milliseconds, and there are many."""
STREAMS: Final = (FIRST, SECOND, THIRD, ALICE, added("tommaso").stream)


@dataclass(frozen=True)
class Decide:
    """Something is decided on `reads`, and sent on its way to `writes`; to none is a refusal."""

    writes: Sequence[StreamId]
    reads: Sequence[StreamId]
    request_id: str | None = None
    spoilt: bool = False


@dataclass(frozen=True)
class Look:
    """Somebody looks at all there is, and takes their time."""


@dataclass(frozen=True)
class DecideLate:
    """Whoever looked last decides only now."""

    writes: Sequence[StreamId]


@dataclass(frozen=True)
class Elsewhere:
    """Another process appends."""

    stream: StreamId


@dataclass(frozen=True)
class TakeBack:
    """The n-th decision from the end is not wanted any more."""

    number: int


@dataclass(frozen=True)
class Lead:
    """Whoever waits for the n-th decision from the end leads."""

    number: int


@dataclass(frozen=True)
class Erase:
    """Everything personal about somebody goes."""

    user: str


Step = Decide | Look | DecideLate | Elsewhere | TakeBack | Lead | Erase


@dataclass(frozen=True)
class Recording:
    """What happens while one batch is in the store, and what then becomes of the batch."""

    meanwhile: Sequence[Step] = ()
    fault: Fault = Fault.NONE


streams: st.SearchStrategy[StreamId] = st.sampled_from((FIRST, *STREAMS))
decisions = st.builds(
    Decide,
    st.lists(streams, max_size=2, unique=True),
    st.lists(streams, max_size=2, unique=True),
    st.sampled_from((None, None, None, "r1", "r2")),
    st.sampled_from((False,) * 9 + (True,)),
)
steps: st.SearchStrategy[Step] = st.one_of(
    decisions,
    decisions,
    decisions,
    st.builds(Look),
    st.builds(DecideLate, st.lists(streams, max_size=2, unique=True)),
    st.builds(Elsewhere, streams),
    st.builds(TakeBack, st.integers(0, 3)),
    st.builds(Lead, st.integers(0, 3)),
    st.builds(Erase, st.sampled_from(("alice", "tommaso"))),
)
recordings = st.builds(
    Recording,
    st.lists(steps, max_size=4),
    st.sampled_from((Fault.NONE, Fault.NONE, *Fault)),
)


class Course:
    """Goes through steps, and checks what came of them."""

    def __init__(
        self, recordings: Sequence[Recording], capacity: int = CAPACITY, *, guessing: bool = False
    ) -> None:
        self.clerk = Clerk(MemoryStore(), capacity)
        self._sight = self.clerk.look()
        self._seen = {stream: self._sight(stream) for stream in STREAMS}
        for number in range(60 * guessing):  # from now on, whoever is not known is taken for new
            self.clerk.states.load(added(f"user-{number}").stream)
        self._recordings = iter(recordings)
        self._now = Recording()
        script = Script(self.clerk.store)
        script.meanwhile, script.fault = self._in_store, lambda _: self._now.fault
        self.clerk.store.record = script  # type: ignore[method-assign]  # it does as the script says
        self.script = script

    def go_through(self, steps: Sequence[Step]) -> None:
        """Take each step; then record until nothing waits."""
        for step in steps:
            self.take(step)
        while any(one.proposal.outcome is None for one in self.clerk.made):
            self.take(Lead(0))
            self._guarded(self.clerk.record)

    def calm_down(self) -> None:
        """From now on nothing fails."""
        self._recordings = iter(())

    def _in_store(self, _: Sequence[Append]) -> None:
        self._now = next(self._recordings, Recording())
        for step in self._now.meanwhile:
            self.take(step)

    def take(self, step: Step) -> None:
        """Do what it says."""
        clerk = self.clerk
        match step:
            case Decide(writes=writes, reads=reads, request_id=request_id, spoilt=spoilt):
                only_read = [stream for stream in reads if stream not in writes]
                request = None if request_id is None else Request(RequestId(request_id), "f")
                clerk.decide(*writes, reads=only_read, request=request, spoilt=spoilt)
            case Look():
                self._sight = clerk.look()
                self._seen = {stream: self._sight(stream) for stream in STREAMS}
            case DecideLate(writes=writes):
                taken = clerk.propose(self._sight, self._seen, writes)
                event(f"late, and {'taken' if taken else 'not taken'}")
            case Elsewhere(stream=stream):
                clerk.elsewhere(stream)
            case Erase(user=user):
                clerk.erase(user)
            case TakeBack(number=number):
                for one in clerk.made[-1 - number :][:1]:
                    clerk.pipeline.withdraw(one.proposal)
            case Lead(number=number):
                for one in clerk.made[-1 - number :][:1]:
                    self._guarded(partial(clerk.pipeline.lead, one.proposal))

    def _guarded(self, work: Callable[[], object]) -> None:
        """Somebody may press Control-C; the others go on."""
        try:
            work()
        except KeyboardInterrupt:
            event("interrupted")


def positions(store: EventStore) -> dict[EventId, int]:
    """Where each event stands; fails where one stands twice."""
    found: dict[EventId, int] = {}
    for position, record in store.feed():
        assert record.event_id not in found
        found[record.event_id] = position
    return found


def bearing(made: Made, logged: dict[EventId, int]) -> int | None:
    """The first position of what was decided, if it is in the log; fails where half of it is."""
    found = [logged[one] for one in made.event_ids if one in logged]
    assert len(found) in (0, len(made.event_ids))
    assert found == sorted(found)
    return found[0] if found else None


def check_answers(clerk: Clerk) -> None:
    """Recorded means recorded, failed means not; nobody knows means all of it or nothing."""
    logged = positions(clerk.store)
    for made in clerk.made:
        outcome = made.proposal.outcome
        first = bearing(made, logged)
        event(f"{type(outcome).__name__}, {'' if first else 'not '}in the log")
        if isinstance(outcome, OutcomeUnknown):
            continue
        if isinstance(outcome, Exception):
            assert first is None, "refused, and recorded all the same"
        else:
            assert outcome is not None
            assert [logged[one] for one in made.event_ids] == [*outcome]


def check_decisions(clerk: Clerk) -> None:
    """What is recorded was decided on what the log was there, and what only looked saw it once."""
    versions, logged = [*versions_at(clerk.store)], positions(clerk.store)
    for made in clerk.made:
        seen = {stream: folded.version for stream, folded in made.seen.items()}
        first, before = bearing(made, logged), made.proposal.before
        if first is not None:
            at = versions[first - 1]
            assert {stream: at.get(stream, 0) for stream in seen} == seen
        elif not made.event_ids and not made.proposal.failed:
            at = versions[before]
            assert {stream: at.get(stream, 0) for stream in seen} == seen, "it never stood so"


def check_sight(clerk: Clerk) -> None:
    """Whatever a recorded decision saw is what the log says, not only as many events of it."""
    events, logged = events_by_stream(clerk.store), positions(clerk.store)
    erased = any(stream.startswith("user-") for stream in events)
    for made in clerk.made:
        told = not made.event_ids and not made.proposal.failed
        if bearing(made, logged) is None and not told:
            continue
        for stream, folded in made.seen.items():
            if erased and not stream.startswith("session-"):
                continue  # what was personal then cannot be read now
            history = events.get(stream, [])[: folded.version]
            assert decider_of(stream).fold(iter(history)) == folded.state, stream


def check_memory(clerk: Clerk) -> None:
    """What is remembered is how it was; and, once looked at what others did, how it is."""
    assert clerk.pipeline.ahead == {}
    clerk.states.follow()
    for stream in STREAMS:
        known, stored = clerk.states.load(stream), fold(clerk.store, stream)
        assert known == stored, stream


def check_progress(clerk: Clerk) -> None:
    """Once nothing fails any more, whoever decides again gets through, by the second time."""
    for stream in STREAMS:
        attempts = [clerk.decide(stream)]
        clerk.record()
        if attempts[-1].failed:
            attempts.append(clerk.decide(stream))
            clerk.record()
        assert not attempts[-1].failed, stream


def check_news(clerk: Clerk) -> None:
    """Whoever waits was told."""
    told = {id(one) for one in clerk.woken}
    assert all(id(made.proposal) in told for made in clerk.made)


def check(course: Course) -> None:
    """All laws, once the course is over."""
    clerk = course.clerk
    check_answers(clerk)
    check_decisions(clerk)
    check_sight(clerk)
    check_news(clerk)


courses = st.lists(steps, min_size=3, max_size=12)
happenings = st.lists(recordings, min_size=2, max_size=8)


@pytest.mark.slow
@WIDER
@given(courses, happenings, st.sampled_from((1, 3, CAPACITY)), st.booleans())
@example(
    [Decide([FIRST], []), Elsewhere(FIRST)],
    [Recording([Decide([SECOND], [FIRST])], Fault.ERROR)],
    CAPACITY,
    False,
)
def test_whatever_happens_the_log_is_whole_and_the_answers_are_true(
    steps: list[Step],
    recordings: list[Recording],
    capacity: int,
    guessing: bool,  # noqa: FBT001 - Hypothesis gives it
) -> None:
    course = Course(recordings, capacity, guessing=guessing)
    course.go_through(steps)
    check(course)
    course.calm_down()
    check_progress(course.clerk)
    check_memory(course.clerk)
    check(course)


@given(courses, happenings)
def test_closing_in_the_middle_leaves_nobody_without_an_answer(
    steps: list[Step], recordings: list[Recording]
) -> None:
    course = Course(recordings)
    for step in steps:
        course.take(step)
    course.clerk.pipeline.close()
    assert all(made.proposal.outcome is not None for made in course.clerk.made)
    check(course)
    check_memory(course.clerk)
