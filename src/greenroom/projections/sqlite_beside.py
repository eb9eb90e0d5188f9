"""A second set of views beside a file: where it is made, and how its rows are taken over.

It stands in a directory next to the file, which whoever works there has claimed. A claim ends with
the process, however that ends, and the next rebuild goes on with what it finds.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Table

from greenroom.projections.database import Database
from greenroom.projections.sqlite_bulk import driver
from greenroom.projections.sqlite_plans import assume_crowds

_CLAIM: Final = "claim"


class Workplace:
    """A directory of somebody who is making views anew."""

    def __init__(self, where: Path, claim: sqlite3.Connection) -> None:
        self.where: Final = where
        self.spoilt = False
        """Whether what stands there is of no use to anybody."""
        self._claim = claim

    def leave(self, *, empty: bool) -> None:
        """Let others have it; or nobody, where it is to be `empty`."""
        self._claim.close()
        if empty or self.spoilt:
            shutil.rmtree(self.where, ignore_errors=True)


class SQLiteBeside:
    """A second set of tables in a database of its own, whose rows can be taken over."""

    apart: bool = False
    """The transaction that takes them over is one on both."""

    def __init__(
        self,
        database: Database,
        together: Callable[[], AbstractContextManager[Connection]],
        place: Workplace | None,
    ) -> None:
        """Make it.

        Args:
            database: of the second set.
            together: a transaction on the first, with the second at hand as schema `fresh`.
            place: where it is; None for memory.
        """
        self.database: Final = database
        self._together = together
        self._place = place

    def spoil(self) -> None:
        """See `Beside`."""
        if self._place is not None:
            self._place.spoilt = True

    def put_in_place(self, tables: Sequence[Table], agreed: Callable[[Connection], bool]) -> bool:
        """See `Beside`. Readers go on meanwhile; other writers wait for the rows to be copied."""
        with self._together() as connection:
            if not agreed(connection):
                return False
            for table in tables:
                _take_over(driver(connection), table)
            assume_crowds(driver(connection))  # what was known of an index goes with it
            return True


@contextmanager
def workplace(file: Path) -> Iterator[Workplace]:
    """A directory next to `file`, with what an interrupted rebuild may have left there.

    Emptied at the end, unless that comes by an exception.
    """
    left = (Workplace(where, claim) for where, claim in _left(file))
    place = next(left, None) or _new(file)
    try:
        yield place
    except BaseException:
        place.leave(empty=False)
        raise
    place.leave(empty=True)


def sweep(file: Path) -> None:
    """Remove what interrupted rebuilds have left next to `file`."""
    for where, claim in _left(file):
        Workplace(where, claim).leave(empty=True)


@contextmanager
def attached(connection: Connection, uri: str) -> Iterator[None]:
    """Have the database at `uri` at hand as schema `fresh`. Around, not in, a transaction."""
    raw = driver(connection)
    raw.execute("ATTACH DATABASE ? AS fresh", (uri,))
    try:
        yield
    finally:
        raw.execute("DETACH DATABASE fresh")


def _prefix(file: Path) -> str:
    return f"{file.name}-rebuild-"


def _left(file: Path) -> Iterator[tuple[Path, sqlite3.Connection]]:
    """The directories that nobody works in any more, claimed one by one."""
    for where in sorted(file.parent.glob(f"{_prefix(file)}*")):
        claim = _claimed(where)
        if claim is not None:
            yield where, claim


def _new(file: Path) -> Workplace:
    while True:
        where = Path(tempfile.mkdtemp(dir=file.parent, prefix=_prefix(file)))
        claim = _claimed(where)
        if claim is not None:
            return Workplace(where, claim)
        # Somebody was sweeping, and took it for one that was left behind.


def _claimed(where: Path) -> sqlite3.Connection | None:
    """Holds the directory until it is closed; None where somebody else does."""
    claim = sqlite3.connect(where / _CLAIM, timeout=0, isolation_level=None)
    with contextlib.suppress(sqlite3.OperationalError):
        claim.execute("BEGIN EXCLUSIVE")  # the lock of a file, which ends with the process
        if (where / _CLAIM).exists():
            return claim
    claim.close()
    return None


def _take_over(raw: sqlite3.Connection, table: Table) -> None:
    """Fill `table` with what stands in the attached schema `fresh`, in the open transaction.

    Its indexes are made when the rows are there: sorting them is quicker than looking for places.
    """
    indexes = raw.execute(
        "SELECT name, sql FROM main.sqlite_master WHERE type = 'index' AND tbl_name = ?"
        " AND sql IS NOT NULL",
        (table.name,),
    ).fetchall()
    names = ", ".join(f'"{column.name}"' for column in table.columns if not column.computed)
    keys = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
    for name, _ in indexes:
        raw.execute(f'DROP INDEX main."{name}"')
    raw.execute(f'DELETE FROM main."{table.name}"')
    raw.execute(
        f'INSERT INTO main."{table.name}" ({names})'
        f' SELECT {names} FROM fresh."{table.name}" ORDER BY {keys}'
    )
    for _, statement in indexes:
        raw.execute(statement)
