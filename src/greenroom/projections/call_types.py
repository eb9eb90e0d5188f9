"""The projection `call_types`: which types there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Column, Table

from greenroom.domain.call_type import CallTypeDefined
from greenroom.domain.message import Event, Recorded
from greenroom.projections.columns import TEXT, metadata
from greenroom.projections.projection import Upsert, Write

call_types: Final = Table(
    "call_types",
    metadata,
    Column("name", TEXT, primary_key=True),
    Column("based_on", TEXT),
    sqlite_with_rowid=False,
)

_PUT = Upsert(call_types)


class CallTypes:
    """Keeps the `call_types` table in step with the definitions."""

    name = "call_types"
    version = 1
    tables = (call_types,)

    def statements(self, recorded: Recorded[Event]) -> Iterator[Write]:
        """The write that takes `call_types` past `recorded`; none for events it ignores."""
        match recorded.event:
            case CallTypeDefined(call_type=name, based_on=based_on):
                yield Write(_PUT, {"name": name, "based_on": based_on})
            case _:
                pass
