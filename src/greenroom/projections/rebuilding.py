"""What came of making the views anew, and whether two sets of views say the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Table, select

_AT_ONCE: Final = 1000
"""Rows in memory."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of making the views anew."""

    position: int
    """Of the last record they have seen."""
    resumed_from: int
    """Up to where an earlier attempt had come, which was interrupted; 0 for none."""
    same: bool | None
    """Whether the old views, at one position, said the same; None where it was not asked."""


def digest(connection: Connection, tables: Iterable[Table]) -> str:
    """A hash over every row of `tables`: where rows are equal, digests are."""
    hashed = hashlib.sha256()
    for table in tables:
        hashed.update(table.name.encode())
        rows = select(table).order_by(*table.primary_key.columns)
        for row in connection.execution_options(yield_per=_AT_ONCE).execute(rows):
            hashed.update(json.dumps(tuple(row)).encode() + b"\n")
    return hashed.hexdigest()
