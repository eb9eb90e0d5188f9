"""What is advised about a query that took too long."""

from __future__ import annotations

from typing import Any

import pytest

from greenroom.projections.parse import parse
from greenroom.projections.query import Comparison
from greenroom.projections.questions import CALL_FIELDS, MEMBER_FIELDS
from greenroom.projections.remedies import declaration


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("red", "string"),
        (5, "number"),
        (0.5, "number"),
        (True, "boolean"),
        ("2026-01-31T12:00:00Z", "instant"),
        ({"$in": [None, 5]}, "number"),
        ({"$exists": True}, "string"),
    ],
)
def test_a_field_is_to_be_declared_as_what_it_was_compared_with(value: Any, kind: str) -> None:
    compared = parse({"custom.color": value}, MEMBER_FIELDS)
    assert isinstance(compared, Comparison)
    assert declaration(compared, "members", "livestream:123") == (
        f"room.call_types.update('livestream', indexed_custom={{'members': {{'color': '{kind}'}}}})"
    )


def test_a_field_of_calls_is_to_be_declared_by_each_type() -> None:
    compared = parse({"custom.color": "red"}, CALL_FIELDS)
    assert isinstance(compared, Comparison)
    assert declaration(compared, "calls", "") == (
        "room.call_types.update(<each call type that has it>,"
        " indexed_custom={'calls': {'color': 'string'}})"
    )
