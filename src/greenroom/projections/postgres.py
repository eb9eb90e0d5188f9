"""Views on PostgreSQL, in a schema of their own."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError

from greenroom.domain.errors import NotOurStore, StoreError
from greenroom.projections import postgres_silence as silence
from greenroom.projections.database import SCHEMA_VERSION, Database
from greenroom.projections.declared import PREFIX, wanted
from greenroom.projections.postgres_bulk import PostgresBulk
from greenroom.projections.postgres_dialect import PostgresDialect
from greenroom.projections.postgres_engine import (
    ERRORS,
    Server,
    driver,
    is_idle,
    refused_row,
    sqlstate,
)
from greenroom.projections.postgres_functions import FUNCTIONS
from greenroom.projections.postgres_leading import COULD_LEAD, PostgresLead
from greenroom.projections.postgres_locks import TRY, UNLOCK, lock_key, released
from greenroom.projections.postgres_readers import EACH, Readers
from greenroom.projections.postgres_vacuum import vacuum

SCHEMA: Final = "greenroom_views"
"""Where the views stand, in the database of the events or in any other."""

_READERS: Final = 8
_WRITERS: Final = 2
"""Connections of one process: one writes at a time, another may look after the tables."""
_PATIENCE: Final = timedelta(milliseconds=100)
"""With transactions that can still see what was erased."""


class PostgresDatabase(Database):
    """Views in a schema of a PostgreSQL database."""

    dialect = PostgresDialect()
    _errors = ERRORS

    def __init__(self, url: str, limit: timedelta, schema: str = SCHEMA) -> None:
        """Name the database; connections are made when they are needed.

        Raises:
            InvalidInput: not the URL of a database.
        """
        super().__init__(limit)
        self._url = url
        self.schema: Final = schema
        self._server = Server(url, what="the views")
        # Lost view transactions are projected again, so waiting for the disk would buy nothing.
        self._writer = self._server.engine(
            schema, _WRITERS, {"synchronous_commit": "off"}, autocommit=False
        )
        self._reader = self._server.engine(schema, _READERS, EACH, autocommit=True)
        self._limited = Readers(self._server, schema, limit, _READERS)
        self._indexing: silence.Connection | None = None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """See `Database`."""
        with (
            self._speaking(),
            self._writer.connect() as connection,
            silence.bounded(driver(connection)),
            connection.begin(),
        ):
            with driver(connection).pipeline():  # begins, and waits for its turn, in one round trip
                driver(connection).execute(_LOCK, [self._key("writing")])
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """See `Database`."""
        with (
            self._speaking(),
            self._reader.connect() as connection,
            silence.bounded(driver(connection)),
        ):
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """See `Database`."""
        with (
            self._speaking(),
            # From before the snapshot on: names shall not change their tables meanwhile.
            self._held(self._key("layout")),
            self._writer.connect() as connection,
        ):
            yield connection.execution_options(isolation_level="REPEATABLE READ")

    def fetch(
        self, sql: str, arguments: Sequence[Any], *, steady: bool = False
    ) -> list[tuple[Any, ...]]:
        """See `Database`."""
        with self._speaking():
            return self._limited.fetch(sql, arguments, steady=steady)

    def bulk(self, connection: Connection) -> PostgresBulk:
        """See `Database`."""
        return PostgresBulk(driver(connection))

    @contextmanager
    def founding(self) -> Iterator[Connection]:
        """See `Database`. A schema of somebody else is left as it is."""
        with self._changing() as connection:
            self._check_that_it_is_ours(connection)
            yield connection
            missing = connection.scalars(_MISSING, {"signatures": [*FUNCTIONS]}).all()
            for signature in missing:
                driver(connection).execute(FUNCTIONS[signature]().encode())

    def version(self, connection: Connection) -> int:
        """See `Database`; a table of its own says it."""
        if "greenroom_marks" not in self._tables(connection):
            return 0
        return int(connection.scalar(text("SELECT schema_version FROM greenroom_marks")) or 0)

    def clear(self, connection: Connection) -> None:
        """See `Database`."""
        for kind, name in connection.execute(_OBJECTS, {"schema": self.schema}).all():
            connection.exec_driver_sql(f"DROP {kind} IF EXISTS {name} CASCADE")
        connection.exec_driver_sql("CREATE TABLE greenroom_marks (schema_version integer NOT NULL)")
        connection.exec_driver_sql(f"INSERT INTO greenroom_marks VALUES ({SCHEMA_VERSION})")

    @contextmanager
    def beside(self) -> Iterator[_Beside]:
        """See `Database`: in a schema of its own, which can take the name of ours."""
        with self._speaking(), self._workplace() as token:
            self.sweep()
            database = PostgresDatabase(self._url, self.limit, f"{_FRESH}{token}")
            made = _Beside(self, database, f"{SCHEMA}_old_{token}")
            try:
                yield made
            finally:
                database.close()
                if made.spoilt:
                    self._drop(database.schema)
            self._drop(database.schema)

    def exchange(self, other: str, old: str, agreed: Callable[[Connection], bool]) -> bool:
        """Let the schema `other` be ours, and ours be `old`; not, if `agreed` says no."""
        with self._changing() as connection:
            if not agreed(connection):
                return False
            connection.exec_driver_sql(f"ALTER SCHEMA {self.schema} RENAME TO {old}")
            connection.exec_driver_sql(f"ALTER SCHEMA {other} RENAME TO {self.schema}")
        self._drop(old)
        return True

    def sweep(self) -> None:
        """See `Database`."""
        with self._speaking(), self._reader.connect() as connection:
            for schema in connection.scalars(_LEFTOVERS, {"pattern": _PATTERN}).all():
                key = {"key": lock_key(schema.rpartition("_")[2])}
                if connection.scalar(TRY, key):
                    self._drop(schema)
                    connection.execute(UNLOCK, key)

    def forget(self, tables: Collection[str]) -> bool:
        """See `Database`: no query finds it any more, and the tables are vacuumed.

        So are the server's notes of what stands in their columns.

        That frees the old versions of rows, which is possible once no transaction can see them.
        The bytes in freed space, like those in the server's own log, are for the server to write
        over; backups keep what they keep.
        """
        with self._speaking(), self._writer.connect() as made:
            connection = made.execution_options(isolation_level="AUTOCOMMIT")
            if not self._nobody_sees(connection, str(connection.scalar(_NOW))):
                return False
            try:
                vacuum(driver(connection), sorted(tables))
            except DBAPIError as error:
                if sqlstate(error) != psycopg.errors.LockNotAvailable.sqlstate:
                    raise
                return False
            return True

    def lasting(self, connection: Connection) -> Callable[[], bool]:
        """See `Database`: a server that crashed may have lost it, and broken the connection."""
        raw = driver(connection)
        return lambda: is_idle(raw)

    def lead(self) -> PostgresLead:
        """See `Database`."""
        connect = partial(
            self._server.connect, self.schema, {}, autocommit=True, patience=silence.LONGEST
        )
        return PostgresLead(connect, self._key("leader"), self._named)

    def led(self) -> bool:
        """See `Database`."""
        with self.read() as connection:
            return not connection.scalar(COULD_LEAD, {"key": self._key("leader")})

    def look_over(self, tables: Collection[str]) -> None:
        """See `Database`; autovacuum would do so a minute later, as with what is locked now."""
        with self._speaking(), self._writer.connect() as made:
            connection = made.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {', '.join(sorted(tables))}")

    def index_changes(self, connection: Connection) -> Sequence[str]:
        """See `Database`."""
        found = connection.execute(_INDEXES, {"prefix": PREFIX}).all()
        should = wanted(connection, self.dialect)
        # Not valid is what somebody did not finish.
        there = {name for name, valid in found if valid}
        useless = {name for name, valid in found if name not in should or not valid}
        missing = [index for name, index in should.items() if name not in there]
        return [
            *(f"DROP INDEX CONCURRENTLY IF EXISTS {name}" for name in sorted(useless)),
            *(
                f"CREATE INDEX CONCURRENTLY {index.name} ON {index.table} ({index.keys})"
                for index in missing
            ),
            # Of an expression the planner knows nothing before somebody has looked at it, in an
            # index of all rows.
            *(f"ANALYZE {table}" for table in sorted({index.table for index in missing})),
        ]

    def reindex(self) -> bool:
        """See `Database`. Writers go on as well; it ends when older transactions have ended."""
        with self._speaking(), self._reader.connect() as connection:
            key = self._key("indexes")
            self._indexing = driver(connection)
            try:
                # Asked for, not waited for: who waits in a statement is waited for by an index.
                if not connection.scalar(TRY, {"key": key}):
                    return False
                with released(connection, UNLOCK, key):
                    while statements := self.index_changes(connection):
                        for statement in statements:
                            self._indexing.execute(statement.encode())
                    return True
            finally:
                self._indexing = None

    def interrupt_reindexing(self) -> None:
        """See `Database`."""
        connection = self._indexing
        if connection is not None:
            connection.interrupt()

    def close(self) -> None:
        """See `Database`."""
        self._closed = True
        self._limited.close()
        for engine in (self._writer, self._reader):
            engine.dispose()

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        """`write`, to change what tables there are; nobody reads several of them meanwhile."""
        with self.write() as connection:
            driver(connection).execute(_LOCK, [self._key("layout")])
            yield connection

    @contextmanager
    def _held(self, key: int) -> Iterator[None]:
        """Hold an advisory lock of the session, shared, on a connection of its own."""
        with self._reader.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock_shared(:key)"), {"key": key})
            with released(connection, text("SELECT pg_advisory_unlock_shared(:key)"), key):
                yield

    @contextmanager
    def _workplace(self) -> Iterator[str]:
        """What a schema beside ours is called by: one that an interrupted rebuild left, or none.

        As long as it is held, nobody else takes it for one that was left behind.
        """
        with self._reader.connect() as connection:
            left = connection.scalars(_LEFTOVERS, {"pattern": f"^{_FRESH}{_TOKEN}$"}).all()
            tokens = [*(schema.removeprefix(_FRESH) for schema in left), secrets.token_hex(6)]
            token = next(each for each in tokens if connection.scalar(TRY, {"key": lock_key(each)}))
            with released(connection, UNLOCK, lock_key(token)):
                yield token

    def _key(self, what: str) -> int:
        return lock_key(f"{self.schema} {what}")

    def _check_that_it_is_ours(self, connection: Connection) -> None:
        encoding = driver(connection).info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise StoreError(
                f"the database {self._server.name} has the encoding {encoding}; make one with"
                " CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
            )
        if connection.scalar(text("SELECT to_regnamespace(:name)"), {"name": self.schema}) is None:
            connection.exec_driver_sql(f"CREATE SCHEMA {self.schema}")
        tables = self._tables(connection)
        if tables and "greenroom_marks" not in tables:
            raise NotOurStore(
                f"the schema {self.schema} of {self._server.name} holds something else than views;"
                " give it another name, or name another database"
            )

    def _tables(self, connection: Connection) -> Sequence[str]:
        """Whatever has rows, or gives some, in our schema."""
        return connection.scalars(_RELATIONS, {"schema": self.schema}).all()

    def _nobody_sees(self, connection: Connection, before: str) -> bool:
        """Whether all transactions that can see rows deleted `before` end while we wait a bit."""
        deadline = time.monotonic() + _PATIENCE.total_seconds()
        while connection.scalar(_SOMEBODY_SEES, {"before": before}):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def _drop(self, schema: str) -> None:
        """Remove a schema of ours. What cannot be removed, a later rebuild will."""
        with suppress(*ERRORS), self._writer.begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")

    def _refused(self, error: Exception) -> str | None:
        return refused_row(error)

    def _named(self, error: Exception) -> StoreError:
        return self._server.error(error)


class _Beside:
    """A second set of tables, in a schema of its own."""

    apart: bool = True

    def __init__(self, live: PostgresDatabase, database: PostgresDatabase, old: str) -> None:
        self._live = live
        self.database = database
        self._old = old
        self.spoilt = False

    def spoil(self) -> None:
        self.spoilt = True

    def put_in_place(self, tables: Sequence[Table], agreed: Callable[[Connection], bool]) -> bool:
        while not self.database.reindex():
            time.sleep(_PATIENCE.total_seconds())
        with self.database.write() as connection:
            # Or the first queries would be planned for tables that nobody has looked at.
            connection.exec_driver_sql(f"ANALYZE {', '.join(table.name for table in tables)}")
        return self._live.exchange(self.database.schema, self._old, agreed)


_LOCK: Final = b"SELECT pg_advisory_xact_lock(%s)"
_RELATIONS: Final = text(
    "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(:schema)"
    " AND relkind IN ('r', 'p', 'v', 'm', 'f')"
)
_OBJECTS: Final = text(
    "SELECT 'TABLE', quote_ident(relname) FROM pg_class"
    " WHERE relnamespace = to_regnamespace(:schema) AND relkind = 'r'"
    " UNION ALL SELECT 'FUNCTION', CAST(CAST(oid AS regprocedure) AS text) FROM pg_proc"
    " WHERE pronamespace = to_regnamespace(:schema)"
)
_MISSING: Final = text(
    "SELECT signature FROM unnest(CAST(:signatures AS text[])) AS signature"
    " WHERE to_regprocedure(signature) IS NULL"
)
_FRESH: Final = f"{SCHEMA}_fresh_"
_TOKEN: Final = "[0-9a-f]{12}"  # noqa: S105 - names a schema
_PATTERN: Final = f"^{SCHEMA}_(fresh|old)_{_TOKEN}$"
_LEFTOVERS: Final = text(
    "SELECT nspname FROM pg_namespace WHERE nspname ~ :pattern AND pg_has_role(nspowner, 'USAGE')"
)
_INDEXES: Final = text(
    "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
    " WHERE relnamespace = current_schema()::regnamespace AND starts_with(relname, :prefix)"
)
_NOW: Final = text("SELECT CAST(pg_current_xact_id() AS text)")
_SOMEBODY_SEES: Final = text(
    "SELECT EXISTS (SELECT FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND greatest(age(backend_xmin), age(backend_xid))"
    " > age(CAST(CAST(:before AS xid8) AS xid)))"
)
