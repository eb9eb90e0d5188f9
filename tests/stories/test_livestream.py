"""A livestream: backstage, a full house, a kick that sticks, the end, and an encore."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from tests.stories.conftest import MORNING, Stage

from greenroom import Backstage, CallHandle, Member, errors

SHOW = ("livestream", "launch")


@pytest.fixture
def announced(stage: Stage) -> Stage:
    """A show in 500 seconds, doors 300 seconds ahead, room for three."""
    stage.call("thierry", *SHOW).create(
        members=[Member("tommaso", role="host"), Member("alice", role="moderator")],
        starts_at=MORNING + timedelta(seconds=500),
        backstage=Backstage(enabled=True, join_ahead_time_seconds=300),
        max_participants=3,
        settings={"limits": {"max_participants_exclude_roles": ["host", "moderator"]}},
    )
    return stage


def show(stage: Stage, user: str) -> CallHandle:
    return stage.call(user, *SHOW)


def present(stage: Stage) -> list[str]:
    return sorted({one.user_id for one in show(stage, "tommaso").query_participants().items})


def test_hosts_set_up_in_backstage_and_the_doors_open_to_the_second(announced: Stage) -> None:
    show(announced, "tommaso").join()
    with pytest.raises(errors.NotLiveYet) as refusal:
        show(announced, "charlie").join()
    assert refusal.value.opens_at == MORNING + timedelta(seconds=200)
    announced.wait(seconds=199)
    with pytest.raises(errors.NotLiveYet):
        show(announced, "charlie").join()
    announced.wait(seconds=1)
    show(announced, "charlie").join()
    assert present(announced) == ["charlie", "tommaso"]


def test_a_question_may_be_asked_for_somebody_in_another_role(announced: Stage) -> None:
    assert not show(announced, "charlie").explain("join").allowed
    assert show(announced, "charlie").explain("join", role="moderator").allowed
    assert show(announced, "charlie").explain("join", user="jaewoong", role="admin").allowed
    assert not show(announced, "charlie").explain("kick", user_id="tommaso").allowed


def test_going_live_opens_the_doors_and_tells_the_members_once(announced: Stage) -> None:
    show(announced, "tommaso").join()
    assert announced.heard("alice") == []
    show(announced, "tommaso").go_live()
    show(announced, "tommaso").go_live()
    assert announced.heard("alice") == ["call_live_started"]
    show(announced, "charlie").join()
    assert not show(announced, "charlie").get().backstage


def test_the_house_is_full_to_the_person_and_never_beyond(announced: Stage) -> None:
    show(announced, "tommaso").join()
    show(announced, "tommaso").go_live()
    for fan in ("fan-1", "fan-2", "fan-3"):
        show(announced, fan).join()
    with pytest.raises(errors.CallFull, match="3"):
        show(announced, "fan-4").join()
    show(announced, "fan-1").join()  # another device of somebody who is in
    show(announced, "alice").join()  # a moderator does not count
    show(announced, "fan-2").leave()
    show(announced, "fan-4").join()
    assert present(announced) == ["alice", "fan-1", "fan-3", "fan-4", "tommaso"]


def test_a_kick_with_a_block_sticks_whatever_the_heckler_does(announced: Stage) -> None:
    show(announced, "tommaso").join()
    show(announced, "tommaso").go_live()
    show(announced, "charlie").join()
    late = show(announced, "charlie").join()
    kicked = show(announced, "alice").kick("charlie", block=True)
    assert kicked.recorded == ("call.user_blocked", "session.left", "session.left")
    assert present(announced) == ["tommaso"]
    for _ in range(3):
        with pytest.raises(errors.Blocked):
            show(announced, "charlie").join()
    show(announced, "charlie").leave()  # a late goodbye of the old connection
    assert present(announced) == ["tommaso"]
    assert show(announced, "charlie").explain("join").code == "blocked"
    assert late.entry_id not in {
        one.entry_id for one in show(announced, "tommaso").query_participants().items
    }
    show(announced, "alice").unblock("charlie")
    show(announced, "charlie").join()


def test_a_kick_without_a_block_lets_them_come_back(announced: Stage) -> None:
    show(announced, "thierry").go_live()
    show(announced, "charlie").join()
    show(announced, "alice").kick("charlie")
    show(announced, "charlie").join()
    assert present(announced) == ["charlie"]


def test_after_the_show_the_audience_goes_and_the_hosts_stay(announced: Stage) -> None:
    show(announced, "tommaso").join()
    show(announced, "tommaso").go_live()
    show(announced, "charlie").join()
    show(announced, "tommaso").stop_live()
    assert present(announced) == ["tommaso"]
    left = [e for e in show(announced, "tommaso").history() if e.name == "session.left"]
    assert [(e.event["user_id"], e.event["reason"]) for e in left] == [("charlie", "stopped_live")]


def test_the_end_is_the_end_but_for_those_with_a_key(announced: Stage) -> None:
    show(announced, "tommaso").join()
    show(announced, "tommaso").go_live()
    show(announced, "charlie").join()
    show(announced, "tommaso").end()
    assert present(announced) == []
    with pytest.raises(errors.CallEnded):
        show(announced, "charlie").join()
    show(announced, "tommaso").join()
    ended = show(announced, "tommaso").get()
    assert ended.ended_at is not None
    assert ended.current_session == "livestream:launch/2"

    show(announced, "tommaso").go_live()  # an encore
    show(announced, "charlie").join()
    assert show(announced, "charlie").get().ended_at is None
    assert present(announced) == ["charlie", "tommaso"]


def test_the_audience_is_heard_and_nothing_of_it_is_kept(announced: Stage) -> None:
    room = announced.room  # who watches, watches in one process
    room.call_types.grant("livestream", role="user", capability="send-event")
    thierry, charlie = (room.as_user(user).call(*SHOW) for user in ("thierry", "charlie"))
    heard: list[tuple[str, Mapping[str, Any]]] = []
    stop = thierry.watch(lambda user, event: heard.append((user, event)))
    before = room.position
    charlie.send_event({"wave": True})
    stop()
    charlie.send_event({"wave": False})
    assert heard == [("charlie", {"wave": True})]
    assert room.position == before


def test_what_was_is_answered_as_it_was(announced: Stage) -> None:
    show(announced, "tommaso").join()
    announced.wait(seconds=60)
    show(announced, "tommaso").go_live()
    show(announced, "charlie").join()
    announced.wait(seconds=60)
    show(announced, "tommaso").end()
    room = announced.room
    with room.at(MORNING + timedelta(seconds=90)) as then:
        before = then.as_user("tommaso").call(*SHOW)
        assert {p.user_id for p in before.query_participants().items} == {"charlie", "tommaso"}
        assert not before.get().backstage
        assert before.explain("join", user="jaewoong").allowed
        with pytest.raises(errors.ReadOnly):
            before.end()
    with room.at(MORNING + timedelta(seconds=30)) as earlier:
        assert earlier.as_user("tommaso").call(*SHOW).get().backstage
