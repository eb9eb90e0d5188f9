"""The fuzzer runs, for a moment, and what breaks a law is told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fuzz.laws import LAWS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def fuzzed(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """What comes of it; what libFuzzer leaves behind lands in `cwd`."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    return subprocess.run(
        [sys.executable, *command],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": paths},
    )


@pytest.mark.parametrize("name", ["filter", "cursor", "listed", "offer"])
def test_fuzzing_for_a_moment_finds_nothing(name: str, tmp_path: Path) -> None:
    script = str(ROOT / "tests" / "fuzz" / "fuzz.py")
    done = fuzzed(script, name, "-runs=100", "-seed=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-4_000:]
    assert "Done" in done.stderr


BROKEN = """
from hypothesis import given, strategies as st
from tests.fuzz import fuzz, laws

@given(number=st.integers())
def no_number_is_large(number):
    assert number < 1000

laws.LAWS = {"broken": no_number_is_large}
fuzz.main("broken", "-runs=100000", "-seed=1")
"""


def test_a_law_that_does_not_hold_is_found_out(tmp_path: Path) -> None:
    done = fuzzed("-c", BROKEN, cwd=tmp_path)
    assert done.returncode != 0
    assert "no_number_is_large" in done.stdout + done.stderr
    assert "AssertionError" in done.stdout + done.stderr


def test_the_command_knows_every_law() -> None:
    text = (ROOT / "noxfile.py").read_text()
    listed = text.partition("FUZZED = [")[2].partition("]")[0]
    assert re.findall(r'"(\w+)"', listed) == list(LAWS)
