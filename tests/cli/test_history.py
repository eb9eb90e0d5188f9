"""Histories: of calls that are there, that are followed, and that were deleted."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from greenroom import Greenroom

Run = Callable[..., Any]
CID = "default:appointment-1"


def lines(result: Any) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_every_event_is_one_line_of_json_without_gaps(run: Run, clinic: str) -> None:
    told = lines(run("history", CID, "--json"))
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
    assert told[0]["name"] == "call.created"
    assert told[-1]["name"] == "call.ended"


def test_the_table_says_who_did_what(run: Run, clinic: str) -> None:
    shown = run("history", CID).stdout
    [rung] = [line for line in shown.splitlines() if "call.rung" in line]
    assert "thierry" in rung
    assert 'user_ids=["alice"]' in rung
    assert "evidence" not in shown


@pytest.mark.slow
def test_a_deleted_call_keeps_its_history_for_the_system_alone(run: Run, clinic: str) -> None:
    with Greenroom.open(clinic, timers=False) as room:
        room.as_user("thierry").call("default", "appointment-1").delete()
    shown = run("history", CID)
    assert shown.exit_code == 0
    assert "deleted by thierry" in shown.stdout
    assert lines(run("history", CID, "--json"))[-1]["name"] == "call.deleted"
    assert run("history", CID, "--as", "thierry").exit_code == 1


@pytest.mark.slow
def test_an_erased_call_tells_no_more_what_was_personal(run: Run, clinic: str) -> None:
    with Greenroom.open(clinic, timers=False) as room:
        room.system("gdpr").call("default", "appointment-2").delete(hard=True)
    told = run("history", "default:appointment-2", "--json").stdout
    assert "call.created" in told
    assert "color" not in told


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a POSIX signal")
def test_following_shows_what_happens_until_ctrl_c(clinic: str) -> None:
    command = [sys.executable, "-m", "greenroom", "history", CID, "--follow", "--json"]
    environment = {**os.environ, "GREENROOM_STORE": clinic}
    with Greenroom.open(clinic, timers=False) as room:
        known = len(room.system("test").call(*CID.split(":")).history())
        follower = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert follower.stdout is not None
        told = [json.loads(follower.stdout.readline()) for _ in range(known)]
        room.as_user("thierry").call(*CID.split(":")).go_live()
        told.append(json.loads(follower.stdout.readline()))
    follower.send_signal(signal.SIGINT)
    assert follower.wait(60) == 0
    assert told[-1]["name"] == "call.went_live"
    assert [event["seq"] for event in told] == list(range(1, known + 2))


@pytest.mark.slow
def test_a_part_of_it_is_asked_for_by_user_kind_time_and_place(run: Run, clinic: str) -> None:
    whole = lines(run("history", CID, "--json"))
    alices = lines(run("history", CID, "--json", "--user", "alice", "--kind", "session"))
    assert [event["name"] for event in alices] == ["session.joined", "session.left"]
    late = lines(run("history", CID, "--json", "--since", "2026-01-01T12:01:30"))
    early = lines(run("history", CID, "--json", "--until", "2026-01-01T12:01:30Z"))
    assert early + late == whole
    assert early
    assert late
    assert lines(run("history", CID, "--json", "--after", "3")) == whole[3:]


def test_csv_has_a_row_for_every_event_with_its_fields_as_json(run: Run, clinic: str) -> None:
    rows = list(csv.DictReader(run("history", CID, "--csv").stdout.splitlines()))
    told = lines(run("history", CID, "--json"))
    assert [json.loads(row["event"]) for row in rows] == [event["event"] for event in told]
    for column in ("seq", "position", "at", "recorded_at", "by", "stream", "causation_id"):
        assert [row[column] for row in rows] == [str(event[column] or "") for event in told]


def test_a_sheet_of_a_call_that_never_was_is_not_even_begun(run: Run, clinic: str) -> None:
    refused = run("history", "default:nowhere", "--csv")
    assert (refused.exit_code, refused.stdout) == (1, "")


def test_what_no_event_is_called_is_refused_with_the_nearest_name(run: Run, clinic: str) -> None:
    refused = run("history", CID, "--kind", "session.joind")
    assert refused.exit_code == 2
    assert "session.joined" in refused.stderr
    assert run("history", CID, "--since", "yesterday").exit_code == 2
