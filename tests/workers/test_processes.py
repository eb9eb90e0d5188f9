"""Real workers, real peers: who is killed, stopped or recycled, and what becomes of the calls."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from tests.workers.conftest import eventually

from greenroom import Entry, Greenroom, WorkerMedia
from greenroom.domain.message import CallId
from greenroom.media.leases import Lease
from greenroom.testing.peer import Peer
from greenroom.testing.postgres import PrivatePostgres
from greenroom.testing.signs import Sign
from greenroom.workers.control import Asked
from greenroom.workers.router import MediaRouter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

SIGNS: dict[str, Sign] = {"thierry": "red", "alice": "green"}
STARTING = 120.0
"""Seconds that processes may take to begin, on a machine that is busy."""


class Site:
    """An application, two workers, and people who call each other."""

    def __init__(self, url: str, *options: str) -> None:
        self._stack = ExitStack()
        self.url = url
        Greenroom.open(url).close()
        command = [sys.executable, "-m", "greenroom", "media", "run", "--workers", "2"]
        here = ["--address", "127.0.0.1", "--goodbye", "0.5", "--store", url]
        self.crew = subprocess.Popen([*command, *here, *options])
        self._stack.callback(self._end)
        media = WorkerMedia(timeout=5, patience=60)
        self.room = self._stack.enter_context(Greenroom.open(url, media=media))
        self.entries: dict[tuple[str, str], Entry] = {}
        self.peers: dict[tuple[str, str], Peer] = {}
        self.workers()

    @property
    def router(self) -> MediaRouter:
        router = self.room._core.media
        assert isinstance(router, MediaRouter)
        return router

    def begin(self, call_id: str, worker: str = "") -> None:
        """Both enter, connect, and see each other; with that worker, where one is named.

        Else it is the one of the least load, and on a busy machine either may be that.
        """
        for user in SIGNS:
            call = self.room.as_user(user).call("default", call_id)
            self.entries[call_id, user] = call.join(create=True)
        if worker:
            cid = CallId(f"default:{call_id}")
            assert self.router._leases.claim(worker, [cid])[cid].worker == worker
        self.connect(call_id)

    def workers(self) -> list[str]:
        """Names of both."""
        assert eventually(lambda: len(self.router._leases.roster()) == 2, STARTING)
        return [one.worker.name for one in self.router._leases.roster()]

    def connect(self, call_id: str) -> None:
        """Both connect (again), and see each other."""
        for user, sign in SIGNS.items():
            before = self.peers.pop((call_id, user), None)
            if before is not None:
                before.close()
            peer = self.peers[call_id, user] = self._stack.enter_context(Peer(sign))
            peer.join(self.entries[call_id, user].offer, others=1)
        for user in SIGNS:
            assert self.peers[call_id, user].until(partial(self.sees, call_id, user)), user

    def sees(self, call_id: str, user: str) -> bool:
        other: Sign = "green" if user == "thierry" else "red"
        return self.peers[call_id, user].sees[other] > 1

    def leave(self, call_id: str) -> None:
        """Both leave."""
        for user in SIGNS:
            self.entries[call_id, user].leave()
            self.peers[call_id, user].close()

    def flows(self, call_id: str) -> bool:
        """Whether both see each other now."""
        for user in SIGNS:
            self.peers[call_id, user].watch(0)
        return all(
            self.peers[call_id, user].until(partial(self.sees, call_id, user)) for user in SIGNS
        )

    def lease(self, call_id: str) -> Lease:
        lease = self.router._leases.holder(CallId(f"default:{call_id}"))
        assert lease is not None
        return lease

    def taking(self) -> set[str]:
        """Names of the workers that may be given calls."""
        return {one.worker.name for one in self.router._leases.roster() if one.worker.takes}

    def pid(self, call_id: str) -> int:
        """Of the process that carries the call."""
        return int(self.lease(call_id).worker.split("-")[-2])

    def told(self, call_id: str, user: str) -> list[tuple[str, int]]:
        """What was recorded of somebody's media: (event, epoch)."""
        history = self.room.system("auditor").call("default", call_id).history()
        entry_id = self.entries[call_id, user].entry_id
        of_media = {"connected", "lost", "measured", "left"}
        return [
            (name, one.event.get("epoch", 0))
            for one in history
            if (name := one.name.removeprefix("session.")) in of_media
            and one.event["entry_id"] == entry_id
        ]

    def close(self) -> None:
        self._stack.close()

    def _end(self) -> None:
        self.crew.terminate()
        self.crew.wait(60)


@contextmanager
def site(url: str, *options: str) -> Iterator[Site]:
    opened = Site(url, *options)
    try:
        yield opened
    finally:
        opened.close()


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module", params=["in a file", "on PostgreSQL"])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site for several tests: processes take their time to begin."""
    if request.param == "in a file":
        url = f"sqlite:///{tmp_path_factory.mktemp('site')}/calls.db"
        with site(url, "--lease", "6") as opened:
            yield opened
    else:
        server: PrivatePostgres = request.getfixturevalue("postgres")
        with server.database() as url, site(url, "--lease", "6") as opened:
            yield opened


def test_whose_worker_is_killed_come_back_with_another_and_nobody_else_notices(
    shared: Site,
) -> None:
    for call_id, worker in zip("12", shared.workers(), strict=True):
        shared.begin(call_id, worker)
    killed, other = shared.pid("1"), shared.pid("2")
    before = shared.lease("1")
    os.kill(killed, signal.SIGKILL)
    shared.connect("1")
    after = shared.lease("1")
    assert after.worker != before.worker
    assert after.term > before.term
    for user in SIGNS:
        wanted = [("connected", 1), ("lost", 1), ("connected", 2)]
        assert eventually(lambda: shared.told("1", user) == wanted)  # noqa: B023 - called at once
        assert shared.told("2", user) == [("connected", 1)]
    assert shared.flows("2")
    assert shared.pid("2") == other
    assert len(shared.workers()) == 2, "the crew has begun another"
    shared.leave("1")
    shared.leave("2")


def stop(process: int, url: str) -> None:
    """At a moment at which it has nothing locked: all others would wait for that, and for long."""
    for _ in range(40):
        os.kill(process, signal.SIGSTOP)
        if not is_locked(url):
            return
        os.kill(process, signal.SIGCONT)
        time.sleep(0.1)
    pytest.fail("it has always something locked")


def is_locked(url: str) -> bool:
    """Whether somebody keeps something of the store locked for a second."""
    path = Path(url.removeprefix("sqlite:///"))
    if not url.startswith("sqlite:"):
        with psycopg.connect(url, autocommit=True) as database:
            return not eventually(lambda: database.execute(_IN_TRANSACTION).fetchone() == (0,), 1)
    try:
        for file in path.parent.glob("*.db"):
            with closing(sqlite3.connect(file, timeout=1, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    return False


_IN_TRANSACTION: LiteralString = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state LIKE 'idle in transaction%'
"""


def test_one_that_was_stopped_finds_its_calls_taken_and_lets_them_go(shared: Site) -> None:
    shared.begin("3")
    stopped, before = shared.pid("3"), shared.lease("3")
    stop(stopped, shared.url)
    try:
        shared.connect("3")
        assert shared.pid("3") != stopped
    finally:
        os.kill(stopped, signal.SIGCONT)
    asking = shared.router._asking
    assert eventually(lambda: not asking.ask(before.url, Asked("stats")).calls)
    time.sleep(2)  # for what it might have to say, and be wrong
    for user in SIGNS:
        wanted = [("connected", 1), ("lost", 1), ("connected", 2)]
        assert eventually(lambda: shared.told("3", user) == wanted)  # noqa: B023 - called at once
    assert shared.flows("3")
    assert shared.pid("3") != stopped
    assert any(one.worker.name == before.worker for one in shared.router._leases.roster())
    shared.leave("3")


def test_a_worn_worker_makes_way_and_ends_with_its_last_call_or_when_time_is_up(
    tmp_path: Path,
) -> None:
    with site(f"sqlite:///{tmp_path}/calls.db", "--recycle-after", "2", "--drain", "20") as here:
        here.begin("1")
        worn, named = here.pid("1"), here.lease("1").worker
        assert eventually(lambda: named not in here.taking() != set()), "it makes way"
        here.begin("2")
        other = here.pid("2")
        assert other != worn
        assert here.flows("1")
        here.leave("1")
        assert eventually(lambda: not lives(worn)), "its last call has ended"
        assert eventually(lambda: not lives(other)), "its call went on for longer than that"
        here.connect("2")
        for user in SIGNS:
            assert here.told("1", user) == [("connected", 1), ("left", 0), ("measured", 1)]
            wanted = [("connected", 1), ("measured", 1), ("connected", 2)]
            assert eventually(lambda: here.told("2", user) == wanted)  # noqa: B023 - as above
        workers = [int(one.worker.name.split("-")[-2]) for one in here.router._leases.roster()]
        here.crew.kill()
        assert eventually(lambda: not any(map(lives, workers))), "they end with their crew"
        assert here.router._leases.roster() == []
