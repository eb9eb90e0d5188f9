"""The report on the command line, with and without a ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from greenroom import Greenroom

Run = Callable[..., Any]
CID = "default:appointment-1"


def reported(run: Run, clinic: str, *options: str) -> str:
    """The page that the command writes."""
    place = Path(clinic.removeprefix("sqlite:///")).parent
    file, ledger = place / "call.html", place / "ledger"
    done = run("audit", "report", CID, "-o", str(file), "--ledger", str(ledger), *options)
    assert done.exit_code == 0, done.stderr
    return file.read_text("utf-8")


@pytest.mark.slow
def test_a_report_is_one_file_that_says_what_is_proven(run: Run, clinic: str) -> None:
    assert "Not proven: no checkpoint" in reported(run, clinic)
    ledger = Path(clinic.removeprefix("sqlite:///")).parent / "ledger"
    made = run("audit", "key", "--origin", "example.org/clinic", "--ledger", str(ledger))
    assert made.exit_code == 0, made.stderr
    history = run("history", CID, "--json").stdout.splitlines()
    told = reported(run, clinic)
    assert f"Proven: all {len(history)} events of this call, unchanged" in told
    assert "example.org/clinic" in told


def test_a_deleted_call_has_a_report_and_one_that_never_was_has_none(
    run: Run, clinic: str, tmp_path: Path
) -> None:
    with Greenroom.open(clinic, timers=False) as room:
        room.as_user("thierry").call("default", "appointment-1").delete()
    assert "call.deleted" in reported(run, clinic)
    nothing = tmp_path / "nothing.html"
    refused = run("audit", "report", "default:nowhere", "-o", str(nothing))
    assert refused.exit_code == 1
    assert not nothing.exists()


def test_programs_are_told_where_it_is_and_how_long(run: Run, clinic: str, tmp_path: Path) -> None:
    file = tmp_path / "call.html"
    told = json.loads(run("audit", "report", CID, "-o", str(file), "--json").stdout)
    assert told == {"cid": CID, "output": str(file), "bytes": file.stat().st_size}


@pytest.mark.slow
def test_stats_are_plots_of_one_file_of_a_time(run: Run, clinic: str, tmp_path: Path) -> None:
    file = tmp_path / "stats.html"
    options = ("--since", "2026-01-01T12:00", "--until", "2026-01-01T13:00", "-o", str(file))
    told = json.loads(run("audit", "stats", *options, "--json").stdout)
    assert (told["calls"], told["joins"], told["peak"]) == (2, 4, 2)
    assert "Most at once</dt><dd>2</dd>" in file.read_text("utf-8")
    refused = run("audit", "stats", "--since", "2026-01-02", "--until", "2026-01-01")
    assert refused.exit_code == 2
    nobody = json.loads(run("audit", "stats", "--type", "livestream", *options, "--json").stdout)
    assert (nobody["calls"], nobody["peak"]) == (0, 0)
