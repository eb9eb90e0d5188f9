"""The room as it was: what was answered then is answered again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.engine.conftest import START, Rooms
from tests.engine.test_history_and_explain import carry_out
from tests.laws import NO_SHRINKING, times

from greenroom import Greenroom, Member, PastRoom, desc, errors
from greenroom.projections.as_of import Replayed
from greenroom.testing.clock import VirtualClock
from greenroom.testing.strategies import courses

if TYPE_CHECKING:
    from greenroom.testing.history import Wish


def seen(room: Greenroom | PastRoom, cid: str = "default:123") -> Any:
    """Everything the system can read of the call."""
    system = room.system("auditor")
    call = system.call(*cid.split(":"))
    try:
        state = call.get()
    except errors.CallNotFound:
        return "not found"
    return (
        state.model_dump(exclude={"position"}),
        state.session,
        state.members,
        state.member_count,
        call.query_members({"role": {"$ne": "host"}}, [desc("user_id")], limit=2).items,
        call.query_members({"user.role": "user", "user.name": {"$exists": False}}).items,
        call.query_participants().items,
        call.query_sessions().items,
        call.history(),
        system.query_calls().items,
        room.as_user("alice").query_calls({"members": {"$in": ["tommaso", "charlie"]}}).items,
        call.explain("join", user="alice").reasons,
    )


def remembered(
    room: Greenroom, clock: VirtualClock, course: Sequence[Wish], cid: str = "default:123"
) -> dict[int, Any]:
    """Let it happen; what was seen in between, by position."""
    found: dict[int, Any] = {}
    for wish in course:
        if wish.arguments.get("hard"):
            continue  # takes the past along
        try:
            carry_out(room, clock, cid, wish)
        except errors.Refused:
            continue
        [(position, last)] = room._store.feed(room.position - 1)
        if last.event.at == clock.now():  # later, other things are allowed, and the log is the same
            found[position] = seen(room, cid)
    return found


@settings(max_examples=times(15), phases=NO_SHRINKING)
@given(courses(shortest=5, longest=10))
@pytest.mark.slow
def test_at_each_position_the_past_is_what_was_seen_then(course: Sequence[Wish]) -> None:
    clock = VirtualClock(START)
    with Greenroom.open("memory://", clock=clock) as room:
        for position, then in remembered(room, clock, course).items():
            with room.at(position) as past:
                assert past.position == position
                assert seen(past) == then


@settings(
    max_examples=times(8),
    phases=NO_SHRINKING,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(course=courses(shortest=5, longest=10))
@pytest.mark.slow
def test_so_it_is_on_stores_that_outlive_the_room(
    rooms: Rooms, file_url: str, clock: VirtualClock, course: Sequence[Wish]
) -> None:
    with rooms.open(file_url) as room:  # in a house where much has happened already
        cid = f"default:{room.position}"
        seen_then = remembered(room, clock, course, cid)
    with rooms.open(file_url, timers=False) as room:
        for position, then in seen_then.items():
            with room.at(position) as past:
                assert seen(past, cid) == then


def test_an_instant_shows_all_that_was_recorded_up_to_it(
    room: Greenroom, clock: VirtualClock
) -> None:
    call = room.as_user("thierry").call("default", "123")
    created = call.create(custom={"n": 0})
    clock.advance(seconds=10)
    call.update(custom={"n": 1})
    second = call.update(custom={"n": 2})
    clock.advance(seconds=10)
    call.update(custom={"n": 3})
    for seconds, position, n in ((9.999, created.position, 0), (10, second.position, 2)):
        past = room.at(START.replace(microsecond=0) + (clock.now() - START) * (seconds / 20))
        assert past.position == position
        assert past.as_user("thierry").call("default", "123").get().custom == {"n": n}
        past.close()


def test_types_and_users_are_as_they_were(room: Greenroom, clock: VirtualClock) -> None:
    room.call_types.create("clinic", settings={"limits": {"max_participants": 2}})
    room.users.upsert("alice", name="Alice", role="user", teams=["red"])
    types, clinic = room.call_types.list(), room.call_types.get("clinic")
    alice, then = room.users.get("alice"), clock.now()
    clock.advance(seconds=1)
    room.call_types.revoke("clinic", role="user", capability="join-call")
    room.call_types.update("clinic", settings={"limits": {"max_participants": 3}})
    room.call_types.create("ward")
    room.users.upsert("alice", role="admin", teams=["blue"])
    room.users.upsert("charlie", name="Charlie")
    with room.at(then) as past:
        assert past.call_types.get("clinic") == at_position(clinic, past)
        assert past.call_types.list() == [at_position(one, past) for one in types]
        assert past.users.get("alice") == at_position(alice, past)
        assert not past.users.get("charlie").known
        with pytest.raises(errors.CallTypeNotFound):
            past.call_types.get("ward")
        room.users.erase("alice")
        assert past.users.get("alice").name == ""


def at_position(state: Any, past: PastRoom) -> Any:
    """What was answered then, as a room of the past answers it."""
    return state.model_copy(update={"position": past.position, "recorded": ()})


def test_before_a_call_there_was_none(room: Greenroom) -> None:
    before = room.position
    room.as_user("thierry").call("default", "123").create()
    with room.at(before) as past, pytest.raises(errors.CallNotFound):
        past.as_user("thierry").call("default", "123").get()


def test_the_past_takes_no_commands(room: Greenroom) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.create(member_ids=["alice"])
    before = room.position
    with room.at(before) as past:
        old = past.as_user("thierry").call("default", "123")
        for command in (
            old.join, old.go_live, old.end, old.delete, old.leave,
            lambda: old.update(custom={"a": 1}),
            lambda: old.block("alice"),
            lambda: old.get(ring=True),
            lambda: old.ring(["alice"]),
            lambda: past.as_user("thierry").call("default", "new").create(),
        ):  # fmt: skip  # a list
            with pytest.raises(errors.ReadOnly):
                command()
    assert room.position == before


def test_later_than_the_log_there_is_nothing(room: Greenroom) -> None:
    with pytest.raises(errors.InvalidInput):
        room.at(room.position + 1)
    with pytest.raises(errors.InvalidInput):
        room.at(-1)
    with pytest.raises(errors.InvalidInput):
        room.at(START.replace(tzinfo=None))


def test_what_was_erased_since_is_not_to_be_seen_in_the_past(room: Greenroom) -> None:
    call = room.as_user("thierry").call("default", "123")
    then = call.create(custom={"notes": "private"}).position
    room.system("registry").call("default", "123").delete(hard=True)
    with room.at(then) as past:
        assert past.as_user("thierry").call("default", "123").get().custom == {}


def test_a_room_of_the_past_reads_nothing_before_it_is_asked(
    room: Greenroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.as_user("thierry").call("default", "123").create()
    position = room.position
    monkeypatch.setattr(Replayed, "__init__", lambda *_: pytest.fail("read"))
    room.at(position).close()


def test_what_is_recorded_meanwhile_changes_nothing_of_it(room: Greenroom) -> None:
    call = room.as_user("thierry").call("default", "123")
    position = call.create(member_ids=["alice"]).position
    with room.at(position) as past:
        then = past.as_user("thierry").call("default", "123")
        first = seen(past)
        call.update(custom={"n": 1})
        call.add_members([Member("charlie")])
        assert seen(past) == first
        assert [item.user_id for item in then.query_members().items] == ["alice"]
        assert [item.cid for item in past.system("audit").query_calls().items] == ["default:123"]


def test_a_page_of_the_past_leads_on_in_another_room_of_the_same_position(room: Greenroom) -> None:
    call = room.as_user("thierry").call("default", "123")
    position = call.create(member_ids=["alice", "charlie", "tommaso"]).position
    with room.at(position) as past:
        page = past.as_user("thierry").call("default", "123").query_members(limit=2)
    call.remove_members(["tommaso"])
    with room.at(position) as again, room.at(room.position) as later:
        then = again.as_user("thierry").call("default", "123")
        (item,) = then.query_members(limit=2, cursor=page.next).items
        assert item.user_id == "tommaso"
        for elsewhere in (call, later.as_user("thierry").call("default", "123")):
            with pytest.raises(errors.InvalidCursor):
                elsewhere.query_members(limit=2, cursor=page.next)
