"""A rule that was forgotten does not type-check: see decision 0003."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "greenroom" / "domain"
CASES = [
    (
        "call.py",
        """
        case StopLive():
            by.must(Capability.UPDATE_CALL)
            return [] if call.backstage else [StoppedLive(at=at, cid=cid)]""",
        "StopLive",
    ),
    (
        "session.py",
        """
        case Pinned(user_id=user_id):
            return structs.replace(session, pinned=session.pinned | {user_id})""",
        "Pinned",
    ),
]
CHECKERS = {
    "mypy": ["-m", "mypy", "--strict", "--no-incremental", "--cache-dir", os.devnull],
    "pyright": ["-m", "pyright", "--pythonpath", sys.executable],
}


def without(tmp_path: Path, module: str, case: str) -> Path:
    """A copy of the domain in which this case is missing; the module it is missing from."""
    package = tmp_path / "greenroom"
    shutil.copytree(SOURCE, package / "domain")
    for marker in (package / "__init__.py", package / "py.typed"):
        marker.touch()
    file = package / "domain" / module
    text = file.read_text()
    assert text.count(case) == 1, "the case reads differently now: say here how"
    file.write_text(text.replace(case, ""))
    return file


def errors(checker: str, file: Path) -> list[str]:
    """The errors that a type checker finds in `file`."""
    root = file.parents[2]
    ran = subprocess.run(
        [sys.executable, *CHECKERS[checker], file],
        cwd=root,
        env={**os.environ, "MYPYPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line for line in ran.stdout.splitlines() if re.search(r"\berror:", line)]
    assert bool(found) == bool(ran.returncode), ran.stdout + ran.stderr
    return found


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize(("module", "case", "name"), CASES, ids=[case[2] for case in CASES])
def test_a_removed_case_does_not_type_check(
    tmp_path: Path, checker: str, module: str, case: str, name: str
) -> None:
    found = errors(checker, without(tmp_path, module, case))
    about_it = [
        line for line in found if name in line and ("assert_never" in line or "Never" in line)
    ]
    assert about_it != [], found


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_the_domain_as_it_is_type_checks(tmp_path: Path, checker: str) -> None:
    assert errors(checker, without(tmp_path, "call.py", CASES[0][1]).parent / "session.py") == []
