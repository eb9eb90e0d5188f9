"""Several processes that decide again, each on a share of the calls."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.whatif.conftest import START, call_of

from greenroom import Greenroom, errors, whatif
from greenroom.testing import VirtualClock
from greenroom.testing.postgres import PrivatePostgres
from greenroom.whatif import Comparison, Outcome
from greenroom.whatif.changes import Change
from greenroom.whatif.sharing import fitting, forks

pytestmark = pytest.mark.slow
CALLS = 8
PEOPLE = ("alice", "tommaso", "charlie")
NO_STRANGERS = whatif.revoke("default", role="user", capability="join-call")
AFTER_THE_END = whatif.grant("default", role="user", capability="join-ended-call")


@contextmanager
def week(url: str) -> Iterator[Greenroom]:
    """Calls of thierry's with all the others; jaewoong comes when they have ended."""
    with Greenroom.open(url, clock=VirtualClock(START)) as room:
        for number in range(CALLS):
            cid = f"default:{number}"
            call_of(room, "thierry", cid).create(member_ids=["alice"])
            for user_id in PEOPLE:
                call_of(room, user_id, cid).join()
            call_of(room, "thierry", cid).end()
            with suppress(errors.CallEnded):
                call_of(room, "jaewoong", cid).join()
        yield room


def same_from_two(room: Greenroom, *changes: Change) -> Comparison:
    """What one process finds on the recorded facts, which two find as well, in either mode."""
    asked = room.what_if(*changes)
    for mode in ("cascading", "pinned"):
        alone = asked.over(mode=mode)
        assert asked.over(mode=mode, processes=2) == alone
    return alone


def test_who_was_refused_is_tried_again_by_the_process_that_has_the_call(tmp_path: Path) -> None:
    with week(f"sqlite:///{tmp_path}/calls.db") as room:
        assert same_from_two(room, AFTER_THE_END).counts == {"newly_admitted": CALLS}


def test_on_postgresql_each_reads_its_share_as_well(postgres: PrivatePostgres) -> None:
    with postgres.database() as url, week(url) as room:
        assert same_from_two(room, NO_STRANGERS).by_user == {"tommaso": CALLS, "charlie": CALLS}


def test_whoever_interrupts_is_not_kept_waiting_and_leaves_no_process(tmp_path: Path) -> None:
    def interrupted(_: int, __: int) -> None:
        raise KeyboardInterrupt

    with week(f"sqlite:///{tmp_path}/calls.db") as room:
        asked = room.what_if(NO_STRANGERS)
        with pytest.raises(KeyboardInterrupt):
            asked.over(processes=2, progress=interrupted)
        assert not multiprocessing.active_children()
        assert asked.over().counts == {"newly_refused": 2 * CALLS}


def test_without_other_threads_it_is_forked_and_anything_can_be_supposed(tmp_path: Path) -> None:
    """In a process of its own: this one has threads."""
    with week(f"sqlite:///{tmp_path}/calls.db"):
        pass
    asked = multiprocessing.get_context("spawn").Process(target=_forking, args=(tmp_path,))
    asked.start()
    asked.join()
    assert asked.exitcode == 0


def _forking(directory: Path) -> None:
    with Greenroom.open(f"sqlite:///{directory}/calls.db", timers=False) as room:
        assert forks()
        nobody = whatif.rule("open", lambda *_: ("nobody", errors.NotLiveYet(None), None))
        told: list[int] = []
        asked = room.what_if(nobody)
        alone = asked.over(processes=1)
        assert asked.over(processes=3, progress=lambda at, _: told.append(at)) == alone
        assert alone.counts == {"newly_refused": len(PEOPLE) * CALLS}
        assert told == sorted(told)
        broken = whatif.rule("open", _broken)
        with pytest.raises(ZeroDivisionError):
            room.what_if(broken).over(processes=2)
        assert not multiprocessing.active_children()


def _broken(*_: object) -> Outcome:
    raise ZeroDivisionError


def test_with_other_threads_nothing_is_forked_unasked() -> None:
    found: list[bool] = []
    asking = threading.Thread(target=lambda: found.extend([forks(), fitting(10**9) > 1]))
    asking.start()
    asking.join()
    assert found == [False, False]


def test_what_a_process_dies_of_is_told_and_not_waited_for(tmp_path: Path) -> None:
    def kill_the_other(_: int, __: int) -> None:
        for one in multiprocessing.active_children():
            one.kill()

    with (
        week(f"sqlite:///{tmp_path}/calls.db") as room,
        pytest.raises(errors.StoreError, match="died"),
    ):
        room.what_if(NO_STRANGERS).over(processes=2, progress=kill_the_other)


def test_the_slowest_says_how_far_they_are(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    with week(f"sqlite:///{tmp_path}/calls.db") as room:
        room.what_if().over(processes=2, progress=lambda done, of: heard.append((done, of)))
        assert heard == sorted(heard)
        assert heard[-1] == (room.position, room.position)
