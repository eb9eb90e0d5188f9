"""What is wrong with a server is said with what would help, and never with a password."""

from __future__ import annotations

import socket
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from greenroom.adapters import postgres_connections
from greenroom.adapters.postgres_server import Server
from greenroom.adapters.stores import PostgresStore, open_store
from greenroom.domain.errors import GreenroomError, InvalidInput, StoreError
from greenroom.testing.postgres import PrivatePostgres
from greenroom.testing.store_events import pinned

WORD = "s3cr3t/pass"
QUOTED = "s3cr3t%2Fpass"


@contextmanager
def refused(kind: type[GreenroomError], message: str) -> Iterator[None]:
    """Refused like that, and nothing that is printed of it holds the password."""
    with pytest.raises(kind, match=message) as raised:
        yield
    printed = "".join(traceback.format_exception(raised.value))
    assert WORD not in printed
    assert QUOTED not in printed


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://", "the name of a database"),
        (f"postgresql://ann:{QUOTED}@localhost", "the name of a database"),
        (f"postgresql://ann:{QUOTED}@localhost:port/calls", "a port between"),
        (f"postgresql://ann:{QUOTED}@localhost:99999/calls", "a port between"),
        (f"postgresql://ann:{WORD}@localhost/calls", "special characters as %XX"),
        (f"postgresql://ann:{QUOTED}%@localhost/calls", "special characters as %XX"),
        (f"postgresql://ann:{QUOTED}@[::1/calls", "special characters as %XX"),
    ],
)
def test_a_malformed_url_is_refused_with_what_was_meant(url: str, expected: str) -> None:
    with refused(InvalidInput, expected):
        open_store(url)


def test_a_parameter_that_nobody_knows_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidInput) as raised:
        open_store("postgresql://localhost/calls?sslmod=require")
    assert raised.value.nearest == "sslmode"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://ann:pw@db.example:5433/calls", "postgresql://db.example:5433/calls"),
        ("postgres://ann:pw@db.example/calls", "postgresql://db.example/calls"),
        ("postgresql:///calls?host=/run/postgresql", "postgresql:///run/postgresql/calls"),
        ("postgresql://a:1,b:2/calls", "postgresql://a,b:1,2/calls"),
    ],
)
def test_a_server_is_named_without_user_and_password(url: str, name: str) -> None:
    assert str(Server(url)) == name


def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with refused(StoreError, "nobody answers there; is the server running"):
        open_store(f"postgresql://ann:{QUOTED}@127.0.0.1:{port}/calls")


def test_there_is_no_such_host() -> None:
    with refused(StoreError, "there is no such host"):
        open_store(f"postgresql://ann:{QUOTED}@nowhere.invalid/calls")


@pytest.mark.slow
def test_the_server_does_not_let_us_in(postgres: PrivatePostgres) -> None:
    place = f"127.0.0.1:{postgres.port}"
    with refused(StoreError, "wrong user or password"):
        open_store(f"postgresql://postgres:{QUOTED}@{place}/postgres")
    with refused(StoreError, "it asks for a password"):
        open_store(f"postgresql://postgres@{place}/postgres")
    with refused(StoreError, "there is no such database"):
        open_store(postgres.url("nowhere"))
    with refused(StoreError, "wrong user or password"):
        open_store(f"postgresql://nobody:{QUOTED}@{place}/postgres")


@pytest.mark.slow
def test_no_connection_is_left(postgres: PrivatePostgres, postgres_url: str) -> None:
    name = postgres_url.rpartition("/")[2]
    with closing(PostgresStore(postgres_url)) as store:
        postgres.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
        postgres.execute("CREATE ROLE tommaso LOGIN PASSWORD 'pw'")
        with refused(StoreError, "no connection left"):
            open_store(f"postgresql://tommaso:pw@127.0.0.1:{postgres.port}/{name}")
        postgres.execute("DROP ROLE tommaso")
        store.append([pinned(1)])


@pytest.mark.slow
def test_somebody_keeps_the_log_locked(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connections, "_WRITE", "SET lock_timeout = '100ms'")
    with closing(PostgresStore(postgres_url)) as store, psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE greenroom.append_turn IN EXCLUSIVE MODE")
        with refused(StoreError, "locked for too long; try again.*nothing was recorded"):
            store.append([pinned(1)])
        assert store.position() == 0
        other.rollback()
        store.append([pinned(1)])


@pytest.mark.slow
def test_tables_are_missing(postgres_url: str) -> None:
    with closing(PostgresStore(postgres_url)) as store:
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("DROP TABLE greenroom.requests")
        with refused(StoreError, "a table of the store is missing"):
            store.append([pinned(1)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "advice"),
    [
        ("53100", "disk is full"),
        ("53200", "out of memory"),
        ("57014", "statement_timeout"),
        ("57P01", "shut down"),
        ("58030", "its disk or its system failed"),
        ("XX001", "damage"),
        ("22000", "as the server says"),
    ],
)
def test_what_the_server_refuses_for_is_told_apart_by_its_code(
    postgres_url: str, state: str, advice: str
) -> None:
    """Raised by the server itself, in place of what is hard to bring about."""
    with closing(PostgresStore(postgres_url)) as store:
        with psycopg.connect(postgres_url, autocommit=True) as other:
            refuse = (
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" RAISE 'as the server says' USING ERRCODE = '{state}'; END $$;"
                "CREATE TRIGGER refuse BEFORE INSERT ON greenroom.stored_events"
                " EXECUTE FUNCTION refuse()"
            )
            other.execute(refuse.encode())
        with refused(StoreError, f"{advice}.*nothing was recorded"):
            store.append([pinned(1)])
        assert store.position() == 0
