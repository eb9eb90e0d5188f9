"""What workers of a crew do in tests; importable by the processes that are spawned for it."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path


def note(folder: str, what: str) -> None:
    with (Path(folder) / "told").open("a") as file:
        file.write(f"{what} {os.getpid()}\n")


def toil(folder: str, parent: Connection) -> None:
    """Work until told to end."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    parent.send(f"worker-{os.getpid()}")
    note(folder, "toils")
    time.sleep(60)


def make_way(folder: str, parent: Connection) -> None:
    """The first makes way at once, and takes its time; the others toil."""
    first = not (Path(folder) / "told").exists()
    note(folder, "toils")
    parent.send(f"worker-{os.getpid()}")
    if not first:
        time.sleep(60)
    parent.send("draining")
    time.sleep(0.5)
    note(folder, "left")


def stumble(folder: str, parent: Connection) -> None:
    """Die of how one begins."""
    note(folder, "stumbles")
    raise SystemExit(3)


def dawdle(folder: str, parent: Connection) -> None:
    """Do not hear of the end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(folder, "toils")
    time.sleep(60)
