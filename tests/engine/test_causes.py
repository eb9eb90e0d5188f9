"""What made the system act is on record: the cause, and the chain it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom import Greenroom, HistoryEvent
from greenroom.testing.media import FakeMedia

if TYPE_CHECKING:
    from greenroom.testing.clock import VirtualClock


def named(history: list[HistoryEvent], name: str) -> HistoryEvent:
    (found,) = (event for event in history if event.name == name)
    return found


def test_what_somebody_asked_for_is_the_first_of_its_chain(room: Greenroom) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.create(member_ids=["alice"])
    created, added = call.history()
    assert created.causation_id is None
    assert created.correlation_id == created.request_id
    assert added.request_id == created.request_id, "one command, one id"


def test_a_timer_names_the_event_that_planned_it(room: Greenroom, clock: VirtualClock) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.create(member_ids=["alice"], max_duration=3600)
    call.ring(["alice"])
    call.join()
    clock.advance(seconds=15)
    rung, missed = named(call.history(), "call.rung"), named(call.history(), "member.missed")
    assert (missed.by, missed.causation_id) == ("system:timers", rung.event_id)
    assert missed.correlation_id == rung.correlation_id != missed.request_id
    clock.advance(seconds=3600)
    started, ended = named(call.history(), "session.started"), named(call.history(), "call.ended")
    assert (ended.causation_id, ended.correlation_id) == (started.event_id, started.correlation_id)


def test_a_timer_that_was_moved_names_the_event_that_moved_it(
    room: Greenroom, clock: VirtualClock
) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.create(max_duration=3600)
    call.join()
    call.update(max_duration=60)
    clock.advance(seconds=60)
    moved, ended = named(call.history(), "call.updated"), named(call.history(), "call.ended")
    assert ended.causation_id == moved.event_id


def test_what_media_learned_names_the_join() -> None:
    media = FakeMedia()
    with Greenroom.open("memory://", media=media) as room:
        call = room.as_user("thierry").call("default", "123")
        entry = call.join(create=True)
        room._core.media.follow()  # type: ignore[union-attr]  # given above
        media.connect(entry.entry_id)
        joined = named(call.history(), "session.joined")
        connected = named(call.history(), "session.connected")
        assert connected.causation_id == joined.event_id
        assert connected.correlation_id == joined.correlation_id
