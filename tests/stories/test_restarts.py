"""A room that is closed and opened again between any two steps answers as one that never was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from tests.stories.conftest import Stage

from greenroom import Backstage, Member, asc
from greenroom.domain.errors import GreenroomError

CALL: Final = ("livestream", "all-hands")
Step = Callable[[Stage], Any]


def by(user: str, command: str, /, *arguments: Any, **named: Any) -> Step:
    return lambda stage: getattr(stage.call(user, *CALL), command)(*arguments, **named)


def passing(**time: float) -> Step:
    return lambda stage: stage.wait(**time)


COURSE: Final[list[Step]] = [
    lambda stage: stage.room.users.upsert("alice", name="Alice", custom={"plan": "gold"}),
    lambda stage: stage.room.call_types.update(
        "livestream",
        settings={"ring": {"auto_cancel_timeout_ms": 15_000, "missed_call_timeout_ms": 20_000}},
    ),
    by(
        "thierry",
        "create",
        members=[Member("tommaso", role="host", custom={"seat": 1}), Member("alice")],
        backstage=Backstage(enabled=True),
        max_duration=3600,
        max_participants=2,
        request_id="create-1",
    ),
    by("thierry", "create", max_duration=5, request_id="create-1"),  # another wish under its id
    by("thierry", "join"),
    by("alice", "join"),  # not live yet
    by("thierry", "ring", ["tommaso", "alice"], video=False),
    by("tommaso", "reject", "busy"),
    passing(seconds=15),  # auto cancel, and alice has missed it
    by("thierry", "go_live"),
    by("alice", "join"),
    by("charlie", "join"),  # full
    by("thierry", "add_members", [Member("charlie", custom={"seat": 2}), Member("jaewoong")]),
    by("thierry", "query_members", {"custom.seat": {"$gte": 1}}, [asc("user_id")]),
    by("alice", "leave"),
    by("charlie", "join"),
    by("thierry", "kick", "charlie", block=True),
    by("charlie", "join"),  # blocked
    by("thierry", "update", custom={"topic": "restarts", "draft": None}),
    by("thierry", "mute", audio=True),
    by("thierry", "pin", "thierry"),
    by("alice", "request_permissions", ["send-audio"]),  # disabled
    by("thierry", "grant_permissions", "alice", ["send-audio"]),
    by("alice", "get"),
    passing(minutes=30),
    by("thierry", "update", max_duration=2400),
    passing(minutes=15),  # the maximum duration has passed meanwhile
    by("alice", "join"),  # ended
    by("thierry", "join"),
    by("thierry", "leave"),
    passing(minutes=1),  # the session closes
    by("thierry", "go_live"),
    by("alice", "join"),
    by("thierry", "stop_live"),
    by("thierry", "query_sessions"),
    by("thierry", "explain", "join", user="charlie"),
    lambda stage: stage.user("alice").query_calls({"members": {"$in": ["alice"]}}),
    by("thierry", "delete"),
    by("alice", "get"),  # not found
    lambda stage: stage.room.system("backoffice").call(*CALL).restore(),
    lambda stage: stage.room.users.erase("alice"),
    by("thierry", "query_members"),
]


def told(answer: object) -> str:
    """An answer in words, without the ids that differ from room to room."""
    return repr(getattr(answer, "state", answer)).partition("entry_id")[0]


def answers(stage: Stage) -> list[tuple[str, int]]:
    """What each step was answered, or how it was refused, and where the log then stood."""
    given: list[tuple[str, int]] = []
    for step in COURSE:
        try:
            said = told(step(stage))
        except GreenroomError as refusal:
            said = f"{type(refusal).__name__}: {refusal}"
        given.append((said, stage.room.position))
    return given


def record(stage: Stage) -> list[tuple[object, ...]]:
    history = stage.room.system("audit").call(*CALL).history()
    return [(e.seq, e.position, e.at, e.name, e.by, e.stream, e.version) for e in history]


@pytest.fixture
def stages(tmp_path: Path) -> tuple[Stage, Stage]:
    restless = Stage(f"sqlite:///{tmp_path / 'calls.db'}", restless=True)
    return Stage("memory://"), restless


@pytest.mark.slow
def test_every_answer_and_every_event_is_the_same(stages: tuple[Stage, Stage]) -> None:
    steady, restless = stages
    expected, found = answers(steady), answers(restless)
    for number, (one, other) in enumerate(zip(expected, found, strict=True)):
        assert one == other, f"step {number}"
    assert record(steady) == record(restless)
    assert steady.notifier.sent
    assert [(n.kind, n.user_id, n.title) for n in steady.notifier.sent] == [
        (n.kind, n.user_id, n.title) for n in restless.notifier.sent
    ]
    assert restless.restarts > len(COURSE)
    refused = [said.partition(":")[0] for said, _ in expected if said[:1].isupper() and ":" in said]
    assert {"NotLiveYet", "CallFull", "Blocked", "CallEnded", "RequestMismatch"} <= set(refused)
    steady.close()
    restless.close()


def test_what_fell_due_while_the_room_was_closed_happens_when_it_opens(tmp_path: Path) -> None:
    stage = Stage(f"sqlite:///{tmp_path / 'calls.db'}")
    call = ("default", "1")
    stage.call("thierry", *call).create(members=[Member("alice")])
    stage.call("thierry", *call).join()
    stage.call("thierry", *call).ring(["alice"])
    stage.call("thierry", *call).leave()
    stage.close()
    stage.wait(days=2)
    later = Stage(stage.url, clock=stage.clock, notifier=stage.notifier)
    names = [event.name for event in later.call("thierry", *call).history()]
    assert names[-3:] == ["call.ring_cancelled", "member.missed", "session.ended"]
    assert later.heard("alice") == ["session_started", "call_ring", "call_missed"]
    later.close()
