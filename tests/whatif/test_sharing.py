"""Several processes that decide again, each on a share of the calls."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.whatif.conftest import START, call_of

from greenroom import Greenroom, errors, whatif
from greenroom.testing import VirtualClock
from greenroom.testing.postgres import PrivatePostgres
from greenroom.whatif import Comparison
from greenroom.whatif.changes import Change

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


def test_the_slowest_says_how_far_they_are(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    with week(f"sqlite:///{tmp_path}/calls.db") as room:
        room.what_if().over(processes=2, progress=lambda done, of: heard.append((done, of)))
        assert heard == sorted(heard)
        assert heard[-1] == (room.position, room.position)
