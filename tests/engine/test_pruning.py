"""Requests are answered as the first time for a while, and then forgotten."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from greenroom import Greenroom, errors, tickers
from greenroom.adapters.stores import SQLiteStore
from greenroom.testing.clock import VirtualClock

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
AN_HOUR = timedelta(hours=1)
A_MOMENT = timedelta(microseconds=1)


def remembered(path: Path) -> list[str]:
    """The ids of requests that the store would answer; not those of the house itself."""
    with closing(sqlite3.connect(path)) as file:
        rows = file.execute("SELECT request_id FROM requests WHERE request_id LIKE 'thierry%'")
        return sorted(request_id for (request_id,) in rows)


def backdate(path: Path, request_id: str, age: timedelta) -> None:
    """As if it had been remembered that long ago."""
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(
            "UPDATE requests SET recorded_at = recorded_at - ? WHERE request_id = ?",
            (age // A_MOMENT, request_id),
        )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


def ask(room: Greenroom, *numbers: int) -> None:
    for number in numbers:
        call = room.as_user("thierry").call("default", f"call-{number}")
        call.create(request_id=f"thierry-{number}")


def test_a_request_is_remembered_for_a_week_unless_one_says_otherwise(path: Path) -> None:
    url = f"sqlite:///{path}"
    with Greenroom.open(url, clock=VirtualClock(NOON)) as room:
        ask(room, 1, 2)
    backdate(path, "thierry-1", timedelta(days=7, seconds=1))
    backdate(path, "thierry-2", timedelta(days=6, hours=23))
    with Greenroom.open(url, clock=VirtualClock(NOON)):
        assert remembered(path) == ["thierry-2"]
    with Greenroom.open(url, clock=VirtualClock(NOON), remember_requests=AN_HOUR):
        assert remembered(path) == []


def test_without_timers_all_are_remembered(path: Path) -> None:
    url = f"sqlite:///{path}"
    for _ in range(2):
        with Greenroom.open(url, timers=False, remember_requests=A_MOMENT) as room:
            ask(room, 1)
            assert remembered(path) == ["thierry-1"]


def test_a_running_room_looks_after_them_from_time_to_time_and_not_with_every_command(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = [0.0]
    monkeypatch.setattr(tickers, "monotonic", lambda: passed[0])
    clock = VirtualClock(NOON)
    with Greenroom.open(f"sqlite:///{path}", clock=clock, remember_requests=A_MOMENT) as room:
        ask(room, 1, 2)
        clock.advance(seconds=1)
        assert remembered(path) == ["thierry-1", "thierry-2"]
        passed[0] += 3600
        clock.advance(seconds=1)
        assert remembered(path) == []


@pytest.mark.slow
def test_by_the_systems_clock_it_happens_by_itself(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickers, "_PRUNED_EVERY", 0.05)
    with Greenroom.open(f"sqlite:///{path}", remember_requests=A_MOMENT) as room:
        ask(room, 1)
        deadline = monotonic() + 60
        while remembered(path) and monotonic() < deadline:
            sleep(0.05)
        assert remembered(path) == []


def test_a_clock_that_is_driven_through_years_makes_nothing_older(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    prune = SQLiteStore.prune_requests

    def counted(store: SQLiteStore, before: datetime, limit: int) -> int:
        looks.append(limit)
        return prune(store, before, limit)

    monkeypatch.setattr(SQLiteStore, "prune_requests", counted)
    clock = VirtualClock(NOON)
    with Greenroom.open(f"sqlite:///{path}", clock=clock) as room:
        ask(room, 1)
        clock.advance(timedelta(days=3650))
        assert remembered(path) == ["thierry-1"]
    assert len(looks) == 1, "ten years take as long as what happens in them"


def test_many_are_forgotten_slice_by_slice(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{path}"
    with Greenroom.open(url, timers=False) as room:
        ask(room, 1, 2, 3, 4, 5)
    monkeypatch.setattr(tickers, "PRUNED_AT_ONCE", 2)
    slices: list[int] = []
    prune = SQLiteStore.prune_requests

    def watched(store: SQLiteStore, before: datetime, limit: int) -> int:
        slices.append(prune(store, before, limit))
        return slices[-1]

    monkeypatch.setattr(SQLiteStore, "prune_requests", watched)
    with Greenroom.open(url, clock=VirtualClock(NOON), remember_requests=A_MOMENT):
        assert remembered(path) == []
    assert sum(slices) >= 5
    assert set(slices[:-1]) == {2}
    assert slices[-1] < 2


def test_a_request_that_was_forgotten_is_decided_anew(path: Path) -> None:
    url = f"sqlite:///{path}"
    with Greenroom.open(url, clock=VirtualClock(NOON)) as room:
        call = room.as_user("thierry").call("default", "1")
        first = call.join(create=True, request_id="thierry-join")
        assert call.join(request_id="thierry-join", create=True).entry_id == first.entry_id
    with Greenroom.open(url, clock=VirtualClock(NOON), remember_requests=A_MOMENT) as room:
        call = room.as_user("thierry").call("default", "1")
        assert call.join(request_id="thierry-join", create=True).entry_id != first.entry_id


def test_a_closed_room_looks_after_nothing(path: Path) -> None:
    before = set(threading.enumerate())
    with Greenroom.open(f"sqlite:///{path}"):
        names = {thread.name for thread in set(threading.enumerate()) - before}
        assert "greenroom-PruningTicker" in names
    assert set(threading.enumerate()) <= before


class Liar(timedelta):
    """Says it is a week, and is none."""

    days = 7  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]  # it lies

    def __le__(self, other: object) -> bool:
        return True

    def __gt__(self, other: object) -> bool:
        return True


@pytest.mark.parametrize(
    "wrong", [None, 7, "7d", timedelta(0), -AN_HOUR, timedelta.max, Liar(0), NOON]
)
def test_what_is_no_length_of_time_is_refused(path: Path, wrong: Any) -> None:
    with pytest.raises(errors.InvalidInput) as refused:
        Greenroom.open(f"sqlite:///{path}", remember_requests=wrong)
    assert refused.value.path == "remember_requests"
    assert not path.exists()
