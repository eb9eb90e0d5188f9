"""The fixtures, as their page shows them and as a project with the extra `test` uses them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-your-application.md"
OF_A_PROJECT = PAGE.read_text().partition("## Fixtures\n")[2].partition("```python\n")[2]
OF_A_PROJECT = f"""{OF_A_PROJECT.partition("```")[0]}

import pytest


@pytest.mark.anyio
async def test_a_test_that_is_a_coroutine(aio_greenroom):
    async with aio_greenroom as room:
        await room.as_user("thierry").call("default", "lunch").join(create=True)


@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
"""The file on the page, and a coroutine."""


def ran(
    where: Path, *arguments: str, stores: str = "memory sqlite"
) -> subprocess.CompletedProcess[str]:
    (where / "test_project.py").write_text(OF_A_PROJECT)
    (where / "pytest.ini").write_text(f"[pytest]\ngreenroom_stores = {stores}\n")
    options = ["-p", "greenroom.testing.plugin", "-p", "no:cacheprovider", "-v", *arguments]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_test_of_a_room_is_one_on_each_store(tmp_path: Path) -> None:
    run = ran(tmp_path, stores="memory sqlite postgres")
    for store in ("memory", "sqlite", "postgres"):
        assert f"test_a_missed_call[{store}] PASSED" in run.stdout, run.stdout + run.stderr
        assert f"test_a_test_that_is_a_coroutine[{store}] PASSED" in run.stdout
    assert "15 passed" in run.stdout
    assert run.returncode == 0


@pytest.mark.slow
def test_where_there_is_no_postgresql_it_is_skipped_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conftest.py").write_text(
        "import greenroom.testing.postgres as here\n"
        "def nothing():\n"
        "    raise FileNotFoundError('install postgresql')\n"
        "here.find_programs = nothing\n"
    )
    run = ran(tmp_path, "-rs", stores="postgres")
    assert "no PostgreSQL here: install postgresql" in run.stdout, run.stdout + run.stderr
    assert run.returncode == 0


@pytest.mark.slow
def test_a_store_that_there_is_not_is_refused(tmp_path: Path) -> None:
    run = ran(tmp_path, stores="mysql")
    assert "greenroom_stores: 'mysql' is none of" in run.stdout + run.stderr
    assert run.returncode != 0
