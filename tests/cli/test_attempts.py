"""Who was turned away, on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from greenroom import Greenroom, Refusals, errors
from greenroom.testing import VirtualClock

Run = Callable[..., Any]
CID = "default:appointment-2"


@pytest.fixture
def knocked(clinic: str) -> str:
    """A store where eve has knocked seven times."""
    with Greenroom.open(clinic, timers=False) as room:
        room.as_user("tommaso").call("default", "appointment-2").block("eve")
        for _ in range(7):
            with pytest.raises(errors.Blocked):
                room.as_user("eve").call("default", "appointment-2").join()
    return clinic


def test_attempts_are_shown_and_counted(run: Run, knocked: str) -> None:
    shown = run("attempts", CID).stdout
    assert "blocked" in shown
    assert "7 in all" in shown


def test_attempts_are_json_for_programs(run: Run, knocked: str) -> None:
    said = json.loads(run("attempts", CID, "--user", "eve", "--json").stdout)
    assert said["total"] == 7
    assert {one["code"] for one in said["verbatim"]} == {"blocked"}


def test_what_an_application_keeps_for_long_is_not_forgotten_by_who_looks(
    run: Run, clinic: str
) -> None:
    long_ago = VirtualClock(datetime(2020, 1, 1, tzinfo=UTC))
    kept = Refusals(kept=timedelta(days=36_500))
    with (
        Greenroom.open(clinic, timers=False, clock=long_ago, refusals=kept) as room,
        pytest.raises(errors.Refused),
    ):
        room.as_user("eve").call("default", "appointment-2").end()
    for _ in range(2):
        assert "1 in all" in run("attempts", CID).stdout


def test_where_nobody_was_turned_away_it_says_so(run: Run, clinic: str) -> None:
    assert "Nobody was turned away" in run("attempts", CID).stdout
