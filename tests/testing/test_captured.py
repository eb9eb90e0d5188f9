"""A history becomes a fixture with nobody's data in it, and replays."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from greenroom import Greenroom, Member, errors
from greenroom.domain.message import CallId
from greenroom.testing import Captured, VirtualClock, Wish
from greenroom.testing.driver import RoomDriver
from greenroom.testing.history import START
from greenroom.testing.strategies import courses

SECRETS = ("thierry", "alice", "charlie", "appointment-7", "blue", "gold", "Dr. Alice", "kidney")


def lived(url: str) -> None:
    """An appointment in which everything personal that there is occurs."""
    clock = VirtualClock(START)
    with Greenroom.open(url, clock=clock) as room:
        room.users.upsert("alice", name="Dr. Alice", teams=["blue"], custom={"plan": "gold"})
        room.users.upsert("thierry", teams=["blue"])
        call = room.as_user("thierry").call("default", "appointment-7")
        call.create(
            team="blue", members=[Member("alice", custom={"about": "kidney"}), Member("charlie")]
        )
        call.join()
        call.ring(["alice", "charlie"])
        room.as_user("charlie").call("default", "appointment-7").reject("see my kidney first")
        clock.advance(timedelta(minutes=1))
        call.end()


@pytest.fixture
def store(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    lived(url)
    return url


def test_nobodys_data_is_in_the_fixture_and_it_replays(store: str, tmp_path: Path) -> None:
    with Greenroom.open(store, timers=False) as room:
        captured = Captured.of(room, "default:appointment-7")
        history = [one.name for one in room.system("x").call("default", "appointment-7").history()]
    captured.save(tmp_path / "captured.json")
    text = (tmp_path / "captured.json").read_text()
    assert [secret for secret in SECRETS if secret in text] == []
    loaded = Captured.load(tmp_path / "captured.json")
    assert loaded == captured
    with loaded.room(f"sqlite:///{tmp_path / 'replayed.db'}") as replayed:
        assert loaded.differences(replayed) == []
        call = replayed.system("x").call("default", "captured")
        assert [one.name for one in call.history()] == history
        assert call.get().ended_at is not None
        assert {one.user_id for one in call.query_members().items} == {"user-1", "user-3"}


def test_a_fixture_that_was_touched_does_not_say_the_same(store: str, tmp_path: Path) -> None:
    with Greenroom.open(store, timers=False) as room:
        captured = Captured.of(room, "default:appointment-7", redact=False)
    assert captured.cid == "default:appointment-7"
    with captured.room(f"sqlite:///{tmp_path / 'replayed.db'}") as replayed:
        fewer = Captured(captured.cid, captured.records[:-1])
        assert fewer.differences(replayed) == ["1 more than were captured"]
        assert Captured(CallId("default:other"), captured.records).differences(replayed) == []


def test_what_was_never_recorded_cannot_be_captured(store: str) -> None:
    with Greenroom.open(store, timers=False) as room, pytest.raises(errors.CallNotFound):
        Captured.of(room, "default:124")


@settings(max_examples=2)
@given(courses(shortest=5, longest=10))
def test_whatever_happened_replays_without_names(course: list[Wish]) -> None:
    driver = RoomDriver()
    driver.open("default:123", START)
    try:
        for one in course:
            driver.advance(one.after)
            if "entry" not in one.arguments:
                driver.carry_out(one)
        captured = Captured.of(driver.room, "default:123")
    finally:
        driver.close()
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'calls.db'}"
        with captured.room(url) as room:
            assert captured.differences(room) == []


@pytest.mark.slow
def test_the_program_writes_a_fixture_and_a_test_that_passes(store: str, tmp_path: Path) -> None:
    into = tmp_path / "tests"
    greenroom = [sys.executable, "-m", "greenroom", "capture", "default:appointment-7"]
    subprocess.run(
        [*greenroom, "--redact", "--into", into, "--store", store], check=True, timeout=150
    )
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", into],
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout
    assert "1 passed" in ran.stdout
