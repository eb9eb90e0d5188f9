"""A process is stopped in the middle of what it does, and continued when others have gone on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import pytest
from tests.engine.conftest import START
from tests.faults.judgement import PATIENCE, Notes, judge, wait_until
from tests.faults.sizes import sized
from tests.faults.statements import Statements

from greenroom import CallHandle, Greenroom
from greenroom.adapters.clock import SystemClock
from greenroom.domain.ports import Notification
from greenroom.testing.clock import VirtualClock

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

pytestmark = pytest.mark.slow

STOPPED: Final = sized(2.0, 10.0)
"""Seconds for which a worker is stopped."""
ROUNDS: Final = sized(3, 12)
SETTINGS: Final = {"ring": {"auto_cancel_timeout_ms": 5_000, "missed_call_timeout_ms": 5_000}}
ONCE: Final = ("call.ended", "session.ended", "call.ring_cancelled", "member.missed")


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    return Statements(monkeypatch)


@pytest.fixture
def room(rooms: Rooms, file_url: str) -> Greenroom:
    return rooms.open(file_url, clock=SystemClock(), timers=False)


def call_of(room: Greenroom, name: str) -> CallHandle:
    return room.as_user("thierry").call("default", name)


@contextmanager
def worker(url: str) -> Iterator[subprocess.Popen[bytes]]:
    """`greenroom worker`, in a process of its own that has begun."""
    command = [sys.executable, "-m", "greenroom", "worker", "--store", url, "--json"]
    with TemporaryDirectory() as directory:
        log = Path(directory, "log")
        with log.open("wb") as said:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said)
        try:
            wait_until(lambda: b"worker began" in log.read_bytes())
            yield process
        finally:
            print(log.read_text())  # noqa: T201 - pytest shows it where a test fails
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.communicate()


def ended(process: subprocess.Popen[bytes]) -> Counter[str]:
    """How many notifications it has delivered, once it has been told to end."""
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=PATIENCE)
    return Counter(json.loads(told)["notified"])


def nothing(room: Greenroom, request_id: str) -> None:
    del room, request_id


def test_of_two_workers_one_is_stopped_and_nothing_is_done_twice_nor_left(
    room: Greenroom, file_url: str, tried: Callable[[str, int], None]
) -> None:
    lots, calls, done_alone = Random("stopped"), list[CallHandle](), 0
    with worker(file_url) as one, worker(file_url) as other:
        for number in range(ROUNDS):
            for n in range(4):
                calls.append(call_of(room, f"{number}-{n}"))
                calls[-1].create(member_ids=["alice"], settings=SETTINGS, ring=True, max_duration=1)
                calls[-1].join()
            time.sleep(lots.uniform(0.5, 1.5))
            stopped = (one, other)[number % 2]
            stopped.send_signal(signal.SIGSTOP)
            time.sleep(STOPPED)
            done_alone += went_on(calls[-4:])
            stopped.send_signal(signal.SIGCONT)
        wait_until(lambda: all(ONCE[-1] in names(call) for call in calls))
        wait_until(lambda: room.outbox.next_due() is None)
        told = ended(one) + ended(other)
    assert done_alone, "what was due waited in each round until the one that was stopped went on"
    for call in calls:
        assert {name: names(call).count(name) for name in ONCE} == dict.fromkeys(ONCE, 1)
    entries = room.outbox.entries(limit=10_000)
    assert {entry.status for entry in entries} <= {"delivered", "switched_off"}
    assert told == Counter(entry.kind for entry in entries if entry.status == "delivered")
    judge(room, Notes(), nothing, url=file_url)
    tried(store_of(file_url), ROUNDS)


def went_on(calls: Sequence[CallHandle]) -> bool:
    """Whether what is due is done while one of two is stopped; not if that holds the turn."""
    deadline = time.monotonic() + 4 * STOPPED
    while time.monotonic() < deadline:
        if all("call.ended" in names(call) for call in calls):
            return True
        time.sleep(0.1)
    return False


def names(call: CallHandle) -> list[str]:
    return [event.name for event in call.history()]


def work(room: Greenroom, request_id: str) -> None:
    """A command, and a query that brings the views along."""
    state = call_of(room, "123").update(custom={request_id: 1}, request_id=request_id)
    call_of(room, "123").query_members(at_least=state.position)


def test_stopped_at_any_statement_it_holds_up_others_no_longer_than_it_is_stopped(
    room: Greenroom, file_url: str, statements: Statements, tried: Callable[[str, int], None]
) -> None:
    call_of(room, "123").create(member_ids=["alice"])
    notes, stops = Notes(), 0
    for number in count(1, every(5, file_url)):
        notes.open.add(f"stopped-{number}")
        process = child(partial(begin_and_work, file_url, number), statements, number)
        if not stopped_while(process, partial(notes.ask, room, f"beside-{number}", work)):
            break
        stops += 1
        assert f"beside-{number}" in notes.acknowledged, notes.told
    judge(room, notes, work, url=file_url)
    assert notes.told == []
    tried(store_of(file_url), stops)


def begin_and_work(url: str, number: int) -> None:
    with Greenroom.open(url, timers=False) as room:
        work(room, f"stopped-{number}")


def every(step: int, url: str) -> int:
    """Of so many statements one is tried; of three times so many on a server."""
    return sized(step if store_of(url) == "sqlite" else 3 * step, 1)


def store_of(url: str) -> str:
    return url.partition(":")[0]


class Heard:
    """A notifier of any number of processes: a line in a file for whatever anybody is told."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def notify(self, notification: Notification) -> None:
        """Write it down."""
        with self._file.open("a") as lines:
            lines.write(f"{notification.key}\n")

    def keys(self) -> list[str]:
        """What was heard."""
        return self._file.read_text().split("\n")[:-1]


def tick(url: str, heard: Heard) -> None:
    """Do what has fallen due within an hour."""
    later = VirtualClock(START + timedelta(hours=1))
    Greenroom.open(url, clock=later, notifier=heard).close()


def test_of_two_tickers_one_is_stopped_at_any_statement_and_all_is_done_once(
    rooms: Rooms,
    file_url: str,
    statements: Statements,
    tried: Callable[[str, int], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    room = rooms.open(file_url, timers=False)
    heard = Heard(tmp_path_factory.mktemp("heard") / "keys")
    stops = 0
    for number in count(1, every(11, file_url)):
        call = call_of(room, f"{number}")
        call.create(member_ids=["alice"], settings=SETTINGS, ring=True, max_duration=60)
        call.join()
        process = child(lambda: tick(file_url, heard), statements, number)
        stopped = stopped_while(process, lambda: tick(file_url, heard))
        told = names(call)
        assert {name: told.count(name) for name in ONCE} == dict.fromkeys(ONCE, 1), number
        if not stopped:
            break
        stops += 1
    statuses = Counter(entry.status for entry in room.outbox.entries(limit=10_000))
    assert statuses == {"delivered": len(heard.keys())}
    assert len({*heard.keys()}) == len(heard.keys()), "somebody heard something twice"
    judge(room, Notes(), nothing, url=file_url)
    tried(store_of(file_url), stops)


def stopped_while(process: int, do: Callable[[], object]) -> bool:
    """Do it while that process is stopped, and let it go on a moment later; False if it ends."""
    _, status = os.waitpid(process, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        assert os.waitstatus_to_exitcode(status) == 0
        return False
    with ThreadPoolExecutor(1) as beside:
        going_on = beside.submit(do)
        time.sleep(0.05)  # it may need what the other holds
        os.kill(process, signal.SIGCONT)
        going_on.result(PATIENCE)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    return True


def child(do: Callable[[], object], statements: Statements, number: int) -> int:
    """A process that does its work, and stops itself before that statement."""
    process = os.fork()
    if process:
        return process
    answer = 1
    try:
        with statements.watched(number, lambda: os.kill(os.getpid(), signal.SIGSTOP)):
            do()
        answer = 0
    finally:
        os._exit(answer)
