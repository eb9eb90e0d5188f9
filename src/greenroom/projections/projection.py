"""What a projection is: tables, and the writes that take them past an event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Delete, Insert, Table, Update

from greenroom.domain.message import Event, Recorded


@dataclass(frozen=True, slots=True)
class Upsert:
    """Insert a row, or put all its values over the row with the same primary key."""

    table: Table


@dataclass(frozen=True, slots=True)
class InsertNew:
    """Insert a row unless there is one with the same primary key."""

    table: Table


Statement = Upsert | InsertNew | Insert | Update | Delete
"""Databases differ in how they say the first two: see `writing`."""


class Write(NamedTuple):
    """A statement prepared once, and the values of one run of it."""

    statement: Statement
    values: Mapping[str, Any]
    """By parameter: text, numbers, booleans and None, which every driver takes as they are."""


class Projection(Protocol):
    """A pure function from records to writes on its own tables.

    What it writes depends on the records alone, and it reads no table but its own: so it can be
    emptied and filled again from the log at any time, by itself, with the same result.
    """

    @property
    def name(self) -> str:
        """Under which its position is kept."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever tables or writes change: older tables are dropped and filled again."""
        ...

    @property
    def tables(self) -> Sequence[Table]:
        """The tables it owns."""
        ...

    def statements(self, recorded: Recorded[Event]) -> Iterator[Write]:
        """The writes that take the tables past `recorded`; none for events it ignores."""
        ...
