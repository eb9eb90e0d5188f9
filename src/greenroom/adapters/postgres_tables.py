"""The tables of a store in a PostgreSQL database, as they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, timedelta
from types import MappingProxyType
from typing import Final

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow as Answer

from greenroom.adapters.postgres_schema import SCHEMA, copied_into, schema_of
from greenroom.adapters.postgres_server import Server
from greenroom.adapters.tables import Holder, TableRow, Tables
from greenroom.projections.postgres import SCHEMA as VIEWS

SETTINGS: Final = (
    "SET search_path = greenroom; SET statement_timeout = 0;"
    " SET idle_in_transaction_session_timeout = 0"
)
"""What takes long here is meant to."""


class PostgresTables(Tables):
    """The tables in a PostgreSQL database.

    Args:
        url: of the database.

    Raises:
        InvalidInput: no such URL.
        StoreError: the server cannot be used.
    """

    kind = "postgresql"
    supported = SCHEMA
    words = MappingProxyType(
        {
            "event_position": "notification_id",
            "BYTEWISE": '"C"',
            "ALONE": "FOR UPDATE",
            "?": "%s",
        }
    )

    def __init__(self, url: str) -> None:
        self.server: Final = Server(url)
        self.name = str(self.server)
        self.connection = self._connect()
        self._url = url

    @property
    def views_at(self) -> str:
        """In the same database."""
        return self._url

    @property
    def attempts_at(self) -> str:
        """In the same database."""
        return self._url

    def has_attempts(self) -> bool:
        """Whether there is a table of them."""
        return self.has("greenroom_attempts")

    def schema(self) -> int:
        """Which schema the store has; 0 where there is none."""
        with self.speaking():
            return schema_of(self.connection, self.server)

    def copied_into(self) -> bool:
        """Whether its `schema_version` says so."""
        with self.speaking():
            return self.has("schema_version") and copied_into(self.connection)

    def has(self, table: str) -> bool:
        """Whether there is such a table."""
        return bool(self.number("SELECT count(to_regclass(?))", f"greenroom.{table}"))

    def ask(self, question: str, *parameters: object) -> list[TableRow]:
        """All rows that one statement answers."""
        with self.speaking():
            cursor = self.connection.execute(
                self.spelled(question).encode(), parameters or None, binary=True
            )
            return cursor.fetchall() if cursor.description else []

    def damage(self) -> Sequence[str]:
        """Indexes that are not valid: made concurrently, and never finished."""
        return [f"the index {name} is not valid; REINDEX it" for (name,) in self.ask(_INVALID)]

    def size(self) -> int:
        """Bytes of the store's tables, with their indexes."""
        return self.number(_SIZE, "greenroom")

    def views_size(self) -> int:
        """Bytes of the views' tables, with their indexes."""
        return self.number(_SIZE, VIEWS)

    def views_positions(self) -> Sequence[tuple[str, int, int]]:
        """Projection, version and position of each; none where there are no views."""
        if not self.number("SELECT count(to_regclass(?))", f"{VIEWS}.positions"):
            return ()
        rows = self.ask(f"SELECT projection, version, position FROM {VIEWS}.positions")
        return [(name, version, position) for name, version, position in rows]

    def views_parked(self) -> Mapping[str, int]:
        """How much is parked, by projection; nothing where there are no views."""
        if not self.number("SELECT count(to_regclass(?))", f"{VIEWS}.parked"):
            return {}
        counts = f"SELECT projection, count(*) FROM {VIEWS}.parked GROUP BY projection"
        return dict(self.ask(counts))

    def holders(self, patience: timedelta) -> Sequence[Holder]:
        """Transactions that hold others up, or have been open for longer than `patience`.

        Of other users the server tells less, unless one may `pg_read_all_stats`.
        """
        rows = self.ask(_HOLDERS, patience)
        return [
            Holder(
                pid=pid,
                application_name=name,
                user=user,
                client=client,
                state=state,
                since=None if since is None else since.astimezone(UTC),
                why=tuple(filter(None, why)),
                waiting=waiting,
            )
            for pid, name, user, client, state, since, why, waiting in rows
            if any(why)
        ]

    def close(self) -> None:
        """Release the connection. Twice is fine."""
        self.connection.close()

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Whatever the server refuses is a StoreError."""
        try:
            yield
        except psycopg.Error as error:
            raise self.server.error(error) from error

    def _connect(self) -> Connection[Answer]:
        return self.server.connect(f"{SETTINGS}; SET default_transaction_read_only = on")


_INVALID: Final = (
    "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
    " WHERE relnamespace = to_regnamespace('greenroom') AND NOT (indisvalid AND indisready)"
)
_SIZE: Final = (
    "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
    " WHERE relnamespace = to_regnamespace(?) AND relkind = 'r'"
)
# Locks that appends have to wait for; theirs is the one on `append_turn`.
_HOLDERS: Final = """\
WITH locks AS (
    SELECT coalesce(pid::text, virtualtransaction) AS holder, relname, granted
    FROM pg_locks JOIN pg_class ON pg_class.oid = relation
    WHERE locktype = 'relation' AND relnamespace = to_regnamespace('greenroom')
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
), transactions AS (
    SELECT pid::text AS holder, pid, application_name, usename, host(client_addr) AS client,
        state, xact_start AS since, backend_xmin IS NOT NULL OR backend_xid IS NOT NULL AS sees
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
    AND pid <> pg_backend_pid()
  UNION ALL
    SELECT virtualtransaction, NULL, gid, owner, NULL, 'prepared', prepared, true
    FROM pg_prepared_xacts JOIN pg_locks
    ON locktype = 'transactionid' AND transactionid = transaction AND pid IS NULL
    WHERE pg_prepared_xacts.database = current_database()
), aged AS (
    SELECT *, coalesce(since < now() - ?, false) AS long FROM transactions
)
SELECT pid, application_name, usename, client, state, since,
    array(
        SELECT CASE
            WHEN granted AND relname = 'append_turn' THEN 'append lock'
            WHEN granted THEN 'locks ' || relname
            ELSE 'waits to append'
        END FROM locks WHERE locks.holder = aged.holder ORDER BY 1
    ) || ARRAY[
        CASE WHEN long AND sees THEN 'old snapshot' END,
        CASE WHEN long AND left(state, 19) = 'idle in transaction' THEN 'idle in transaction' END
    ],
    (
        SELECT count(*) FROM pg_stat_activity AS other
        WHERE coalesce(aged.pid, 0) = ANY (pg_blocking_pids(other.pid))
    )
FROM aged ORDER BY since NULLS LAST, pid
"""
