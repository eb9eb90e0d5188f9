"""The last act: a process is killed while it writes, and nothing it was promised is lost."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Final

from greenroom import Greenroom
from greenroom.cli.demo.stage import Stage
from greenroom.cli.demo.writer import CALL

ENOUGH: Final = 100
"""Acknowledged writes before the kill."""
_PATIENCE_SECONDS: Final = 30.0


def play(stage: Stage, url: str) -> None:
    """Play it, on a store at `url` that is made here."""
    with stage.act("5  kill -9 while a process writes"):
        with stage.step(
            "a process of its own adds members, one acknowledged after another"
        ) as step:
            acknowledged, ended = write_until_killed(url)
            step.check(acknowledged >= ENOUGH, f"only {acknowledged} were acknowledged")
            step.check(ended < 0 or sys.platform == "win32", f"it ended by itself, with {ended}")
            step.see(f"killed after {acknowledged} acknowledged writes", acknowledged=acknowledged)
        with stage.step("the store is opened again, and counted") as step:
            found = written_members(url)
            lost = acknowledged - len(found & set(range(1, acknowledged + 1)))
            step.check(lost == 0, f"{lost} acknowledged writes are lost")
            more = len(found) - acknowledged
            step.check(more in {0, 1}, f"{more} more than were acknowledged")
            underway = ", and the one that was under way" if more else ""
            step.see(
                f"{acknowledged} of {acknowledged} are there{underway}; 0 lost",
                found=len(found),
                lost=lost,
            )
        with stage.step("and it is written to again") as step:
            with Greenroom.open(url, timers=False, create=False) as room:
                call = room.system("demo").call(*CALL)
                events = call.history()
                step.check(call.end().recorded, "nothing was recorded")
            step.check(
                [event.seq for event in events] == list(range(1, len(events) + 1)),
                "its history has gaps",
            )
            step.see(f"after {len(events)} events without a gap", events=len(events))


def write_until_killed(url: str) -> tuple[int, int]:
    """How many writes a process acknowledged before it was killed, and its exit code."""
    command = [sys.executable, "-m", "greenroom.cli.demo.writer", url]
    acknowledged = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:  # noqa: S603 - our own program
        assert writer.stdout is not None, "a pipe was asked for"  # noqa: S101 - a bug here
        impatience = threading.Timer(_PATIENCE_SECONDS, writer.kill)
        impatience.start()
        for line in writer.stdout:
            if line.endswith("\n"):
                acknowledged = int(line)
            if acknowledged == ENOUGH:
                writer.kill()  # SIGKILL; what stands in the pipe was acknowledged as well
        impatience.cancel()
    return acknowledged, writer.returncode


def written_members(url: str) -> set[int]:
    """The numbers of the members that are in the store."""
    with Greenroom.open(url, timers=False, create=False) as room:
        call = room.system("demo").call(*CALL)
        found: set[int] = set()
        page = call.query_members(limit=1000)
        while True:
            found |= {int(item.user_id.removeprefix("writer-")) for item in page.items}
            if page.next is None:
                return found
            page = call.query_members(limit=1000, cursor=page.next)
