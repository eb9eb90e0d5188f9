"""Where things stand in the log is found by pages, and is what reading all of it would find."""

from __future__ import annotations

from datetime import datetime

import pytest
from tests.projections.history import CID, History, at

from greenroom.domain.instants import micros
from greenroom.domain.message import CallId, UserId
from greenroom.projections.log_index import LogIndex
from greenroom.projections.views import Views

OTHER = CallId("default:party")
Place = tuple[int, int]


@pytest.fixture
def index(views: Views, history: History, monkeypatch: pytest.MonkeyPatch) -> LogIndex:
    """Of a call with ten members and another with one, by pages of four."""
    monkeypatch.setattr("greenroom.projections.log_index._PAGE", 4)
    history.created(OTHER)
    history.added("member-1", cid=OTHER)
    views.catch_up(history.feed, until=history.head)
    return views.index


def places(history: History, cid: CallId = CID) -> list[tuple[Place, str, datetime]]:
    """((position, place), name, instant) of the events of a call."""
    mine = [(at, one.event) for at, one in history.pairs if getattr(one.event, "cid", None) == cid]
    return [((at, seq), one.name, one.at) for seq, (at, one) in enumerate(mine, start=1)]


def test_all_events_of_a_call_are_found_in_their_order(index: LogIndex, history: History) -> None:
    whole = [place for place, *_ in places(history)]
    assert len(whole) == 14
    for until in (0, *(position for position, _ in whole), history.head):
        expected = [place for place in whole if place[0] <= until]
        assert list(index.places(CID, until=until)) == expected
        assert list(index.positions(CID, until=until)) == [position for position, _ in expected]
    assert list(index.places(CID, until=history.head, after=9)) == whole[9:]


@pytest.mark.parametrize("names", [(), ("member.removed",), ("call.created", "member.added")])
@pytest.mark.parametrize(("start", "end"), [(None, None), (at(3), at(12)), (at(12), None)])
def test_events_of_some_names_and_some_time_are_found(
    index: LogIndex,
    history: History,
    names: tuple[str, ...],
    start: datetime | None,
    end: datetime | None,
) -> None:
    expected = [
        place
        for place, name, happened_at in places(history)
        if (not names or name in names)
        and (start is None or happened_at >= start)
        and (end is None or happened_at < end)
    ]
    found = index.places(CID, until=history.head, names=names, start=start, end=end)
    assert list(found) == expected


def test_every_event_of_any_call_has_its_place(index: LogIndex, history: History) -> None:
    found = [place for cid in (CID, OTHER) for place, *_ in places(history, cid)]
    assert list(index.seqs(0, history.head)) == found
    assert list(index.seqs(found[5][0], found[11][0])) == found[6:12]


@pytest.mark.parametrize("call_type", [None, "livestream", "default", "defaul"])
def test_what_happened_is_told_by_type_of_call(
    index: LogIndex, history: History, call_type: str | None
) -> None:
    expected = [
        (cid, micros(happened_at), name, position)
        for cid in (CID, OTHER)
        if call_type in (None, cid.partition(":")[0])
        for (position, _), name, happened_at in places(history, cid)
        if name == "member.added"
    ]
    found = index.happened(["member.added"], until=history.head, call_type=call_type)
    assert [tuple(one) for one in found] == expected


def test_more_people_than_fit_one_question_are_asked_about(
    views: Views, index: LogIndex, history: History
) -> None:
    people = [UserId(f"member-{number}") for number in range(10)]
    begin = history.head
    for name in ("Alice", "Alice A."):
        for person in people:
            history.upserted(person, name=name)
    history.upserted("tommaso", name="Tommaso")
    views.catch_up(history.feed, until=history.head)
    about = [position for position, _ in history.pairs if position > begin][:-1]
    assert list(index.positions_about(people, until=history.head)) == about
    assert list(index.positions_about(people, until=about[12])) == about[:13]


def test_no_event_is_later_than_what_is_told_of_its_position(
    index: LogIndex, history: History
) -> None:
    for position, one in history.pairs:
        assert index.latest_until(position) == micros(one.event.at)
