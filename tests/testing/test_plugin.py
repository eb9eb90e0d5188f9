"""The fixtures, as a project would use them that has installed the extra `test`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenroom import Greenroom, Member, errors
from greenroom.testing.faults import Fault, FaultStore

SRC = Path(__file__).parents[2] / "src"

OF_A_PROJECT = """
from greenroom import Member


def test_a_missed_call(greenroom, clock, notifier, fake_media):
    call = greenroom.as_user("thierry").call("default", "1")
    call.create(members=[Member("alice")])
    call.join()
    call.ring(["alice"])
    clock.advance(seconds=15)
    assert notifier.kinds_for("alice")[-1] == "call_missed"
    assert fake_media is not None
"""


def ran(
    where: Path, *arguments: str, stores: str = "memory sqlite"
) -> subprocess.CompletedProcess[str]:
    (where / "test_project.py").write_text(OF_A_PROJECT)
    (where / "pytest.ini").write_text(f"[pytest]\ngreenroom_stores = {stores}\n")
    options = ["-p", "greenroom.testing.plugin", "-p", "no:cacheprovider", "-v", *arguments]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_test_of_a_room_is_one_on_each_store(tmp_path: Path) -> None:
    run = ran(tmp_path)
    assert "test_a_missed_call[memory] PASSED" in run.stdout, run.stdout + run.stderr
    assert "test_a_missed_call[sqlite] PASSED" in run.stdout
    assert run.returncode == 0


@pytest.mark.slow
def test_where_there_is_no_postgresql_it_is_skipped_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conftest.py").write_text(
        "import greenroom.testing.postgres as here\n"
        "def nothing():\n"
        "    raise FileNotFoundError('install postgresql')\n"
        "here.find_programs = nothing\n"
    )
    run = ran(tmp_path, "-rs", stores="postgres")
    assert "no PostgreSQL here: install postgresql" in run.stdout, run.stdout + run.stderr
    assert run.returncode == 0


@pytest.mark.slow
def test_a_store_that_there_is_not_is_refused(tmp_path: Path) -> None:
    run = ran(tmp_path, stores="mysql")
    assert "greenroom_stores: 'mysql' is none of" in run.stdout + run.stderr
    assert run.returncode != 0


# Faults


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
