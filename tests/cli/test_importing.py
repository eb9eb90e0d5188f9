"""Members of a call, from a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
CID = "default:appointment-2"


@pytest.fixture
def crowd(tmp_path: Path) -> Path:
    """A file of 700 members, two of whom are there already."""
    file = tmp_path / "members.jsonl"
    guests = [{"user_id": f"guest-{n}", "role": "guest", "custom": {"n": n}} for n in range(698)]
    lines = [{"user_id": "alice"}, {"user_id": "tommaso", "custom": {"mood": "good"}}, *guests]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return file


@pytest.mark.slow
def test_a_file_is_taken_in_and_taken_in_once(run: Run, clinic: str, crowd: Path) -> None:
    first = json.loads(run("import-members", CID, str(crowd), "--json").stdout)
    there = first["updated"] + first["unchanged"]
    assert first["added"] + there == 700
    assert there >= 1
    again = json.loads(run("import-members", CID, str(crowd), "--json").stdout)
    assert (again["added"], again["updated"], again["unchanged"]) == (0, 0, 700)
    said = run("import-members", CID, str(crowd)).stdout
    assert said.startswith("0 added, 0 updated, 700 as they were")
    page = json.loads(run("members", CID, "-f", '{"user_id": "guest-7"}', "--json").stdout)
    assert page["items"][0]["custom"] == {"n": 7}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("{", "line 3"),
        ("[]", "line 3"),
        ('{"role": "host"}', "line 3"),
        ('{"user_id": "eve", "rolle": "host"}', "did you mean 'role'"),
        ('{"user_id": "not good"}', "members[2].user_id"),
        ('{"user_id": "eve", "custom": 5}', "members[2].custom"),
    ],
)
def test_a_line_that_cannot_be_meant_is_named_and_those_before_it_are_in(
    run: Run, clinic: str, tmp_path: Path, line: str, path: str
) -> None:
    file = tmp_path / "wrong.jsonl"
    file.write_text(f'{{"user_id": "charlie"}}\n{{"user_id": "jaewoong"}}\n{line}\n', "utf-8")
    result = run("import-members", CID, str(file))
    assert result.exit_code == 2
    assert path in result.stderr
    assert "2 members are in" in result.stderr
    shown = run("members", CID).stdout
    assert "charlie" in shown
    assert "eve" not in shown


def test_a_file_that_is_not_there_is_said_so(run: Run, clinic: str) -> None:
    assert "FILE" in run("import-members", CID, "nowhere.jsonl").stderr


def test_bytes_that_are_no_text_are_said_so(run: Run, clinic: str, tmp_path: Path) -> None:
    file = tmp_path / "latin.jsonl"
    file.write_bytes('{"user_id": "alice", "custom": {"a": "é"}}\n'.encode("latin-1"))
    assert "UTF-8" in run("import-members", CID, str(file)).stderr


def test_a_call_that_is_not_there_is_said_so(run: Run, clinic: str, crowd: Path) -> None:
    assert "appointment-2" in run("import-members", "default:appointment-3", str(crowd)).stderr
