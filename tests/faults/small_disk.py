"""A file system of some megabytes in memory, which is filled up and given space again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

MEGABYTE = 1 << 20


@contextmanager
def mounted(at: Path, megabytes: int) -> Iterator[bool]:
    """Such a file system, for anybody to write to; False where none may be mounted."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(at)]
    try:
        done = subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        done = False
    try:
        yield done
    finally:
        if done:
            subprocess.run(["umount", "--lazy", at], check=True)


def filled(at: Path, left: int) -> Callable[[], None]:
    """Some file takes all but so many bytes; what makes space again."""
    ballast = at / "ballast"
    there = os.statvfs(at)
    with ballast.open("wb") as file:
        for size in _portions(there.f_bavail * there.f_frsize - left):
            file.write(bytes(size))
    return ballast.unlink


def _portions(size: int) -> Iterator[int]:
    while size > 0:
        yield min(size, MEGABYTE)
        size -= MEGABYTE
