"""The floor: a table like the log's, written through the bare driver and nothing else.

It gets the very rows that greenroom was seen to write, in the same batches.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias
from unittest.mock import patch

import psycopg
from benchmarks._report import Contender

from greenroom.adapters.recorder import Draft, LogRecorder, Objection, Written

Bytes: TypeAlias = tuple[str, int, str, bytes]
"""What a row holds: stream, version, stored name, document."""


class Log(Protocol):
    """A table of rows."""

    def commit(self, batch: Sequence[Bytes]) -> None:
        """Insert all of these in one durable transaction."""
        ...

    def clear(self) -> None:
        """Remove every row."""
        ...

    def close(self) -> None:
        """Release the connection."""
        ...


class SQLiteLog:
    """Rows in a file, by `executemany`."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "CREATE TABLE log (position INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT,"
            " version INTEGER, name TEXT, document BLOB, UNIQUE (stream, version))"
        )

    def commit(self, batch: Sequence[Bytes]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(
            "INSERT INTO log (stream, version, name, document) VALUES (?, ?, ?, ?)", batch
        )
        self._connection.execute("COMMIT")

    def clear(self) -> None:
        self._connection.execute("DELETE FROM log")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._connection.close()


class PostgresLog:
    """Rows on a server, by one statement with arrays: one round trip, prepared, in binary."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, prepare_threshold=0)
        self._connection.execute(
            'CREATE TABLE log (position bigserial PRIMARY KEY, stream text COLLATE "C",'
            " version bigint, name text, document bytea, UNIQUE (stream, version))"
        )

    def commit(self, batch: Sequence[Bytes]) -> None:
        streams, versions, names, documents = zip(*batch, strict=True)
        self._connection.execute(
            "INSERT INTO log (stream, version, name, document)"
            " SELECT * FROM unnest(%b::text[], %b::bigint[], %b::text[], %b::bytea[])",
            (list(streams), list(versions), list(names), list(documents)),
        )

    def clear(self) -> None:
        self._connection.execute("TRUNCATE log")
        self._connection.execute("CHECKPOINT")

    def close(self) -> None:
        self._connection.close()


def replayed(log: Log, batches: Sequence[Sequence[Bytes]], work: int) -> Contender:
    """Commits these batches one after the other, into an empty table every time.

    Args:
        log: the table.
        batches: a transaction each.
        work: how many units they are the work of.
    """

    def run() -> None:
        for batch in batches:
            log.commit(batch)

    return Contender(run, work, log.clear)


def seen(contender: Contender) -> Sequence[Sequence[Bytes]]:
    """What one run commits to stores of greenroom's, after another run to warm up."""
    contender.run()
    contender.prepare()
    with watched() as batches:
        contender.run()
    return batches


@contextmanager
def watched() -> Iterator[list[list[Bytes]]]:
    """What this process commits meanwhile to stores of greenroom's, a list a transaction."""
    batches: list[list[Bytes]] = []
    with ExitStack() as stack:
        for recorder in LogRecorder.__subclasses__():
            stack.enter_context(patch.object(recorder, "write", _watching(recorder.write, batches)))
        yield batches


def _watching(
    write: Callable[[LogRecorder, Draft], Written | Objection], batches: list[list[Bytes]]
) -> Callable[[LogRecorder, Draft], Written | Objection]:
    def watching(recorder: LogRecorder, draft: Draft) -> Written | Objection:
        answer = write(recorder, draft)
        if draft.rows and isinstance(answer, Written):
            batches.append(
                [
                    (str(row.originator_id), row.originator_version, row.topic, row.state)
                    for row in draft.rows
                ]
            )
        return answer

    return watching
