"""Rows that keep their past: what changes leaves the version that was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table

from greenroom.projections.bulk import Key, Row
from greenroom.projections.past_tables import ASIDE, KEPT, OPEN, Versioned
from greenroom.projections.workspace import Rows


class Versions:
    """`Rows` for the projections of now, kept as versions in the tables of the past.

    Several changes at one position leave one version.
    """

    def __init__(self, rows: Rows, position: int) -> None:
        """Keep in `rows` what changes at `position`."""
        self._rows = rows
        self._position = position

    def get(self, table: Table, key: Key) -> Row | None:
        """See `Rows`."""
        if table in KEPT:
            kept = KEPT[table]
            return self._rows.get(kept.versions, held(kept, key))
        return self._rows.get(ASIDE[table], key)

    def under(self, table: Table, *prefix: str | int) -> Sequence[Row]:
        """See `Rows`. Where `until` follows the prefix in the key, only these are read."""
        if table not in KEPT:
            return self._rows.under(ASIDE[table], *prefix)
        kept = KEPT[table]
        here = (*prefix, OPEN) if len(prefix) == kept.place else prefix
        return [row for row in self._rows.under(kept.versions, *here) if row["until"] == OPEN]

    def put(self, table: Table, row: Row) -> None:
        """See `Rows`."""
        if table in KEPT:
            self._put(KEPT[table], row)
        elif table in ASIDE:
            self._rows.put(ASIDE[table], row)

    def change(self, table: Table, key: Key, **values: Any) -> None:
        """See `Rows`."""
        row = self.get(table, key)
        if row is not None:
            self.put(table, {**row, **values})

    def drop(self, table: Table, key: Key) -> None:
        """See `Rows`."""
        if table in KEPT:
            kept = KEPT[table]
            row = self._rows.get(kept.versions, held(kept, key))
            if row is not None:
                self._rows.drop(kept.versions, held(kept, key))
                self._close(kept, row)
        elif table in ASIDE:
            self._rows.drop(ASIDE[table], key)

    def drop_under(self, table: Table, *prefix: str | int) -> None:
        """See `Rows`."""
        if table in ASIDE:
            self._rows.drop_under(ASIDE[table], *prefix)
        if table in KEPT:
            for row in self.under(table, *prefix):
                self.drop(table, KEPT[table].key_of(row))

    def erase_under(self, table: Table, *prefix: str | int) -> None:
        """See `Rows`; what is personal in earlier versions is for `Past` to blank."""
        if table not in KEPT or not KEPT[table].crowd:
            self.drop_under(table, *prefix)

    def erase_where(self, table: Table, column: str, value: str | int, **blank: Any) -> None:
        """See `Rows`: over every version."""
        self._rows.erase_where(KEPT[table].versions, column, value, **blank)

    def _put(self, kept: Versioned, row: Row) -> None:
        key = kept.key_of(row)
        before = self._rows.get(kept.versions, held(kept, key))
        since = self._position
        if before is not None:
            if kept.steady_of(before) == kept.steady_of(row):
                since = before["since"]
            else:
                self._close(kept, before)
        self._rows.put(kept.versions, {**row, "since": since, "until": OPEN})
        if kept.counts is not None and (before is None or _counted(kept, before, row)):
            self._rows.put(kept.counts, {**row, "position": self._position})

    def _close(self, kept: Versioned, row: Row) -> None:
        """Keep what held until now, if it did hold somewhere."""
        if row["since"] < self._position:
            self._rows.put(kept.versions, {**row, "until": self._position})


def held(kept: Versioned, key: Key) -> Key:
    """The key of the version that holds still."""
    return (*key[: kept.place], OPEN, *key[kept.place :])


def _counted(kept: Versioned, before: Row, row: Row) -> bool:
    return any(before[name] != row[name] for name in kept.counters)
