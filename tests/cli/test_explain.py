"""Verdicts, with each rule that was asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from greenroom import Greenroom

Run = Callable[..., Any]
CID = "default:appointment-2"


def explained(run: Run, *arguments: str) -> dict[str, Any]:
    result = run("explain", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_an_admission_shows_every_rule_with_a_tick(run: Run, clinic: str) -> None:
    shown = run("explain", CID, "join", "--user", "charlie").stdout
    assert "is allowed" in shown
    assert "call.created at " in shown
    assert "type.defined at " in shown
    assert [shown.count("✓"), shown.count("✗")] == [9, 0]
    assert "It would record session.joined." in shown


def test_a_refusal_shows_the_rule_that_refuses(run: Run, clinic: str) -> None:
    with Greenroom.open(clinic, timers=False) as room:
        room.as_user("tommaso").call("default", "appointment-2").block("eve")
    shown = run("explain", CID, "join", "--user", "eve").stdout
    assert "refused (blocked)" in shown
    assert [shown.count("✓"), shown.count("✗")] == [3, 2]
    answer = explained(run, CID, "join", "--user", "eve")
    assert (answer["allowed"], answer["code"]) == (False, "blocked")
    assert answer["reasons"][-1]["rule"] == "not_blocked"


def test_arguments_are_json_or_text(run: Run, clinic: str) -> None:
    kick = explained(
        run, CID, "kick", "--user", "tommaso", "--arg", "user_id=alice", "--arg", "block=true"
    )
    assert kick["would_record"] == ["call.user_blocked", "session.left"]
    quoted = explained(run, CID, "block", "--user", "tommaso", "--arg", 'user_id="alice"')
    assert quoted["allowed"]


def test_members_instants_and_backstage_are_said_in_json(run: Run, clinic: str) -> None:
    added = explained(
        run, CID, "add_members", "-u", "tommaso", "-a", 'members=["charlie", {"user_id": "eve"}]'
    )
    assert added["would_record"] == ["member.added", "member.added"]
    moved = explained(
        run,
        CID,
        "update",
        "-u",
        "tommaso",
        "-a",
        "starts_at=2026-05-01T10:00:00+02:00",
        "-a",
        'backstage={"enabled": true}',
    )
    assert moved["would_record"] == ["call.updated"]


def test_a_role_can_be_supposed(run: Run, clinic: str) -> None:
    assert not explained(run, CID, "join", "--user", "nobody", "--role", "anonymous")["allowed"]


def test_what_is_so_already_would_record_nothing(run: Run, clinic: str) -> None:
    shown = run("explain", CID, "unblock", "--user", "tommaso", "--arg", "user_id=eve").stdout
    assert "nothing would be recorded" in shown
