"""The past, kept and dropped from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from greenroom import Greenroom

Run = Callable[..., Any]


@pytest.mark.slow
def test_the_past_is_kept_until_it_is_dropped(run: Run, clinic: str) -> None:
    with Greenroom.open(clinic, timers=False) as room:
        head = room.position
    assert "Not kept" in run("past", "status").stdout
    assert json.loads(run("past", "keep", "--json").stdout)["position"] == head
    assert f"Kept up to position {head} of {head}." in run("past", "status").stdout
    kept = json.loads(run("past", "status", "--json").stdout)
    assert kept == {"kept": {"position": head, "whole": True}, "position": head}
    assert "up to position" in run("past", "keep").stdout
    assert "Dropped." in run("past", "drop").stdout
    assert json.loads(run("past", "drop", "--json").stdout) == {"dropped": False}
    assert json.loads(run("past", "status", "--json").stdout)["kept"] is None


def test_what_is_not_whole_yet_says_how_to_go_on(run: Run, clinic: str) -> None:
    def enough(*_: int) -> None:
        raise KeyboardInterrupt

    with Greenroom.open(clinic, timers=False) as room:
        try:
            room.keep_past(enough)
        except KeyboardInterrupt:
            assert room.kept_past() is not None
    said = run("past", "status").stdout
    assert "Filled up to position 0" in said
    assert "`greenroom past keep` goes on with it" in " ".join(said.split())
