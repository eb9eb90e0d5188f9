"""A clinic in a file, and the command line to look into it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from greenroom import Greenroom, Member
from greenroom.cli.app import app
from greenroom.testing.clock import VirtualClock

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
Run = Callable[..., Any]
"""Runs one command in this process: `run("calls", "--json").stdout`."""


@pytest.fixture
def clinic(_clinic: Path, tmp_path: Path) -> str:
    """Of a store in which thierry has seen alice, and alice is with tommaso."""
    for file in _clinic.iterdir():
        shutil.copy(file, tmp_path)
    return f"sqlite:///{tmp_path / 'clinic.db'}"


@pytest.fixture(scope="session")
def _clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the store that every test gets a copy of."""
    place = tmp_path_factory.mktemp("clinic")
    url = f"sqlite:///{place / 'clinic.db'}"
    clock = VirtualClock(NOON)
    with Greenroom.open(url, clock=clock) as room:
        first = room.as_user("thierry").call("default", "appointment-1")
        first.create(members=[Member("thierry", role="host"), Member("alice")], ring=True)
        room.as_user("alice").call("default", "appointment-1").accept()
        entries = [
            room.as_user(who).call("default", first.id).join() for who in ("thierry", "alice")
        ]
        clock.advance(seconds=90)
        for entry in entries:
            entry.leave()
        clock.advance(seconds=60)
        first.end()
        second = room.as_user("tommaso").call("default", "appointment-2")
        second.create(member_ids=["alice"], custom={"color": "red"})
        second.join()
        clock.advance(seconds=1)
        room.as_user("alice").call("default", "appointment-2").join()
    return place


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Run:
    """The command line; the clinic is its store where the test asked for one."""
    if "clinic" in request.fixturenames:
        monkeypatch.setenv("GREENROOM_STORE", request.getfixturevalue("clinic"))
    monkeypatch.setenv("COLUMNS", "120")
    return lambda *arguments: CliRunner().invoke(app, list(arguments))
