"""One command checks all: `nox` for everything, `nox -s check` while working, `nox -s slow`.

Sessions run in the environment that nox itself is installed in: `pip install -e '.[dev]'`.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nox
from nox.command import CommandFailed

PYTHON = sys.executable
PLACES = [
    place
    for place in ("src", "tests", "examples", "benchmarks", "noxfile.py")
    if Path(place).exists()
]

# Tests start hundreds of processes: without it each compiles all that it imports, in a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

nox.options.default_venv_backend = "none"
nox.options.sessions = ["check", "slow"]


FUZZED = [
    *("filter", "sort", "cursor", "archive", "bundle", "listed", "record", "checkpoint", "key"),
    *("offer", "answer", "fragment", "custom", "instant"),
]
COVERING = [
    *("tests/domain", "tests/projections", "tests/engine/test_keeping.py"),
    *("tests/engine/test_past.py", "tests/engine/test_following.py"),
    *("tests/engine/test_history_and_explain.py", "tests/engine/test_trailing.py"),
    *("tests/engine/test_forks.py", "tests/adapters/test_postgres_errors.py"),
    "tests/adapters/test_postgres_lost.py",
]
FAST_TESTS = ["-m", "pytest", "-n", "2", "-m", "not slow"]
DOCTESTS = ["--doctest-modules", "src", "tests"]
# A file's tests share what they have built; the longest files begin (tests/house/longest.py). Three
# processes were no quicker on two cores: servers and children of the tests take what is left.
BY_FILE = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
MEMORY = Path("/dev/shm")  # noqa: S108 - each makes a directory of its own there
ENOUGH = 8 * 2**30
"""Bytes; of each server a gigabyte of PostgreSQL's log may stay, and there are a few at a time."""


def in_memory() -> dict[str, str]:
    """Has tests and their servers write to memory, where there is enough: no disk is waited for."""
    enough = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ENOUGH
    return {"TMPDIR": str(MEMORY)} if enough else {}


@nox.session
def check(session: nox.Session) -> None:
    """Format, lint, layers, types, doctests, fast tests: some minutes, before each commit."""
    steps = {
        "format": ["-m", "ruff", "format", "--check", "."],
        "lint": ["-m", "ruff", "check", "."],
        "layers": ["-c", "from importlinter.cli import lint_imports_command as run; run()"],
        "mypy": ["-m", "mypy", *PLACES],
        "pyright": ["-m", "pyright", "--pythonpath", PYTHON, *PLACES],
        "tests": [*FAST_TESTS, *DOCTESTS, *session.posargs],
    }
    failed = []
    for step, command in steps.items():
        try:
            session.run(PYTHON, *command, env=in_memory())
        except CommandFailed:  # go on: one fault must not hide the others
            failed.append(step)
    if failed:
        session.error(f"failed: {', '.join(failed)}")


@nox.session
def fast(session: nox.Session) -> None:
    """The doctests and fast tests of `check` alone."""
    session.run(PYTHON, *FAST_TESTS, *DOCTESTS, *session.posargs, env=in_memory())


@nox.session
def slow(session: nox.Session) -> None:
    """Processes, packages, faults, long properties: before merging and before a release."""
    command = ["-m", "pytest", *BY_FILE, "-m", "slow", *session.posargs]
    session.run(PYTHON, *command, env=in_memory())


@nox.session
def repeat(session: nox.Session) -> None:
    """Fast and slow ten times, each under another seed: `nox -s repeat -- 10 --beside 2`."""
    session.run(PYTHON, "-m", "tests.house.repeat", *session.posargs)


@nox.session
def deep(session: nox.Session) -> None:
    """Properties 2,000 times, and those of whole courses in proportion: takes hours."""
    command = ["-m", "pytest", "-n", "2", "--dist", "worksteal", "-m", "hypothesis"]
    # So many examples take longer than any test that hangs.
    patient = ["--timeout", "7200", "-o", "faulthandler_timeout=8000"]
    env = {"HYPOTHESIS_PROFILE": "deep", **in_memory()}
    session.run(PYTHON, *command, *patient, *session.posargs, env=env)


@nox.session
def faults(session: nox.Session) -> None:
    """The fault matrix at its large size (`FAULTS=ci`: that of a build), and its page anew.

    What stands behind `--` goes to pytest, and the page stays as it is.
    """
    size = os.environ.get("FAULTS", "large")
    notes = Path(session.create_tmp()) / "notes.json"
    env = {"FAULTS": size, "FAULTS_NOTES": str(notes), "HYPOTHESIS_PROFILE": "ci"}
    if size == "large" and "FAULTS_PYTHONS" not in os.environ:
        env["FAULTS_PYTHONS"] = ":".join([PYTHON, *other_pythons(session)])
    listed = session.run(PYTHON, "-m", "tests.faults.page", "--tests", silent=True)
    noting = ["-n", "2", "--dist", "loadfile", "-p", "tests.faults.noting"]
    patient = ["--timeout", "3600", "-o", "faulthandler_timeout=4000"]
    tests = [*str(listed).split(), *session.posargs]
    try:
        session.run(PYTHON, "-m", "pytest", *noting, *patient, *tests, env=env)
    finally:  # the page says as well what failed, but not of a part
        if not session.posargs:
            session.run(PYTHON, "-m", "tests.faults.page", str(notes), size)


def other_pythons(session: nox.Session) -> Iterator[str]:
    """Of each other version of Python: one that knows greenroom, or its name, where it is not here.

    With pyenv, say which may be used: `PYENV_VERSION=3.11:3.12:3.13 nox -s faults`.
    """
    here = f"3.{sys.version_info.minor}"
    for version in sorted({"3.11", "3.12", "3.13"} - {here}):
        place = Path(session.create_tmp()) / version
        python = str(place / "bin" / "python")
        try:
            session.run(f"python{version}", "-m", "venv", str(place), external=True)
            session.run(python, "-m", "pip", "install", "--quiet", ".[postgres]", external=True)
        except CommandFailed:
            session.warn(f"without Python {version}: not here, or greenroom cannot be installed")
            yield f"python{version}"
        else:
            yield python


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz what reads strangers' words: a minute each, or `nox -s fuzz -- 10 filter cursor`."""
    seconds, *names = session.posargs or ["60"]
    for name in names or FUZZED:
        command = ["tests/fuzz/fuzz.py", name, f"-max_total_time={seconds}", "-verbosity=0"]
        session.run(PYTHON, *command, env={"PYTHONPATH": "."})


@nox.session
def mutants(session: nox.Session) -> None:
    """Change the rules in small ways and count who notices: all, or `nox -s mutants -- 300`."""
    env = {"HYPOTHESIS_PROFILE": "mutants", "PYTHONPATH": "src:."}
    session.run(PYTHON, "-m", "tests.domain.mutants", *session.posargs, env=env)


@nox.session
def coverage(session: nox.Session) -> None:
    """Which branches of rules and views the tests about them take, the slow ones too."""
    session.run(PYTHON, "-m", "coverage", "erase")
    run = ["-m", "coverage", "run", "-m", "pytest", *COVERING, *session.posargs]
    session.run(PYTHON, *run, env={"HYPOTHESIS_PROFILE": "ci"})
    session.run(PYTHON, "-m", "coverage", "combine")
    session.run(PYTHON, "-m", "coverage", "report")
