"""The projection `call_types`: which types there are, and the custom fields that they declare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Column, Table, delete

from greenroom.domain.call_type import CallTypeDefined, FieldsDeclared
from greenroom.domain.message import Event, Recorded
from greenroom.projections.columns import TEXT, key, metadata
from greenroom.projections.projection import Upsert, Write

call_types: Final = Table(
    "call_types",
    metadata,
    Column("name", TEXT, primary_key=True),
    Column("based_on", TEXT),
    sqlite_with_rowid=False,
)

declared: Final = Table(
    "declared",
    metadata,
    Column("call_type", TEXT, primary_key=True),
    Column("place", TEXT, primary_key=True),
    Column("field", TEXT, primary_key=True),
    Column("kind", TEXT, nullable=False),
    sqlite_with_rowid=False,
)

_PUT = Upsert(call_types)
_DECLARE = Upsert(declared)
_UNDECLARE = delete(declared).where(key(declared.c.call_type))


class CallTypes:
    """Keeps `call_types` and `declared` in step with the definitions."""

    name = "call_types"
    version = 2
    tables = (call_types, declared)

    def statements(self, recorded: Recorded[Event]) -> Iterator[Write]:
        """The writes that take the tables past `recorded`; none for events it ignores."""
        match recorded.event:
            case CallTypeDefined(call_type=name) as defined:
                yield Write(_PUT, {"name": name, "based_on": defined.based_on})
                yield from _declared(defined)
            case FieldsDeclared() as changed:
                yield from _declared(changed)
            case _:
                pass


def _declared(event: CallTypeDefined | FieldsDeclared) -> Iterator[Write]:
    yield Write(_UNDECLARE, {"key_call_type": event.call_type})
    for place, fields in event.indexed_custom.items():
        for field, kind in fields.items():
            said = {"call_type": event.call_type, "place": place, "field": field, "kind": kind}
            yield Write(_DECLARE, said)
