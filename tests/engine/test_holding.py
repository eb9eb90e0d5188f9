"""A process is sure of what it holds, or finds out; it takes its share of what others left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from greenroom import holding
from greenroom.adapters.leases import SqlLeases
from greenroom.domain.errors import MediaUnavailable, StoreError
from greenroom.domain.message import CallId
from greenroom.holding import Shared
from greenroom.media.leases import Worker

CALLS = [CallId(f"default:{number}") for number in range(12)]
LONG = 60.0


class World:
    """Leases in memory, and a local clock that goes as it is told; the store's goes its own way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.stack = ExitStack()
        self.leases = SqlLeases.open(None)
        monkeypatch.setattr(holding, "_now", lambda: self.now)

    def process(self, *, adopts: bool = True, takes: bool = True, load: float = 0) -> Shared:
        """One that is alive, and whose beats are given by the test."""
        shared = Shared(
            self.leases,
            lambda name: Worker(name, "http://x", load, takes),
            adopts=adopts,
            seconds=LONG,
        )
        shared._renew()
        return shared

    def beat(self, *processes: Shared) -> None:
        for one in processes:
            one._renew()
            one._look_around()

    def later(self, seconds: float, *processes: Shared) -> None:
        """Time goes by, in which these say that they are alive."""
        for _ in range(10):
            self.now += seconds / 10
            self.beat(*processes)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(monkeypatch)
    yield world
    world.leases.close()


def test_who_hears_nothing_of_the_store_for_a_lease_is_sure_of_nothing(world: World) -> None:
    one = world.process()
    one.claim(CALLS[:1])
    world.now += LONG - 1
    assert one.sure()
    world.now += 2
    assert not one.sure()
    assert one.term(CALLS[0]) is not None, "it may still hold it"
    with pytest.raises(MediaUnavailable, match="cut off"):
        one.obtain(CALLS[0])
    world.beat(one)
    assert one.sure()
    assert one.obtain(CALLS[0]) is False


def test_what_was_taken_meanwhile_is_told_once(world: World) -> None:
    one, other = world.process(), world.process()
    one.claim(CALLS[:3])
    world.leases.retire(one.name)
    other.claim(CALLS[1:2])
    world.beat(one)
    stirred = one.stir()
    assert [*stirred.lost] == CALLS[1:2]
    assert not stirred.gained
    assert not one.stir()
    assert [cid for cid in CALLS if one.term(cid) is not None] == [CALLS[0], CALLS[2]]


def test_what_one_is_given_is_told_once(world: World) -> None:
    one = world.process(adopts=False)
    world.leases.assign(CALLS[0])
    assert one.term(CALLS[0]) is None
    world.beat(one)
    assert [*one.stir().gained] == CALLS[:1]
    assert not one.stir()
    world.leases.assign(CALLS[1])
    assert one.obtain(CALLS[1]), "whoever asks it knows before it does"
    world.beat(one)
    assert not one.stir()


def test_a_worker_obtains_nothing_that_it_was_not_given(world: World) -> None:
    one, other = world.process(adopts=False), world.process()
    with pytest.raises(MediaUnavailable):
        one.obtain(CALLS[0])
    other.claim(CALLS[:1])
    with pytest.raises(MediaUnavailable):
        one.obtain(CALLS[0])
    assert not one.wants(CALLS[1])


def test_a_call_that_others_have_is_not_asked_for_again_and_again(world: World) -> None:
    one, other = world.process(), world.process()
    other.claim(CALLS[:1])
    assert one.wants(CALLS[0])
    assert not one.claim(CALLS[:1])
    assert not one.wants(CALLS[0])
    world.now += LONG + 1
    assert one.wants(CALLS[0])


def test_heirs_take_their_shares_of_what_the_dead_leave(world: World) -> None:
    dead, one, other = world.process(), world.process(), world.process()
    dead.claim(CALLS)
    world.later(LONG, one, other)
    world.leases.retire(dead.name)
    world.beat(one, other)
    shares = [{*heir.stir().orphaned} for heir in (one, other)]
    assert [len(share) for share in shares] == [6, 6]


@pytest.mark.parametrize("way", [{"takes": False}, {"load": 1.0}], ids=["makes way", "is full"])
def test_who_takes_nothing_more_inherits_nothing(world: World, way: dict[str, float]) -> None:
    dead, one = world.process(), world.process(**way)  # type: ignore[arg-type]  # one of two
    dead.claim(CALLS)
    world.later(LONG, one)
    world.leases.retire(dead.name)
    world.beat(one)
    assert not one.stir().orphaned


def test_after_an_outage_everybody_has_the_time_of_a_lease_to_come_back(world: World) -> None:
    one, other = world.process(), world.process()
    world.later(LONG, one, other)
    one.claim(CALLS)
    world.now += 2 * LONG  # the store was gone
    world.leases.retire(one.name)
    world.beat(other)
    assert not other.stir().orphaned, "it was away as well"
    world.later(LONG / 2, one, other)
    assert not other.stir()
    assert len([cid for cid in CALLS if one.term(cid) is not None]) == len(CALLS)


@pytest.mark.slow
def test_the_calls_of_one_that_never_came_back_are_inherited_in_the_end(world: World) -> None:
    one, other = world.process(), world.process()
    world.later(LONG, one, other)
    one.claim(CALLS)
    world.now += 2 * LONG
    world.leases.retire(one.name)
    world.beat(other)
    world.later(LONG, other)
    assert {*other.stir().orphaned} == {*CALLS}


def test_what_nobody_is_in_is_released_and_nothing_else(world: World) -> None:
    one = world.process()
    one.claim(CALLS[:3])
    one.release({CALLS[0]}, [CALLS[0], CALLS[5]])
    assert [cid for cid in CALLS if one.term(cid) is not None] == CALLS[:1]
    assert world.leases.holder(CALLS[0]) is not None
    assert world.leases.holder(CALLS[1]) is None


def test_an_end_that_the_store_does_not_hear_of_is_an_end(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = world.process()
    one.claim(CALLS)

    def gone(_: str) -> None:
        raise StoreError("the store is gone")

    monkeypatch.setattr(world.leases, "retire", gone)
    one.stop()
    assert "run out by themselves" in caplog.text
    assert not one.sure()
    assert all(one.term(cid) is None for cid in CALLS)


def test_a_forked_child_holds_nothing_in_its_parents_name(world: World) -> None:
    one = world.process()
    one.claim(CALLS)
    one.after_fork_in_child()
    assert not one.sure()
    assert all(one.term(cid) is None for cid in CALLS)


def test_the_thread_goes_on_whatever_the_store_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats: list[int] = []
    stirred = threading.Event()
    one = Shared(world.leases, lambda name: Worker(name, "http://x"), seconds=0.1)
    renew: Callable[..., object] = world.leases.renew

    def sometimes(worker: Worker, seconds: float) -> object:
        beats.append(1)
        if len(beats) in {3, 4}:
            raise StoreError("gone for a moment")
        if len(beats) == 6:
            world.leases.assign(CALLS[0])
        return renew(worker, LONG)

    monkeypatch.setattr(world.leases, "renew", sometimes)
    one.start(stirred.set)
    assert stirred.wait(60)
    assert one.stir().gained
    one.stop()
