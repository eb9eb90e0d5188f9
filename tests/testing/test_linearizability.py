"""What several clients did at once must have an order; what has none is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.laws import times

from greenroom import Greenroom
from greenroom.testing import CallModel, Outcome, VirtualClock, Wish, wish
from greenroom.testing.history import START
from greenroom.testing.linearizability import Did, order, told
from greenroom.testing.processes import Workers
from greenroom.testing.races import RaceDriver, in_processes, in_threads, main, races

CID = "default:race"


def model_of(*before: Wish) -> CallModel:
    model = CallModel(CID, START)
    for one in before:
        assert model.tell(one).code is None
    return model


def did(begin: int, end: int, asked: Wish, came: Outcome | Mapping[str, Any]) -> Did:
    if isinstance(came, Outcome):
        return Did(asked, begin, end, came)
    return Did(asked, begin, end, Outcome(), came)


JOINED = Outcome(None, ("session.joined",))
OPENED = Outcome(None, ("session.joined", "session.started"))
LIMITED = wish("thierry", "create", max_participants=1)


def test_of_two_who_join_at_once_one_came_first() -> None:
    history = [
        did(0, 10, wish("alice", "join"), Outcome("call_full", ())),
        did(1, 9, wish("charlie", "join"), OPENED),
    ]
    found = order(model_of(LIMITED), history)
    assert found == [history[1], history[0]]


def test_two_cannot_have_taken_the_same_place() -> None:
    history = [
        did(0, 10, wish("alice", "join"), OPENED),
        did(1, 9, wish("charlie", "join"), JOINED),
    ]
    assert order(model_of(LIMITED), history) is None


def test_nobody_is_turned_away_by_who_came_later() -> None:
    history = [
        did(0, 4, wish("alice", "join"), Outcome("call_full", ())),
        did(5, 9, wish("charlie", "join"), OPENED),
    ]
    assert order(model_of(LIMITED), history) is None


def test_a_read_after_the_end_of_a_write_must_show_it() -> None:
    block = did(
        0, 4, wish("thierry", "block", user_id="eve"), Outcome(None, ("call.user_blocked",))
    )
    stale: Mapping[str, Any] = {"blocked": []}
    model = model_of(wish("thierry", "create"))
    assert order(model, [block, did(5, 9, wish("thierry", "look"), stale)]) is None
    assert order(model, [block, did(3, 9, wish("thierry", "look"), stale)]) is not None


@given(st.integers(0, 10_000))
def test_what_was_done_one_by_one_has_that_order(seed: int) -> None:
    model = model_of(wish("thierry", "create"))
    history = []
    asked = [one for part in races(seed) for one in part]
    after = model.clone()
    for n, one in enumerate(asked):
        came = after.seen() if one.name in {"look", "who"} else after.tell(one)
        history.append(did(2 * n, 2 * n + 1, one, came))
    assert order(model, history) == history


# What has no order, made of what has one


def one_by_one(seed: int) -> list[Did]:
    """What three did, each when the one before had done."""
    after = model_of(wish("thierry", "create", max_participants=2))
    history = []
    for n, one in enumerate(done for part in races(seed) for done in part):
        came = after.seen() if one.name in {"look", "who"} else after.tell(one)
        history.append(did(2 * n, 2 * n + 1, one, came))
    return [*history, did(100, 101, wish("thierry", "look"), after.seen())]


def effects(history: Sequence[Did]) -> list[int]:
    """Those that came to something."""
    return [n for n, one in enumerate(history) if one.outcome.recorded]


def refused(history: Sequence[Did]) -> bool:
    return order(model_of(wish("thierry", "create", max_participants=2)), history) is None


SEEDS = st.integers(0, 10_000).filter(lambda seed: len(effects(one_by_one(seed))) > 1)


@settings(max_examples=times(15))
@given(SEEDS, st.data())
def test_an_effect_that_was_lost_is_missed(seed: int, data: st.DataObject) -> None:
    """The read at the end shows all that is on record."""
    history = one_by_one(seed)
    lost = data.draw(st.sampled_from(effects(history)))
    assert not refused(history)
    assert refused([one for n, one in enumerate(history) if n != lost])


@settings(max_examples=times(15))
@given(SEEDS, st.data())
def test_an_effect_that_came_twice_is_noticed(seed: int, data: st.DataObject) -> None:
    history = one_by_one(seed)
    twice = history[data.draw(st.sampled_from(effects(history)))]
    again = did(twice.end, twice.end, twice.wish, twice.outcome)
    assert refused([*history, again])


@settings(max_examples=times(15))
@given(SEEDS)
def test_nothing_can_have_followed_from_what_came_after_it(seed: int) -> None:
    """The first effect, told as if it had been asked for when all else was over."""
    history = one_by_one(seed)
    n = effects(history)[0]
    late = did(98, 99, history[n].wish, history[n].outcome)
    moved = [*history[:n], *history[n + 1 : -1], late, history[-1]]
    assert refused(moved) == (not stands(moved))


def stands(history: Sequence[Did]) -> bool:
    """Whether each came out as told, one after another."""
    model = model_of(wish("thierry", "create", max_participants=2))
    for one in history:
        if one.seen is not None:
            if any(model.seen()[name] != value for name, value in one.seen.items()):
                return False
        elif model.tell(one.wish) != one.outcome:
            return False
    return True


# Rooms


def room_at(url: str) -> Greenroom:
    return Greenroom.open(url, clock=VirtualClock(START), timers=False)


def shown(found: Sequence[tuple[int, list[Did]]]) -> str:
    return "\n".join(f"seed {seed}\n{told(history)}" for seed, history in found)


@pytest.mark.slow
def test_threads_in_memory_leave_an_order() -> None:
    with room_at("memory://") as room:
        found = [*in_threads(room, 15)]
    assert found == [], shown(found)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    match request.param:
        case "sqlite":
            return f"sqlite:///{tmp_path / 'races.db'}"
        case "postgres":
            url: str = request.getfixturevalue("postgres_url")
            return url
        case _:
            return "memory://"


@pytest.mark.slow
def test_threads_on_any_store_leave_an_order(url: str) -> None:
    with room_at(url) as room:
        found = [*in_threads(room, 60)]
    assert found == [], shown(found)


@pytest.mark.slow
@pytest.mark.parametrize("url", ["sqlite", "postgres"], indirect=True)
def test_processes_leave_an_order(url: str) -> None:
    with room_at(url) as room, Workers(3) as workers:
        found = [*in_processes(room, url, workers, 15)]
    assert found == [], shown(found)


class StaleDriver(RaceDriver):
    """Shows the call as it was when it was looked at first."""

    first: Mapping[str, Any] | None = None

    def look(self) -> Mapping[str, Any]:
        if self.first is None:
            self.first = super().look()
        return self.first


def test_a_stale_read_is_found_and_told() -> None:
    with room_at("memory://") as room:
        seed, history = next(iter(in_threads(room, 200, driver=StaleDriver)))
    assert "thierry asks to look: {'exists': True" in told(history)
    assert seed < 200


class LosingDriver(RaceDriver):
    """Says that it has blocked somebody, and has not."""

    def carry_out(self, wish: Wish) -> Outcome:
        if wish.name == "block":
            return Outcome(None, ("call.user_blocked",))
        return super().carry_out(wish)


class DoublingDriver(RaceDriver):
    """Lets everybody in twice."""

    def carry_out(self, wish: Wish) -> Outcome:
        if wish.name == "join":
            super().carry_out(wish)
        return super().carry_out(wish)


@pytest.mark.parametrize("driver", [LosingDriver, DoublingDriver])
def test_a_room_that_loses_or_doubles_what_it_did_is_found_out(driver: type[RaceDriver]) -> None:
    with room_at("memory://") as room:
        seed, _ = next(iter(in_threads(room, 200, driver=driver)))
    assert seed < 200


def test_the_large_size_is_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"sqlite:///{tmp_path / 'races.db'}", "--histories", "3"]) == 0
    assert capsys.readouterr().out == "3 histories, 0 without an order\n"
