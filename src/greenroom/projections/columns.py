"""How values stand in the tables: instants, JSON, text in the order of its code points."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec.json import Encoder
from sqlalchemy import MetaData, String

TEXT: Final = String().with_variant(String(collation="C"), "postgresql")
"""Text ordered by code point on every database, as Python orders it."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_CANONICAL: Final = Encoder(order="sorted").encode

metadata: Final = MetaData()
"""All tables of all projections."""


def micros(at: datetime) -> int:
    """An instant as microseconds since 1970 UTC: exact, and in the same order."""
    return (at - EPOCH) // _MICROSECOND


def micros_or_none(at: datetime | None) -> int | None:
    """The same for an instant that may be missing."""
    return None if at is None else micros(at)


def instant(at: int) -> datetime:
    """The aware UTC instant that `micros` made into a number."""
    return EPOCH + at * _MICROSECOND


def instant_or_none(at: int | None) -> datetime | None:
    """The same for an instant that may be missing."""
    return None if at is None else instant(at)


def json_text(value: object) -> str:
    """JSON as it stands in a column: keys in order, and null for what no JSON number can be.

    One NaN in one row would make SQLite refuse every query over that column.
    """
    return _CANONICAL(value).decode()
