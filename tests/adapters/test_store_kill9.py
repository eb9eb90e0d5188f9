"""Killed at any moment, the SQLite store has all it acknowledged, and nothing by halves."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from msgspec import to_builtins
from tests.adapters.kill9_writer import write_for_ever

from greenroom.adapters.stores import SQLiteStore
from greenroom.domain.message import RequestId, StreamId
from greenroom.testing.store_events import STAGE, added

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.adapters.kill9_writer"])


def test_five_kills(tmp_path: Path) -> None:
    kill_writers(tmp_path / "calls.db", trials=5)


@pytest.mark.slow
def test_fifty_kills(tmp_path: Path) -> None:
    kill_writers(tmp_path / "calls.db", trials=50)


def kill_writers(path: Path, trials: int) -> None:
    """Kill writers of one file again and again; in every other trial there are two at once."""
    chance = random.Random(trials)
    SQLiteStore(path).close()
    acknowledged = {"alice": 0, "tommaso": 0}
    for trial in range(trials):
        for writer, last in run_and_kill(
            path, ["alice", "tommaso"][: 1 + trial % 2], chance
        ).items():
            assert last > acknowledged[writer], "a writer went back, or never wrote"
            acknowledged[writer] = last
        check(path, acknowledged)


def run_and_kill(path: Path, writers: list[str], chance: random.Random) -> dict[str, int]:
    """Let `writers` write for a random while, then kill them; what each acknowledged last."""
    running: dict[str, tuple[BaseProcess, Connection]] = {}
    for writer in writers:
        heard, said = PROCESSES.Pipe(duplex=False)
        process: BaseProcess = PROCESSES.Process(target=write_for_ever, args=(path, writer, said))
        process.start()
        said.close()
        running[writer] = (process, heard)
    for _, heard in running.values():
        assert heard.poll(20), "a writer never began"
    time.sleep(chance.uniform(0, 0.15))
    for process, _ in running.values():
        process.kill()
    return {writer: last_word(*one) for writer, one in running.items()}


def last_word(process: BaseProcess, heard: Connection) -> int:
    """What the killed process acknowledged last."""
    process.join(20)
    assert process.exitcode == -signal.SIGKILL
    last = 0
    with contextlib.suppress(EOFError):
        while True:
            last = heard.recv()
    return last


def check(path: Path, acknowledged: dict[str, int]) -> None:
    """What must hold of the file, whenever its writers died."""
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with closing(SQLiteStore(path, create=False)) as store:
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
