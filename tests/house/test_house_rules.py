"""Small files, small functions, ignores with reasons, and nothing of anybody's machine."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.house.longest import LONGEST

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_FILE = 400
LONGEST_FUNCTION = 60

# Put together here, so that this file does not break its own rules.
_MACHINE_PATH = re.compile(r"(?<![\w.~/:{}-])/" + r"(?:work|root|home)/\w")
_REGISTRY = re.compile("|".join([r"pythonhosted\.", r"index-" + "url", r"registry\." + "npm"]))
_SILENCED = re.compile(r"#\s*(?:noqa|type:\s*ignore|pyright:\s*ignore|pragma:)")
_REASONED = re.compile(
    r"# noqa: [A-Z]+\d+(?:, [A-Z]+\d+)* +(?:-|#) \S"
    r"|# (?:type|pyright): ignore\[[\w, -]+\] +(?:-|#) \S"
    r"|# pragma: no (?:cover|branch) +(?:-|#) \S"
)


@cache
def files() -> list[Path]:
    """What belongs to the project: what git tracks, or all there is in an unpacked sdist."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()
    else:
        listed = [
            str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if ".venv" not in path.parts
        ]
    return [path for name in listed if (path := ROOT / name).is_file() and not path.is_symlink()]


def _lines(pattern: re.Pattern[str], suffixes: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    for path in files():
        if suffixes and path.suffix not in suffixes:
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if pattern.search(line):
                yield f"{path.relative_to(ROOT)}:{number}", line.strip()


def test_no_path_of_anybodys_machine_is_in_any_file() -> None:
    assert list(_lines(_MACHINE_PATH)) == []


def test_no_package_registry_is_named_in_any_file() -> None:
    assert list(_lines(_REGISTRY)) == []


def test_the_files_that_take_longest_are_there_and_each_once() -> None:
    assert [file for file in LONGEST if not (ROOT / file).is_file()] == []
    assert len(LONGEST) == len(set(LONGEST))


def test_every_ignore_says_why() -> None:
    here = Path(__file__).relative_to(ROOT)
    unexplained = [
        (where, line)
        for where, line in _lines(_SILENCED, (".py",))
        if not _REASONED.search(line) and not where.startswith(str(here))
    ]
    assert unexplained == []


@pytest.mark.parametrize(
    ("line", "explained"),
    [
        ("x = 1  # noqa: S101 - a test", True),
        ("x = 1  # noqa: S101, E501 # a test", True),
        ("x = 1  # type: ignore[attr-defined]  # set at run time", True),
        ("x = 1  # noqa: S101", False),
        ("x = 1  # noqa", False),
        ("x = 1  # type: ignore[attr-defined]", False),
        ("x = 1  # type: ignore  # because", False),
    ],
)
def test_what_counts_as_a_reason(line: str, explained: bool) -> None:  # noqa: FBT001 - a table
    assert _SILENCED.search(line)
    assert bool(_REASONED.search(line)) is explained


def test_no_file_is_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_is_long() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{node.name}": length
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}


def test_ci_runs_the_very_command_that_the_readme_and_the_guide_name() -> None:
    command = (ROOT / ".ci" / "run").read_text().rstrip().splitlines()[-1]
    assert command.endswith("nox")
    for guide in ("README.md", "CONTRIBUTING.md"):
        assert command in (ROOT / guide).read_text().splitlines(), guide
