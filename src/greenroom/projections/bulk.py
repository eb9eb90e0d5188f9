"""Many rows of many tables at once: what a database is asked for, and given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from sqlalchemy import Table

Key: TypeAlias = tuple[str | int, ...]
"""The primary key of a row, in the order of its columns; or the beginning of one."""
Row: TypeAlias = Mapping[str, Any]
"""By column: text, numbers, booleans and None. Whoever got it does not change it."""
Values: TypeAlias = tuple[Any, ...]


class Shape:
    """What of a table is read and written: all but computed columns."""

    def __init__(self, table: Table) -> None:
        """Look at the columns once; `shape_of` keeps what was seen."""
        self.table: Final = table
        self.name: Final = table.name
        self.keys: Final = tuple(column.name for column in table.primary_key.columns)
        self.columns: Final = tuple(c.name for c in table.columns if not c.computed)
        self.key_of: Final = several(self.keys)
        """The key of a row."""
        self.values_of: Final = several(self.columns)
        """The values of a row, in the order of `columns`."""

    def row(self, values: Values) -> Row:
        """The row with these values."""
        return dict(zip(self.columns, values, strict=True))


class Blank(NamedTuple):
    """Every row whose `column` says `value` gets these values."""

    column: str
    value: str | int
    values: Row


class Moved(NamedTuple):
    """Rows found by some of their columns get another value in one of these."""

    column: str
    found_by: Sequence[str]
    values: Sequence[Values]
    """Some: the value in `column` from now on, then those that rows are found by."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What becomes of one table, in this order."""

    swept: Collection[Key]
    """No row whose key begins so stays."""
    blanked: Sequence[Blank]
    dropped: Sequence[Key]
    put: Sequence[Values]
    """Whole rows, inserted or written over those with the same key."""
    moved: Sequence[Moved] = ()
    """Comes first of all."""
    added: Sequence[Values] = ()
    """Whole rows; those who know that nobody has their keys save the database the look."""


class Bulk(Protocol):
    """Reads and writes rows in a transaction that is open. No key is named twice in a call."""

    def load(self, wanted: Mapping[Shape, Sequence[Key]]) -> Mapping[Shape, Iterable[Values]]:
        """The rows with these keys; of those that are not there, nothing."""
        ...

    def write(self, changes: Mapping[Shape, Changes]) -> None:
        """Bring the changes about, all of them."""
        ...


@cache
def shape_of(table: Table) -> Shape:
    """What of `table` is read and written."""
    return Shape(table)


def several(names: Sequence[str]) -> Callable[[Row], Values]:
    """These items of a row, as a tuple also where it is one."""
    if len(names) > 1:
        return itemgetter(*names)
    (name,) = names
    return lambda row: (row[name],)
