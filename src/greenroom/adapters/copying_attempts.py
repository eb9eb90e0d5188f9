"""Refused attempts, copied with the store that they stand beside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from msgspec import msgpack
from sqlalchemy import Table, delete, insert, select, tuple_

from greenroom.adapters.attempts import SCHEMA, attempts, counts, formats
from greenroom.adapters.beside import Beside, Founding
from greenroom.domain.errors import StoreError, WrongSchema

_PAGE: Final = 1_000
_MOST_ROUNDS: Final = 5
_WHAT: Final = "the refused attempts"

Progress = Callable[[str, int, int], None]


def copy_attempts(
    source: Path | str | None, target: Path | str, progress: Progress
) -> Mapping[str, int]:
    """Make the attempts beside the target those beside the source; again where it was interrupted.

    Args:
        source: the file they are in, or the URL of the database; None where there are none.
        target: the same of the copy.
        progress: told what is copied, how much of it is, and how much there is.

    Returns:
        How many rows there are now on both sides, by table.

    Raises:
        WrongSchema: they were noted by another greenroom.
        StoreError: a database cannot be used, or the source does not come to rest.
    """
    if source is None and isinstance(target, Path) and not target.exists():
        return {}
    founding = Founding(formats, SCHEMA)
    with (
        closing(Beside.at(source, what=_WHAT)) as here,  # in memory, without any, for None
        closing(Beside.open(target, founding, what=_WHAT, wipes=True)) as there,
    ):
        if source is None:
            here.found(founding)
        _check_schema(here)
        return {table.name: _copied(table, here, there, progress) for table in (attempts, counts)}


def _check_schema(database: Beside) -> None:
    with database.reading() as connection:
        found = connection.scalar(select(formats.c.schema))
    if found != SCHEMA:
        raise WrongSchema(found or 0, SCHEMA)


def _copied(table: Table, here: Beside, there: Beside, progress: Progress) -> int:
    """The rows of a table, once both sides have the same."""
    for _ in range(_MOST_ROUNDS):
        wanted = _digest(table, here)
        if _digest(table, there) == wanted:
            _count_on(table, there)
            return wanted[0]
        with there.writing() as connection:
            connection.execute(delete(table))
        done = 0
        for rows in _pages(table, here):
            with there.writing() as connection:
                connection.execute(insert(table), rows)
            done += len(rows)
            progress(table.name, done, wanted[0])
    raise StoreError(
        "refused attempts are being noted all the time: stop whoever does so, and copy again"
    )


def _count_on(table: Table, database: Beside) -> None:
    """Let new rows be numbered from where the copied ones end."""
    with database.writing() as connection:
        if table is attempts and connection.dialect.name == "postgresql":
            connection.exec_driver_sql(_GO_ON)


_GO_ON: Final = (
    f"SELECT setval(pg_get_serial_sequence('{attempts.name}', 'id'),"
    f" coalesce(max(id), 1), max(id) IS NOT NULL) FROM {attempts.name}"
)


def _digest(table: Table, database: Beside) -> tuple[int, str]:
    """How many rows there are, and what they say, in whatever order."""
    total = number = 0
    for rows in _pages(table, database):
        for row in rows:
            told = msgpack.encode([row[column.name] for column in table.c])
            total += int.from_bytes(hashlib.sha256(told).digest())
        number += len(rows)
    return number, f"{total % 2**256:064x}"


def _pages(table: Table, database: Beside) -> Iterator[Sequence[Mapping[str, object]]]:
    """All rows, in the order of their keys as this database has it."""
    key = [*table.primary_key.columns]
    first = select(table).order_by(*key).limit(_PAGE)
    wanted = first
    while True:
        with database.reading() as connection:
            rows = [dict(row) for row in connection.execute(wanted).mappings()]
        if not rows:
            return
        yield rows
        wanted = first.where(tuple_(*key) > tuple_(*(rows[-1][one.name] for one in key)))
