"""How often an entry may ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.domain.message import EntryId
from greenroom.http.pacing import Pace
from greenroom.http.refusing import Problem

MOMENTS = st.lists(st.floats(0, 3), max_size=60).map(
    lambda pauses: [sum(pauses[: n + 1]) for n in range(len(pauses))]
)


class Asking:
    """A client that asks at moments of its choice."""

    def __init__(self, *, at_once: int, every: float) -> None:
        self.now = 0.0
        self.pace = Pace(at_once=at_once, every=every, now=lambda: self.now)

    def at(self, moment: float, who: str = "thierry") -> bool:
        """Whether it is let through."""
        self.now = moment
        try:
            self.pace.take(EntryId(who))
        except Problem:
            return False
        return True


@given(MOMENTS, st.integers(1, 5), st.floats(0.1, 2))
def test_no_stretch_of_time_has_more_than_its_share(
    moments: list[float], at_once: int, every: float
) -> None:
    asking = Asking(at_once=at_once, every=every)
    let = [moment for moment in moments if asking.at(moment)]
    for first, moment in enumerate(let):
        for last in range(first, len(let)):
            assert last - first + 1 <= at_once + (let[last] - moment) / every + 1e-6


@given(MOMENTS, st.integers(1, 5), st.floats(0.1, 2))
def test_who_is_refused_is_let_through_after_the_time_they_were_told(
    moments: list[float], at_once: int, every: float
) -> None:
    asking = Asking(at_once=at_once, every=every)
    for moment in moments:
        if not asking.at(moment):
            with pytest.raises(Problem) as refused:
                asking.pace.take(EntryId("thierry"))
            assert asking.at(moment + int(refused.value.headers["Retry-After"]))
            return


def test_everybody_has_a_pace_of_their_own() -> None:
    asking = Asking(at_once=1, every=1)
    assert asking.at(0)
    assert not asking.at(0)
    assert asking.at(0, "alice")


def test_those_who_have_been_quiet_are_forgotten() -> None:
    asking = Asking(at_once=2, every=1)
    for number in range(5_000):
        assert asking.at(number * 0.01, f"entry-{number}")
    assert len(asking.pace) <= 1_024 + 1
