"""The worker: what is due happens, in a process of its own, until it is told to stop."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from greenroom import Greenroom

Run = Callable[..., Any]
CID = "default:short"


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Of a store in which alice is in a call that may last a second."""
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    with Greenroom.open(url, timers=False) as room:
        call = room.as_user("alice").call("default", "short")
        call.create(member_ids=["charlie"], max_duration=1)
        call.join()
    return url


def names(url: str) -> list[str]:
    with Greenroom.open(url, timers=False) as room:
        return [event.name for event in room.system("test").call(*CID.split(":")).history()]


def wait_for(name: str, url: str) -> bool:
    deadline = time.monotonic() + 90
    while name not in names(url):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes are ended by POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_deadline_falls_due_in_a_worker_that_ends_when_told(store: str, number: int) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-m", "greenroom", "worker", "--store", store, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert wait_for("call.ended", store)
        time.sleep(0.5)
        worker.send_signal(number)
        out, err = worker.communicate(timeout=90)
    finally:
        worker.kill()
    assert worker.returncode == 0, err
    done = json.loads(out)
    assert done["recorded"]["call.ended"] == 1
    assert done["notified"] == {"session_started": 1}
    assert f"call.ended in {CID}" in err
    assert f"session_started for charlie in {CID}" in err
    assert "worker ended" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_once_does_what_is_due_now_and_exits(run: Run, store: str) -> None:
    early = run("worker", "--once", "--store", store, "--json")
    assert json.loads(early.stdout)["notified"] == {"session_started": 1}
    if "call.ended" not in json.loads(early.stdout)["recorded"]:  # it was a second quicker
        time.sleep(1)
        late = run("worker", "--once", "--store", store, "--json")
        assert late.exit_code == 0
        assert json.loads(late.stdout)["recorded"]["call.ended"] == 1
    assert names(store)[-1] == "session.ended"
    again = run("worker", "--once", "--store", store, "--json")
    assert json.loads(again.stdout) == {"recorded": {}, "notified": {}}


def test_a_worker_leaves_signals_and_logging_as_they_were(run: Run, store: str) -> None:
    before = signal.getsignal(signal.SIGTERM), logging.getLogger("greenroom").handlers[:]
    run("worker", "--once", "--store", store)
    assert (signal.getsignal(signal.SIGTERM), logging.getLogger("greenroom").handlers) == before
