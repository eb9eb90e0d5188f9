"""Many threads, several rooms, several processes on one store: the rules hold exactly."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenroom import Greenroom, errors

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

JOINERS = Path(__file__).parent / "joiners.py"


def joining(room: Greenroom) -> Callable[[int], bool]:
    """Whether the n-th user gets in."""

    def join(n: int) -> bool:
        try:
            room.as_user(f"user-{n}").call("default", "123").join()
        except errors.CallFull:
            return False
        return True

    return join


def present(room: Greenroom) -> int:
    page = room.as_user("thierry").call("default", "123").query_participants(limit=1000)
    return len({item.user_id for item in page.items})


@pytest.mark.slow
def test_of_500_who_join_from_8_threads_exactly_100_get_in(room: Greenroom) -> None:
    room.as_user("thierry").call("default", "123").create(max_participants=100)
    with ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(joining(room), range(500)))
    assert admitted.count(True) == 100
    assert present(room) == 100


def test_two_rooms_on_one_file_admit_exactly_as_many_as_the_call_takes(
    rooms: Rooms, file_url: str
) -> None:
    one, other = rooms.open(file_url, timers=False), rooms.open(file_url, timers=False)
    one.as_user("thierry").call("default", "123").create(max_participants=10)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: [joining(one)(n) for n in range(0, 40, 2)])
        second = pool.submit(lambda: [joining(other)(n) for n in range(1, 40, 2)])
        admitted = [*first.result(), *second.result()]
    assert admitted.count(True) == 10
    assert present(one) == present(other) == 10


@pytest.mark.slow
def test_two_processes_on_one_file_admit_exactly_as_many_as_the_call_takes(
    rooms: Rooms, file_url: str
) -> None:
    room = rooms.open(file_url)
    room.as_user("thierry").call("default", "123").create(max_participants=10)
    started = [
        subprocess.Popen(
            [sys.executable, JOINERS, file_url, str(first)], stdout=subprocess.PIPE, text=True
        )
        for first in (0, 20)
    ]
    answers = [process.communicate(timeout=150)[0].split() for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert sorted({*answers[0], *answers[1]}) == ["full", "in"]
    assert (answers[0] + answers[1]).count("in") == 10
    assert present(room) == 10


def test_whoever_comes_while_somebody_is_blocked_does_not_stay(room: Greenroom) -> None:
    """Joins, leaves and blocks from many threads: who is blocked in the end is not in."""
    thierry = room.as_user("thierry").call("default", "123")
    thierry.create()

    def come(n: int) -> None:
        try:
            room.as_user(f"user-{n % 5}").call("default", "123").join()
        except errors.Blocked:
            return

    def block(n: int) -> None:
        room.as_user("thierry").call("default", "123").block(f"user-{n}")

    with ThreadPoolExecutor(8) as pool:
        comings = [pool.submit(come, n) for n in range(60)]
        blockings = [pool.submit(block, n) for n in range(5)]
        for done in (*comings, *blockings):
            done.result()
    assert thierry.query_participants().items == ()
    sequence = [event.seq for event in thierry.history()]
    assert sequence == list(range(1, len(sequence) + 1))


# What another room wrote


def test_a_block_in_one_room_holds_in_the_other_at_once(rooms: Rooms, file_url: str) -> None:
    one, other = rooms.open(file_url), rooms.open(file_url, timers=False)
    thierry = one.as_user("thierry").call("default", "123")
    thierry.create()
    alice = other.as_user("alice").call("default", "123")
    alice.join()
    thierry.block("alice")
    with pytest.raises(errors.Blocked):
        alice.join()
    assert alice.leave().recorded == ()
    thierry.unblock("alice")
    alice.join()


def test_a_grant_in_one_room_holds_in_the_other_at_once(rooms: Rooms, file_url: str) -> None:
    one, other = rooms.open(file_url), rooms.open(file_url, timers=False)
    one.as_user("thierry").call("default", "123").create()
    charlie = other.as_user("charlie").call("default", "123")
    with pytest.raises(errors.NotAllowed):
        charlie.end()
    one.users.upsert("charlie", role="admin")
    charlie.end()
    one.call_types.revoke("default", role="admin", capability="update-call")
    with pytest.raises(errors.NotAllowed):
        charlie.go_live()


def test_reads_of_one_room_see_the_writes_of_the_other(rooms: Rooms, file_url: str) -> None:
    one, other = rooms.open(file_url), rooms.open(file_url, timers=False)
    mine, theirs = (room.as_user("thierry").call("default", "123") for room in (one, other))
    mine.create(custom={"n": 0})
    for n in range(1, 5):
        written = mine.update(custom={"n": n})
        assert theirs.get().custom == {"n": n}
        assert theirs.get().position == written.position
    mine.join()
    assert [item.user_id for item in theirs.query_participants().items] == ["thierry"]


def test_a_cache_of_one_stream_changes_nothing_but_speed(rooms: Rooms, url: str) -> None:
    room = rooms.open(url, cache=1)
    call = room.as_user("thierry").call("default", "123")
    call.create(member_ids=["alice", "charlie"], max_participants=2)
    room.as_user("alice").call("default", "123").join()
    call.join()
    with pytest.raises(errors.CallFull):
        room.as_user("charlie").call("default", "123").join()
    call.block("alice")
    room.as_user("charlie").call("default", "123").join()
    assert call.get().blocked_user_ids == ("alice",)
    assert [event.seq for event in call.history()] == list(range(1, len(call.history()) + 1))
