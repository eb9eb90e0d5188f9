"""Who hears what, through the whole room (semantics 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from greenroom import Greenroom, Member
from greenroom.testing.notifier import RecordingNotifier

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Rooms

    from greenroom.testing.clock import VirtualClock

MEMBERS = ("alice", "charlie", "tommaso")


def heard(notifier: RecordingNotifier) -> dict[str, list[str]]:
    """What each user was told, in order; whoever heard nothing is not named."""
    users = {sent.user_id for sent in notifier.sent}
    return {user: list(notifier.kinds_for(user)) for user in sorted(users)}


def opened(rooms: Rooms, url: str, **settings: object) -> tuple[Greenroom, RecordingNotifier]:
    """A room where thierry has created `default:123` with three members."""
    notifier = RecordingNotifier()
    room = rooms.open(url, notifier=notifier)
    room.as_user("thierry").call("default", "123").create(
        members=[Member(user) for user in (*MEMBERS, "thierry")], settings=settings
    )
    return room, notifier


def test_everybody_rung_hears_it_and_whoever_misses_it_hears_that(
    rooms: Rooms, url: str, clock: VirtualClock
) -> None:
    room, notifier = opened(rooms, url)
    room.users.upsert("thierry", name="Thierry")
    room.as_user("thierry").call("default", "123").ring(["alice", "charlie"], video=False)
    assert heard(notifier) == {"alice": ["call_ring"], "charlie": ["call_ring"]}
    assert notifier.sent[0].title == "Thierry is calling"
    assert notifier.sent[0].caused_by == "thierry"
    assert notifier.sent[0].data["video"] is False
    room.as_user("charlie").call("default", "123").reject("busy")
    clock.advance(seconds=15)
    assert heard(notifier) == {"alice": ["call_ring", "call_missed"], "charlie": ["call_ring"]}
    assert notifier.sent[-1].caused_by == "thierry"


@pytest.mark.slow
def test_the_start_of_a_session_is_told_to_members_but_not_to_whoever_started_it(
    rooms: Rooms, url: str
) -> None:
    room, notifier = opened(rooms, url)
    alice = room.as_user("alice").call("default", "123")
    alice.join()
    room.as_user("charlie").call("default", "123").join()
    assert heard(notifier) == {
        who: ["session_started"] for who in ("charlie", "thierry", "tommaso")
    }


def test_a_call_in_backstage_starts_for_its_members_when_it_goes_live(
    rooms: Rooms, url: str
) -> None:
    room, notifier = opened(rooms, url, backstage={"enabled": True})
    thierry = room.as_user("thierry").call("default", "123")
    thierry.join()
    assert heard(notifier) == {}
    thierry.go_live()
    assert heard(notifier) == {who: ["call_live_started"] for who in MEMBERS}


def test_notifying_tells_those_named_who_are_not_in(rooms: Rooms, url: str) -> None:
    room, notifier = opened(rooms, url)
    room.as_user("alice").call("default", "123").join()
    told = len(notifier.sent)
    room.as_user("thierry").call("default", "123").notify(["alice", "charlie"])
    assert [(sent.kind, sent.user_id) for sent in notifier.sent[told:]] == [
        ("call_notification", "charlie")
    ]


def test_what_a_type_does_not_send_nobody_hears_and_words_are_its_own(
    rooms: Rooms, url: str
) -> None:
    room, notifier = opened(
        rooms,
        url,
        notification_settings={
            "call_ring": {"title": "${user.name}: ${call.custom.topic}", "body": "${call.id}"},
            "session_started": {"enabled": False},
        },
    )
    thierry = room.as_user("thierry").call("default", "123")
    thierry.update(custom={"topic": "results"})
    thierry.join()
    assert heard(notifier) == {}
    thierry.ring(["alice"])
    assert (notifier.sent[0].title, notifier.sent[0].body) == ("thierry: results", "123")


def test_a_failing_delivery_blocks_no_command_is_visible_and_tried_again(
    rooms: Rooms, url: str, clock: VirtualClock
) -> None:
    room, notifier = opened(rooms, url)
    notifier.fail(times=2)
    room.as_user("thierry").call("default", "123").notify(["alice"])
    assert heard(notifier) == {}
    [waiting] = room.outbox.entries()
    assert "the push service is down" in (waiting.last_error or "")
    clock.advance(seconds=60)
    assert heard(notifier) == {"alice": ["call_notification"]}
    assert len({failed.key for failed in (*notifier.failed, *notifier.sent)}) == 1


@pytest.mark.slow
def test_nobody_hears_anything_twice_after_reopening_or_without_views(
    rooms: Rooms, file_url: str, tmp_path: Path, clock: VirtualClock
) -> None:
    room, notifier = opened(rooms, file_url)
    room.as_user("thierry").call("default", "123").ring(["alice"])
    room.as_user("thierry").call("default", "123").join()
    assert notifier.sent != []
    room.close()
    for forget_views in (False, True):
        if forget_views:
            for file in tmp_path.glob("calls.views.db*"):
                file.unlink()
        again = RecordingNotifier()
        with rooms.open(file_url, notifier=again) as reopened:
            reopened.rebuild()
            assert again.sent == []
    late = RecordingNotifier()
    rooms.open(file_url, notifier=late)
    clock.advance(seconds=60)
    assert heard(late) == {"alice": ["call_missed"]}


def test_what_was_asked_for_while_nobody_delivered_is_delivered_at_the_next_opening(
    rooms: Rooms, file_url: str
) -> None:
    room, first = opened(rooms, file_url)
    room.close()
    with rooms.open(file_url, timers=False) as quiet:
        quiet.as_user("thierry").call("default", "123").notify(["charlie"])
    later = RecordingNotifier()
    rooms.open(file_url, notifier=later)
    assert (heard(first), heard(later)) == ({}, {"charlie": ["call_notification"]})
