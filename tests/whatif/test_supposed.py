"""Other rules, and events that never were, over whatever happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.test_history_and_explain import carry_out
from tests.laws import NO_SHRINKING, times
from tests.whatif.conftest import START

from greenroom import Greenroom, errors, whatif
from greenroom.domain.message import Event, Recorded, StreamId
from greenroom.domain.session_events import Joined
from greenroom.domain.streams import call_of
from greenroom.testing import FakeMedia, VirtualClock
from greenroom.testing.history import Wish
from greenroom.testing.postgres import PrivatePostgres
from greenroom.testing.strategies import cids, courses, wishes_for
from greenroom.whatif import Comparison, JoinFacts, Kind, Mode, Occupancy, Outcome

OTHERS = "livestream:124"
MODES = tuple(Mode)
NO_STRANGERS = whatif.revoke("default", role="user", capability="join-call")


def nobody(facts: JoinFacts, _: Occupancy, __: Outcome) -> Outcome:
    return "closed to all", errors.Blocked(facts.by.user_id), None


def nothing(_: Recorded[Event]) -> bool:
    return False


def recorded_courses() -> st.SearchStrategy[list[Wish]]:
    """What may become of a call in which now and then somebody starts a recording."""
    starting = st.lists(wishes_for("start_recording"), min_size=3, max_size=3)
    return st.builds(_in_between, courses(shortest=9, longest=24), starting)


def _in_between(course: Sequence[Wish], starting: Sequence[Wish]) -> list[Wish]:
    pace = len(course) // len(starting)
    for number, wish in enumerate(starting, start=1):
        course = [*course[: number * pace], wish, *course[number * pace :]]
    return [*course]


@contextmanager
def happened(course: Sequence[Wish], url: str = "memory://", **calls: str) -> Iterator[Greenroom]:
    """A room where the wishes of the course were asked for, in each of the calls in turn."""
    clock = VirtualClock(START)
    with Greenroom.open(url, clock=clock, media=FakeMedia()) as room:
        for cid in calls.values():
            for wish in course:
                with suppress(errors.GreenroomError):
                    carry_out(room, clock, cid, wish)
        yield room


def joins(room: Greenroom) -> int:
    """How often users came, not parts of the system."""
    feed = (record for _, record in room._core.desk.store.feed())
    return sum(isinstance(one.event, Joined) and not one.by.system for one in feed)


def about(cid: str) -> Callable[[Recorded[Event]], bool]:
    return lambda record: call_of(StreamId(record.stream)) == cid


@settings(max_examples=times(4), phases=NO_SHRINKING)
@given(cids(), recorded_courses())
def test_where_nothing_that_was_is_taken_away_everything_comes_out_as_it_was(
    cid: str, course: Sequence[Wish]
) -> None:
    with happened(course, one=cid) as room:
        for mode in MODES:
            plain = room.what_if().over(mode=mode)
            assert plain.same, plain.differences[0]
            for none in (whatif.without([]), whatif.without(nothing)):
                assert room.what_if(none).over(mode=mode) == plain


@settings(max_examples=times(3), phases=NO_SHRINKING)
@given(cids(), recorded_courses())
def test_a_rule_that_refuses_everybody_refuses_each_who_came(
    cid: str, course: Sequence[Wish]
) -> None:
    with happened(course, one=cid) as room:
        for mode in MODES:
            found = room.what_if(whatif.rule("exists", nobody)).over(mode=mode)
            refused = [one for one in found.differences if one.code == "blocked"]
            came = joins(room)
            assert len([one for one in refused if not one.user_id.startswith("system:")]) == came
            assert {one.kind for one in refused} <= {Kind.NEWLY_REFUSED}
            assert Kind.NEWLY_ADMITTED not in found.counts or mode is Mode.CASCADING


@settings(max_examples=times(3), phases=NO_SHRINKING)
@given(cids(), recorded_courses(), st.data())
def test_what_is_taken_from_one_call_changes_nothing_in_another(
    cid: str, course: Sequence[Wish], data: st.DataObject
) -> None:
    with happened(course, one=cid, other=OTHERS) as room:
        places = [at for at, record in room._core.desk.store.feed() if about(cid)(record)]
        gone = data.draw(st.sets(st.sampled_from(places), min_size=1, max_size=5))
        for mode in MODES:
            asked = room.what_if(whatif.without(gone), NO_STRANGERS)
            alone = room.what_if(NO_STRANGERS).over([OTHERS], mode=mode)
            assert asked.over([OTHERS], mode=mode) == alone
            whole = asked.over(mode=mode)
            assert told(whole, OTHERS) == told(alone, OTHERS)
            assert told(whole, cid) == told(asked.over([cid], mode=mode), cid)


def told(found: Comparison, cid: str) -> list[whatif.Difference]:
    return [one for one in found.differences if one.cid == cid]


@settings(max_examples=times(3), phases=NO_SHRINKING)
@given(cids(), recorded_courses())
def test_of_a_call_that_never_was_nothing_is_decided(cid: str, course: Sequence[Wish]) -> None:
    with happened(course, one=cid, other=OTHERS) as room:
        for mode in MODES:
            asked = room.what_if(whatif.without(about(cid)))
            found = asked.over(mode=mode)
            assert {one.kind for one in found.differences} <= {Kind.NEWLY_ADMITTED}
            assert not told(found, OTHERS)


@settings(max_examples=times(3), phases=NO_SHRINKING)
@given(cids(), recorded_courses(), st.data())
def test_counts_are_those_of_the_differences(
    cid: str, course: Sequence[Wish], data: st.DataObject
) -> None:
    with happened(course, one=cid) as room:
        gone = data.draw(st.integers(1, room.position))
        for mode in MODES:
            found = room.what_if(whatif.without([gone]), NO_STRANGERS).over(mode=mode)
            assert found.counts == Counter(one.kind for one in found.differences)
            assert found.by_user == Counter(one.user_id for one in found.differences)
            shortened = room.what_if(whatif.without([gone]), NO_STRANGERS).over(mode=mode, shown=1)
            assert shortened.counts == found.counts
            assert shortened.differences == found.differences[:1]


@pytest.mark.slow
@settings(max_examples=times(3), phases=NO_SHRINKING)
@given(recorded_courses(), st.data())
def test_every_store_tells_the_same(
    postgres: PrivatePostgres,
    tmp_path_factory: pytest.TempPathFactory,
    course: Sequence[Wish],
    data: st.DataObject,
) -> None:
    path: Path = tmp_path_factory.mktemp("stores") / "calls.db"
    with (
        postgres.database() as url,
        happened(course, one="default:123") as memory,
        happened(course, f"sqlite:///{path}", one="default:123") as sqlite,
        happened(course, url, one="default:123") as in_postgres,
    ):
        gone = data.draw(st.integers(1, memory.position))
        for mode in MODES:
            for changes in ((), (NO_STRANGERS,), (whatif.without([gone]),)):
                expected = memory.what_if(*changes).over(mode=mode)
                assert sqlite.what_if(*changes).over(mode=mode) == expected
                found = in_postgres.what_if(*changes).over(mode=mode)
                assert found.counts == expected.counts
                assert found.decided == expected.decided
