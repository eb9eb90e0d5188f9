"""An online class: raised hands, one school behind its wall, the same call week after week."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.stories.conftest import MORNING, Stage

from greenroom import CallHandle, Member, errors

CLASS = ("class", "biology-7b")


@pytest.fixture
def school(stage: Stage) -> Stage:
    """alice teaches charlie and jaewoong of school-7; tommaso is of another school."""
    stage.room.call_types.create(
        "class", based_on="audio_room", settings={"backstage": {"enabled": False}}
    )
    for user in ("alice", "charlie", "jaewoong"):
        stage.room.users.upsert(user, teams=["school-7"])
    stage.room.users.upsert("tommaso", teams=["school-8"])
    stage.call("alice", *CLASS).create(
        members=[Member("charlie"), Member("jaewoong")], team="school-7"
    )
    return stage


def lesson(stage: Stage, user: str) -> CallHandle:
    return stage.call(user, *CLASS)


def may(stage: Stage, user: str, capability: str) -> bool:
    return capability in lesson(stage, user).get().own_capabilities


def test_a_raised_hand_is_granted_and_taken_back(school: Stage) -> None:
    lesson(school, "alice").join()
    lesson(school, "charlie").join()
    assert not may(school, "charlie", "send-audio")
    asked = lesson(school, "charlie").request_permissions(["send-audio"])
    assert asked.recorded == ("member.permission_requested",)
    assert lesson(school, "charlie").request_permissions(["send-audio"]).recorded == ()
    lesson(school, "alice").grant_permissions("charlie", ["send-audio"])
    assert may(school, "charlie", "send-audio")
    assert not may(school, "jaewoong", "send-audio")
    lesson(school, "alice").revoke_permissions("charlie", ["send-audio"])
    assert not may(school, "charlie", "send-audio")


def test_what_the_class_may_not_ask_for_the_teacher_may_still_grant(school: Stage) -> None:
    with pytest.raises(errors.RequestsDisabled):
        lesson(school, "charlie").request_permissions(["screenshare"])
    lesson(school, "alice").grant_permissions("charlie", ["screenshare"])
    assert may(school, "charlie", "screenshare")


def test_pupils_grant_one_another_nothing(school: Stage) -> None:
    with pytest.raises(errors.NotAllowed, match="update-call-permissions"):
        lesson(school, "charlie").grant_permissions("charlie", ["send-audio"])


def test_all_are_muted_but_whoever_asks_for_silence(school: Stage) -> None:
    for user in ("alice", "charlie", "jaewoong"):
        lesson(school, user).join()
    lesson(school, "alice").mute(audio=True)
    muted = [e for e in lesson(school, "alice").history() if e.name == "session.muted"]
    assert list(muted[-1].event["user_ids"]) == ["charlie", "jaewoong"]


def test_another_school_stands_before_a_wall_whatever_it_asks(school: Stage) -> None:
    for ask in ("join", "get", "query_members", "history", "end", "leave", "accept"):
        stranger = lesson(school, "tommaso")
        with pytest.raises(errors.WrongTeam):
            getattr(stranger, ask)()
    assert school.user("tommaso").query_calls().items == ()
    assert [call.cid for call in school.user("jaewoong").query_calls().items] == [
        "class:biology-7b"
    ]


def test_a_pupil_who_changes_school_sees_the_class_and_joins_it_no_more(school: Stage) -> None:
    lesson(school, "charlie").join()
    lesson(school, "charlie").leave()
    school.room.users.upsert("charlie", teams=["school-8"])
    assert lesson(school, "charlie").get().team == "school-7"
    with pytest.raises(errors.WrongTeam):
        lesson(school, "charlie").join()


def test_the_same_call_serves_week_after_week(school: Stage) -> None:
    for week in range(1, 5):
        lesson(school, "alice").join()
        assert lesson(school, "charlie").join().session_id == f"class:biology-7b/{week}"
        school.wait(minutes=45)
        lesson(school, "charlie").leave()
        lesson(school, "alice").leave()
        school.wait(days=7)
    sessions = lesson(school, "alice").query_sessions().items
    assert [session.number for session in sessions] == [4, 3, 2, 1]
    assert {session.end_reason for session in sessions} == {"empty"}
    assert {session.duration for session in sessions} == {45 * 60 + 30}
    assert sessions[-1].started_at == MORNING
    assert sessions[0].started_at == MORNING + 3 * timedelta(days=7, minutes=45)


def test_a_short_absence_does_not_end_the_lesson(school: Stage) -> None:
    first = lesson(school, "alice").join()
    lesson(school, "alice").leave()
    school.wait(seconds=29)
    assert lesson(school, "alice").join().session_id == first.session_id
    lesson(school, "alice").leave()
    school.wait(seconds=30)
    assert lesson(school, "alice").join().session_id == "class:biology-7b/2"
