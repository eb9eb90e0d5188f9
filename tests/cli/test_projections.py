"""`greenroom projections`: how far the views have come, what is parked, trying it again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from greenroom.adapters.inspection import status

Run = Callable[..., Any]
CID = "default:appointment-2"


@pytest.fixture
def trouble(clinic: str) -> Callable[[], None]:
    """Has the views see tommaso's call, of which one record cannot be read; mends it if called."""
    path = Path(clinic.removeprefix("sqlite:///"))
    for file in path.parent.glob("clinic.views.db*"):
        file.unlink()
    stream = f"call-{CID}"
    with closing(sqlite3.connect(path)) as store, store:
        ((before,),) = store.execute(
            "SELECT state FROM stored_events WHERE originator_id = ? AND originator_version = 1",
            [stream],
        ).fetchall()

    def write(state: bytes) -> None:
        with closing(sqlite3.connect(path)) as store, store:
            store.execute(
                "UPDATE stored_events SET state = ?"
                " WHERE originator_id = ? AND originator_version = 1",
                [state, stream],
            )

    write(b"[]")
    return lambda: write(before)


@pytest.mark.slow
def test_how_far_each_projection_has_come(run: Run, clinic: str) -> None:
    run("calls")
    told = json.loads(run("projections", "--json").stdout)
    assert {one["lag"] for one in told["projections"]} == {0}
    assert {one["position"] for one in told["projections"]} == {told["position"]}
    assert told["position"] == status(clinic).position
    assert "members" in run("projections").stdout
    assert run("projections", "list").stdout == run("projections").stdout


def test_nothing_is_parked_where_all_is_well(run: Run, clinic: str) -> None:
    run("calls")
    result = run("projections", "parked")
    assert result.exit_code == 0
    assert "Nothing is parked" in result.stdout
    assert run("projections", "retry").exit_code == 0


@pytest.mark.slow
def test_what_is_parked_is_named_with_its_reason_and_tried_again(
    run: Run, clinic: str, trouble: Callable[[], None]
) -> None:
    assert CID not in run("calls").stdout
    assert "parked" in run("projections").stdout
    assert {one.parked for one in status(clinic).views.projections} == {0, 1}
    found = run("projections", "parked", "--json")
    assert found.exit_code == 1
    items = json.loads(found.stdout)["items"]
    assert {one["key"] for one in items} == {CID}
    assert {one["name"] for one in items} == {"call.created"}
    assert "cannot be read" in run("projections", "parked").stdout

    again = run("projections", "retry", "--projection", "calls")
    assert again.exit_code == 1
    assert "fails at position" in again.stdout
    trouble()
    mended = run("projections", "retry", "--call", CID, "--json")
    assert mended.exit_code == 0
    assert len(json.loads(mended.stdout)["mended"]) == len(items)
    assert run("projections", "parked").exit_code == 0
    assert CID in run("calls").stdout


def test_the_group_says_what_it_can(run: Run) -> None:
    said = run("projections", "--help").stdout
    assert all(name in said for name in ("list", "parked", "retry"))
    assert run("projections", "nonsense").exit_code == 2
