"""Killed exactly before or after a commit, and beside a server whose processes are killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from time import sleep
from typing import Final

import psycopg
import pytest
from tests.faults.clients import ask, begin, requests
from tests.faults.judgement import PATIENCE, Notes, judge, judge_log, times_done, wait_for
from tests.faults.mortal import When, live_until_commit
from tests.faults.sizes import sized

from greenroom import Greenroom
from greenroom.adapters.stores import open_store
from greenroom.testing.postgres import PrivatePostgres

pytestmark = pytest.mark.slow

DEATHS: Final = sized(ci=6, large=30)
KILLS: Final = sized(ci=4, large=20)


@pytest.mark.parametrize("when", ["before", "after"])
def test_whoever_is_killed_at_a_commit_has_done_all_of_it_or_nothing(
    file_url: str, when: When, tried: Callable[[str, int], None]
) -> None:
    with Greenroom.open(file_url, timers=False) as room:
        begin(room)
    notes = Notes()
    for death in range(1, DEATHS + 1):
        asked = requests("alice", death * 20, 20)
        last = live_until_commit(file_url, asked, 1 + death % 7, when, notes)
        with closing(open_store(file_url, create=False)) as store:
            judge_log(store, notes)
            assert times_done(store)[str(last)] == (1 if when == "after" else 0)
    with Greenroom.open(file_url, timers=False) as room:
        judge(room, notes, ask, url=file_url)
    tried("sqlite" if file_url.startswith("sqlite") else "postgresql", DEATHS)


@pytest.mark.parametrize("end", ["terminated", "killed"])
def test_a_process_of_the_server_dies_and_whoever_asked_it_goes_on(
    end: str, tried: Callable[[str, int], None]
) -> None:
    """`pg_terminate_backend`, or SIGKILL, after which the server restarts all of them."""
    notes = Notes()
    with (
        PrivatePostgres(fsync=False) as server,
        server.database() as url,
        Greenroom.open(url, timers=False) as room,
        ThreadPoolExecutor(1) as client,
    ):
        begin(room)
        for kill in range(KILLS):
            asked = requests("alice", kill * 40, 40)
            asking = client.submit(notes.ask_all, room, asked, ask)
            while not asking.done() and asked[kill % 20] not in notes.acknowledged:
                sleep(0.001)
            die(url, end)
            asking.result(PATIENCE)
            wait_for(room)
            judge_log(room._store, notes)
            notes.settle(room, ask)
        judge(room, notes, ask, url=url)
    tried("postgresql", KILLS)


def die(url: str, end: str) -> None:
    """One of those that have the room's questions."""
    with psycopg.connect(url, autocommit=True) as administrator:
        found = administrator.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'greenroom'"
            " AND pid <> pg_backend_pid() ORDER BY state_change DESC LIMIT 1"
        ).fetchone()
        assert found is not None
        if end == "terminated":
            administrator.execute("SELECT pg_terminate_backend(%s)", found)
    if end == "killed":
        os.kill(found[0], signal.SIGKILL)
