"""The demo plays, checks what it shows, and says when something is not as it must be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from greenroom.cli.demo import appointment, crash
from greenroom.cli.demo.stage import Stage
from greenroom.cli.output import silent

Run = Callable[..., Any]
_WITHOUT_AIORTC = """
import sys
sys.modules["aiortc"] = None
from greenroom.cli.app import app
app()
"""


@pytest.mark.slow
def test_without_media_all_else_is_played(run: Run, tmp_path: Path) -> None:
    result = run("demo", "--no-media", "--keep", str(tmp_path), "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["passed"] is True
    left_out = [step["does"] for step in told["steps"] if step["passed"] is None]
    assert left_out == ["they see and hear each other"]
    facts = {name: value for step in told["steps"] for name, value in step["facts"].items()}
    assert (facts["opens_in"], facts["admitted_at"]) == (200, 200)
    assert facts["acknowledged"] >= crash.ENOUGH
    assert facts["lost"] == 0
    listed = run("calls", "--store", f"sqlite:///{tmp_path / 'studio.db'}", "--json")
    assert [item["cid"] for item in json.loads(listed.stdout)["items"]] == ["livestream:launch"]
    assert run("demo", "--keep", str(tmp_path)).exit_code == 2


@pytest.mark.slow
def test_a_step_that_fails_is_crossed_out_and_the_play_has_failed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crash, "written_members", lambda _: set(range(1, 50)))
    result = run("demo", "--no-media")
    assert result.exit_code == 1
    [crossed] = [line for line in result.stdout.splitlines() if line.startswith("✗")]
    assert "acknowledged writes are lost" in crossed
    assert "not all is as it must be" in result.stdout


def test_a_failed_step_ends_its_act_and_the_next_begins() -> None:
    stage = Stage(silent())
    reached = []
    with stage.act("first"):
        with stage.step("looks") as step:
            step.check(holds=False, otherwise="it is not there")
        reached.append("the rest of the first act")
    with stage.act("second"), stage.step("looks again") as step:
        step.see("there it is", found=1)
    assert reached == []
    assert [(step.passed, step.saw) for step in stage.steps] == [
        (False, "it is not there"),
        (True, "there it is"),
    ]
    assert not stage.passed


@pytest.mark.slow
def test_a_killed_writer_has_acknowledged_only_what_is_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'crash.db'}"
    acknowledged, code = crash.write_until_killed(url)
    assert acknowledged >= crash.ENOUGH
    assert code == -9 or sys.platform == "win32"
    assert set(range(1, acknowledged + 1)) <= crash.written_members(url)


@pytest.mark.slow
def test_peers_see_and_hear_each_other() -> None:
    pytest.importorskip("aiortc", reason="the extra `media` is not installed")
    result = subprocess.run(
        [sys.executable, "-m", "greenroom", "demo", "--json"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    seen = [
        step["facts"]
        for step in json.loads(result.stdout)["steps"]
        if step["does"].endswith("sees and hears the other")
    ]
    assert len(seen) == 2
    assert all(facts["pictures"] >= appointment.PICTURES for facts in seen)
    assert all(facts["sounds"] >= appointment.SOUNDS for facts in seen)


@pytest.mark.slow
def test_without_the_extra_it_says_so_and_is_fine() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _WITHOUT_AIORTC, "demo"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "pip install 'greenroom[media]'" in result.stdout
    assert "all is as it must be" in result.stdout
