"""Call types, all of them and one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from greenroom import Greenroom

Run = Callable[..., Any]


@pytest.mark.slow
def test_built_in_and_own_types_are_listed(run: Run, clinic: str) -> None:
    with Greenroom.open(clinic, timers=False) as room:
        room.call_types.create("my-call-type", based_on="livestream")
    found = {one["name"] for one in json.loads(run("types", "--json").stdout)["items"]}
    assert found == {"default", "audio_room", "livestream", "development", "my-call-type"}
    assert "my-call-type" in run("types").stdout


def test_a_type_shows_its_settings_and_grants(run: Run, clinic: str) -> None:
    with Greenroom.open(clinic, timers=False) as room:
        room.call_types.revoke("livestream", role="user", capability="join-call")
    state = json.loads(run("types", "livestream", "--json").stdout)
    assert state["settings"]["backstage"]["enabled"] is True
    assert "join-call" not in state["grants"]["user"]
    shown = run("types", "livestream").stdout
    assert "backstage.enabled" in shown
    [admin] = [line for line in shown.splitlines() if line.strip().startswith("admin")]
    assert "everything" in admin
