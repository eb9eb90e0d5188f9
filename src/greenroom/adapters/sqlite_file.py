"""The SQLite file of a store: its marks, its tables, and what can be wrong with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, Literal, TypeVar

from greenroom.adapters.sealing import new_secret
from greenroom.adapters.tables import unfinished
from greenroom.domain.errors import NotOurStore, OutcomeUnknown, StoreError, WrongSchema

T = TypeVar("T")
Synchronous = Literal["FULL", "NORMAL"]

APPLICATION_ID: Final = int.from_bytes(b"grnr")
"""Marks a file as ours (`PRAGMA application_id`)."""
COPYING_ID: Final = int.from_bytes(b"grnc")
"""Marks a file that a store is being copied into."""
SCHEMA: Final = 2
"""Of the tables below (`PRAGMA user_version`)."""

# AUTOINCREMENT: no position is ever given again.
_EVENTS: Final = """\
CREATE TABLE stored_events (
    rowid INTEGER PRIMARY KEY AUTOINCREMENT,
    originator_id TEXT NOT NULL,
    originator_version INTEGER NOT NULL,
    topic TEXT NOT NULL,
    state BLOB NOT NULL,
    UNIQUE (originator_id, originator_version)
)"""
"""Positions, streams, versions, names, documents: named as in the eventsourcing library, so that
its tools can read them."""
_REQUESTS: Final = """\
CREATE TABLE requests (
    request_id TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    answer BLOB NOT NULL,
    position INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL
) WITHOUT ROWID"""
"""`recorded_at` in microseconds since 1970, by the clock of the machine."""
_KEYS: Final = """\
CREATE TABLE subject_keys (
    key_id INTEGER PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL UNIQUE,
    secret BLOB NOT NULL
)"""
_SNAPSHOTS: Final = """\
CREATE TABLE snapshots (
    stream TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    format TEXT NOT NULL,
    state BLOB NOT NULL
) WITHOUT ROWID"""
_BY_AGE: Final = "CREATE INDEX requests_by_age ON requests (recorded_at)"
_SIGNING: Final = "CREATE TABLE store_secret (secret BLOB NOT NULL)"


def connect(
    path: Path, *, create: bool, synchronous: Synchronous, busy: float
) -> sqlite3.Connection:
    """A connection to the file, usable from any thread, one at a time.

    Args:
        path: absolute.
        create: whether a missing file is made.
        synchronous: FULL keeps what was acknowledged through a power cut; NORMAL may lose the last.
        busy: seconds to wait for a lock that another process holds.
    """
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={'rwc' if create else 'rw'}",
        uri=True,
        timeout=busy,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA secure_delete=ON")  # a destroyed key leaves no bytes in the file
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA journal_size_limit=67108864")
    except BaseException:
        connection.close()
        raise
    return connection


def check_path(path: Path, *, create: bool) -> None:
    """Say plainly what SQLite would say with "unable to open database file".

    Raises:
        StoreError: there is no such directory, or no such store and none is to be made.
    """
    try:
        if not path.parent.is_dir():
            raise StoreError(
                f"there is no directory {path.parent}; make it, or correct the store's URL"
            )
        if path.is_dir():
            raise StoreError(f"{path} is a directory; name a file in it, e.g. {path / 'calls.db'}")
        if not create and (not path.exists() or path.stat().st_size == 0):
            raise StoreError(f"there is no store at {path}")
    except OSError as error:  # a name too long for the file system, a directory that is closed
        raise StoreError(f"{path} cannot be used: {error.strerror}") from error


def prepare(connection: sqlite3.Connection, path: Path, busy: float) -> bytes:
    """Make the file a store, or bring an older one up to date; the store's secret.

    Any number of processes may do so at once. A file of somebody else is left as it is.

    Raises:
        NotOurStore: the file is something else.
        WrongSchema: a newer greenroom made it.
    """
    _check_schema(connection, path)
    # Switching to WAL fails at once, without waiting, while another process does the same.
    mode = _patiently(lambda: connection.execute("PRAGMA journal_mode=WAL").fetchone()[0], busy)
    if mode != "wal":
        raise StoreError(f"{path} cannot be used in WAL mode; put it on a local file system")
    if _check_schema(connection, path) < SCHEMA:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for step in _STEPS[_check_schema(connection, path) :]:  # others may have been quicker
                step(connection)
            connection.execute(f"PRAGMA user_version={SCHEMA}")
            connection.execute("COMMIT")
        except BaseException:
            rollback(connection)
            raise
    secret: bytes = connection.execute("SELECT secret FROM store_secret").fetchone()[0]
    return secret


def _check_schema(connection: sqlite3.Connection, path: Path) -> int:
    schema = schema_of(connection, path)
    if schema > SCHEMA:
        raise WrongSchema(schema, SCHEMA)
    return schema


def rollback(connection: sqlite3.Connection) -> None:
    """Undo what was begun. SQLite may have done so already, as with a full disk."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def commit(connection: sqlite3.Connection, path: Path) -> None:
    """Make durable what was written.

    Raises:
        OutcomeUnknown: the disk failed just then. What it has of the transaction is found by
            whoever opens the file next, unless another one is written over it before.
        sqlite3.Error: any other failure; nothing was recorded.
    """
    try:
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_IOERR:
            raise
        raise OutcomeUnknown(
            f"{path}: the disk failed while a commit was written ({error},"
            f" {error.sqlite_errorname}); whether it was recorded is not known: check the disk,"
            " and ask again under the same request id"
        ) from error


def store_error(path: Path, error: sqlite3.Error) -> StoreError:
    """What went wrong with the file, and what would help."""
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_NOTADB":
        return NotOurStore(f"{path} is not an SQLite database; name another file")
    for prefix, advice in _ADVICE.items():
        if name.startswith(prefix):
            return StoreError(f"{path}: {advice} ({error}, {name})")
    return StoreError(f"{path}: {error} ({name or type(error).__name__})")


_ADVICE: Final = {
    "SQLITE_FULL": "the disk is full; nothing was recorded; free some space and try again",
    "SQLITE_BUSY": "another process kept it locked for too long; nothing was recorded",
    "SQLITE_LOCKED": "another connection kept it locked for too long; nothing was recorded",
    "SQLITE_READONLY": "it is read-only; give this process write access to it and its directory",
    "SQLITE_PERM": "it may not be opened; give this process access to it and its directory",
    "SQLITE_CANTOPEN": "it cannot be opened; does it exist, and may this process write there?",
    "SQLITE_IOERR": "reading or writing failed; nothing was recorded; check the disk",
    "SQLITE_CORRUPT": "it is damaged; restore it from a backup",
}


def schema_of(connection: sqlite3.Connection, path: Path) -> int:
    """Which schema the file has; 0 for an empty file.

    Raises:
        NotOurStore: the file is something else, or a store that is not copied to the end.
        WrongSchema: it says that it is ours, and of no schema there ever was.
    """
    application_id, schema, tables = connection.execute(
        "SELECT (SELECT application_id FROM pragma_application_id),"
        " (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)"
    ).fetchone()
    if application_id == APPLICATION_ID:
        if schema < 1:
            raise WrongSchema(schema, SCHEMA)
        return int(schema)
    if application_id == COPYING_ID:
        raise unfinished(path)
    if application_id or schema or tables:
        raise NotOurStore(f"{path} holds the database of another program; name another file")
    return 0


def _create(connection: sqlite3.Connection) -> None:
    for statement in (_EVENTS, _REQUESTS, _KEYS, _SIGNING):
        connection.execute(statement)
    connection.execute("INSERT INTO store_secret VALUES (?)", (new_secret(),))
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")


def _add_snapshots(connection: sqlite3.Connection) -> None:
    connection.execute(_SNAPSHOTS)
    connection.execute(_BY_AGE)


_STEPS: Final = (_create, _add_snapshots)
"""From each schema to the next."""


def empty_log(execute: Callable[[str], Any], busy: float) -> bool:
    """Move the write-ahead log into the file; False where somebody reads an older state still.

    SQLite waits for readers, and not for others who do the same just now, as any commit may.
    """
    deadline = monotonic() + busy
    while True:
        still, *_ = execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not still or monotonic() > deadline:
            return not still
        sleep(0.01)


def _patiently(action: Callable[[], T], busy: float) -> T:
    """`action`, again and again while the file is locked, for `busy` seconds."""
    deadline = monotonic() + busy
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                raise
            sleep(0.01)
