"""One command checks all: `nox` for everything, `nox -s check` while working, `nox -s slow`.

Sessions run in the environment that nox itself is installed in: `pip install -e '.[dev]'`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

PYTHON = sys.executable
PLACES = [
    place
    for place in ("src", "tests", "examples", "benchmarks", "noxfile.py")
    if Path(place).exists()
]

nox.options.default_venv_backend = "none"
nox.options.sessions = ["check", "slow"]


@nox.session
def check(session: nox.Session) -> None:
    """Format, lint, types, layers, doctests, fast tests: under a minute, before each commit."""
    session.run(PYTHON, "-m", "ruff", "format", "--check", ".")
    session.run(PYTHON, "-m", "ruff", "check", ".")
    session.run(PYTHON, "-c", "from importlinter.cli import lint_imports_command as run; run()")
    session.run(PYTHON, "-m", "mypy", *PLACES)
    session.run(PYTHON, "-m", "pyright", "--pythonpath", PYTHON, *PLACES)
    pytest = [PYTHON, "-m", "pytest", "-n", "2", "-m", "not slow", "--doctest-modules"]
    session.run(*pytest, "src", "tests", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Processes, packages, faults, long properties: before merging and before a release."""
    session.run(PYTHON, "-m", "pytest", "-m", "slow", *session.posargs)


@nox.session
def deep(session: nox.Session) -> None:
    """The fast tests with every property tried 2,000 times: when the rules have changed."""
    env = {"HYPOTHESIS_PROFILE": "deep"}
    session.run(PYTHON, "-m", "pytest", "-n", "2", "-m", "not slow", *session.posargs, env=env)
