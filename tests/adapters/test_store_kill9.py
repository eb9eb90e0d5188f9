"""Killed at any moment, a store has all it acknowledged, and nothing by halves."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from msgspec import to_builtins
from tests.adapters.kill9_writer import write_for_ever

from greenroom.adapters.stores import open_store
from greenroom.domain.message import RequestId, StreamId
from greenroom.testing.postgres import PrivatePostgres
from greenroom.testing.store_events import STAGE, added

Running = tuple[BaseProcess, Connection]

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.adapters.kill9_writer"])


@pytest.mark.slow
def test_five_kills_of_whoever_writes_to_a_file(
    tmp_path: Path, tried: Callable[[str, int], None]
) -> None:
    kill_writers_of_a_file(tmp_path / "calls.db", trials=5)
    tried("sqlite", 5)


@pytest.mark.slow
def test_fifty_kills_of_whoever_writes_to_a_file(
    tmp_path: Path, tried: Callable[[str, int], None]
) -> None:
    kill_writers_of_a_file(tmp_path / "calls.db", trials=50)
    tried("sqlite", 50)


@pytest.mark.slow
def test_twenty_kills_of_whoever_writes_to_a_server(
    postgres_url: str, tried: Callable[[str, int], None]
) -> None:
    for _ in kill_writers(postgres_url, trials=20):
        pass
    tried("postgresql", 20)


@pytest.mark.slow
def test_ten_kills_of_the_server_itself(tried: Callable[[str, int], None]) -> None:
    """Two writers go on through all of them; each crash is recovered from."""
    chance = random.Random(10)
    with PrivatePostgres(fsync=False) as server:
        open_store(server.url()).close()
        running = {writer: start(server.url(), writer) for writer in ("alice", "tommaso")}
        for _ in range(10):
            wait_for_writers(running)
            time.sleep(chance.uniform(0, 0.2))
            server.kill()
            time.sleep(chance.uniform(0, 0.2))
            server.start()
        wait_for_writers(running)
        check(server.url(), kill(running))
    tried("postgresql", 10)


def kill_writers_of_a_file(path: Path, trials: int) -> None:
    for _ in kill_writers(f"sqlite:///{path}", trials):
        with closing(sqlite3.connect(path)) as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def kill_writers(url: str, trials: int) -> Iterator[None]:
    """Kill writers of one store again and again; in every other trial there are two at once."""
    chance = random.Random(trials)
    open_store(url).close()
    acknowledged = {"alice": 0, "tommaso": 0}
    for trial in range(trials):
        running = {writer: start(url, writer) for writer in ("alice", "tommaso")[: 1 + trial % 2]}
        for _, heard in running.values():
            assert heard.poll(60), "a writer never began"
        time.sleep(chance.uniform(0, 0.15))
        for writer, last in kill(running).items():
            assert last > acknowledged[writer], "a writer went back, or never wrote"
            acknowledged[writer] = last
        check(url, acknowledged)
        yield


def start(url: str, writer: str) -> Running:
    """A process that writes for ever, and where it acknowledges."""
    heard, said = PROCESSES.Pipe(duplex=False)
    process: BaseProcess = PROCESSES.Process(target=write_for_ever, args=(url, writer, said))
    process.start()
    said.close()
    return process, heard


def wait_for_writers(running: Mapping[str, Running]) -> None:
    """Until each has acknowledged something that it had not when this was called."""
    for _, heard in running.values():
        while heard.poll():
            heard.recv()
        assert heard.poll(60), "a writer gave up"


def kill(running: Mapping[str, Running]) -> dict[str, int]:
    """What each writer acknowledged last."""
    for process, _ in running.values():
        process.kill()
    return {writer: last_word(*one) for writer, one in running.items()}


def last_word(process: BaseProcess, heard: Connection) -> int:
    """What the killed process acknowledged last."""
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    last = 0
    with contextlib.suppress(EOFError):
        while True:
            last = heard.recv()
    return last


def check(url: str, acknowledged: Mapping[str, int]) -> None:
    """What must hold of the store, whenever its writers died."""
    with closing(open_store(url, create=False)) as store:
        records = [record for _, record in store.feed()]
        versions: dict[StreamId, list[int]] = {}
        for record in records:
            versions.setdefault(record.stream, []).append(record.version)
        assert all(found == list(range(1, len(found) + 1)) for found in versions.values())
        appends = Counter(record.request_id for record in records)
        assert set(appends.values()) == {3}, "an append was recorded by halves"
        assert len(versions[STAGE]) == len(appends)
        for writer, last in acknowledged.items():
            if last:
                members = list(store.events(added(writer).stream))
                assert len(members) >= last, "an acknowledged append is missing"
                assert all(to_builtins(event)["custom"] == {"phone": "123"} for event in members)
                for number in (1, last):
                    request = store.request(RequestId(f"{writer}-{number}"))
                    assert request is not None
                    assert request.position > 0
