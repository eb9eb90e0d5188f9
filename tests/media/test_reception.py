from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from greenroom.media.reception import ASKS, KEPT, Reception

STARTS = st.integers(0, 65_535)


def taken(reception: Reception, number: int, now: float = 0.0, timestamp: int = 0) -> int | None:
    ordinal = reception.place(number & 0xFFFF)
    if ordinal is not None:
        reception.arrived(ordinal, timestamp, now)
    return ordinal


@given(start=STARTS, lost=st.sets(st.integers(1, 398)), shuffle=st.integers(0, 2**32))
def test_what_is_lost_and_what_is_late_is_counted_across_the_wrap(
    start: int, lost: set[int], shuffle: int
) -> None:
    reception, order = Reception(90_000), random.Random(shuffle)
    steps = [step for step in range(400) if step not in lost]
    jumbled = sorted(steps, key=lambda step: (step and step + order.randint(0, 5), step))
    places = {step: taken(reception, start + step) for step in jumbled}
    first = places[0]
    assert first is not None
    assert all(place == first + step for step, place in places.items())
    assert reception.expected == 400
    assert reception.lost == len(lost)


@given(start=STARTS, gap=st.integers(1, 128))
def test_a_gap_is_asked_for_so_often_and_then_given_up(start: int, gap: int) -> None:
    reception = Reception(90_000)
    taken(reception, start)
    taken(reception, start + gap + 1)
    missing = sorted((start + 1 + step) & 0xFFFF for step in range(gap))
    for _ in range(ASKS):
        assert reception.missing
        assert reception.to_ask() == missing
    assert reception.to_ask() == []
    assert not reception.missing


def test_what_came_in_the_end_is_asked_for_no_more() -> None:
    reception = Reception(90_000)
    for number in (10, 13, 11):
        taken(reception, number)
    assert reception.to_ask() == [12]
    taken(reception, 12)
    assert reception.to_ask() == []
    assert reception.lost == 0


def test_what_is_too_long_ago_to_be_kept_is_asked_for_no_more() -> None:
    reception = Reception(90_000)
    for number in (1, 3, *range(4, KEPT + 3)):
        taken(reception, number)
    assert reception.to_ask() == []


@given(start=STARTS, leap=st.integers(3_000, 65_000))
def test_a_leap_counts_once_the_next_packet_agrees_and_loses_nothing(start: int, leap: int) -> None:
    reception = Reception(90_000)
    taken(reception, start)
    assert taken(reception, start + leap) is None
    ordinal = taken(reception, start + leap + 1)
    assert ordinal is not None
    assert ordinal & 0xFFFF == (start + leap + 1) & 0xFFFF
    assert (reception.stretch, reception.lost) == (1, 0)
    assert ordinal > reception.stretch_before + KEPT
    following = taken(reception, start + leap + 2)
    assert following == ordinal + 1


def test_jitter_is_the_unevenness_of_arrival_in_seconds() -> None:
    even, uneven = Reception(48_000), Reception(48_000)
    for number in range(400):
        taken(even, number, now=number * 0.02, timestamp=number * 960)
        late = 0.01 * (number % 2)
        taken(uneven, number, now=number * 0.02 + late, timestamp=number * 960)
    assert even.jitter < 0.0001
    assert 0.009 < uneven.jitter < 0.011


def test_a_report_tells_the_loss_since_the_last_one() -> None:
    reception = Reception(90_000)
    for number in (1, 2, 4, 5):
        taken(reception, number)
    assert reception.report()[:2] == (256 // 5, 5)
    for number in (6, 7, 8):
        taken(reception, number)
    assert reception.report()[:2] == (0, 8)


def test_the_highest_number_is_reported_with_its_wraps() -> None:
    reception = Reception(90_000)
    taken(reception, 65_535)
    taken(reception, 65_536)
    assert reception.report()[1] == 65_536
