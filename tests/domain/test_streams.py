"""Where events stand, whose they are, and whom they are about."""

from __future__ import annotations

import pytest
from tests.domain.story import at
from tests.house.golden_story import told

from greenroom.domain import streams
from greenroom.domain.call_events import CallDeleted, CallRung, UserBlocked, WentLive
from greenroom.domain.concerned import concerned
from greenroom.domain.instants import instant, micros
from greenroom.domain.message import CallId, StreamId, UserId
from greenroom.domain.user import UserErased

VISIT = CallId("default:visit")
ALICE, CHARLIE = UserId("alice"), UserId("charlie")


@pytest.mark.parametrize(
    ("stream", "cid", "subjects"),
    [
        (streams.call_stream(VISIT), VISIT, ("call-default:visit",)),
        (streams.session_stream(VISIT, 2), VISIT, ()),
        (streams.member_stream(VISIT, ALICE), VISIT, ("call-default:visit", "user-alice")),
        (streams.member_stream(VISIT, UserId("a-b")), VISIT, ("call-default:visit", "user-a-b")),
        (streams.type_stream("default"), None, ()),
        (streams.user_stream(ALICE), None, ("user-alice",)),
    ],
)
def test_a_stream_says_its_call_and_whose_erasure_makes_it_unreadable(
    stream: StreamId, cid: CallId | None, subjects: tuple[str, ...]
) -> None:
    assert streams.call_of(stream) == cid
    assert streams.subjects(stream) == subjects


def test_an_event_stands_in_streams_of_the_call_that_it_names() -> None:
    for decided in told():
        assert streams.call_in(decided.event) == streams.call_of(decided.stream)


def test_only_a_hard_deletion_and_a_users_erasure_do_away_with_personal_data() -> None:
    hard = CallDeleted(at=at(0), cid=VISIT, hard=True)
    assert streams.erased_by(hard) == "call-default:visit"
    assert streams.erased_by(CallDeleted(at=at(0), cid=VISIT, hard=False)) is None
    assert streams.erased_by(UserErased(at=at(0), user_id=ALICE)) == "user-alice"
    assert streams.erased_by(WentLive(at=at(0), cid=VISIT, backstage=False)) is None


def test_a_session_is_called_after_its_call() -> None:
    assert streams.session_id(VISIT, 3) == "default:visit/3"


def test_an_event_is_about_everybody_it_names() -> None:
    rung = CallRung(
        at=at(0),
        cid=VISIT,
        ring=1,
        caller=UserId("thierry"),
        user_ids=(ALICE, CHARLIE),
        video=True,
        auto_cancel_at=at(10),
        missed_at=at(20),
    )
    assert list(concerned(rung)) == ["thierry", "alice", "charlie"]
    assert list(concerned(UserBlocked(at=at(0), cid=VISIT, user_id=ALICE))) == ["alice"]
    assert list(concerned(WentLive(at=at(0), cid=VISIT, backstage=False))) == []


def test_an_instant_comes_back_from_its_number() -> None:
    assert micros(at(0)) == 1_767_268_800_000_000
    assert instant(micros(at(1.000001))) == at(1.000001)
