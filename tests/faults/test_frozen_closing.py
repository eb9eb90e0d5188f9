"""A room that is closed while its server stands still closes, and the process goes on meanwhile.

The room lives in a process of its own: what waits inside libpq waits for ever, with all of Python.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from multiprocessing.connection import Connection
from threading import Event, Thread
from time import monotonic, sleep
from typing import Final

import psycopg
import pytest
from tests.faults.judgement import PATIENCE, wait_until
from tests.faults.sizes import sized
from tests.faults.standing import stopped

from greenroom import Greenroom
from greenroom.projections import postgres_silence
from greenroom.testing.postgres import PrivatePostgres

pytestmark = pytest.mark.slow

_PROCESSES: Final = multiprocessing.get_context("spawn")
_WORK: Final = "SELECT 1 FROM pg_stat_activity WHERE query ~ '^(CREATE|DROP) INDEX'"
"""Finds who makes an index, or drops one that was not finished."""


@pytest.mark.parametrize("all_of_it", [True, False], ids=["the server", "one process of it"])
def test_a_room_closes_though_an_index_is_being_made(
    tried: Callable[[str, int], None], *, all_of_it: bool
) -> None:
    times = sized(ci=1, large=10)
    with PrivatePostgres(fsync=False) as server, server.database() as url:
        with Greenroom.open(url, timers=False) as room:
            room.call_types.create("show", based_on="livestream")
            room.as_user("thierry").call("show", "1").create()
        for number in range(times):
            with (
                index_in_the_making(url, f"seat{number}") as parent,
                server.frozen() if all_of_it else stopped(url),
            ):
                parent.send("close")
                assert parent.poll(PATIENCE), "it has not closed"
                assert parent.recv() == "closed"
                assert parent.recv() < PATIENCE / 10, "all of the process stood still"
        with Greenroom.open(url, timers=False) as room:
            assert len(room.call_types.get("show").indexed_custom["members"]) == times
            assert room._views.indexes.settle()
    tried("postgresql", times)


@contextmanager
def index_in_the_making(url: str, field: str) -> Iterator[Connection]:
    """A process in which an index of this field waits for whoever may still read."""
    parent, child = _PROCESSES.Pipe()
    process = _PROCESSES.Process(target=live, args=(url, field, child))
    with psycopg.connect(url) as reader, closing(parent):
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM greenroom_views.members")
        process.start()
        child.close()
        assert parent.recv() == "declared"
        with psycopg.connect(url, autocommit=True) as looking:
            wait_until(lambda: looking.execute(_WORK).fetchone() is not None)
        try:
            yield parent
        finally:
            process.kill()
            process.join(PATIENCE)


def live(url: str, field: str, parent: Connection) -> None:
    """Declare the field, close when told to; then say so, and how long all stood still at most."""
    postgres_silence.SILENCE = 1.0  # type: ignore[misc]  # nobody has time for half a minute
    ticks, done = list[float](), Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(monotonic())
            sleep(0.01)

    ticking = Thread(target=tick)
    with Greenroom.open(f"{url}?connect_timeout=2", timers=False) as room:
        room.call_types.update("show", indexed_custom={"members": {field: "number"}})
        room.as_user("thierry").call("show", "1").query_members(at_least=room.position)
        parent.send("declared")
        parent.recv()
        ticking.start()
    done.set()
    ticking.join()
    parent.send("closed")
    parent.send(max(after - before for before, after in pairwise(ticks)))
