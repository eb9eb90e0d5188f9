"""Views made anew."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from greenroom import Greenroom

Run = Callable[..., Any]


@pytest.mark.slow
def test_rebuilt_views_answer_as_before(run: Run, clinic: str) -> None:
    before = run("calls", "--json").stdout
    with Greenroom.open(clinic, timers=False) as room:
        head = room.position
    result = run("rebuild", "--json")
    assert json.loads(result.stdout)["position"] == head
    assert run("calls", "--json").stdout == before


@pytest.mark.slow
def test_a_lost_file_of_views_is_no_loss(run: Run, clinic: str) -> None:
    before = run("calls", "--json").stdout
    for file in Path(clinic.removeprefix("sqlite:///")).parent.glob("clinic.views.db*"):
        file.unlink()
    assert "The views stand at position" in run("rebuild").stdout
    assert run("calls", "--json").stdout == before


@pytest.mark.slow
def test_old_views_that_went_wrong_are_told_from_those_that_did_not(run: Run, clinic: str) -> None:
    run("calls")
    right = run("rebuild", "--compare")
    assert right.exit_code == 0
    assert "told the same" in right.stdout
    views = Path(clinic.removeprefix("sqlite:///")).with_name("clinic.views.db")
    with closing(sqlite3.connect(views)) as file, file:
        file.execute("DELETE FROM members")
    wrong = run("rebuild", "--compare", "--json")
    assert wrong.exit_code == 1
    assert json.loads(wrong.stdout)["same"] is False
    assert run("rebuild", "--compare").exit_code == 0
