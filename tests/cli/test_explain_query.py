"""Which index a list uses, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from greenroom import Greenroom

Run = Callable[..., Any]
CID = "default:appointment-2"


def test_what_an_index_finds_is_explained_by_it(run: Run, clinic: str) -> None:
    shown = run("explain-query", "members", CID, "--filter", '{"user_id": "alice"}').stdout
    assert "FROM members" in shown
    assert "members: found by primary key, where cid=? AND user_id=?" in shown
    assert "order: as it is found" in shown
    assert "row by row" not in shown
    assert "!" not in shown


def test_what_none_finds_is_warned_of_with_the_remedy(run: Run, clinic: str) -> None:
    said = run("explain-query", "members", CID, "--filter", '{"custom.color": "red"}').stdout
    assert "looked at row by row: custom.color" in said
    remedy = "room.call_types.update('default', indexed_custom={'members': {'color': 'string'}})"
    assert (
        f"every row is read until enough have the right custom.color; declare it: {remedy}" in said
    )


def test_a_declared_field_is_found_by_its_index(run: Run, clinic: str) -> None:
    with Greenroom.open(clinic, timers=False) as room:
        room.call_types.update("default", indexed_custom={"members": {"color": "string"}})
        views = room._core.seen()
        assert views.indexes.settle()
    found = run("explain-query", "members", CID, "-f", '{"custom.color": "red"}', "--json").stdout
    plan = json.loads(found)
    assert any("the declared field custom.color" in reason for reason in plan["reasons"])
    assert not plan["sorts"]
    assert not plan["warnings"]
    assert "red" in plan["arguments"]


@pytest.mark.parametrize("kind", ["calls", "participants", "sessions"])
def test_every_list_is_explained(run: Run, clinic: str, kind: str) -> None:
    of = () if kind == "calls" else (CID,)
    plan = json.loads(run("explain-query", kind, *of, "--json").stdout)
    assert f"FROM {kind}" in plan["sql"]
    assert kind in {access["table"] for access in plan["accesses"]}
    assert not plan["sorts"]
    assert not plan["warnings"]


def test_the_eyes_of_a_user_are_part_of_the_query(run: Run, clinic: str) -> None:
    plan = json.loads(run("explain-query", "calls", "--as", "alice", "--json").stdout)
    assert "alice" in plan["arguments"]


def test_a_sort_without_an_index_is_warned_of(run: Run, clinic: str) -> None:
    plan = json.loads(run("explain-query", "calls", "--sort", "type", "-s", "id", "--json").stdout)
    if plan["sorts"]:
        assert any("everything is sorted" in warning for warning in plan["warnings"])


@pytest.mark.parametrize(
    ("said", "path"),
    [
        (("members",), "cid: expected type:id of the call"),
        (("calls", CID), "cid: expected None"),
        (("sessions", CID, "-f", '{"user": 1}'), "filters.user"),
    ],
)
def test_a_wrong_question_is_refused(
    run: Run, clinic: str, said: tuple[str, ...], path: str
) -> None:
    result = run("explain-query", *said)
    assert result.exit_code == 2
    assert path in result.stderr


def test_what_is_planned_once_is_explained_as_it_is_run(postgres_url: str) -> None:
    with Greenroom.open(postgres_url, timers=False) as room:
        call = room.as_user("thierry").call("default", "123")
        call.create(member_ids=["alice", "tommaso"])
        plan = room.as_user("thierry").explain_query("members", call.cid)
    assert not plan.sorts  # though two rows would be sorted in no time
    assert all(one.index is not None for one in plan.accesses)
