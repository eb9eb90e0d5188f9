"""Decoders are made when they are needed, whoever else needs them at the same moment."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_many_threads_may_be_the_first_to_read() -> None:
    """Made by several threads at once, a decoder of msgspec crashes the process."""
    for _ in range(6):
        done = subprocess.run(
            [sys.executable, "-m", "tests.adapters.first_readers"],
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
