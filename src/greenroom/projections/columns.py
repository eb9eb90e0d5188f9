"""How values stand in the tables: JSON, text in the order of its code points."""

from __future__ import annotations

from typing import Final

from msgspec.json import Encoder
from sqlalchemy import MetaData, String

TEXT: Final = String().with_variant(String(collation="C"), "postgresql")
"""Text ordered by code point on every database, as Python orders it."""

_CANONICAL: Final = Encoder(order="sorted").encode

metadata: Final = MetaData()
"""All tables of all projections."""


def json_text(value: object) -> str:
    """JSON as it stands in a column: keys in order, and null for what no JSON number can be.

    One NaN in one row would make SQLite refuse every query over that column.
    """
    return _CANONICAL(value).decode()
