"""The tables and functions of a store, in a schema of their own of any database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from greenroom.adapters.postgres_append import FUNCTIONS
from greenroom.adapters.postgres_server import Server
from greenroom.adapters.sealing import new_secret
from greenroom.adapters.tables import unfinished
from greenroom.domain.errors import NotOurStore, StoreError, WrongSchema

SCHEMA: Final = 1
"""Version of the tables below."""

_OURS: Final = "greenroom"
"""What `schema_version` says of whose tables these are."""
COPYING: Final = "greenroom copy"
"""What it says while a store is being copied into them."""
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('greenroom schema', 0))"

# No default for the position: only `append_draft` gives one, in the order of commits, without gaps.
# No statistics of secrets: they quote values, also of rows that are gone.
# COLLATE "C": ids are in the same order as in SQLite and in Python.
_TABLES: Final = (
    """\
CREATE TABLE greenroom.stored_events (
    originator_id text COLLATE "C" NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    notification_id bigint PRIMARY KEY,
    UNIQUE (originator_id, originator_version)
)""",
    """\
CREATE TABLE greenroom.requests (
    request_id text COLLATE "C" PRIMARY KEY,
    fingerprint text NOT NULL,
    answer bytea NOT NULL,
    position bigint NOT NULL,
    recorded_at bigint NOT NULL
)""",
    "CREATE INDEX requests_by_age ON greenroom.requests (recorded_at)",
    """\
CREATE TABLE greenroom.subject_keys (
    key_id bigint PRIMARY KEY,
    subject text COLLATE "C" NOT NULL UNIQUE,
    secret bytea NOT NULL
)""",
    "ALTER TABLE greenroom.subject_keys ALTER COLUMN secret SET STATISTICS 0",
    """\
CREATE TABLE greenroom.snapshots (
    stream text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    format text NOT NULL,
    state bytea NOT NULL
)""",
    "CREATE TABLE greenroom.append_turn ()",
    "CREATE TABLE greenroom.store_secret (secret bytea NOT NULL)",
)
"""Streams, versions, names, documents, positions: named as in the eventsourcing library, so that
its tools can read them. `recorded_at` in microseconds since 1970, by the server's clock."""


def prepare(server: Server, *, create: bool) -> bytes:
    """Make the database a store, or bring an older one up to date; the store's secret.

    Any number of processes may do so at once.

    Args:
        server: where it is.
        create: whether a database without a store becomes one.

    Raises:
        StoreError: the server cannot be used, or there is no store and none is to be made.
        NotOurStore: its schema `greenroom` is something else.
        WrongSchema: a newer greenroom made it.
    """
    with server.connect() as connection:
        server.check(connection)
        try:
            if _check_schema(connection, server, create=create) < SCHEMA:
                with connection.transaction():
                    connection.execute(_LOCK)
                    # Others may have been quicker.
                    for step in _STEPS[_check_schema(connection, server, create=create) :]:
                        step(connection)
                    connection.execute("UPDATE greenroom.schema_version SET version = %s", [SCHEMA])
            found = connection.execute("SELECT secret FROM greenroom.store_secret").fetchone()
        except psycopg.Error as error:
            raise server.error(error) from error
    if found is None:
        raise NotOurStore(f"{server}: the store's secret is missing; restore it from a backup")
    secret: bytes = found[0]
    return secret


def schema_of(connection: Connection[TupleRow], server: Server) -> int:
    """Which schema the store in the database has; 0 where there is none.

    Raises:
        NotOurStore: the schema `greenroom` is something else, or a store that is not copied to
            the end.
    """
    marked, strangers = connection.execute(
        "SELECT to_regclass('greenroom.schema_version') IS NOT NULL, EXISTS (SELECT 1"
        " FROM pg_class WHERE relnamespace = to_regnamespace('greenroom'))"
    ).fetchone() or (False, False)
    if not strangers:
        return 0
    try:
        found = (
            marked
            and connection.execute(
                "SELECT version FROM greenroom.schema_version WHERE application = %s", [_OURS]
            ).fetchone()
        )
    except psycopg.errors.UndefinedColumn:
        found = None
    if not found:
        if marked and copied_into(connection):
            raise unfinished(server)
        raise NotOurStore(
            f"{server}: the schema greenroom of this database is another program's;"
            " name another database"
        )
    return int(found[0])


def copied_into(connection: Connection[TupleRow]) -> bool:
    """Whether `schema_version`, which must be there, says so; a stranger's has other columns."""
    found = connection.execute(
        "SELECT 1 FROM greenroom.schema_version AS mark"
        " WHERE to_jsonb(mark) ->> 'application' = %s",
        [COPYING],
    )
    return found.fetchone() is not None


def _check_schema(connection: Connection[TupleRow], server: Server, *, create: bool) -> int:
    schema = schema_of(connection, server)
    if schema > SCHEMA:
        raise WrongSchema(schema, SCHEMA)
    if schema == 0 and not create:
        raise StoreError(f"there is no store at {server}")
    return schema


def _create(connection: Connection[TupleRow]) -> None:
    found = connection.execute("SELECT to_regnamespace('greenroom')").fetchone()
    if found == (None,):  # an administrator may have made it, for users who may make none
        connection.execute("CREATE SCHEMA greenroom")
    for statement in (*_TABLES, *FUNCTIONS):
        connection.execute(statement.encode())
    connection.execute("INSERT INTO greenroom.store_secret VALUES (%s)", [new_secret()])
    connection.execute(
        "CREATE TABLE greenroom.schema_version (application text NOT NULL, version int NOT NULL)"
    )
    connection.execute("INSERT INTO greenroom.schema_version VALUES (%s, %s)", [_OURS, SCHEMA])


_STEPS: Final[tuple[Callable[[Connection[TupleRow]], None], ...]] = (_create,)
"""From each schema to the next."""
