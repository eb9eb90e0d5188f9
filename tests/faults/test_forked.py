"""A room that was opened before its process forked, in servers that do so, and in any child."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.engine.test_forks import answer_of, child
from tests.examples.sites import Client, Site, program
from tests.faults.judgement import Notes, judge, wait_until
from tests.faults.sizes import sized

from greenroom import CallHandle, Greenroom, errors
from greenroom.adapters.clock import SystemClock

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks"),
]

PRELOADED = (
    *("gunicorn", "--workers=2", "--threads=4", "--preload"),
    *("--bind=fd://{fd}", "tests.faults.preloaded:app"),
)


def call_of(room: Greenroom, user_id: str, name: str = "123") -> CallHandle:
    return room.as_user(user_id).call("default", name)


def note(room: Greenroom, request_id: str) -> None:
    call_of(room, "thierry").update(custom={request_id: 1}, request_id=request_id)


def test_a_server_that_forks_after_loading_lets_in_exactly_as_many_as_the_call_takes(
    rooms: Rooms, file_url: str, tried: Callable[[str, int], None]
) -> None:
    room = rooms.open(file_url, clock=SystemClock(), timers=False)
    call_of(room, "thierry").create(max_participants=12)
    call_of(room, "thierry", "short").create(max_duration=1)

    async def come(client: Client) -> Counter[str]:
        paths = ["/short/alice", *(f"/123/user-{n}" for n in range(40))]
        answers = await asyncio.gather(*(client("anybody", "GET", path) for path in paths))
        return Counter(answer.text for answer in answers)

    with program(PRELOADED, file_url) as port:
        assert Site(port, "").visit(come) == {"in": 13, "call_full": 28}
        ended = partial(call_of(room, "thierry", "short").get)
        wait_until(lambda: ended().ended_at is not None)  # by who loaded it: it has the timers
        attempts = room.system("registry").call("default", "123").attempts
        wait_until(lambda: attempts().total == 28)
    judge(room, Notes(), note, url=file_url)
    tried(file_url.partition(":")[0], 41)


def test_children_do_all_that_a_room_can_and_leave_their_parent_as_it_was(
    rooms: Rooms, file_url: str, tried: Callable[[str, int], None]
) -> None:
    """They are forked while the parent's timers run, its views follow, and threads command."""
    room = rooms.open(file_url, clock=SystemClock())
    call_of(room, "thierry").create(member_ids=["alice"], ring=True)
    call_of(room, "thierry").block("eve")
    notes, over = Notes(), threading.Event()

    def keep_noting() -> None:
        for n in range(200):  # or the children have ever more to read
            if over.is_set():
                return
            notes.ask(room, f"parent-{n}", note)
            time.sleep(0.02)

    def live(name: str) -> int:
        with told_in_full(), room:
            state = call_of(room, name).join(request_id=name)
            with pytest.raises(errors.Blocked):
                call_of(room, "eve").join()
            assert name in told_by(call_of(room, name), state.position)
            note(room, f"by-{name}")
        return 0

    noting = threading.Thread(target=keep_noting)
    noting.start()
    forks = sized(6, 100)
    ends = [answer_of(child(partial(live, f"child-{n}"))) for n in range(forks)]
    over.set()
    noting.join()
    assert ends == [0] * forks
    notes.acknowledged |= {f"by-child-{n}" for n in range(forks)}
    assert room.system("registry").call("default", "123").attempts().total == forks
    wait_until(lambda: room.outbox.next_due() is None)
    judge(room, notes, note, url=file_url)
    tried(file_url.partition(":")[0], forks)


@contextmanager
def told_in_full() -> Iterator[None]:
    """Nobody else says what went wrong in a child."""
    try:
        yield
    except BaseException:
        traceback.print_exc()
        raise


def told_by(call: CallHandle, position: int) -> set[str]:
    """Who is in, whatever one asks: all of it has to say the same."""
    asked: set[str] = {
        user.user_id for user in call.query_participants(at_least=position, limit=1000).items
    }
    attended = {stay.user_id for stay in call.attendance().stays}
    told = {one.event["user_id"] for one in call.history() if one.name == "session.joined"}
    assert call.explain("join").allowed
    assert asked == attended == told
    return asked
