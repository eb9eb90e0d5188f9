"""Arbitrary arguments, in any order, many times: a room answers, or refuses in its own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.hostile.conftest import NewStore
from tests.hostile.entry_points import ENTRY_POINTS, EntryPoint, House
from tests.hostile.evil import NEVER, STRANGE
from tests.laws import times

from greenroom import Backstage, Member, asc, desc
from greenroom.domain.access import Capability
from greenroom.domain.errors import GreenroomError, InvalidInput
from greenroom.projections.query import SortKey

EVIL: Final = {**NEVER, **STRANGE}


@dataclass(frozen=True)
class Evil:
    """Stands for a value that Hypothesis itself could not touch."""

    name: str


def served(value: Any) -> Any:
    """`value` with the evil that it stands for."""
    match value:
        case Evil(name=name):
            return EVIL[name]()
        case list() | tuple():
            return type(value)(served(one) for one in value)
        case dict():
            return {key: served(one) for key, one in value.items()}
        case Member():
            return Member(served(value.user_id), served(value.role), served(value.custom))
        case Backstage():
            return Backstage(served(value.enabled), served(value.join_ahead_time_seconds))
        case SortKey():
            return SortKey(served(value.field), descending=value.descending)
        case _:
            return value


people = st.sampled_from(["thierry", "tommaso", "alice", "charlie", "jaewoong"])
plain: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(max_size=8),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.timedeltas(),
    people,
    st.sampled_from([*Capability, "default", "livestream", "host", "user", "call_member"]),
    st.sampled_from(["join", "create", "kick", "role", "user_id", "custom.a", "$or", "$in"]),
    st.sampled_from(sorted(EVIL)).map(Evil),
)


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=8) | people, inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["role", "user_id", "custom.a", "$or", "$and", "$in", "$gt", "limits"]),
            inner,
            max_size=3,
        ),
        st.builds(Member, inner, inner, inner),
        st.builds(Backstage, inner, inner),
        st.builds(asc, inner) | st.builds(desc, inner),
    )


@pytest.fixture(scope="module")
def shared(new_store: NewStore) -> Iterator[House]:
    """A house that many examples go through."""
    with new_store() as url, House.build(url) as built:
        yield built


anything = st.recursive(plain, _containers, max_leaves=8)


@st.composite
def attempts(draw: st.DrawFn) -> tuple[EntryPoint, Mapping[str, Any]]:
    """A method, and for each of its arguments something well meant, anything, or nothing."""
    point = draw(st.sampled_from(ENTRY_POINTS))
    arguments = {
        name: draw(st.just(good) | anything)
        for name, good in point.good.items()
        if name not in {"request_id", "progress"} and draw(st.booleans())
    }
    return point, arguments


def refusal_of(ask: Callable[[], object]) -> GreenroomError | None:
    """How greenroom refuses; None where it does not."""
    try:
        ask()
    except GreenroomError as refusal:
        return refusal
    return None


def reached(house: House, point: EntryPoint, arguments: Mapping[str, Any]) -> None:
    before = house.room.position
    refusal = refusal_of(
        lambda: point(house, **{name: served(value) for name, value in arguments.items()})
    )
    if refusal is not None:
        assert str(refusal).encode()
        assert house.room.position == before
    if isinstance(refusal, InvalidInput):
        assert refusal.path
        assert refusal.expected


def received(url: str, wishes: list[tuple[EntryPoint, Mapping[str, Any]]]) -> None:
    """Let somebody ask for all that, and years pass: the house stands."""
    with House.build(url, timers=True) as house:
        for point, arguments in wishes:
            reached(house, point, arguments)
        house.clock.advance(timedelta(days=400))
        assert house.room.system("auditor").query_calls(limit=1000).items is not None
        assert [one.seq for one in _history(house)] == list(range(1, len(_history(house)) + 1))


@pytest.mark.slow
@given(wishes=st.lists(attempts(), min_size=5, max_size=15))
def test_only_greenrooms_own_errors_come_out(
    wishes: list[tuple[EntryPoint, Mapping[str, Any]]],
) -> None:
    received("memory://", wishes)


@pytest.mark.slow
@pytest.mark.parametrize("new_store", ["sqlite", "postgres"], indirect=True)
@settings(max_examples=times(10))  # each makes a store
@given(wishes=st.lists(attempts(), min_size=5, max_size=15))
def test_nor_do_errors_of_a_database(
    new_store: NewStore, wishes: list[tuple[EntryPoint, Mapping[str, Any]]]
) -> None:
    with new_store() as url:
        received(url, wishes)


@example(start=datetime(1973, 4, 29, 2, tzinfo=ZoneInfo("America/Boise")), ahead=0)  # never was
@given(start=st.datetimes(timezones=st.timezones()), ahead=st.integers(0, 10**9))
def test_any_instant_is_a_start_or_refused(shared: House, start: datetime, ahead: int) -> None:
    call = shared.thierry.call("livestream")
    backstage = Backstage(enabled=True, join_ahead_time_seconds=ahead)
    refusal = refusal_of(lambda: call.create(starts_at=start, backstage=backstage))
    if isinstance(refusal, InvalidInput):
        assert refusal.path in {"starts_at", "backstage.join_ahead_time_seconds"}
    else:
        assert refusal is None
        assert call.get().starts_at == start.astimezone(UTC)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(custom=st.dictionaries(st.text(), json_values, max_size=5))
def test_any_json_object_is_kept_exactly_or_refused(shared: House, custom: dict[str, Any]) -> None:
    call = shared.thierry.call("default")
    refusal = refusal_of(lambda: call.create(custom=custom))
    if isinstance(refusal, InvalidInput):
        assert refusal.path.startswith("custom")
    else:
        assert refusal is None
        assert call.get().custom == custom
        (found,) = shared.thierry.query_calls(filters={"cid": call.cid}).items
        assert found.custom == custom


def _history(house: House) -> list[Any]:
    system = house.room.system("auditor").call("default", "appointment-7")
    try:
        return list(system.history())
    except GreenroomError:  # somebody deleted it
        return []
