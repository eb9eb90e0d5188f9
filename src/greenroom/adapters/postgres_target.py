"""A PostgreSQL database that a store is being copied into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow as Answer

from greenroom.adapters.outbox_database import Database
from greenroom.adapters.postgres_schema import COPYING, prepare
from greenroom.adapters.postgres_tables import SETTINGS, PostgresTables
from greenroom.adapters.tables import TableRow
from greenroom.adapters.targets import Target


class PostgresTarget(PostgresTables, Target):
    """The tables in a PostgreSQL database, to be filled.

    Args:
        url: of the database.

    Raises:
        InvalidInput: no such URL.
        StoreError: the server cannot be used.
    """

    def found(self) -> None:
        """Make an empty store, unless there is one, or one that is being copied into."""
        if not self.copied_into():
            prepare(self.server, create=True)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction, durable on leaving; what is raised undoes it."""
        self.ask("BEGIN")
        try:
            yield
            self.ask("COMMIT")
        except BaseException:
            with suppress(psycopg.Error):  # whatever it was, it has been said
                self.connection.execute("ROLLBACK")
            raise

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[TableRow]) -> None:
        """Add rows, within `writing`."""
        statement = self.spelled(f"COPY {table} ({', '.join(columns)}) FROM STDIN")
        with (
            self.speaking(),
            self.connection.cursor() as cursor,
            cursor.copy(statement.encode()) as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def disown(self) -> None:
        """Let no room be opened on it, within `writing`; nobody appends meanwhile."""
        self.ask("LOCK TABLE append_turn IN EXCLUSIVE MODE")
        self.ask("UPDATE schema_version SET application = ?", COPYING)

    def own(self) -> None:
        """Let rooms be opened on it again, within `writing`."""
        self.ask("UPDATE schema_version SET application = 'greenroom'")

    def found_outbox(self) -> None:
        """Make the tables of the outbox, unless there are some."""
        Database.begun(self.views_at, head=0).close()

    def settle(self) -> None:
        """Count on where the copied rows end; know how many there are; vacuum what is gone."""
        if self.has("greenroom_effects"):
            self.ask(
                "SELECT setval(pg_get_serial_sequence('greenroom_effects', 'id'),"
                " coalesce(max(id), 1), max(id) IS NOT NULL) FROM greenroom_effects"
            )
            self.ask("VACUUM (ANALYZE) greenroom_effects")
        self.ask("VACUUM (ANALYZE) stored_events, requests, subject_keys")

    def _connect(self) -> Connection[Answer]:
        return self.server.connect(SETTINGS)
