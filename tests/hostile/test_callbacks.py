"""Code of others that greenroom calls, and that calls back: iterators, listeners, notifiers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.hostile.conftest import NewStore
from tests.hostile.entry_points import START, House

from greenroom import Greenroom, Member, errors
from greenroom.domain.ports import Notification
from greenroom.testing import VirtualClock


def test_members_may_come_from_an_iterator_that_commands_the_same_call(house: House) -> None:
    def found() -> Iterator[Member]:
        house.call.update(custom={"while": "adding"})
        yield Member("charlie")
        house.call.add_members([Member("jaewoong")])

    house.call.add_members(found())
    assert {member.user_id for member in house.call.query_members().items} == {
        "alice",
        "charlie",
        "jaewoong",
        "thierry",
    }
    assert house.call.get().custom == {"while": "adding"}


def test_an_iterator_that_fails_half_way_records_nothing(house: House) -> None:
    def found() -> Iterator[Member]:
        yield Member("charlie")
        raise LookupError("the database of the embedder is gone")

    before = house.room.position
    with pytest.raises(errors.InvalidInput):
        house.call.add_members(found())
    assert house.room.position == before


def test_a_listener_may_command_the_call_it_listens_to(house: House) -> None:
    def hear(_: str, event: Mapping[str, Any]) -> None:
        if event.get("stop"):
            house.call.end()

    house.call.watch(hear)
    house.call.send_event({"stop": True})
    assert house.call.get().ended_at is not None


def test_a_listener_that_fails_keeps_nobody_from_hearing(house: House) -> None:
    heard: list[str] = []

    def fail(_: str, __: Mapping[str, Any]) -> None:
        raise RuntimeError("a listener's own trouble")

    house.call.watch(fail)
    house.call.watch(lambda user, _: heard.append(user))
    house.call.send_event({})
    assert heard == ["thierry"]


def test_a_listener_that_changes_what_it_hears_changes_it_for_nobody_else(house: House) -> None:
    heard: list[Any] = []

    def spoil(_: str, event: Any) -> None:
        event["inner"]["spoilt"] = True

    house.call.watch(spoil)
    house.call.watch(lambda _, event: heard.append(event))
    house.call.send_event({"inner": {}})
    assert heard == [{"inner": {}}]


class Talkative:
    """A notifier that commands the room while it delivers."""

    def __init__(self) -> None:
        self.room: Greenroom | None = None
        self.told: list[str] = []

    def notify(self, notification: Notification) -> None:
        self.told.append(notification.kind)
        assert self.room is not None
        call = self.room.as_user(notification.user_id).call(*notification.cid.split(":"))
        if notification.kind == "call_ring":
            call.reject("a robot answers")


def test_a_notifier_may_command_the_room(new_store: NewStore) -> None:
    notifier = Talkative()
    clock = VirtualClock(START)
    with new_store() as url, Greenroom.open(url, clock=clock, notifier=notifier) as room:
        notifier.room = room
        call = room.as_user("thierry").call("default", "1")
        call.create(members=[Member("alice")], ring=True)
        clock.advance(seconds=60)
        assert notifier.told == ["call_ring"]
        assert [event.name for event in call.history()][-2:] == [
            "member.rejected",
            "call.ring_cancelled",
        ]


@pytest.mark.parametrize(
    "title",
    [
        "${call.__class__}",
        "${user.name.__init__.__globals__}",
        "${call.cid",
        "$",
        "${}",
        "${nobody.knows}",
        "{call.cid!r:>99999999}",
        "%(cid)s %n",
        "${user.name}" * 5_000,
        "\u202e${call.cid}",
    ],
    ids=ascii,
)
def test_words_with_a_design_are_words(title: str, new_store: NewStore) -> None:
    notifier = Talkative()
    clock = VirtualClock(START)
    with new_store() as url, Greenroom.open(url, clock=clock, notifier=notifier) as room:
        notifier.room = room
        notification: Any = {"call_notification": {"title": title}}
        room.call_types.update("default", settings={"notification_settings": notification})
        call = room.as_user("thierry").call("default", "1")
        call.create(members=[Member("alice")], notify=True)
        clock.advance(seconds=3600)
        assert notifier.told == ["call_notification"]
