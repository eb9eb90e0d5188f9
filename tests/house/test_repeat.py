"""What runs the suite again and again: another order by seed, and failures are told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.house import repeat
from tests.house.shuffled import ORDER

pytestmark = pytest.mark.slow
FILES = ("test_one.py", "test_two.py")
TESTS = """
import pytest

@pytest.mark.parametrize("number", range(8))
def test_it(number):
    assert __name__[-3:] != "two" or number != 5
"""

HANGS = """
import ctypes

def test_that_goes_on():
    pass

def test_that_hangs():
    ctypes.PyDLL(None).sleep(240)
"""
PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def ran(folder: Path, seed: int) -> repeat.Told:
    """What became of the tests in that folder, which were run in the order of that seed."""
    results = folder / f"{seed}.xml"
    options = ["-c", os.devnull, "--rootdir", str(folder), "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-p", "tests.house.shuffled", *options]
    env = {**os.environ, ORDER: str(seed)}
    ended = subprocess.run(
        [*command, f"--junitxml={results}", str(folder)], env=env, capture_output=True, check=False
    )
    return repeat.told(results, ended.returncode, 1.0)


def order(folder: Path, seed: int) -> list[tuple[str, str]]:
    """File and name of each test, as they were run under that seed."""
    ran(folder, seed)
    return re.findall(r'classname="(\w+)" name="(\S+)"', (folder / f"{seed}.xml").read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).write_text(TESTS)
    return tmp_path


def test_a_seed_names_an_order_in_which_files_stay_whole(folder: Path) -> None:
    first, again, other = order(folder, 1), order(folder, 1), order(folder, 2)
    assert first == again
    assert first != other
    assert sorted(first) == sorted(other)
    for files in ([file for file, _ in run] for run in (first, other)):
        assert len(set(files[:8])) == len(set(files[8:])) == 1


def test_what_fails_is_told_by_name(folder: Path) -> None:
    told = ran(folder, 1)
    assert told.verdicts == {"passed": 15, "failed": 1}
    assert told.failed == ["test_two::test_it[5]"]


def test_after_a_session_that_failed_comes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = repeat.Told(2.0, {"passed": 1, "failed": 1}, ["test_two::test_it[5]"])
    monkeypatch.setattr(repeat, "session", lambda *_: failed)
    [run] = repeat.repeated(3, 7, 1, ())
    assert list(run.told) == ["fast"]
    *_, row = repeat.table([run], 3, 1, datetime.now(UTC))
    assert row == "| 1 | 7 | 1 | 1 | 0 | 2 | not run |"


def test_who_hangs_with_all_of_python_is_ended_and_named(tmp_path: Path) -> None:
    """Threads and signals wait for it, so that no other time limit would be noticed."""
    (tmp_path / "test_one.py").write_text(HANGS)
    command = [sys.executable, "-m", "pytest", "-c", str(PYPROJECT), "--rootdir", str(tmp_path)]
    options = ["-p", "no:cacheprovider", "-n", "1", "-o", "faulthandler_timeout=1"]
    ended = subprocess.run(
        [*command, *options, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "crashed while running 'test_one.py::test_that_hangs'" in ended.stdout
    assert "1 failed, 1 passed" in ended.stdout


def test_a_session_that_ended_without_results_has_failed(tmp_path: Path) -> None:
    told = repeat.told(tmp_path / "none.xml", 3, 1.0)
    assert told.failed == [repeat.ENDED_WITHOUT_A_WORD]


def test_one_that_found_no_tests_has_failed(tmp_path: Path) -> None:
    told = ran(tmp_path, 1)
    assert told.failed == [repeat.ENDED_WITHOUT_A_WORD]
