"""A PostgreSQL server that refuses, waits, is slow or silent: errors are typed, and all goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Final

import psycopg
import pytest
from tests.faults.clients import ask, begin, requests
from tests.faults.judgement import PATIENCE, Notes, judge, judge_log, wait_until
from tests.faults.line import BreakingLine
from tests.faults.sizes import sized

from greenroom import Greenroom, errors
from greenroom.testing.postgres import PrivatePostgres

pytestmark = pytest.mark.slow

CODES: Final = (
    "53100",  # disk_full
    "58030",  # io_error
    "53200",  # out_of_memory
    "57014",  # query_canceled
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "55P03",  # lock_not_available
    "XX000",  # internal_error
)
TABLES: Final = ("stored_events", "requests", "subject_keys")
COMMIT: Final = "at the commit"
FAULT: Final = """
CREATE TABLE public.fault (code text);
CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE said text;
BEGIN
    SELECT code INTO said FROM public.fault;
    IF said IS NOT NULL THEN
        RAISE EXCEPTION 'as it was told' USING ERRCODE = said;
    END IF;
    RETURN NEW;
END $$
"""
WHILE: Final = (
    "CREATE TRIGGER failing BEFORE INSERT ON greenroom.{}"
    " FOR EACH ROW EXECUTE FUNCTION public.fail()"
)
AT_COMMIT: Final = (
    "CREATE CONSTRAINT TRIGGER failing AFTER INSERT ON greenroom.stored_events"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.fail()"
)


@pytest.mark.parametrize("where", [*TABLES, COMMIT])
def test_whatever_the_server_answers_what_is_told_is_true(
    where: str, postgres_url: str, tried: Callable[[str, int], None]
) -> None:
    """It fails with each code while rows are written, or at the commit itself."""
    notes = Notes()
    with (
        psycopg.connect(postgres_url, autocommit=True) as administrator,
        Greenroom.open(postgres_url, timers=False) as room,
    ):
        begin(room)
        administrator.execute(FAULT)
        administrator.execute((AT_COMMIT if where == COMMIT else WHILE.format(where)).encode())
        for number, code in enumerate(CODES):
            administrator.execute("INSERT INTO public.fault VALUES (%s)", [code])
            notes.ask(room, f"add:alice:{number}", ask)
            assert len(notes.told) == number + 1, "it was not told of the fault"
            assert "nothing was recorded" in str(notes.told[-1])
            administrator.execute("DELETE FROM public.fault")
            judge_log(room._store, notes)
            notes.settle(room, ask)
        judge(room, notes, ask, url=postgres_url)
    tried("postgresql", len(CODES))


def test_where_the_server_takes_no_more_connections_it_is_said_so(
    tried: Callable[[str, int], None],
) -> None:
    """A room that has none to write with yet, while others have taken all there are."""
    few = {"max_connections": "12", "superuser_reserved_connections": "0"}
    notes = Notes()
    with PrivatePostgres(fsync=False, settings=few) as server, server.database() as url:
        with Greenroom.open(url, timers=False) as room:
            begin(room)
        with Greenroom.open(url, timers=False) as room, ExitStack() as others:
            with suppress(psycopg.OperationalError):
                for _ in range(20):
                    others.enter_context(psycopg.connect(url))
            notes.ask(room, "add:alice:1", ask)
            assert "nothing was recorded" in str(notes.told[-1])
            with pytest.raises(errors.StoreError, match="too many"):
                Greenroom.open(url, timers=False)
            others.close()
            notes.settle(room, ask)
            judge(room, notes, ask, url=url)
    tried("postgresql", 2)


@pytest.mark.parametrize("seconds", sized(ci=[0.02], large=[0.02, 0.2]))
def test_over_a_slow_line_everything_takes_longer_and_nothing_else(
    seconds: float, postgres_url: str, tried: Callable[[str, int], None]
) -> None:
    notes = Notes()
    with BreakingLine(postgres_url) as line, Greenroom.open(line.url, timers=False) as room:
        begin(room)
        line.delay = seconds
        asked = requests("alice", 0, 10)
        notes.ask_all(room, asked, ask)
        line.delay = 0
        assert notes.told == []
        judge(room, notes, ask, url=postgres_url)
    tried("postgresql", len(asked))


def test_in_a_deadlock_with_somebody_else_one_gives_way_and_all_goes_on(
    postgres_url: str, tried: Callable[[str, int], None]
) -> None:
    """The other one holds the requests and wants the turn to append, which the room has."""
    notes = Notes()
    with (
        Greenroom.open(postgres_url, timers=False) as room,
        psycopg.connect(postgres_url) as other,
    ):
        begin(room)
        asked = requests("alice", 0, sized(ci=2, large=10))
        for request_id in asked:
            other.execute("LOCK TABLE greenroom.requests IN EXCLUSIVE MODE")
            asking = threading.Thread(target=notes.ask, args=(room, request_id, ask))
            asking.start()
            wait_until_somebody_waits(postgres_url)
            with suppress(psycopg.errors.DeadlockDetected):
                other.execute("LOCK TABLE greenroom.append_turn IN EXCLUSIVE MODE")
            other.rollback()
            asking.join(PATIENCE)
            assert not asking.is_alive()
            judge_log(room._store, notes)
        notes.settle(room, ask)
        judge(room, notes, ask, url=postgres_url)
    wait_until(lambda: deadlocks_of(postgres_url) >= len(asked))
    tried("postgresql", len(asked))


def deadlocks_of(url: str) -> int:
    """How many the server has met; a process of it tells of its own when it ends, at the latest."""
    counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    with psycopg.connect(url, autocommit=True) as watcher:
        [deadlocks] = watcher.execute(counted).fetchone() or [0]
    return int(deadlocks)


def wait_until_somebody_waits(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as watcher:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        for _ in range(100_000):
            if watcher.execute(waiting).fetchone() != (0,):
                return
    raise AssertionError("nobody waits")
