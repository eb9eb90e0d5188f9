"""The machine compares queries, recordings, own types, the record, attendance, and forgetting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from greenroom import Member
from greenroom.testing import CallMachine, Disagreement, Driver, RoomDriver, Wish, wish

FRIENDS: Final = [Member("alice", custom={"color": "red"}), Member("charlie"), Member("tommaso")]
DESK: Final = "system:desk"
EMBEDDER: Final = "system:embedder"

COURSES: Final[Mapping[str, tuple[str, list[Wish]]]] = {
    "queries": (
        "default:123",
        [
            wish("thierry", "create", members=FRIENDS),
            wish("alice", "join"),
            wish("charlie", "join", after=1),
            wish("alice", "query_members", sort=["-user_id"], limit=2),
            wish("alice", "query_members", filters={"custom.color": {"$exists": False}}),
            wish("alice", "query_participants", sort=["joined_at", "user_id"], limit=1),
            wish(DESK, "end"),
            wish("alice", "query_sessions", filters={"duration": {"$gte": 1}}),
            wish("alice", "query_calls", filters={"ongoing": False, "members": {"$in": ["alice"]}}),
            wish("alice", "delete"),
            wish(DESK, "delete"),
            wish("alice", "query_members"),
            wish("alice", "query_calls"),
        ],
    ),
    "recordings": (
        "default:123",
        [
            wish("thierry", "create"),
            wish("thierry", "start_recording"),
            wish("thierry", "join"),
            wish("alice", "join"),
            wish("alice", "start_recording"),
            wish("thierry", "start_recording"),
            wish("thierry", "start_recording"),
            wish("thierry", "stop_recording", after=5),
            wish("thierry", "update", settings={"recording": {"mode": "disabled"}}),
            wish("thierry", "start_recording"),
            wish("thierry", "update", settings={"recording": {"mode": "auto-on"}}),
            wish(DESK, "end"),
            wish(DESK, "go_live"),
            wish("alice", "join"),
        ],
    ),
    "own types": (
        "consultation:123",
        [
            wish(
                EMBEDDER,
                "types.create",
                based_on="livestream",
                settings={"limits": {"max_participants": 1}},
            ),
            wish("thierry", "create"),
            wish("alice", "join"),
            wish("thierry", "join"),
            wish("thierry", "go_live"),
            wish("alice", "join"),
            wish(EMBEDDER, "types.create", based_on="default"),
            wish(EMBEDDER, "types.revoke", role="user", capability="join-call"),
            wish("thierry", "leave"),
            wish("alice", "join"),
        ],
    ),
    "attendance": (
        "default:123",
        [
            wish("thierry", "create"),
            wish("alice", "join"),
            wish("alice", "join", after=5),
            wish("alice", "leave", after=5, entry=0),
            wish("alice", "leave", after=1, entry=1),
            wish("alice", "join", after=90),
            wish("charlie", "join", after=5),
        ],
    ),
    "forgetting": (
        "default:123",
        [
            wish(EMBEDDER, "users.upsert", user_id="alice", role="admin", custom={"plan": 1}),
            wish("thierry", "create", members=FRIENDS),
            wish("alice", "join"),
            wish("alice", "end"),
            wish(EMBEDDER, "users.erase", user_id="alice"),
            wish("alice", "go_live"),
            wish("thierry", "update_members", members=[Member("alice", custom={"plan": 2})]),
            wish(EMBEDDER, "users.erase", user_id="jaewoong"),
        ],
    ),
}


@pytest.mark.parametrize("about", COURSES)
def test_the_room_does_what_the_model_says(about: str) -> None:
    CallMachine.replay(*COURSES[about])


Lie = Callable[[Any], Any]


def machine_that_lies(about: str, lie: Lie) -> type[CallMachine]:
    """Drives a room that tells something else than is so, of this wish or of what is seen."""

    class Liar(RoomDriver):
        def asked(self, wish: Wish) -> Any:
            answer = super().asked(wish)
            return lie(answer) if wish.name == about else answer

        def seen(self) -> Mapping[str, Any]:
            seen = super().seen()
            return {**seen, about: lie(seen[about])} if about in seen else seen

    class LyingMachine(CallMachine):
        def driver(self) -> Driver:
            return Liar()

    return LyingMachine


@pytest.mark.parametrize(
    ("about", "lie", "course"),
    [
        ("query_members", lambda told: {**told, "pages": told["pages"][::-1]}, "queries"),
        ("query_participants", lambda told: {**told, "count": 7}, "queries"),
        ("query_sessions", lambda _: {"count": 0, "pages": [[]]}, "queries"),
        ("query_calls", lambda _: {"count": 0, "pages": [[]]}, "queries"),
        (
            "attendance",
            lambda told: {who: (n, 10.0, on) for who, (n, _, on) in told.items()},
            "attendance",
        ),
        ("history", lambda told: {**told, "session.left": 0}, "attendance"),
        (
            "members",
            lambda told: {**told, "alice": {"role": "call_member", "custom": {"color": "red"}}},
            "forgetting",
        ),
    ],
)
def test_what_is_not_so_is_noticed(about: str, lie: Lie, course: str) -> None:
    with pytest.raises(Disagreement, match="the rules say"):
        machine_that_lies(about, lie).replay(*COURSES[course])


def test_what_is_asked_for_can_be_pasted() -> None:
    cid, course = COURSES["queries"]
    with pytest.raises(Disagreement) as found:
        machine_that_lies("query_sessions", lambda _: {"count": 0, "pages": [[]]}).replay(
            cid, course
        )
    told = str(found.value)
    assert "alice asks for sessions (filters={'duration': {'$gte': 1}})" in told
    assert "wish('alice', 'query_members', sort=['-user_id'], limit=2)," in told
