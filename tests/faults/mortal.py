"""A process that gives commands until it dies, right before or right after a commit."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final, Literal

from tests.faults.clients import ask
from tests.faults.judgement import PATIENCE, Notes

from greenroom import Greenroom
from greenroom.adapters import sqlite_recorder

When = Literal["before", "after"]

_PROCESSES: Final = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.faults.mortal"])


def live_until_commit(
    url: str, asked: list[str], number: int, when: When, notes: Notes
) -> str | None:
    """Let a process ask for these until it dies at its n-th commit; what it asked for last."""
    heard, said = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=_live, args=(url, asked, number, when, said))
    process.start()
    said.close()
    last = None
    with suppress(EOFError):
        while heard.poll(PATIENCE):
            what, request_id = heard.recv()
            if what == "asked":
                notes.open.add(request_id)
                last = request_id
            else:
                notes.open.discard(request_id)
                notes.acknowledged.add(request_id)
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL, process.exitcode
    return last


def _live(url: str, asked: list[str], number: int, when: When, said: Connection) -> None:
    with Greenroom.open(url, timers=False, create=False) as room:
        _die_at(number, when, url)
        for request_id in asked:
            said.send(("asked", request_id))
            ask(room, request_id)
            said.send(("answered", request_id))


def _die_at(number: int, when: When, url: str) -> None:
    """What makes a command durable kills this process, the n-th time."""
    left = number

    def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
        def commit(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if not left and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            answer = real(*arguments, **named)
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return commit

    if url.startswith("sqlite"):
        sqlite_recorder.commit = deadly(sqlite_recorder.commit)  # type: ignore[attr-defined]  # imported there
    else:
        from greenroom.adapters import postgres_writing  # noqa: PLC0415 - an extra

        postgres_writing.append = deadly(postgres_writing.append)  # type: ignore[attr-defined]  # imported there
