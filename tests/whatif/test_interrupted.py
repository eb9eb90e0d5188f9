"""Ctrl-C at `greenroom what-if`, as a terminal sends it: to every process of the command."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic, sleep

import pytest
from tests.whatif.busy import busy_log

pytestmark = pytest.mark.slow
SMALLER = 'default={"limits": {"max_participants": 1}}'
PATIENCE = 60


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """So much that it takes many seconds."""
    directory = tmp_path_factory.mktemp("busy")
    return busy_log(directory / "calls.db", calls=500, visits=60)


@pytest.mark.parametrize("processes", [1, 2])
def test_it_ends_at_once_says_how_far_it_was_and_leaves_nobody(store: str, processes: int) -> None:
    terminal, its_end = pty.openpty()
    command = [sys.executable, "-m", "greenroom", "what-if", "--store", store, "--cascading"]
    asked = subprocess.Popen(
        [*command, "--settings", SMALLER, "--processes", str(processes)],
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        start_new_session=True,
    )
    os.close(its_end)
    shown = _shown(terminal)
    said = b""
    while b"Deciding again" not in said:
        said += next(shown)
    os.killpg(asked.pid, signal.SIGINT)
    said += b"".join(shown)
    assert asked.wait(PATIENCE) == 130
    assert b"Interrupted at position" in said
    assert b"Traceback" not in said
    assert _nobody_is_left_of(asked.pid)


def _shown(terminal: int) -> Iterator[bytes]:
    """What stands on the terminal, until nobody writes there any more."""
    with suppress(OSError):
        while some := os.read(terminal, 4096):
            yield some
    os.close(terminal)


def _nobody_is_left_of(group: int) -> bool:
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        sleep(0.1)
    return False
