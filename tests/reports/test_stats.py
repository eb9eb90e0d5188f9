"""Numbers over many calls, and the page of their plots."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.conftest import POSTGRES
from tests.reports.conftest import CID, NINE, Ward
from tests.reports.test_call_report import Reader

from greenroom import Greenroom
from greenroom.domain.instants import micros
from greenroom.domain.membership import RingAccepted, RingMissed
from greenroom.domain.message import CallId, UserId
from greenroom.history import numbered
from greenroom.projections.log_index import Happened
from greenroom.reports.stats import scale_of, stats_report
from greenroom.reports.tally import OUTCOMES, PRESENCE, Counting, Tally
from greenroom.testing.clock import VirtualClock


def after(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


def happened(name: str, seconds: float, cid: str = "default:1") -> Happened:
    return Happened(CallId(cid), micros(after(seconds)), f"session.{name}", 1)


def tallied(events: Sequence[Happened], start: float, end: float) -> Tally:
    counting = Counting(after(start), after(end))
    counting.take(events)
    return counting.tally()


def test_who_came_before_the_time_is_there_from_its_beginning() -> None:
    events = [happened("joined", 0), happened("joined", 1), happened("left", 3_000)]
    tally = tallied(events, 2_400, 4_800)
    assert (tally.peak, tally.peak_at, tally.joins) == (2, after(2_400), 0)
    assert [slot.most for slot in tally.slots] == [2] * 61 + [1] * 179


def test_sessions_are_sorted_by_how_long_they_lasted() -> None:
    events = [
        happened("started", 0), happened("ended", 59.9),
        happened("started", 100), happened("ended", 160),
        happened("started", 200, "default:2"), happened("ended", 20_000, "default:2"),
        happened("started", 20_000),
    ]  # fmt: skip  # pairs
    tally = tallied(events, 0, 30_000)
    assert tally.lengths == [1, 1, 0, 0, 0, 0, 0, 1]
    assert (tally.sessions, tally.calls) == (3, 2)


def test_of_a_ring_counts_what_was_said_last() -> None:
    cid, alice = CallId("default:1"), UserId("alice")
    counting = Counting(NINE, after(2_400))
    counting.rings(
        [
            RingMissed(at=after(10), ring=1, cid=cid, user_id=alice),
            RingAccepted(at=after(150), ring=1, cid=cid, user_id=alice),
            RingMissed(at=after(160), ring=2, cid=cid, user_id=alice),
            RingMissed(at=after(2_400), ring=3, cid=cid, user_id=alice),
        ]
    )
    tally = counting.tally()
    assert tally.outcomes == {"accepted": 1, "rejected": 0, "missed": 1}
    assert tally.bars[1].outcomes == tally.outcomes


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 60)), max_size=20),
    st.integers(0, 50),
    st.integers(1, 100),
)
def test_the_most_at_once_is_what_counting_everybody_comes_to(
    stays: list[tuple[int, int]], start: int, length: int
) -> None:
    events = [happened("joined", at) for at, _ in stays]
    events += [happened("left", at + stayed + 0.5) for at, stayed in stays]  # no two at once
    tally = tallied(sorted(events, key=lambda one: one.at), start, start + length)
    instants = [start, *(at for at, _ in stays if start <= at < start + length)]
    there = [sum(at <= now < at + stayed + 0.5 for at, stayed in stays) for now in instants]
    before = sum(at < start < at + stayed + 0.5 for at, stayed in stays)
    assert tally.peak == max(*there, before)
    assert tally.peak == max(slot.most for slot in tally.slots)


@given(st.integers(0, 10**9))
def test_an_axis_ends_at_a_round_number_that_is_not_much_too_high(most: int) -> None:
    top = scale_of(most)
    assert top >= most
    assert top <= max(4, most * 2.5)
    assert str(top // 4).rstrip("0") in {"1", "2", "5"}


def test_the_page_shows_what_was_counted_and_is_nothing_but_text_and_lines(ward: Ward) -> None:
    core = ward.room._core
    counting = Counting(NINE, ward.clock.now())
    counting.take(core.index().happened(PRESENCE, until=ward.room.position))
    answers = core.index().happened(OUTCOMES, until=ward.room.position)
    counting.rings(core.picked(sorted(one.position for one in answers)))
    tally = counting.tally()
    assert (tally.peak, tally.joins, tally.calls) == (3, 4, 1)
    assert tally.outcomes == {"accepted": 1, "rejected": 1, "missed": 0}
    told = stats_report(tally, at=ward.clock.now(), call_type="default")
    reader = Reader(told)
    assert reader.count("script") == 0
    assert reader.count("svg", role="img") == 3
    assert "50 % of 2" in told
    assert re.search(r"<dt>Most at once</dt><dd>3</dd>", told)
    other = core.index().happened(PRESENCE, until=ward.room.position, call_type="livestream")
    assert [*other] == []
    assert {one.cid for one in core.index().happened(PRESENCE, until=10**6)} == {CID}


@pytest.mark.parametrize("kind", ["memory", "sqlite", POSTGRES])
def test_what_happened_is_found_by_type_on_every_store(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    urls = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path / 'calls.db'}"}
    url = urls.get(kind) or request.getfixturevalue("postgres_url")
    with Greenroom.open(url, clock=VirtualClock(NINE)) as room:
        for call_type in ("default", "development", "livestream"):
            call = room.as_user("thierry").call(call_type, "1")
            call.create()
            call.join()
        index = room._core.index()
        for call_type in ("default", "development", "livestream", "audio_room"):
            found = index.happened(PRESENCE, until=room.position, call_type=call_type)
            assert [one.name for one in found] == [
                "session.started", "session.joined",
            ] * (call_type != "audio_room")  # fmt: skip  # none of the last
        assert len([*index.happened(PRESENCE, until=room.position)]) == 6
        numbers = numbered(room._core.feed(0), index, 0, room.position)
        assert [seq for seq, record in numbers if record.event.name == "session.joined"] == [3] * 3
