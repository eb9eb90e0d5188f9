"""What a projection is: tables, and what events make of their rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from sqlalchemy import Table

from greenroom.domain.message import Event, Recorded
from greenroom.projections.bulk import Key
from greenroom.projections.workspace import Rows


class Projection(Protocol):
    """A pure function from records to rows of its own tables.

    What it makes of them depends on the records alone, and it reads no table but its own: so it
    can be emptied and filled again from the log at any time, by itself, with the same result.

    One that heeds nearly everything may also have `apply_all(records, rows)`: what `apply` does
    with each of them in their order, where many together are less to do.
    """

    @property
    def name(self) -> str:
        """Under which its position is kept."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever tables or rows change: older tables are dropped and filled again."""
        ...

    @property
    def tables(self) -> Sequence[Table]:
        """The tables it owns."""
        ...

    @property
    def events(self) -> Collection[type[Event]]:
        """The kinds of events it heeds; others it is not shown."""
        ...

    def needs(self, recorded: Recorded[Event]) -> Iterable[tuple[Table, Key]]:
        """The rows that `apply` will look at, by table and key: a hint, to load many at once."""
        ...

    def apply(self, recorded: Recorded[Event], rows: Rows) -> None:
        """Take the tables past `recorded`."""
        ...
