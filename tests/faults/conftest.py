"""Rooms on stores that can be broken: fixtures of `tests.engine`, and what breaks them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from tests.engine.conftest import clock, file_url, pytest_generate_tests, rooms

__all__ = ["clock", "file_url", "pytest_generate_tests", "rooms"]

collect_ignore = ["preloaded.py"]  # what a server loads, which opens a room at once
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a directory of its own is made there


@pytest.fixture
def quick_path() -> Iterator[Path]:
    """A directory for what no power cut is to survive: in memory, where the system has that."""
    with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as directory:
        yield Path(directory)
