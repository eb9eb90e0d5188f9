"""A request id in full: whatever happens to a command, under the same one it is done once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.clerk import Fault, Script, first_time
from tests.engine.conftest import START
from tests.engine.crowd import LIMIT, PEOPLE, Crowd, at_random, settles
from tests.engine.test_history_and_explain import handle
from tests.laws import NO_SHRINKING, times

from greenroom import CallHandle, Entry, Greenroom, Member, errors
from greenroom.domain.message import RequestId
from greenroom.domain.turn import Claim
from greenroom.testing.clock import VirtualClock
from greenroom.testing.history import Wish
from greenroom.testing.strategies import courses

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

    from greenroom.domain.ports import Append

HEALTH: Final = "expecting twins"


def scripted(room: Greenroom, monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script(room._core.desk.store)
    monkeypatch.setattr(room._core.desk.store, "record", script)
    return script


def told(answer: Any) -> Any:
    """An answer, as it compares: without the handle it reads on by."""
    return (answer.state if isinstance(answer, Entry) else answer).model_dump()


def names(call: CallHandle) -> list[str]:
    return [event.name for event in call.history()]


# Repeats, of whatever there is

COMMANDS: Final[Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]]] = [
    ("create", {"notify": True, "custom": {"a": 1}}, {"notify": True, "custom": {"a": True}}),
    ("get", {"ring": True}, {"ring": True, "video": False}),
    ("update", {"custom": {"a": 1}}, {"custom": {"a": 1.5}}),
    ("update", {"starts_at": START}, {"starts_at": None}),
    ("join", {}, {"ring": True}),
    ("add_members", {"members": [Member("bob")]}, {"members": [Member("bob", role="host")]}),
    ("remove_members", {"user_ids": ["alice"]}, {"user_ids": ["tommaso"]}),
    ("block", {"user_id": "alice"}, {"user_id": "tommaso"}),
    ("kick", {"user_id": "tommaso"}, {"user_id": "tommaso", "block": True}),
    ("mute", {"user_ids": ["tommaso"], "audio": True}, {"audio": True}),
    ("ring", {"member_ids": ["alice"]}, {"member_ids": ["alice", "tommaso"]}),
    ("notify", {"member_ids": ["alice"]}, {"member_ids": ["tommaso"]}),
    (
        "grant_permissions",
        {"user_id": "alice", "permissions": ["send-audio"]},
        {"user_id": "alice", "permissions": ["send-video"]},
    ),
    ("delete", {}, {"hard": True}),
    (
        "types.grant",
        {"role": "guest", "capability": "end-call"},
        {"role": "user", "capability": "end-call"},
    ),
    ("users.upsert", {"user_id": "alice", "name": "Alice"}, {"user_id": "alice", "name": "alice"}),
    ("users.erase", {"user_id": "alice"}, {"user_id": "tommaso"}),
]


@pytest.fixture
def call(room: Greenroom) -> CallHandle:
    """A call with two people in it."""
    return on(room)


def on(room: Greenroom) -> CallHandle:
    call = room.as_user("thierry").call("default", "123")
    call.create(member_ids=["alice", "tommaso"])
    room.as_user("tommaso").call("default", "123").join()
    call.join()
    return call


@pytest.mark.parametrize(("name", "said", "otherwise"), COMMANDS)
def test_every_command_is_answered_again_and_not_done_again(
    name: str, said: Mapping[str, Any], otherwise: Mapping[str, Any], rooms: Rooms
) -> None:
    room = rooms.open("memory://")
    on(room)
    wish = Wish(name, Claim("thierry"), 0, said)
    first, position = told(ask_for(room, wish, "key")), room.position
    assert first["recorded"], "it did nothing"
    assert told(ask_for(room, wish, "key")) == first
    with pytest.raises(errors.RequestMismatch):
        ask_for(room, replace(wish, arguments=otherwise), "key")
    assert room.position == position


@pytest.mark.slow
@settings(max_examples=times(40), phases=NO_SHRINKING)
@given(courses(shortest=5, longest=12), st.data())
def test_whatever_is_asked_again_later_is_answered_as_the_first_time(
    course: Sequence[Wish], data: st.DataObject
) -> None:
    clock = VirtualClock(START)
    with Greenroom.open("memory://", clock=clock) as room:
        done: list[tuple[str, Wish, Any]] = []
        for number, wish in enumerate(course):
            clock.advance(seconds=wish.after)
            if wish.name in {"timers", "send_event"} or wish.arguments.get("hard"):
                continue  # no command, or one that takes answers along
            key = f"request-{number}"
            try:
                done.append((key, wish, told(ask_for(room, wish, key))))
            except errors.Refused:
                continue
            earlier, asked, answer = data.draw(st.sampled_from(done))
            position = room.position
            assert told(ask_for(room, asked, earlier)) == answer
            assert room.position == position


def ask_for(room: Greenroom, wish: Wish, key: str) -> Any:
    said = {**wish.arguments, "request_id": key}
    place, _, method = wish.name.rpartition(".")
    if place == "types":
        return getattr(room.call_types, method)("default", **said)
    if place == "users":
        return getattr(room.users, method)(**said)
    if method == "leave":
        del said["entry"]
    return getattr(handle(room, wish.by, "default:123"), method)(**said)


# Refusals under a key that is known


def ended(room: Greenroom, call: CallHandle) -> None:
    call.end()


def blocked(room: Greenroom, call: CallHandle) -> None:
    call.block("alice")


def filled(room: Greenroom, call: CallHandle) -> None:
    call.kick("alice")
    call.update(max_participants=1)


def taken_away(room: Greenroom, call: CallHandle) -> None:
    call.remove_members(["alice"])
    room.call_types.revoke("default", role="user", capability="join-call")


def deleted(room: Greenroom, call: CallHandle) -> None:
    room.system("registry").call("default", "123").delete()


@pytest.mark.parametrize("change", [ended, blocked, filled, taken_away, deleted])
def test_what_would_be_refused_now_was_answered_then(
    change: Callable[[Greenroom, CallHandle], None], room: Greenroom, call: CallHandle
) -> None:
    alice = room.as_user("alice").call("default", "123")
    first = alice.join(request_id="join-1")
    change(room, call)
    position = room.position
    with pytest.raises(errors.Refused):
        alice.join()
    assert alice.join(request_id="join-1").state == first.state
    with pytest.raises(errors.RequestMismatch):
        alice.join(ring=True, request_id="join-1")
    assert room.position == position


def test_nor_is_it_wrong_now_what_was_right_then(room: Greenroom, call: CallHandle) -> None:
    first = call.get(ring=True, request_id="ring-all")
    call.add_members([Member(f"user-{n}") for n in range(100)])
    with pytest.raises(errors.InvalidInput):
        call.get(ring=True)
    assert told(call.get(ring=True, request_id="ring-all")) == told(first)


# Acknowledgements that are lost


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.LOST_ANSWER])
def test_asking_again_tells_whether_it_was_done_and_does_it_where_it_was_not(
    fault: Fault, room: Greenroom, call: CallHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    call.update(max_participants=3)
    scripted(room, monkeypatch).fault = first_time(fault)
    alice = room.as_user("alice").call("default", "123")
    with pytest.raises(errors.OutcomeUnknown, match="nobody knows"):
        alice.join(request_id="join-1")
    first, again = (alice.join(request_id="join-1") for _ in range(2))
    assert first.state == again.state
    assert names(call).count("session.joined") == 3
    with pytest.raises(errors.CallFull):
        room.as_user("charlie").call("default", "123").join()
    assert first.leave().recorded == ("session.left",)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [Fault.LOST, Fault.LOST_ANSWER])
def test_a_whole_batch_that_is_lost_is_done_once_by_asking_again(
    fault: Fault, rooms: Rooms, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = rooms.open(url, timers=False)
    room.as_user("thierry").call("default", "123").create()
    script = scripted(room, monkeypatch)
    script.meanwhile = gathered(room, script, 9)
    script.fault = lambda _: fault if len(script.batches) == 2 else Fault.NONE
    answers: list[str] = []

    def join(number: int) -> None:
        call = room.as_user(f"user-{number}").call("default", "123")
        try:
            answers.append(call.join(request_id=f"join-{number}").entry_id)
        except errors.OutcomeUnknown:
            answers.append("unknown")

    with ThreadPoolExecutor(9) as threads:
        list(threads.map(join, range(9)))
    assert answers.count("unknown") == 8
    with ThreadPoolExecutor(9) as threads:
        list(threads.map(join, range(9)))
    assert answers.count("unknown") == 8
    entries = [
        event.event["entry_id"]
        for event in room.as_user("thierry").call("default", "123").history()
        if event.name == "session.joined"
    ]
    assert len(entries) == 9
    assert {*entries} == {*answers} - {"unknown"}


def gathered(room: Greenroom, script: Script, count: int) -> Callable[[Sequence[Append]], None]:
    """Holds the first batch in the store until so many decisions are on their way in all."""
    pipeline = room._core.desk.pipeline

    def hold(_: Sequence[Append]) -> None:
        deadline = monotonic() + 60
        while len(script.batches) == 1 and len(pipeline._waiting) < count - 1:
            assert monotonic() < deadline, "they never came"
            sleep(0.001)

    return hold


@pytest.mark.parametrize("seed", range(3))
def test_a_crowd_before_a_store_that_fails_at_random_is_told_the_truth(
    seed: int, rooms: Rooms, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many threads, and where there can be one a second room; whoever is not sure asks again."""
    open_rooms = [rooms.open(url, timers=False)]
    if url != "memory://":
        open_rooms.append(rooms.open(url, timers=False))
    open_rooms[0].as_user("thierry").call("default", "123").create(max_participants=LIMIT)
    for number, room in enumerate(open_rooms):
        scripted(room, monkeypatch).fault = at_random(seed * 2 + number)
    crowd, keys = Crowd(), iter(range(10_000))

    def settled(ask: Callable[[str], Any]) -> Any:
        key = f"request-{next(keys)}"
        while True:
            try:
                return ask(key)
            except Exception as error:
                if settles(error):
                    raise

    def visit(number: int) -> None:
        lot = Random(seed * 100 + number)
        room = open_rooms[number % len(open_rooms)]
        for _ in range(6):
            user = lot.choice(PEOPLE)
            call, before = room.as_user(user).call("default", "123"), room.position
            try:
                entry = settled(lambda key: call.join(request_id=key))  # noqa: B023 - called at once
            except errors.CallFull:
                crowd.full.append((before, room.position))
                continue
            crowd.joined.append((user, entry.entry_id))
            if lot.random() < 0.7:
                settled(lambda key: entry.leave(request_id=key))  # noqa: B023 - called at once
                crowd.left.append(entry.entry_id)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(visit, range(8)))
    crowd.check(open_rooms[-1].system("auditor").call("default", "123").history())


# At the same time


def test_of_several_bodies_under_one_key_at_once_one_is_done(
    room: Greenroom, call: CallHandle
) -> None:
    def update(number: int) -> int | None:
        try:
            mine = room.as_user("thierry").call("default", "123")
            answer = mine.update(custom={"n": number}, request_id="update-1")
        except errors.RequestMismatch:
            return None
        return int(str(answer.custom["n"]))

    with ThreadPoolExecutor(8) as threads:
        answers = [*threads.map(update, [0, 1, 2, 3] * 5, timeout=120)]
    done = {answer for answer in answers if answer is not None}
    assert len(done) == 1
    assert call.get().custom == {"n": done.pop()}
    assert names(call).count("call.updated") == 1


def test_repeats_that_come_while_the_first_is_being_recorded_are_in_one_commit(
    rooms: Rooms, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = rooms.open(url, timers=False)
    room.as_user("thierry").call("default", "123").create()
    script = scripted(room, monkeypatch)
    script.meanwhile = gathered(room, script, 9)

    def join(number: int) -> str:
        key = "join-first" if number == 0 else "join-twice"
        return room.as_user("alice").call("default", "123").join(request_id=key).entry_id

    with ThreadPoolExecutor(9) as threads:
        entries = [*threads.map(join, range(9))]
    assert len({*entries[1:]}) == 1
    assert entries[0] != entries[1]
    assert max(len(batch) for batch in script.batches) == 8, "they never met"
    assert names(room.as_user("thierry").call("default", "123")).count("session.joined") == 2


# Forgetting by age


def test_what_was_forgotten_is_done_again(room: Greenroom, call: CallHandle) -> None:
    store = room._core.desk.store
    alice = room.as_user("alice").call("default", "123")
    first = alice.join(request_id="join-1")
    assert store.prune_requests(datetime.now(UTC) - timedelta(hours=1), 100) == 0
    assert alice.join(request_id="join-1").state == first.state
    assert store.prune_requests(datetime.now(UTC) + timedelta(hours=1), 100) == 1
    again = alice.join(request_id="join-1")
    assert again.entry_id != first.entry_id
    with pytest.raises(errors.RequestMismatch):
        alice.leave(request_id="join-1")


def test_forgetting_goes_in_portions_the_oldest_first(room: Greenroom, call: CallHandle) -> None:
    store, later = room._core.desk.store, datetime.now(UTC) + timedelta(hours=1)
    for number in range(5):
        call.update(custom={"n": number}, request_id=f"update-{number}")
    assert store.prune_requests(later, 3) == 3
    known = [store.request(RequestId(f"update-{n}")) is not None for n in range(5)]
    assert known == [False, False, False, True, True]
    assert [store.prune_requests(later, 3) for _ in range(2)] == [2, 0]


# Nothing personal lies beside the log


def personal_commands(room: Greenroom) -> Iterator[Callable[[], Any]]:
    thierry, alice = (room.as_user(name).call("default", "123") for name in ("thierry", "alice"))
    said = {"note": HEALTH}
    members = [Member("alice", custom=said)]
    yield lambda: thierry.create(custom=said, members=members, request_id="1")
    yield lambda: thierry.update(custom={**said, "n": 1}, request_id="2")
    yield lambda: thierry.add_members([Member("charlie", custom=said)], request_id="3")
    yield lambda: room.users.upsert("alice", name=HEALTH, custom=said, request_id="4")
    yield lambda: thierry.ring(["alice"], request_id="5")
    yield lambda: alice.reject(HEALTH, request_id="6")
    yield lambda: alice.get(request_id="7")


def test_no_answer_that_is_kept_says_anything_personal(
    rooms: Rooms, file_url: str, tmp_path: Path
) -> None:
    room = rooms.open(file_url, timers=False)
    asked = [*personal_commands(room)]
    first = [told(ask()) for ask in asked]
    store = room._core.desk.store
    kept = [store.request(RequestId(str(number))) for number in range(1, 8)]
    assert [one is not None for one in kept] == [True] * 7
    assert [one for one in kept if one and HEALTH.encode() in one.answer] == []
    assert [told(ask()) for ask in asked] == first, "what was personal is found again in the log"
    room.close()
    files = [file for file in tmp_path.iterdir() if HEALTH.encode() in file.read_bytes()]
    assert [file.name for file in files if "views" not in file.name] == []


def test_what_was_asked_for_cannot_be_found_out_by_trying(rooms: Rooms) -> None:
    """The same wish in two stores has two fingerprints; none is told twice alike."""
    fingerprints = set()
    for _ in range(2):
        room = rooms.open("memory://", timers=False)
        call = room.as_user("thierry").call("default", "123")
        for key in ("1", "2"):
            call.create(custom={"note": HEALTH}, request_id=key)
            kept = room._core.desk.store.request(RequestId(key))
            assert kept is not None
            fingerprints.add(kept.fingerprint)
    assert len(fingerprints) == 2
