"""Streams that are read together come to whoever asked for them, whatever becomes of the others."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from time import monotonic, sleep
from typing import Any, LiteralString

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.adapters.codec import Content
from greenroom.adapters.postgres_recorder import PostgresRecorder
from greenroom.adapters.postgres_streams import Streams, _Wish
from greenroom.adapters.recorder import EVERYTHING
from greenroom.adapters.stores import PostgresStore
from greenroom.domain.errors import StoreClosed, StoreError
from greenroom.testing.postgres import PrivatePostgres
from greenroom.testing.store_events import added

pytestmark = pytest.mark.slow

USERS = [f"user-{number}" for number in range(40)]
NAMES = [added(user).stream for user in USERS]


@pytest.fixture(scope="module")
def recorder(postgres: PrivatePostgres) -> Iterator[PostgresRecorder]:
    """Each user has a stream that is as long as their number."""
    with postgres.database() as url, closing(PostgresStore(url)) as store:
        store.append(
            [
                added(user, version)
                for number, user in enumerate(USERS)
                for version in range(1, number + 1)
            ]
        )
        assert isinstance(store.recorder, PostgresRecorder)
        yield store.recorder


class Gate:
    """Asks the server, once it is open; counts how often."""

    def __init__(self, recorder: PostgresRecorder) -> None:
        self._recorder = recorder
        self.opened = threading.Event()
        self.asked = 0

    def ask(self, query: LiteralString, parameters: Sequence[Any]) -> list[Any]:
        self.asked += 1
        assert self.opened.wait(60)
        return self._recorder._connections.ask(query, parameters)


@pytest.fixture
def gate(recorder: PostgresRecorder) -> Gate:
    return Gate(recorder)


def wait_for(streams: Streams, number: int) -> None:
    """So many wait for what others read."""
    deadline = monotonic() + 60
    while len(streams._waiting) < number:
        assert monotonic() < deadline, "they never came"
        sleep(0.001)


def one_by_one(recorder: PostgresRecorder, wish: _Wish) -> list[Content]:
    return [row[2:] for row in recorder.stream_rows(*wish)]


bounds = st.integers(0, 45)
positions = st.just(EVERYTHING) | st.integers(0, 800)
wishes = st.builds(_Wish, st.sampled_from([*NAMES, "nobody"]), bounds, positions, bounds)


@given(st.lists(wishes, min_size=1, max_size=12))
def test_read_together_they_are_as_read_alone(
    recorder: PostgresRecorder, wishes: list[_Wish]
) -> None:
    found = recorder._streams._read(wishes)
    assert [list(contents) for contents in found] == [one_by_one(recorder, one) for one in wishes]


def test_whoever_comes_while_others_read_is_served_with_whoever_waits(
    recorder: PostgresRecorder, gate: Gate
) -> None:
    streams = Streams(gate.ask)
    asked = [_Wish(name, 0, EVERYTHING, 100) for name in NAMES]
    with ThreadPoolExecutor(len(asked)) as threads:
        reading = [threads.submit(streams.contents, *one) for one in asked]
        wait_for(streams, len(asked) - 2)
        gate.opened.set()
        assert [list(one.result()) for one in reading] == [one_by_one(recorder, w) for w in asked]
    assert gate.asked <= 4  # two that came first, and those who waited, by one or two of them
    assert streams._reading == 0


def test_what_fails_fails_for_all_who_were_read_for_and_for_nobody_after(
    recorder: PostgresRecorder, gate: Gate
) -> None:
    streams = Streams(gate.ask)
    wish = _Wish(NAMES[3], 0, EVERYTHING, 100)
    with ThreadPoolExecutor(8) as threads:
        reading = [threads.submit(streams.contents, *wish) for _ in range(8)]
        wait_for(streams, 6)
        connections = recorder._connections
        connections._closed = True
        gate.opened.set()
        assert [type(one.exception()) for one in reading] == [StoreClosed] * 8
        connections._closed = False
    assert len(streams.contents(*wish)) == 3


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no alarms")
def test_an_interruption_while_waiting_harms_nobody(recorder: PostgresRecorder, gate: Gate) -> None:
    streams = Streams(gate.ask)
    wish = _Wish(NAMES[3], 0, EVERYTHING, 100)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with ThreadPoolExecutor(8) as threads:
            reading = [threads.submit(streams.contents, *wish) for _ in range(8)]
            wait_for(streams, 6)
            with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - early, where we are slow
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                streams.contents(*wish)
            gate.opened.set()
            assert [len(one.result()) for one in reading] == [3] * 8
    finally:
        signal.signal(signal.SIGALRM, before)
    assert streams._reading == 0
    assert len(streams.contents(*wish)) == 3


def test_an_interruption_while_reading_for_others_is_told_them(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Streams(gate.ask)
    wish = _Wish(NAMES[3], 0, EVERYTHING, 100)
    with ThreadPoolExecutor(8) as threads:
        reading = [threads.submit(streams.contents, *wish) for _ in range(8)]
        wait_for(streams, 6)
        several = streams._read

        def interrupted(wishes: Sequence[_Wish]) -> Sequence[Sequence[Content]]:
            if len(wishes) > 1:
                raise KeyboardInterrupt
            return several(wishes)

        monkeypatch.setattr(streams, "_read", interrupted)
        gate.opened.set()
        failed = [one.exception() for one in reading]
    assert {type(error) for error in failed} == {type(None), KeyboardInterrupt, StoreError}
    monkeypatch.undo()
    assert len(streams.contents(*wish)) == 3


def test_a_name_that_postgresql_cannot_hold_has_nothing(recorder: PostgresRecorder) -> None:
    assert not recorder.stream_contents("call-\0", 0, EVERYTHING, 9)
