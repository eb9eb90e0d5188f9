"""Another policy, supposed on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from greenroom import Greenroom

Run = Callable[..., Any]


@pytest.fixture
def visited(clinic: str) -> str:
    """A store where a stranger came to an appointment."""
    with Greenroom.open(clinic, timers=False) as room:
        room.as_user("jaewoong").call("default", "appointment-2").join()
    return clinic


def test_a_policy_shows_whom_it_would_have_turned_away(run: Run, visited: str) -> None:
    shown = run("what-if", "--revoke", "default:user:join-call").stdout
    assert "jaewoong" in shown
    assert "newly_refused" in shown
    said = json.loads(run("what-if", "--revoke", "default:user:join-call", "--json").stdout)
    assert "jaewoong" in {one["user_id"] for one in said["differences"]}


def test_where_nothing_is_supposed_everything_comes_out_as_it_was(run: Run, visited: str) -> None:
    for mode in ([], ["--cascading"]):
        assert "Everything comes out as it was" in run("what-if", *mode).stdout


@pytest.mark.slow
def test_settings_calls_and_periods_are_said_too(run: Run, visited: str) -> None:
    smaller = 'default={"limits": {"max_participants": 1}}'
    everywhere = json.loads(run("what-if", "--settings", smaller, "--json").stdout)
    elsewhere = json.loads(
        run("what-if", "--settings", smaller, "--call", "default:nowhere", "--json").stdout
    )
    assert everywhere["decided"] > elsewhere["decided"] == 0
    late = json.loads(run("what-if", "--after", str(everywhere["position"]), "--json").stdout)
    assert late["decided"] == 0


@pytest.mark.parametrize(
    "said",
    [
        ("--revoke", "default:user"),
        ("--grant", "default:user:join"),
        ("--settings", "default"),
        ("--after", "yesterday"),
        ("--without", "0"),
    ],
)
def test_what_cannot_be_meant_is_no_valid_question(
    run: Run, visited: str, said: tuple[str, str]
) -> None:
    assert run("what-if", *said).exit_code == 2
