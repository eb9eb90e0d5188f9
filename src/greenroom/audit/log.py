"""The log as it is stored, read from outside: records as bytes, none of them opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from greenroom.adapters.codec import Row
from greenroom.adapters.tables import Tables
from greenroom.audit.leaves import leaf
from greenroom.audit.trees import Unproven

AT_ONCE: Final = 4096
"""Records that are read at once: whole tiles, and some megabytes."""
_FEW: Final = 500
"""Positions asked for in one question."""
_COLUMNS: Final = "event_position, originator_id, originator_version, topic, state"
_LOG: Final = (
    f"SELECT {_COLUMNS} FROM stored_events"
    " WHERE event_position > ? AND event_position <= ? ORDER BY event_position LIMIT ?"
)
_OF_STREAM: Final = (
    "SELECT event_position FROM stored_events WHERE originator_id = ? AND event_position <= ?"
)
_UNDER: Final = (
    "SELECT event_position FROM stored_events"
    " WHERE originator_id > ? AND originator_id < ? AND event_position <= ?"
)
_AFTER_SLASH: Final = chr(ord("/") + 1)


class Log:
    """Reads the records of one store. For one thread.

    Args:
        tables: of the store; others may work with it meanwhile.

    Raises:
        WrongSchema, NotOurStore, StoreError: from every method, as `Tables` does.
    """

    def __init__(self, tables: Tables) -> None:
        tables.must_be_current()
        self._tables = tables
        self.name = tables.name
        """Where it is, for messages."""

    def position(self) -> int:
        """Of the last record; 0 while there is none."""
        return self._tables.position()

    def pages(self, after: int, until: int) -> Iterator[Sequence[Row]]:
        """The records past `after` up to `until`, in the order of the log.

        Each page but the first ends where a tile of hashes does.
        """
        limit = AT_ONCE - after % AT_ONCE
        while rows := self._tables.ask(_LOG, after, until, limit):
            yield rows
            after, limit = rows[-1][0], AT_ONCE

    def positions_of(self, chain: str, until: int) -> list[int]:
        """Where the records of a chain stand, up to `until`; rising."""
        found = self._tables.ask(_OF_STREAM, chain, until)
        kind, _, rest = chain.partition("-")
        if kind == "call":
            for prefix in (f"session-{rest}/", f"member-{rest}/"):
                found += self._tables.ask(_UNDER, prefix, prefix[:-1] + _AFTER_SLASH, until)
        return sorted(position for (position,) in found)

    def at(self, positions: Sequence[int]) -> Iterator[Row]:
        """The records at these positions, which rise; none where none stands."""
        for begin in range(0, len(positions), _FEW):
            some = positions[begin : begin + _FEW]
            places = ", ".join("?" * len(some))
            yield from self._tables.ask(
                f"SELECT {_COLUMNS} FROM stored_events WHERE event_position IN ({places})"
                " ORDER BY event_position",
                *some,
            )


def leaves_of(rows: Sequence[Row]) -> list[bytes]:
    """The leaves of stored records.

    Raises:
        Unproven: one of them is not a record at all.
    """
    try:
        return [leaf(*row) for row in rows]
    except (TypeError, ValueError):
        return [leaf_of(row) for row in rows]  # says which


def leaf_of(row: Row) -> bytes:
    """The leaf of a stored record.

    Raises:
        Unproven: it is not a record at all.
    """
    try:
        return leaf(*row)
    except (TypeError, ValueError) as error:
        raise Unproven(f"what stands at position {row[0]} is no record") from error


def first_missing(rows: Sequence[Row], after: int) -> int | None:
    """The first position past `after` at which none of `rows` stands; None for no gap."""
    if not rows or rows[-1][0] == after + len(rows):  # positions rise, so none is missing
        return None
    positions = (row[0] for row in rows)
    return next(at for at, found in enumerate(positions, start=after + 1) if found != at)
