"""A database becomes a store once, however many try; what is somebody else's stays theirs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.synchronize import Barrier

import psycopg
import pytest

from greenroom.adapters.postgres_schema import SCHEMA
from greenroom.adapters.stores import PostgresStore, open_store
from greenroom.domain.errors import NotOurStore, StoreError, WrongSchema
from greenroom.testing.postgres import PrivatePostgres
from greenroom.testing.store_events import STAGE, pinned

pytestmark = pytest.mark.slow

PROCESSES = multiprocessing.get_context("forkserver")


@pytest.fixture
def database(postgres_url: str) -> Iterator[psycopg.Connection]:
    """A connection of somebody else's to the same database."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def open_and_tell(url: str, start: Barrier, told: multiprocessing.SimpleQueue[bytes]) -> None:
    start.wait(60)
    with closing(PostgresStore(url)) as store:
        told.put(store.secret)


def test_eight_processes_at_once_make_one_store(postgres_url: str) -> None:
    told: multiprocessing.SimpleQueue[bytes] = PROCESSES.SimpleQueue()
    start = PROCESSES.Barrier(8)
    processes = [
        PROCESSES.Process(target=open_and_tell, args=(postgres_url, start, told)) for _ in range(8)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 8
    assert len({told.get() for _ in processes}) == 1


def test_a_store_that_must_exist_is_not_made(
    postgres_url: str, database: psycopg.Connection
) -> None:
    with pytest.raises(StoreError, match=r"there is no store at postgresql://127\.0\.0\.1:"):
        open_store(postgres_url, create=False)
    assert database.execute("SELECT to_regnamespace('greenroom')").fetchone() == (None,)


def test_it_lives_beside_whatever_else_is_in_the_database(
    postgres_url: str, database: psycopg.Connection
) -> None:
    database.execute("CREATE TABLE stored_events AS SELECT 'mine' AS whose")
    with closing(PostgresStore(postgres_url)) as store:
        store.append([pinned(1)])
    assert database.execute("SELECT whose FROM stored_events").fetchone() == ("mine",)


def test_a_schema_of_somebody_else_is_left_alone(
    postgres_url: str, database: psycopg.Connection
) -> None:
    database.execute("CREATE SCHEMA greenroom; CREATE TABLE greenroom.plants AS SELECT 'fern'")
    for _ in range(2):
        with pytest.raises(NotOurStore, match="another program"):
            PostgresStore(postgres_url)
        # Nor does a table called like ours make it ours.
        database.execute("CREATE TABLE IF NOT EXISTS greenroom.schema_version (version int)")
    names = database.execute(
        "SELECT array_agg(relname ORDER BY relname) FROM pg_class"
        " WHERE relnamespace = 'greenroom'::regnamespace"
    )
    assert names.fetchone() == (["plants", "schema_version"],)


def test_a_newer_store_is_not_touched(postgres_url: str, database: psycopg.Connection) -> None:
    PostgresStore(postgres_url).close()
    database.execute("UPDATE greenroom.schema_version SET version = %s", [SCHEMA + 1])
    with pytest.raises(WrongSchema) as refused:
        PostgresStore(postgres_url)
    assert (refused.value.found, refused.value.supported) == (SCHEMA + 1, SCHEMA)


def test_an_administrator_may_make_the_schema_for_a_user_who_may_make_none(
    postgres: PrivatePostgres, postgres_url: str, database: psycopg.Connection
) -> None:
    name = postgres_url.rpartition("/")[2]
    database.execute("DROP ROLE IF EXISTS alice")
    database.execute("CREATE ROLE alice LOGIN PASSWORD 'wonderland'")
    hers = f"postgresql://alice:wonderland@127.0.0.1:{postgres.port}/{name}"
    with pytest.raises(StoreError, match="lacks a right"):
        PostgresStore(hers)
    database.execute("CREATE SCHEMA greenroom AUTHORIZATION alice")
    with closing(PostgresStore(hers)) as store:
        store.append([pinned(1)])
        store.erase([STAGE])
    database.execute("DROP OWNED BY alice; DROP ROLE alice")


def test_a_database_in_another_encoding_is_refused(postgres: PrivatePostgres) -> None:
    postgres.execute("CREATE DATABASE old ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(StoreError, match=r"encoding LATIN1.*ENCODING 'UTF8'"):
        PostgresStore(postgres.url("old"))
    postgres.execute("DROP DATABASE old")


def test_a_user_who_may_read_reads(
    postgres: PrivatePostgres, postgres_url: str, database: psycopg.Connection
) -> None:
    """As on a standby: nothing is recorded there, everything is seen."""
    with closing(PostgresStore(postgres_url)) as store:
        store.append([pinned(1)])
        name = postgres_url.rpartition("/")[2]
        read_only = f"ALTER DATABASE {name} SET default_transaction_read_only = on"
        database.execute(read_only.encode())
        with closing(PostgresStore(postgres_url, create=False)) as standby:
            assert list(standby.feed()) == list(store.feed())
            with pytest.raises(StoreError, match=r"read-only.*nothing was recorded"):
                standby.append([pinned(2)])
