"""Where views stand: making their tables, or seeing that those there can be carried on with."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, delete, select
from sqlalchemy import insert as plain_insert

from greenroom.domain.errors import StoreError, WrongSchema
from greenroom.projections.database import SCHEMA_VERSION, Database
from greenroom.projections.making import make, make_anew
from greenroom.projections.projection import Projection
from greenroom.projections.sqlite import SQLiteDatabase
from greenroom.projections.standing import BOOKKEEPING, identity, parked, positions

_log = logging.getLogger(__name__)

Head = Callable[[], int] | int | None
"""Where the log ends; None for wherever."""


def found(database: Database, secret: bytes, projections: Sequence[Projection], head: Head) -> bool:
    """Make the tables of `projections`, as far as they do not stand there and are of use.

    Args:
        database: where.
        secret: of the store whose views these are.
        projections: all there shall be.
        head: asked while nobody else can move the views: those past it are of no use.

    Returns:
        Whether indexes of declared fields are missing, or left over.

    Raises:
        NotOurStore: something else stands there.
        WrongSchema: a newer greenroom made them.
        StoreError: the database cannot be used.
    """
    store = hmac.digest(secret, b"greenroom views", "sha256")
    with database.founding() as connection:
        version = database.version(connection)
        if version > SCHEMA_VERSION:
            raise WrongSchema(version, SCHEMA_VERSION)
        if version < SCHEMA_VERSION or not _ours(connection, store, head):
            database.clear(connection)
            make(connection, BOOKKEEPING)
            connection.execute(plain_insert(identity), {"store": store})
        _renew(connection, projections)
        return bool(database.index_changes(connection))


def _renew(connection: Connection, projections: Sequence[Projection]) -> None:
    """Tables for every projection; fresh ones where theirs are of another version."""
    rows = connection.execute(select(positions.c.projection, positions.c.version))
    stand = dict(rows.all())
    for projection in projections:
        if stand.get(projection.name, 0) > projection.version:
            raise WrongSchema(stand[projection.name], projection.version)
    fresh = [one for one in projections if stand.get(one.name) != one.version]
    if not fresh:
        return
    make_anew(connection, [table for one in fresh for table in one.tables])
    names = [one.name for one in fresh]
    for table in (positions, parked):
        connection.execute(delete(table).where(table.c.projection.in_(names)))
    starts = [{"projection": one.name, "version": one.version, "position": 0} for one in fresh]
    connection.execute(plain_insert(positions), starts)


def _ours(connection: Connection, store: bytes, head: Head) -> bool:
    """Whether the tables are of this store, and of a log that reaches as far as they do."""
    if connection.execute(select(identity.c.store)).scalar() != store:
        return False
    if head is None:
        return True
    reached = max(connection.execute(select(positions.c.position)).scalars(), default=0)
    end = head() if callable(head) else head
    if reached > end:
        _log.warning(
            "the views had seen the log up to %d, but it ends at %d, as where an older backup was"
            " restored: they are filled anew",
            reached,
            end,
        )
    return reached <= end


def database_at(where: Path | str | None, limit: timedelta) -> Database:
    """Where views stand: in a file, in the database of a URL, in memory for None.

    Raises:
        InvalidInput: it is text, and not the URL of a database.
        StoreError: it cannot be used.
    """
    if not isinstance(where, str):
        return SQLiteDatabase(where, limit)
    try:
        from greenroom.projections.postgres import PostgresDatabase  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise StoreError("views on PostgreSQL: pip install 'greenroom[postgres]'") from error
    return PostgresDatabase(where, limit)
