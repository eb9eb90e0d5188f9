"""The projection `call_types`: which types there are, and the custom fields that they declare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Column, Table

from greenroom.domain.call_type import CallTypeDefined, FieldsDeclared
from greenroom.domain.message import Event, Recorded
from greenroom.projections.bulk import Key
from greenroom.projections.columns import TEXT, metadata
from greenroom.projections.workspace import Rows

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


class CallTypes:
    """Keeps `call_types` and `declared` in step with the definitions."""

    name = "call_types"
    version = 2
    tables = (call_types, declared)
    events = frozenset[type[Event]]({CallTypeDefined, FieldsDeclared})

    def needs(self, recorded: Recorded[Event]) -> Iterable[tuple[Table, Key]]:  # noqa: ARG002 - as in `Projection`
        """See `Projection`: none, what comes is written over what is there."""
        return ()

    def apply(self, recorded: Recorded[Event], rows: Rows) -> None:
        """See `Projection`."""
        match recorded.event:
            case CallTypeDefined(call_type=name, based_on=based_on) as defined:
                rows.put(call_types, {"name": name, "based_on": based_on})
                _declare(rows, defined)
            case FieldsDeclared() as changed:
                _declare(rows, changed)
            case _:
                pass


def _declare(rows: Rows, event: CallTypeDefined | FieldsDeclared) -> None:
    rows.drop_under(declared, event.call_type)
    for place, fields in event.indexed_custom.items():
        for field, kind in fields.items():
            row = {"call_type": event.call_type, "place": place, "field": field, "kind": kind}
            rows.put(declared, row)
