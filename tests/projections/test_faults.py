"""A test of the test: what has gone wrong elsewhere, put in here on purpose, is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, String, cast, func, not_
from tests.projections.conftest import refiller
from tests.projections.places import Refill
from tests.projections.worlds import (
    MEMBER,
    MEMBERS,
    Asked,
    agree,
    askings,
    member_world,
)

from greenroom.projections import postgres_dialect, queries, sql, sqlite_dialect
from greenroom.projections.dialect import Slot
from greenroom.projections.query import Fields, SortKey
from greenroom.projections.views import Views

EXAMPLES = 300
"""Enough to find each fault many times over."""


def run(refill: Refill) -> None:
    """The property of `test_meaning.test_members`, without the examples picked by hand."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],  # the first failure is enough
        report_multiple_bugs=False,
    )
    @given(
        st.lists(MEMBER, max_size=8, unique_by=lambda row: str(row["user_id"])),
        askings(MEMBERS.fields),
    )
    def members_are_found(members: list[dict[str, Any]], asked: list[Asked]) -> None:
        world = member_world(members, [])
        agree(refill(world.history), world, asked, MEMBERS)

    members_are_found()


def null_under_not(patch: pytest.MonkeyPatch) -> None:
    """Negation as SQL has it: of what is neither true nor false, so is the contrary."""
    patch.setattr(sql, "negated", not_)


def untyped_json(patch: pytest.MonkeyPatch) -> None:
    """`true` is 1 for SQLite, and 1 is "1" for who compares what PostgreSQL prints."""

    def sqlite_equals(self: Any, value: Slot) -> ColumnElement[bool]:
        found = func.json_extract(self._column, self._path)
        return found.is_(None) if value.value is None else found == value.parameter(String())

    def postgres_equals(self: Any, value: Slot) -> ColumnElement[bool]:
        said = value.value
        printed = cast(self._value.op("#>>")(func.array_remove(["x"], "x")), String)
        if said is None:
            return printed.is_(None)
        return printed == str(said).removesuffix(".0").lower()

    patch.setattr(sqlite_dialect._JsonAt, "equals", sqlite_equals)
    patch.setattr(postgres_dialect._JsonAt, "equals", postgres_equals)


def no_tiebreak(patch: pytest.MonkeyPatch) -> None:
    """Rows sorted by nothing but what was asked for."""

    def said_alone(sort: Any, fields: Fields) -> tuple[SortKey, ...]:
        return tuple(sort or ()) or (fields.default,)

    patch.setattr(queries, "parse_sort", said_alone)


@pytest.mark.slow
def test_without_a_fault_the_property_holds(views: Views) -> None:
    run(refiller(views))


@pytest.mark.slow
@pytest.mark.parametrize("fault", [null_under_not, untyped_json, no_tiebreak])
def test_the_property_notices(
    views: Views, monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch], None]
) -> None:
    fault(monkeypatch)  # the views are new: they have no statement at hand from before it
    with pytest.raises(AssertionError):
        run(refiller(views))
