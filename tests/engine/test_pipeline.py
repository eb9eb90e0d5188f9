"""Decisions on their way: the next batch is decided while one is recorded, and what fails falls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.engine.clerk import (
    ALICE,
    FIRST,
    SECOND,
    THIRD,
    Clerk,
    Fault,
    Script,
    events_by_stream,
    first_time,
)

from greenroom import errors
from greenroom import pipeline as pipeline_module
from greenroom.adapters.stores import MemoryStore
from greenroom.domain.errors import (
    Conflict,
    InvalidInput,
    OutcomeUnknown,
    Repeated,
    StoreClosed,
    StoreError,
)
from greenroom.domain.message import RequestId, UserId
from greenroom.domain.ports import Append, Head, Request
from greenroom.domain.streams import user_stream
from greenroom.proposal import Proposal
from greenroom.testing.store_events import added

FAILING = [fault for fault in Fault if fault is not Fault.NONE]


@pytest.fixture
def clerk() -> Clerk:
    return Clerk(MemoryStore())


@pytest.fixture
def script(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script(clerk.store)
    monkeypatch.setattr(clerk.store, "record", script)
    return script


def meanwhile(script: Script, decide: Callable[[], Proposal]) -> list[Proposal]:
    """What is decided while the first batch is in the store."""
    decided: list[Proposal] = []

    def decide_once(_: Sequence[Append]) -> None:
        if not decided:
            decided.append(decide())

    script.meanwhile = decide_once
    return decided


def record(clerk: Clerk) -> None:
    """Record all that waits, whoever presses Control-C meanwhile."""
    try:
        clerk.record()
    except KeyboardInterrupt:
        clerk.record()


def outcome_of(proposal: Proposal) -> Sequence[int]:
    assert isinstance(proposal.outcome, Sequence), proposal.outcome
    return proposal.outcome


def kinds(*proposals: Proposal) -> list[object]:
    """What became of them: `recorded`, or what kind of error."""
    return [type(one.outcome) if one.failed else "recorded" for one in proposals]


# In batches


def test_all_that_waits_goes_into_one_commit(clerk: Clerk, script: Script) -> None:
    made = [clerk.decide(stream) for stream in (FIRST, SECOND, FIRST, ALICE, FIRST)]
    clerk.record()
    assert [len(batch) for batch in script.batches] == [5]
    assert [one.outcome for one in made] == [range(n, n + 1) for n in range(1, 6)]
    assert [one.before for one in made] == [0, 1, 2, 3, 4]
    assert clerk.states.load(FIRST).version == 3


def test_a_commit_takes_no_more_than_a_batch(
    clerk: Clerk, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_module, "BATCH", 3)
    made = [clerk.decide(FIRST) for _ in range(8)]
    clerk.record()
    assert [len(batch) for batch in script.batches] == [3, 3, 2]
    assert kinds(*made) == ["recorded"] * 8


def test_the_next_batch_is_decided_while_one_is_in_the_store(clerk: Clerk, script: Script) -> None:
    in_store, seen = threading.Barrier(2, timeout=60), threading.Barrier(2, timeout=60)

    def hold(_: Sequence[Append]) -> None:
        if len(script.batches) == 1:
            in_store.wait()
            seen.wait()

    script.meanwhile = hold
    first = clerk.decide(FIRST)
    with ThreadPoolExecutor(1) as threads:
        leading = threads.submit(clerk.pipeline.lead, first)
        in_store.wait()
        following = [clerk.decide(FIRST), clerk.decide(SECOND, reads=[FIRST]), clerk.decide(FIRST)]
        assert clerk.store.position() == 0
        assert clerk.look()(FIRST).version == 3
        assert not clerk.pipeline.lead(following[0]), "two led at once"
        seen.wait()
        assert leading.result()
    clerk.record()
    assert [len(batch) for batch in script.batches] == [1, 3]
    assert [one.outcome for one in (first, *following)] == [range(n, n + 1) for n in range(1, 5)]


def test_what_is_on_its_way_still_is_seen_while_what_was_before_it_is_recorded(
    clerk: Clerk, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_module, "BATCH", 1)
    seen: list[int] = []
    script.meanwhile = lambda _: seen.append(clerk.look()(FIRST).version)
    for _ in range(3):
        clerk.decide(FIRST)
    clerk.record()
    assert seen == [3, 3, 3]


def test_whoever_was_overtaken_while_deciding_decides_again(clerk: Clerk) -> None:
    sight = clerk.look()
    seen = {FIRST: sight(FIRST)}
    clerk.decide(FIRST)
    assert clerk.propose(sight, seen, [FIRST]) is None
    assert clerk.propose(sight, seen) is None, "a refusal, too"
    assert clerk.look()(FIRST).version == 1


def test_what_was_wrongly_taken_for_granted_is_looked_up(clerk: Clerk, script: Script) -> None:
    """Whoever was never met is taken for new; somebody who is not is decided on again."""
    for number in range(100):
        clerk.states.load(added(f"user-{number}").stream)
    clerk.elsewhere(ALICE)
    clerk.states.follow()
    guessing = clerk.decide(ALICE)
    clerk.record()
    assert kinds(guessing) == [Conflict]
    again = clerk.decide(ALICE)
    clerk.record()
    assert kinds(again) == ["recorded"]
    assert again.append.events[0].version == 2


def test_nothing_is_left_once_all_is_recorded(clerk: Clerk) -> None:
    made = [clerk.decide(FIRST, reads=[SECOND]) for _ in range(20)]
    clerk.record()
    assert clerk.pipeline.ahead == {}
    assert [one.rests_on for one in made] == [[]] * 20, "the last would hold all before it"
    assert [one.append.rests_on for one in made] == [()] * 20
    assert {*clerk.woken} >= {*made}


# What fails, and what rests on it


@pytest.mark.parametrize("fault", FAILING)
def test_a_batch_that_fails_drops_what_rests_on_it_and_only_that(
    fault: Fault, clerk: Clerk, script: Script
) -> None:
    later: list[Proposal] = []

    def decide_on(batch: Sequence[Append]) -> None:
        if len(script.batches) == 1:
            later.append(clerk.decide(FIRST))
            later.append(clerk.decide(SECOND, reads=[FIRST]))
            later.append(clerk.decide(THIRD, reads=[SECOND]))
            later.append(clerk.decide(ALICE))

    script.meanwhile, script.fault = decide_on, first_time(fault)
    failing = clerk.decide(FIRST)
    record(clerk)
    assert failing.failed
    assert kinds(*later) == [Conflict, Conflict, Conflict, "recorded"]
    again = clerk.decide(FIRST, SECOND, THIRD)
    clerk.record()
    assert kinds(again) == ["recorded"]
    written = fault in {Fault.LOST_ANSWER, Fault.LATE_INTERRUPT}
    logged = {stream: len(events) for stream, events in events_by_stream(clerk.store).items()}
    assert logged == {FIRST: 1 + written, SECOND: 1, THIRD: 1, ALICE: 1}


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault.ERROR, StoreError),
        (Fault.BUG, RuntimeError),
        (Fault.LOST, OutcomeUnknown),
        (Fault.LOST_ANSWER, OutcomeUnknown),
        (Fault.INTERRUPT, OutcomeUnknown),
        (Fault.LATE_INTERRUPT, OutcomeUnknown),
    ],
)
def test_whoever_is_in_a_failing_batch_is_told_what_happened(
    fault: Fault, told: type[Exception], clerk: Clerk, script: Script
) -> None:
    script.fault = lambda _: fault
    made = [clerk.decide(FIRST), clerk.decide(SECOND)]
    record(clerk)
    assert kinds(*made) == [told, told]
    assert clerk.pipeline.ahead == {}
    assert {*clerk.woken} >= {*made}


def test_where_somebody_else_was_first_only_that_is_dropped(clerk: Clerk, script: Script) -> None:
    script.meanwhile = lambda _: clerk.elsewhere(FIRST) if len(script.batches) == 1 else None
    overtaken, resting = clerk.decide(FIRST), clerk.decide(SECOND, reads=[FIRST])
    beside, looking = clerk.decide(THIRD), clerk.decide(reads=[FIRST])
    clerk.record()
    assert kinds(overtaken, resting, beside, looking) == [Conflict, Conflict, "recorded", Conflict]
    assert clerk.look()(FIRST).version == 1, "what others wrote is read on"
    assert clerk.decide(FIRST).append.events[0].version == 2


def test_one_that_cannot_be_stored_sinks_no_neighbour(clerk: Clerk, script: Script) -> None:
    made = [clerk.decide(FIRST), clerk.decide(ALICE, spoilt=True), clerk.decide(FIRST)]
    resting = clerk.decide(SECOND, reads=[ALICE])
    clerk.record()
    assert kinds(*made, resting) == ["recorded", InvalidInput, "recorded", Conflict]
    assert len(script.batches) == 1


def test_one_that_the_store_chokes_on_sinks_no_neighbour(clerk: Clerk, script: Script) -> None:
    made = [clerk.decide(FIRST) for _ in range(30)]
    poison = clerk.decide(SECOND)
    resting, beside = clerk.decide(SECOND), clerk.decide(THIRD, reads=[FIRST])
    made += [clerk.decide(FIRST) for _ in range(30)]
    script.fault = lambda batch: Fault.ERROR if poison.append in batch else Fault.NONE
    clerk.record()
    assert kinds(poison, resting, beside) == [StoreError, Conflict, "recorded"]
    assert kinds(*made) == ["recorded"] * 60
    assert len(events_by_stream(clerk.store)[FIRST]) == 60
    assert len(script.batches) <= 24, "portions of portions, not one by one"


def test_however_many_the_store_chokes_on_they_sink_no_neighbour(
    clerk: Clerk, script: Script
) -> None:
    poisons = [clerk.decide(SECOND), clerk.decide(THIRD)]
    made = [clerk.decide(FIRST) for _ in range(10)]
    script.fault = lambda batch: (
        Fault.ERROR if any(one.append in batch for one in poisons) else Fault.NONE
    )
    clerk.record()
    assert kinds(*poisons) == [StoreError, StoreError]
    assert kinds(*made) == ["recorded"] * 10


def test_a_store_that_takes_long_to_fail_is_not_asked_about_each(
    clerk: Clerk, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time may take as long as a file stays locked, and everybody waits for it."""
    monkeypatch.setattr(pipeline_module, "LONGEST_SEARCH", -1)
    script.fault = lambda _: Fault.ERROR
    made = [clerk.decide(FIRST, SECOND) for _ in range(64)]
    made += [clerk.decide(added(f"user-{n}").stream) for n in range(64)]
    clerk.record()
    assert {*kinds(*made)} <= {StoreError, Conflict}
    assert len(script.batches) <= 2


def test_of_two_under_one_request_id_what_rests_on_the_second_is_dropped(clerk: Clerk) -> None:
    request = Request(RequestId("r1"), "f")
    first, second = (clerk.decide(FIRST, request=request) for _ in range(2))
    resting = clerk.decide(SECOND, reads=[FIRST])
    clerk.record()
    assert kinds(first, second, resting) == ["recorded", Repeated, Conflict]


def test_what_others_wrote_may_be_unreadable_for_a_while(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was recorded, and that is what is told; memory does not know then what it knows."""
    clerk.decide(ALICE)
    clerk.record()
    heads, failing = clerk.store.heads, [errors.StoreError("the line was cut")]

    def unreadable(after: int = 0) -> Iterator[Head]:
        if failing:
            raise failing.pop()
        return heads(after)

    monkeypatch.setattr(clerk.store, "heads", unreadable)
    alice = user_stream(UserId("alice"))
    clerk.other.append([clerk.event(alice, 1)], erases=[alice])
    made, beside = clerk.decide(FIRST), clerk.decide(SECOND)
    assert clerk.pipeline.lead(made)
    assert kinds(made, beside) == ["recorded", "recorded"]
    assert clerk.states.load(ALICE).state.custom == {}
    again = clerk.decide(FIRST, ALICE)
    clerk.record()
    assert kinds(again) == ["recorded"]


# The same version, by somebody else


def test_somebody_elses_version_is_not_the_one_that_failed(clerk: Clerk, script: Script) -> None:
    """The one decided on fails, and its version is another's before what rests on it is tried."""
    later = meanwhile(script, lambda: clerk.decide(SECOND, reads=[FIRST]))
    script.fault = first_time(Fault.ERROR)
    clerk.decide(FIRST)
    clerk.elsewhere(FIRST)
    clerk.record()
    assert kinds(*later) == [Conflict]
    assert SECOND not in events_by_stream(clerk.store)


def test_nor_is_it_in_the_same_batch(clerk: Clerk, script: Script) -> None:
    script.meanwhile = lambda _: clerk.elsewhere(FIRST)
    failing, resting = clerk.decide(FIRST), clerk.decide(SECOND, reads=[FIRST])
    clerk.record()
    assert kinds(failing, resting) == [Conflict, Conflict]
    assert [*events_by_stream(clerk.store)] == [FIRST]


def test_nor_between_the_halves_of_a_failing_batch(clerk: Clerk, script: Script) -> None:
    poison, resting = clerk.decide(FIRST), clerk.decide(SECOND, reads=[FIRST])
    beside = clerk.decide(THIRD)

    def choke(batch: Sequence[Append]) -> Fault:
        if poison.append not in batch:
            return Fault.NONE
        if len(batch) == 1:
            clerk.elsewhere(FIRST)
        return Fault.ERROR

    script.fault = choke
    clerk.record()
    assert kinds(poison, resting, beside) == [StoreError, Conflict, "recorded"]


def test_nor_for_whoever_saw_it_before_and_decides_after(clerk: Clerk, script: Script) -> None:
    script.fault = first_time(Fault.ERROR)
    clerk.decide(FIRST)
    sight = clerk.look()
    seen = {SECOND: sight(SECOND), FIRST: sight(FIRST)}
    clerk.record()
    clerk.elsewhere(FIRST)
    assert clerk.propose(sight, seen, [SECOND]) is None, "decide again, on what there is"


# Only looking: refusals have to stand, too


def test_what_was_only_looked_at_has_to_stand_when_it_is_answered(
    clerk: Clerk, script: Script
) -> None:
    clerk.elsewhere(SECOND)
    standing, overtaken = clerk.decide(reads=[FIRST, SECOND]), clerk.decide(reads=[THIRD])
    script.meanwhile = lambda _: clerk.elsewhere(THIRD)
    clerk.record()
    assert kinds(standing, overtaken) == ["recorded", Conflict]
    assert (len(outcome_of(standing)), standing.before) == (0, 2)
    assert clerk.store.position() == 2


def test_a_look_at_what_then_fails_is_no_look(clerk: Clerk, script: Script) -> None:
    later = meanwhile(script, lambda: clerk.decide(reads=[FIRST]))
    script.fault = first_time(Fault.ERROR)
    clerk.decide(FIRST)
    clerk.record()
    assert kinds(*later) == [Conflict]


# Taking back


def test_what_is_taken_back_in_time_takes_what_rests_on_it_along(clerk: Clerk) -> None:
    taken_back = clerk.decide(FIRST)
    resting, beside = clerk.decide(SECOND, reads=[FIRST]), clerk.decide(THIRD)
    clerk.pipeline.withdraw(taken_back)
    assert kinds(taken_back, resting) == [Conflict, Conflict]
    assert clerk.look()(FIRST).version == 0
    clerk.record()
    assert kinds(beside) == ["recorded"]
    assert [*events_by_stream(clerk.store)] == [THIRD]


def test_what_is_being_recorded_cannot_be_taken_back(clerk: Clerk, script: Script) -> None:
    made = clerk.decide(FIRST)
    script.meanwhile = lambda _: clerk.pipeline.withdraw(made)
    clerk.record()
    assert kinds(made) == ["recorded"]
    clerk.pipeline.withdraw(made)
    assert kinds(made) == ["recorded"]
    assert clerk.look()(FIRST).version == 1


# Erasures


def test_what_follows_an_erasure_is_decided_again(clerk: Clerk, script: Script) -> None:
    alice = user_stream(UserId("alice"))
    before = clerk.decide(ALICE)
    erasing = clerk.erase("alice")
    after, resting = clerk.decide(SECOND), clerk.decide(alice, reads=[ALICE])
    clerk.record()
    assert kinds(before, erasing, after, resting) == ["recorded", "recorded", Conflict, Conflict]
    assert [len(batch) for batch in script.batches] == [2]
    assert clerk.states.load(ALICE).state.custom == {}


def test_an_erasure_of_somebody_else_is_heard_of_before_deciding_goes_on(clerk: Clerk) -> None:
    clerk.decide(ALICE)
    clerk.record()
    assert clerk.states.load(ALICE).state.custom != {}
    alice = user_stream(UserId("alice"))
    clerk.other.append([clerk.event(alice, 1)], erases=[alice])
    waiting = clerk.decide(FIRST)
    clerk.record()
    assert clerk.states.load(ALICE).state.custom == {}
    assert kinds(waiting) == ["recorded"]


# Whoever leads


def test_whoever_is_interrupted_in_the_lead_leaves_it_to_the_next(
    clerk: Clerk, script: Script
) -> None:
    later = meanwhile(script, lambda: clerk.decide(FIRST))
    script.fault = first_time(Fault.INTERRUPT)
    with pytest.raises(KeyboardInterrupt):
        clerk.pipeline.lead(clerk.decide(SECOND))
    (waiting,) = later
    assert waiting.outcome is None
    assert waiting in clerk.woken, "nobody would ever lead"
    assert clerk.pipeline.lead(waiting)


def test_whoever_is_done_leaves_the_lead_to_whoever_waits(clerk: Clerk, script: Script) -> None:
    later = meanwhile(script, lambda: clerk.decide(FIRST))
    assert clerk.pipeline.lead(clerk.decide(SECOND))
    (waiting,) = later
    assert waiting.outcome is None
    assert clerk.woken[-1] is waiting


# Closing


def test_closing_refuses_what_waits_and_what_comes(clerk: Clerk) -> None:
    waiting = [clerk.decide(FIRST), clerk.decide(SECOND)]
    clerk.pipeline.close()
    clerk.pipeline.close()
    assert kinds(*waiting) == [StoreClosed, StoreClosed]
    assert {*clerk.woken} >= {*waiting}
    with pytest.raises(StoreClosed):
        clerk.decide(THIRD)
    assert clerk.store.position() == 0
    assert clerk.pipeline.lead(waiting[0])


def test_closing_finishes_what_is_being_recorded(clerk: Clerk, script: Script) -> None:
    in_store, going_on = threading.Event(), threading.Event()

    def hold(_: Sequence[Append]) -> None:
        in_store.set()
        assert going_on.wait(60)

    script.meanwhile = hold
    recording = clerk.decide(FIRST)
    with ThreadPoolExecutor(2) as threads:
        leading = threads.submit(clerk.pipeline.lead, recording)
        assert in_store.wait(60)
        waiting = clerk.decide(SECOND)
        closing = threads.submit(clerk.pipeline.close)
        going_on.set()
        closing.result(60)
        assert leading.result(60)
    assert kinds(recording) == ["recorded"]
    assert kinds(waiting) in (["recorded"], [StoreClosed])  # the leader may have been quicker
    assert (SECOND in events_by_stream(clerk.store)) == (kinds(waiting) == ["recorded"])
