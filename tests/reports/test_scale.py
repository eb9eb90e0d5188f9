"""Places of instants on a line."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.reports.conftest import NINE

from greenroom.reports.scale import WIDTH, Scale


def after(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


def test_in_a_session_places_are_as_far_apart_as_their_times() -> None:
    scale = Scale([NINE, after(900), after(3600)], [(NINE, after(3600))])
    assert [scale.x(after(part * 900)) for part in range(5)] == [0, 25, 50, 75, 100]


def test_hours_when_nobody_was_there_are_short() -> None:
    days = 86_400
    scale = Scale(
        [NINE], [(after(days), after(days + 60)), (after(9 * days), after(9 * days + 180))]
    )
    assert scale.x(after(days)) == 3
    first = scale.x(after(days + 60)) - scale.x(after(days))
    second = scale.x(after(9 * days + 180)) - scale.x(after(9 * days))
    assert abs(3 * first - second) < 0.01
    assert scale.x(after(9 * days + 180)) == WIDTH


@given(
    st.lists(st.integers(0, 10_000), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 9_000), st.integers(0, 3_000)), max_size=4),
    st.booleans(),
)
def test_places_rise_with_time_and_stay_on_the_line(
    seconds: list[int],
    sessions: list[tuple[int, int]],
    goes_on: bool,  # noqa: FBT001 - Hypothesis gives it
) -> None:
    spans = [(after(start), after(start + length)) for start, length in sessions]
    scale = Scale(map(after, seconds), spans, goes_on=goes_on)
    places = [scale.x(after(one)) for one in range(-10, 13_100, 37)]
    assert places == sorted(places)
    assert places[0] == 0
    assert 0 <= places[-1] <= WIDTH + 0.01
    ticks = [tick.x for tick in scale.ticks()]
    assert all(later - one >= 11 for one, later in pairwise(ticks))
