from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.media.meter import Meter


@given(rate=st.integers(0, 10**7), times=st.lists(st.floats(0.1, 5), min_size=2, max_size=9))
def test_what_flows_evenly_is_measured_as_it_flows(rate: int, times: list[float]) -> None:
    meter, now = Meter(), 100.0
    for step in times:
        now += step
        meter.look(int(rate * (now - 100)), now)
    assert meter.bitrate == pytest.approx(rate * 8, abs=200)


def test_nothing_is_known_before_the_second_look() -> None:
    meter = Meter()
    meter.look(1_000_000, 5.0)
    assert meter.bitrate == 0
    meter.look(1_000_000, 5.0)
    assert meter.bitrate == 0
