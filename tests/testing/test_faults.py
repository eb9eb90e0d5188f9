"""Each fault really happens, and the room stands it: nothing is lost, nothing happens twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.laws import times
from tests.testing.machines import AskingAnewMachine, FaultyMachine

from greenroom import CallState, Greenroom, Member, aio, errors
from greenroom.testing import Disagreement, VirtualClock
from greenroom.testing.faults import Fault, FaultStore
from greenroom.testing.history import START

PATIENCE = 60
SOME = settings(
    max_examples=times(8), stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow]
)
UNTIL_FOUND = settings(
    SOME,
    max_examples=100,
    stateful_step_count=15,
    derandomize=True,
    phases=[Phase.generate],
)


@pytest.fixture
def room() -> Iterator[Greenroom]:
    with Greenroom.open("memory://", timers=False) as opened:
        yield opened


def test_what_was_lost_after_the_commit_has_happened_once(room: Greenroom) -> None:
    faults = FaultStore(room)
    faults.next(Fault.LOST_AFTER)
    call = room.as_user("thierry").call("default", "1")
    with pytest.raises(errors.OutcomeUnknown):
        call.create(members=[Member("alice")], request_id="once")
    assert call.create(members=[Member("alice")], request_id="once").created
    assert [one.name for one in call.history()] == ["call.created", "member.added"]


def test_what_follows_from_what_was_lost_after_the_commit_happens_when_it_is_asked_again() -> None:
    clock = VirtualClock(START)
    with Greenroom.open("memory://", clock=clock) as room:
        call = room.as_user("thierry").call("default", "1")
        call.join(create=True)
        clock.advance(seconds=31)
        FaultStore(room).next(Fault.LOST_AFTER)
        with pytest.raises(errors.OutcomeUnknown):
            call.update(max_duration=10, request_id="once")
        call.update(max_duration=10, request_id="once")
        assert call.get().ended_at == START + timedelta(seconds=31)


def test_what_follows_happens_for_asyncio_as_well() -> None:
    clock = VirtualClock(START)

    async def run() -> CallState:
        async with aio.Greenroom.open("memory://", clock=clock) as room:
            call = room.as_user("thierry").call("default", "1")
            await call.join(create=True)
            clock.advance(seconds=31)
            FaultStore(room.reading).next(Fault.LOST_AFTER)
            with pytest.raises(errors.OutcomeUnknown):
                await call.update(max_duration=10, request_id="once")
            await call.update(max_duration=10, request_id="once")
            return await call.get()

    assert asyncio.run(run()).ended_at == START + timedelta(seconds=31)


def test_what_was_lost_before_the_commit_is_done_again(room: Greenroom) -> None:
    faults = FaultStore(room)
    faults.next(Fault.LOST_BEFORE, Fault.SLOW, Fault.TWICE)
    call = room.as_user("thierry").call("default", "1")
    with pytest.raises(errors.OutcomeUnknown):
        call.create(request_id="once")
    call.create(request_id="once")
    call.join()
    names = [one.name for one in call.history()]
    assert names == ["call.created", "session.started", "session.joined"]
    assert faults.commits == 3


def test_what_the_store_refuses_did_not_happen(room: Greenroom) -> None:
    FaultStore(room).next(Fault.FAILS)
    call = room.as_user("thierry").call("default", "1")
    with pytest.raises(errors.StoreError):
        call.create()
    with pytest.raises(errors.CallNotFound):
        call.get()


def test_who_was_overtaken_decides_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    with Greenroom.open(url, timers=False) as room, Greenroom.open(url, timers=False) as other:
        room.as_user("thierry").call("default", "1").create(max_participants=1)
        faults = FaultStore(room)
        faults.meanwhile = other.as_user("charlie").call("default", "1").join
        faults.next(Fault.OVERTAKEN)
        with pytest.raises(errors.CallFull):
            room.as_user("alice").call("default", "1").join()


# Out of order


def test_what_arrives_after_it_was_asked_again_changes_nothing(room: Greenroom) -> None:
    faults = FaultStore(room)
    call = room.as_user("thierry").call("default", "1")
    call.create()
    faults.next(Fault.LATE)
    with pytest.raises(errors.OutcomeUnknown):
        call.join(request_id="once")
    assert call.get().current_session is None
    entry = call.join(request_id="once")
    (late,) = faults.arrived
    assert not isinstance(late, errors.GreenroomError)
    assert [type(one) for one in late.outcomes] == [errors.Repeated]
    names = [one.name for one in call.history()]
    assert names == ["call.created", "session.started", "session.joined"]
    entry.leave()
    assert call.query_participants().items == ()


def test_what_nobody_asks_for_again_happens_late_unless_somebody_came_between(
    room: Greenroom,
) -> None:
    """A join that is lost takes no place from whoever joins before it arrives."""
    faults = FaultStore(room)
    call = room.system("desk").call("default", "1")
    call.create(max_participants=1)
    faults.next(Fault.LATE)
    with pytest.raises(errors.OutcomeUnknown):
        room.as_user("alice").call("default", "1").join()
    room.as_user("charlie").call("default", "1").join()
    assert [one.user_id for one in call.query_participants().items] == ["charlie"]
    faults.next(Fault.LATE)
    with pytest.raises(errors.OutcomeUnknown):
        call.block("alice")
    room.users.upsert("tommaso")
    with pytest.raises(errors.Blocked):
        room.as_user("alice").call("default", "1").join()


def test_what_comes_twice_with_something_between_happens_once(room: Greenroom) -> None:
    faults = FaultStore(room)
    call = room.as_user("thierry").call("default", "1")
    call.create()
    faults.next(Fault.AGAIN_LATER)
    entry = call.join()
    assert faults.arrived == []
    entry.leave()
    (late,) = faults.arrived
    assert not isinstance(late, errors.GreenroomError)
    assert [type(one) for one in late.outcomes] == [errors.Conflict]
    assert call.query_participants().items == ()


def both_at_once(
    room: Greenroom, faults: FaultStore, first: Callable[[], object], second: Callable[[], object]
) -> list[object]:
    """What came of two that wait while a third is recorded, and so are sent together."""
    waiting = room._core.desk.pipeline._waiting
    asked = []

    def until(count: int) -> None:
        deadline = monotonic() + PATIENCE
        while len(waiting) < count:
            assert monotonic() < deadline, "nobody came"
            sleep(0.001)

    def meanwhile() -> None:
        for count, one in enumerate((first, second), start=1):
            asked.append(pool.submit(tried, one))
            until(count)

    def tried(do: Callable[[], object]) -> object:
        try:
            return do()
        except errors.Refused as refusal:
            return refusal.code

    faults.meanwhile = meanwhile
    faults.next(Fault.OVERTAKEN, Fault.REVERSED)
    with ThreadPoolExecutor(2) as pool:
        room.users.upsert("tommaso")
        return [one.result(PATIENCE) for one in asked]


def test_what_was_sent_together_may_be_recorded_in_another_order(room: Greenroom) -> None:
    first, second = both_at_once(
        room,
        FaultStore(room),
        room.as_user("alice").call("default", "first").create,
        room.as_user("charlie").call("default", "second").create,
    )
    assert isinstance(first, CallState)
    assert isinstance(second, CallState)
    assert first.position > second.position
    calls = room.system("desk").query_calls()
    assert {one.cid for one in calls.items} == {"default:first", "default:second"}


def test_who_was_let_in_before_is_let_in_though_both_are_recorded_in_another_order(
    room: Greenroom,
) -> None:
    room.system("desk").call("default", "1").create(max_participants=1)
    faults = FaultStore(room)
    came = both_at_once(
        room,
        faults,
        room.as_user("alice").call("default", "1").join,
        room.as_user("charlie").call("default", "1").join,
    )
    present = room.system("desk").call("default", "1").query_participants().items
    assert [one == "call_full" for one in came].count(True) == 1
    assert [one.user_id for one in present] == [
        who for who, answer in zip(("alice", "charlie"), came, strict=True) if answer != "call_full"
    ]


# Whatever happens, and whatever fails


@pytest.mark.slow
@pytest.mark.hypothesis
def test_a_room_keeps_to_the_rules_whatever_becomes_of_its_commits() -> None:
    run_state_machine_as_test(FaultyMachine, settings=SOME)


@pytest.mark.slow
def test_whoever_asks_anew_in_place_of_again_is_found_out() -> None:
    with pytest.raises(Disagreement, match="the rules say"):
        run_state_machine_as_test(AskingAnewMachine, settings=UNTIL_FOUND)
