"""Attendance on the command line: as tables, CSV and JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from typing import Any

import pytest

from greenroom import Greenroom

Run = Callable[..., Any]
CID = "default:appointment-1"


def rows(result: Any) -> list[dict[str, str]]:
    assert result.exit_code == 0, result.stderr
    return list(csv.DictReader(result.stdout.splitlines()))


def test_the_table_says_who_was_there_how_long_and_how_they_left(run: Run, clinic: str) -> None:
    shown = run("attendance", CID).stdout
    assert "Session 1: 0:02:00 from 2026-01-01 12:00:00" in shown
    (alice,) = [line for line in shown.splitlines() if line.strip().startswith("alice")]
    assert alice.split() == [
        "alice", "2026-01-01", "12:00:00", "2026-01-01", "12:01:30", "0:01:30", "1", "left",
    ]  # fmt: skip  # a row


def test_csv_has_a_row_for_each_user_of_a_session_of_the_call_or_each_entry(
    run: Run, clinic: str
) -> None:
    with Greenroom.open(clinic, timers=False) as room:
        again = room.as_user("thierry").call("default", "appointment-1")
        again.go_live()
        again.join().leave()
    by_session = rows(run("attendance", CID, "--csv"))
    assert [(row["session_id"], row["user_id"]) for row in by_session] == [
        (f"{CID}/1", "thierry"), (f"{CID}/1", "alice"), (f"{CID}/2", "thierry"),
    ]  # fmt: skip  # in order
    by_call = rows(run("attendance", CID, "--csv", "--per", "call"))
    assert [(row["user_id"], row["entries"]) for row in by_call] == [
        ("thierry", "2"),
        ("alice", "1"),
    ]
    by_entry = rows(run("attendance", CID, "--csv", "--per", "entry"))
    assert [row["left_by"] for row in by_entry] == ["thierry", "alice", "thierry"]
    assert by_entry[0]["left_at"] == "2026-01-01T12:01:30Z"


def test_json_has_all_of_it_as_of_an_instant(run: Run, clinic: str) -> None:
    told = json.loads(run("attendance", CID, "--json", "--at", "2026-01-01T12:01:00").stdout)
    assert {user["user_id"]: user["seconds"] for user in told["users"]} == {
        "thierry": 60, "alice": 60,
    }  # fmt: skip  # pairs
    assert {user["left_at"] for user in told["users"]} == {None}


@pytest.mark.slow
def test_the_system_sees_it_of_a_deleted_call_too_and_users_do_not(run: Run, clinic: str) -> None:
    before = run("attendance", CID).stdout
    with Greenroom.open(clinic, timers=False) as room:
        room.as_user("thierry").call("default", "appointment-1").delete()
    assert run("attendance", CID).stdout == before
    assert run("attendance", CID, "--as", "thierry").exit_code == 1
    assert run("attendance", "default:nowhere").exit_code == 1
