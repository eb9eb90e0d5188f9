"""Recordings on the command line: as a table a recording, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from greenroom import Greenroom
from greenroom.domain.message import CallId
from greenroom.media.port import MediaRecording
from greenroom.testing import FakeMedia, VirtualClock

Run = Callable[..., Any]
CID = "default:consultation"


@pytest.fixture
def recorded(tmp_path: Path) -> str:
    """A store with a call of which a minute of thierry's voice was recorded, twice begun."""
    url, media = f"sqlite:///{tmp_path}/recorded.db", FakeMedia()
    clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    with Greenroom.open(url, media=media, clock=clock) as room:
        call = room.as_user("thierry").call("default", "consultation")
        entry = call.join(create=True)
        call.start_recording()
        first = MediaRecording(CallId(CID), 1, 1)
        assert media.recordings() == {first}
        media.finish(first, entry.entry_id, entry.state.user_id, "audio")
        call.stop_recording()
        call.start_recording()
        media.fail_recording(MediaRecording(CallId(CID), 1, 2), "No space left on device")
    return url


def test_each_recording_is_a_table_of_its_files(run: Run, recorded: str) -> None:
    shown = run("recordings", CID, "--store", recorded).stdout
    assert f"{CID}/1/1: " in shown
    assert "by thierry, stopped" in shown
    assert "by thierry, failed (No space left on device)" in shown
    [row] = [line for line in shown.splitlines() if line.strip().startswith("thierry")]
    assert row.split()[1:5] == ["audio", "0:00:00", "0:01:00", "1000"]


def test_json_has_all_of_it(run: Run, recorded: str) -> None:
    told = json.loads(run("recordings", CID, "--store", recorded, "--json").stdout)
    assert [(one["number"], one["reason"]) for one in told] == [(1, "stopped"), (2, "failed")]
    [track] = told[0]["tracks"]
    assert (track["user_id"], track["file"]["seconds"]) == ("thierry", 60)


@pytest.mark.slow
def test_a_call_that_was_not_recorded_says_so(run: Run, clinic: str) -> None:
    assert "Nothing was recorded" in run("recordings", "default:appointment-1").stdout
    assert json.loads(run("recordings", "default:appointment-1", "--json").stdout) == []
