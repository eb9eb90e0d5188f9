"""Killed in the middle of commands, a room has all it answered, and nothing by halves."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from tests.engine.commander import command_for_ever

from greenroom import Greenroom

PROCESSES = multiprocessing.get_context("forkserver")


@pytest.mark.slow
def test_what_was_answered_is_there_after_a_kill(
    tmp_path: Path, tried: Callable[[str, int], None]
) -> None:
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    with Greenroom.open(url) as room:
        room.as_user("thierry").call("default", "123").create(custom={"n": 0})
    last = 0
    for trial in range(8):
        number, position = run_and_kill(url, 0.02 + 0.03 * trial)
        assert number > last, "a commander went back, or never answered"
        last = number
        check(url, number, position)
    tried("sqlite", 8)


def run_and_kill(url: str, seconds: float) -> tuple[int, int]:
    """Let it give commands for so long; number and position of the last answer."""
    heard, said = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=command_for_ever, args=(url, said))
    process.start()
    said.close()
    assert heard.poll(60), "it never began"
    time.sleep(seconds)
    process.kill()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    return last_word(heard)


def last_word(heard: Connection) -> tuple[int, int]:
    word = (0, 0)
    with contextlib.suppress(EOFError, OSError):
        while heard.poll():
            word = heard.recv()
    return word


def check(url: str, number: int, position: int) -> None:
    with Greenroom.open(url) as room:
        call = room.as_user("thierry").call("default", "123")
        assert room.position >= position
        found = call.get().custom["n"]
        assert found in {number, number + 1}  # one more may have been recorded, unheard
        history = call.history()
        assert [event.seq for event in history] == list(range(1, len(history) + 1))
        by_stream: dict[str, list[int]] = {}
        for event in history:
            by_stream.setdefault(event.stream, []).append(event.version)
        assert all(found == list(range(1, len(found) + 1)) for found in by_stream.values())
        # Asked again, what was answered is answered again, and nothing is done.
        before = room.position
        again = call.update(custom={"n": number}, request_id=f"update-{number}")
        assert again.custom == {"n": number}
        assert room.position == before
        # What the killed process had begun is finished by the next: nobody stays in by halves.
        present = call.query_participants().items
        assert len(present) <= 1
        call.leave()
        room.rebuild()
        assert call.query_participants().items == ()
