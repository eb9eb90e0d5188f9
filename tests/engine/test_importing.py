"""Any number of members taken in: each once, whatever interrupts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count, islice
from typing import Any

import pytest
from tests.engine.conftest import Rooms
from tests.hostile.evil import NEVER

from greenroom import Greenroom, Member
from greenroom.domain.errors import CallNotFound, InvalidInput, NotAllowed, ReadOnly
from greenroom.importing import AHEAD, BATCH, Imported

SOME = 2 * BATCH + 7
PATIENT = timedelta(minutes=1)  # machines that test are busy


@pytest.fixture
def room(rooms: Rooms) -> Greenroom:
    room = rooms.open("memory://", query_limit=PATIENT)
    for call_id in ("123", "456"):
        room.system("host").call("livestream", call_id).create()
    return room


def crowd(number: int, role: str | None = None) -> Iterator[Member]:
    return (Member(f"guest-{n:05}", role, {"n": n}) for n in range(number))


def ids(room: Greenroom, call_id: str = "123") -> list[str]:
    call = room.system("host").call("livestream", call_id)
    found: list[str] = []
    cursor = None
    while True:
        page = call.query_members(limit=1000, cursor=cursor)
        found += [item.user_id for item in page.items]
        if (cursor := page.next) is None:
            return found


@pytest.mark.slow
def test_everybody_is_taken_in_in_their_order(room: Greenroom) -> None:
    told: list[int] = []
    call = room.system("importer").call("livestream", "123")
    done = call.import_members(crowd(SOME), progress=told.append)
    assert done == Imported(added=SOME)
    assert ids(room) == [member.user_id for member in crowd(SOME)]
    assert told[-1] == SOME
    assert told == sorted(told)
    events = [event for event in call.history() if event.name == "member.added"]
    assert {event.by for event in events} == {"system:importer"}
    assert len({event.request_id for event in events}) == 3


@pytest.mark.slow
def test_one_import_may_be_about_many_calls(room: Greenroom) -> None:
    pairs = ((f"livestream:{(123, 456)[n % 2]}", member) for n, member in enumerate(crowd(SOME)))
    assert room.system("importer").import_members(pairs).added == SOME
    everybody = [member.user_id for member in crowd(SOME)]
    assert ids(room, "123") == everybody[::2]
    assert ids(room, "456") == everybody[1::2]


@pytest.mark.slow
def test_a_second_run_records_nothing(room: Greenroom) -> None:
    call = room.system("importer").call("livestream", "123")
    call.import_members(crowd(SOME))
    position = room.position
    assert call.import_members(crowd(SOME)) == Imported(unchanged=SOME)
    assert room.position == position


def test_who_is_there_is_updated_where_they_differ(room: Greenroom) -> None:
    call = room.system("importer").call("livestream", "123")
    call.add_members([Member("alice", "host", {"a": 1}), Member("charlie", "host")])
    done = call.import_members(
        [Member("alice", "host", {"a": 1}), Member("charlie", "guest"), Member("jaewoong")]
    )
    assert done == Imported(added=1, updated=1, unchanged=1)
    assert call.import_members([Member("alice", custom={"a": True})]).updated == 1
    assert call.import_members([Member("alice", custom={"b": None})]).unchanged == 1


def test_somebody_may_come_twice(room: Greenroom) -> None:
    call = room.system("importer").call("livestream", "123")
    twice = [Member("alice", custom={"a": 1}), Member("alice", custom={"b": 2})]
    assert call.import_members(twice) == Imported(added=1, updated=1)
    (alice,) = call.query_members().items
    assert alice.custom == {"a": 1, "b": 2}


def test_only_the_system_imports(room: Greenroom) -> None:
    with pytest.raises(NotAllowed, match="the system only"):
        room.as_user("thierry", role="admin").call("livestream", "123").import_members(crowd(1))
    with pytest.raises(ReadOnly):
        room.at(room.position).system("importer").call("livestream", "123").import_members(crowd(1))


def broken(member: Any, after: int) -> Iterator[Any]:
    yield from crowd(after)
    yield member
    yield from (Member(f"late-{n}") for n in count())  # endless: nobody may read on


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, BATCH - 1, BATCH, AHEAD * BATCH + 1])
@pytest.mark.parametrize(
    ("member", "where"),
    [
        (Member("no good"), ".user_id"),
        (Member("alice", "no good"), ".role"),
        (Member("alice", custom={"a": float("nan")}), ".custom.a"),
        (Member("alice", custom={"a": "x" * 10_000}), ".custom"),
        ("alice", ""),
    ],
)
def test_what_cannot_be_taken_in_is_named_and_all_before_it_is_in(
    room: Greenroom, member: Any, where: str, after: int
) -> None:
    call = room.system("importer").call("livestream", "123")
    with pytest.raises(InvalidInput) as refusal:
        call.import_members(broken(member, after))
    assert refusal.value.path == f"members[{after}]{where}"
    assert any(f"{after} members are in" in note for note in refusal.value.__notes__)
    assert len(ids(room)) == after


@pytest.mark.slow
def test_a_declared_field_of_another_kind_is_refused_with_its_row(room: Greenroom) -> None:
    room.call_types.update("livestream", indexed_custom={"members": {"n": "number"}})
    call = room.system("importer").call("livestream", "123")
    with pytest.raises(InvalidInput) as refusal:
        call.import_members(broken(Member("alice", custom={"n": "one"}), SOME))
    assert refusal.value.path == f"members[{SOME}].custom.n"
    assert len(ids(room)) == 2 * BATCH  # whole commands


def test_a_call_that_is_not_there_ends_the_import(room: Greenroom) -> None:
    with pytest.raises(CallNotFound) as refusal:
        room.system("importer").import_members([("livestream:0", Member("alice"))])
    assert any("0 members are in" in note for note in refusal.value.__notes__)


@pytest.mark.slow
def test_an_iterable_that_fails_keeps_its_error(room: Greenroom) -> None:
    def failing() -> Iterator[Member]:
        yield from crowd(SOME)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone") as error:
        room.system("importer").call("livestream", "123").import_members(failing())
    assert any(f"{SOME} members are in" in note for note in error.value.__notes__)
    assert len(ids(room)) == SOME


@pytest.mark.slow
def test_the_iterable_is_read_as_it_is_needed(room: Greenroom) -> None:
    read = done = 0
    furthest = 0

    def watched() -> Iterator[Member]:
        nonlocal read, furthest
        for member in islice(crowd(20 * BATCH), 20 * BATCH):
            read += 1
            furthest = max(furthest, read - done)
            yield member

    def progress(now: int) -> None:
        nonlocal done
        done = now

    room.system("importer").call("livestream", "123").import_members(watched(), progress=progress)
    assert furthest <= (AHEAD + 1) * BATCH


@pytest.mark.slow
def test_an_interrupted_import_leaves_nothing_on_its_way(room: Greenroom) -> None:
    def interrupting(_: int) -> None:
        raise KeyboardInterrupt

    call = room.system("importer").call("livestream", "123")
    with pytest.raises(KeyboardInterrupt):
        call.import_members(crowd(6 * BATCH), progress=interrupting)
    assert not call._core.desk.pipeline.ahead  # type: ignore[attr-defined] # the live one
    assert call.import_members(crowd(6 * BATCH)).done == 6 * BATCH
    assert ids(room) == [member.user_id for member in crowd(6 * BATCH)]


@pytest.mark.slow
def test_commands_of_others_go_between(room: Greenroom) -> None:
    thierry = room.as_user("thierry", role="admin").call("livestream", "123")

    def slipping_in(done: int) -> None:
        thierry.update(custom={"done": done})

    call = room.system("importer").call("livestream", "123")
    call.import_members(crowd(3 * BATCH), progress=slipping_in)
    assert thierry.get().custom == {"done": 3 * BATCH}


SCRIPT = """
from greenroom import Greenroom, Member
with Greenroom.open({url!r}, timers=False) as room:
    members = (Member(f"guest-{{n:05}}", None, {{"n": n}}) for n in range({number}))
    call = room.system("importer").call("livestream", "123")
    call.import_members(members, progress=lambda done: print(done, flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 3, 9])
def test_killed_and_run_again_everybody_is_there_once(
    file_url: str, rooms: Rooms, after: int
) -> None:
    number = 20 * BATCH
    with Greenroom.open(file_url, timers=False) as room:
        room.system("host").call("livestream", "123").create()
    script = textwrap.dedent(SCRIPT.format(url=file_url, number=number))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as importer:
        assert importer.stdout is not None
        for _ in range(after):
            assert importer.stdout.readline()
        os.kill(importer.pid, signal.SIGKILL)
    assert importer.returncode == -signal.SIGKILL
    room = rooms.open(file_url, timers=False, clock=None, query_limit=PATIENT)
    call = room.system("importer").call("livestream", "123")
    before = len(ids(room))
    assert after * BATCH <= before < number
    done = call.import_members(crowd(number))
    assert (done.added, done.unchanged) == (number - before, before)
    assert ids(room) == [member.user_id for member in crowd(number)]
    added = [event.event["user_id"] for event in call.history() if event.name == "member.added"]
    assert sorted(added) == [member.user_id for member in crowd(number)]


@pytest.mark.parametrize("name", sorted(NEVER))
def test_what_is_no_member_is_refused_by_its_path(room: Greenroom, name: str) -> None:
    importer = room.system("importer")
    evil = NEVER[name]
    ways: list[Callable[[Any], object]] = [
        lambda value: importer.import_members([value]),
        lambda value: importer.import_members([(value, Member("alice"))]),
        lambda value: importer.import_members([("livestream:123", value)]),
        lambda value: importer.import_members([("livestream:123", Member(value))]),
        lambda value: importer.call("livestream", "123").import_members([value]),
    ]
    if name != "an iterator that calls itself":  # what an iterable raises is its own affair
        ways.append(importer.import_members)
        ways.append(importer.call("livestream", "123").import_members)
    for way in ways:
        with pytest.raises(InvalidInput) as refusal:
            way(evil())
        assert refusal.value.path.startswith("members")
    if not callable(evil()):
        with pytest.raises(InvalidInput) as refusal:
            importer.import_members([], progress=evil())  # type: ignore[arg-type] # on purpose
        assert refusal.value.path == "progress"
    assert ids(room) == []
