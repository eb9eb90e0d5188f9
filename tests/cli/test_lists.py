"""Calls, members, participants and sessions, as tables and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from greenroom import Greenroom, Member

Run = Callable[..., Any]


def items(result: Any) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout)["items"]
    return found


def test_calls_come_newest_first(run: Run, clinic: str) -> None:
    cids = [item["cid"] for item in items(run("calls", "--json"))]
    assert cids == ["default:appointment-2", "default:appointment-1"]


def test_a_table_shows_where_each_call_is_in_its_life(run: Run, clinic: str) -> None:
    lines = run("calls").stdout.splitlines()
    [one] = [line for line in lines if "appointment-1" in line]
    [two] = [line for line in lines if "appointment-2" in line]
    assert "ended" in one
    assert "2026-01-01 12:00:00" in one
    assert "ongoing" in two


@pytest.mark.slow
def test_calls_are_filtered_and_sorted(run: Run, clinic: str) -> None:
    ongoing = run("calls", "--filter", '{"ongoing": true}', "--json")
    assert [item["id"] for item in items(ongoing)] == ["appointment-2"]
    oldest = run("calls", "--sort", "created_at", "--json")
    assert [item["id"] for item in items(oldest)] == ["appointment-1", "appointment-2"]
    falling = run("calls", "--sort", "-id", "--sort", "cid", "--json")
    assert [item["id"] for item in items(falling)] == ["appointment-2", "appointment-1"]


@pytest.mark.slow
def test_cursors_lead_to_the_next_page_and_back(run: Run, clinic: str) -> None:
    first = json.loads(run("calls", "--limit", "1", "--json").stdout)
    second = json.loads(run("calls", "--limit", "1", "--cursor", first["next"], "--json").stdout)
    assert [page["items"][0]["id"] for page in (first, second)] == [
        "appointment-2",
        "appointment-1",
    ]
    assert second["next"] is None
    back = json.loads(run("calls", "--limit", "1", "--cursor", second["prev"], "--json").stdout)
    assert back["items"] == first["items"]


@pytest.mark.slow
def test_a_table_names_the_cursor_of_the_next_page_on_one_line(run: Run, clinic: str) -> None:
    page = json.loads(run("calls", "--limit", "1", "--json").stdout)
    assert f"next: --cursor {page['next']}" in run("calls", "--limit", "1").stdout.splitlines()


@pytest.mark.slow
def test_a_user_sees_only_calls_that_they_may_read(run: Run, clinic: str) -> None:
    with Greenroom.open(clinic, timers=False) as room:
        room.as_user("thierry", teams=["staff"]).call("default", "rounds").create(team="staff")
    seen = [item["id"] for item in items(run("calls", "--as", "charlie", "--json"))]
    assert "rounds" not in seen
    assert "rounds" in [item["id"] for item in items(run("calls", "--json"))]


def test_members_are_listed_with_their_roles(run: Run, clinic: str) -> None:
    listed = items(run("members", "default:appointment-1", "--json"))
    assert {item["user_id"]: item["role"] for item in listed} == {
        "alice": "call_member",
        "thierry": "host",
    }


@pytest.mark.slow
def test_all_are_counted_if_asked(run: Run, clinic: str) -> None:
    asked = ("members", "default:appointment-1", "--limit", "1", "--count")
    assert "2 in all" in run(*asked).stdout
    assert json.loads(run(*asked, "--json").stdout)["count"] == {"number": 2, "exact": True}
    assert "count" not in json.loads(run(*asked[:-1], "--json").stdout)


def test_participants_are_those_who_are_in_now(run: Run, clinic: str) -> None:
    present = items(run("participants", "default:appointment-2", "--sort", "joined_at", "--json"))
    assert [item["user_id"] for item in present] == ["tommaso", "alice"]
    assert "Nobody is in the call." in run("participants", "default:appointment-1").stdout


def test_sessions_say_how_long_they_lasted(run: Run, clinic: str) -> None:
    [session] = items(run("sessions", "default:appointment-1", "--json"))
    assert session["duration"] == 120
    assert session["participant_count"] == 2
    assert "0:02:00" in run("sessions", "default:appointment-1").stdout


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["calls", "--filter", '{"team": "none"}'], "No calls to see."),
        (["members", "default:appointment-1", "--filter", '{"role": "x"}'], "No members to see."),
        (
            ["sessions", "default:appointment-1", "--filter", '{"duration": {"$gt": 9999}}'],
            "No ses",
        ),
    ],
)
def test_an_empty_answer_says_so(run: Run, clinic: str, command: list[str], says: str) -> None:
    result = run(*command)
    assert (result.exit_code, result.stderr) == (0, "")
    assert says in result.stdout


def test_what_users_wrote_can_neither_colour_nor_steer_the_terminal(run: Run, clinic: str) -> None:
    nasty = "[bold]x[/bold]\x1b[2J\x9b31m\u202egnp.exe\n[/red]"
    with Greenroom.open(clinic, timers=False) as room:
        call = room.system("test").call("default", "appointment-1")
        call.restore()
        call.add_members([Member("charlie", custom={"note": nasty, nasty: 1})])
        room.users.upsert("charlie", name=nasty)
    shown = (
        run("members", "default:appointment-1").stdout
        + run("history", "default:appointment-1").stdout
    )
    assert "[bold]" in shown
    assert not set(shown) & {"\x1b", "\x9b", "\u202e"}
