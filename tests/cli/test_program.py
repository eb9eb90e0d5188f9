"""The program itself, as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest

COMMANDS = (
    *("demo", "calls", "members", "participants", "sessions"),
    *("types", "history", "explain", "worker", "rebuild", "copy", "db"),
)


def greenroom(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "greenroom", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=150,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("columns", ["80", pytest.param("120", marks=pytest.mark.slow)])
def test_help_names_every_command_within_the_width(columns: str) -> None:
    result = greenroom("--help", COLUMNS=columns, TERMINAL_WIDTH=columns)
    assert result.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"│ {command} ", result.stdout), command
    assert "Exit codes" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= int(columns)


def test_the_version_is_the_packages(run: Any) -> None:
    assert run("--version").stdout == f"greenroom {version('greenroom')}\n"


@pytest.mark.slow
def test_a_terminal_that_lacks_characters_still_gets_an_answer(clinic: str) -> None:
    result = greenroom(
        "explain",
        "default:appointment-2",
        "join",
        "-u",
        "eve",
        GREENROOM_STORE=clinic,
        PYTHONIOENCODING="ascii",
        PYTHONUTF8="0",
    )
    assert result.returncode == 0, result.stderr
    assert "+ eve: join default:appointment-2 is allowed" in result.stdout


@pytest.mark.slow
def test_an_answer_that_nobody_reads_to_the_end_is_no_error(clinic: str) -> None:
    program = f"{sys.executable} -m greenroom history default:appointment-1 --json | head -n 1"
    result = subprocess.run(
        ["sh", "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=150,
        env={**os.environ, "GREENROOM_STORE": clinic},
    )
    assert result.stdout.startswith('{"seq":1,')
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_of_its_own(run: Any, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert command == "db" or "--json" in result.stdout  # its own commands have it
