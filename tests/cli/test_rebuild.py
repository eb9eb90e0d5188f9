"""Views made anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from greenroom import Greenroom

Run = Callable[..., Any]


def test_rebuilt_views_answer_as_before(run: Run, clinic: str) -> None:
    before = run("calls", "--json").stdout
    with Greenroom.open(clinic, timers=False) as room:
        head = room.position
    result = run("rebuild", "--json")
    assert json.loads(result.stdout)["position"] == head
    assert run("calls", "--json").stdout == before


def test_a_lost_file_of_views_is_no_loss(run: Run, clinic: str) -> None:
    before = run("calls", "--json").stdout
    for file in Path(clinic.removeprefix("sqlite:///")).parent.glob("clinic.views.db*"):
        file.unlink()
    assert "The views stand at position" in run("rebuild").stdout
    assert run("calls", "--json").stdout == before
