"""Who sends too much loses packets, and nobody else does."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.conftest import Room, entry_of, eventually, sees_and_hears

from greenroom.media.allowance import PACKETS, Allowance, rest

FLOODING = Path(__file__).with_name("flooding_peer.py")


@given(
    a_second=st.integers(1, 1_000),
    pauses=st.lists(st.floats(0, 0.1), min_size=1, max_size=300),
)
def test_no_more_is_taken_than_was_earned_and_as_much_again(
    a_second: int, pauses: list[float]
) -> None:
    allowance, now = Allowance(a_second), 1_000.0
    taken = 0
    for pause in pauses:
        now += pause
        taken += allowance.take(now)
    assert taken <= 2 * a_second + (now - 1_000) * a_second


@given(a_second=st.integers(2, 1_000))
def test_who_asks_at_an_even_pace_is_never_refused(a_second: int) -> None:
    allowance = Allowance(a_second)
    assert all(allowance.take(1_000 + number / a_second * 1.01) for number in range(3 * a_second))


@given(a_second=st.integers(1, 1_000), number=st.integers(1, 5_000))
def test_what_was_spent_is_waited_for_until_it_is_earned(a_second: int, number: int) -> None:
    allowance = Allowance(a_second)
    wait = allowance.spend(number, 1_000.0)
    assert wait == pytest.approx(max(0, number - a_second) / a_second)
    assert allowance.spend(0, 1_000.0 + wait) == pytest.approx(0, abs=1e-6)


class Inbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.came: list[bytes] = []

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.came.append(data)


def with_a_socket(story: Callable[[Any, Inbox, socket.socket], Any]) -> None:
    """A socket of asyncio's, what came to it, and another one connected to it."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        transport, inbox = await loop.create_datagram_endpoint(Inbox, ("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(transport.get_extra_info("sockname"))
            await story(transport, inbox, sender)
        transport.close()

    asyncio.run(run())


def test_a_socket_that_rests_is_read_again_afterwards() -> None:
    async def story(transport: Any, inbox: Inbox, sender: socket.socket) -> None:
        began = time.monotonic()
        assert rest(transport, 0.1)
        sender.send(b"1")
        async with asyncio.timeout(60):
            while not inbox.came:  # noqa: ASYNC110 - it has no event for that
                await asyncio.sleep(0.005)
        assert time.monotonic() - began >= 0.1
        assert inbox.came == [b"1"]

    with_a_socket(story)


def test_a_socket_that_is_closed_while_it_rests_stays_closed() -> None:
    async def story(transport: Any, inbox: Inbox, sender: socket.socket) -> None:
        number = transport._sock_fd
        assert rest(transport, 0.05)
        transport.close()
        await asyncio.sleep(0.1)
        assert not asyncio.get_running_loop()._remove_reader(number)  # type: ignore[attr-defined]  # to see that there is none
        assert inbox.came == []

    with_a_socket(story)


def test_where_a_socket_cannot_rest_it_is_read_on() -> None:
    async def story(*_: object) -> None:
        assert not rest(SimpleNamespace(), 0.1)

    with_a_socket(story)


@pytest.mark.slow
def test_who_floods_the_others_with_sound_takes_nothing_from_them(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    thierry, alice = room.enter("thierry", others=2), room.enter("alice", others=2)
    assert sees_and_hears(alice, "red")
    room.allow("jaewoong", "audio")
    with subprocess.Popen(
        [sys.executable, FLOODING, "60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as flooding:
        assert flooding.stdin
        assert flooding.stdout
        answer = room.media.offer(entry_of("jaewoong"), json.loads(flooding.stdout.readline()))
        flooding.stdin.write(json.dumps(answer) + "\n")
        flooding.stdin.flush()
        sent: list[int] = []
        told = threading.Thread(target=lambda: sent.extend(map(int, flooding.stdout or ())))
        told.start()
        while not sent:
            time.sleep(0.01)
        began = time.monotonic()
        alice.watch(0)
        assert alice.until(lambda: alice.hears["red"] > 100)
        assert alice.until(lambda: sum(sent) > 5 * PACKETS["audio"])
        (line,) = room.media.lines()[entry_of("jaewoong")]
        seconds = time.monotonic() - began
        if max(sent) > 10_000:
            assert eventually(lambda: "entry-jaewoong sends too much" in caplog.text)
        flooding.kill()
        told.join()
    assert line.packets < PACKETS["audio"] * (seconds + 5)
    assert line.refused
    assert all(one.refused == 0 for one in room.media.lines()[entry_of("thierry")])
    assert thierry.until(lambda: thierry.sees["green"] > 5)
