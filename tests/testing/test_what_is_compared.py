"""The machine compares queries, recordings, own types, media, the record, and what is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from greenroom import Member
from greenroom.testing import CallMachine, Disagreement, Driver, RoomDriver, Wish, wish

FRIENDS: Final = [Member("alice", custom={"color": "red"}), Member("charlie"), Member("tommaso")]
DESK: Final = "system:desk"
EMBEDDER: Final = "system:embedder"
MEDIA: Final = "system:media"
EARLY, EARLY_HERE = "2026-01-01T12:00:01Z", "2026-01-01T13:00:01+01:00"
LATE: Final = "2026-01-01T12:00:05Z"

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
    "declared fields": (
        "default:123",
        [
            wish("thierry", "create", members=FRIENDS, custom={"when": "soon"}),
            wish("thierry", "query_calls", filters={"custom.when": {"$gt": EARLY}}),
            wish(EMBEDDER, "types.update", indexed_custom={"calls": {"when": "instant"}}),
            wish("thierry", "query_calls", filters={"custom.when": {"$gt": EARLY}}),
            wish("thierry", "update", custom={"when": "later"}),
            wish("thierry", "update", custom={"when": EARLY}),
            wish("thierry", "query_calls", filters={"custom.when": {"$lt": LATE}}),
            wish("thierry", "query_calls", filters={"custom.when": EARLY_HERE}),
            wish(EMBEDDER, "types.update", indexed_custom={"members": {"color": "number"}}),
            wish("thierry", "update_members", members=[Member("alice", role="host")]),
            wish("thierry", "update_members", members=[Member("alice", custom={"color": 1})]),
            wish("thierry", "query_members", filters={"custom.color": {"$lte": 1}}),
            wish(EMBEDDER, "types.update", indexed_custom={"calls": {"when": None}}),
            wish("thierry", "query_calls", filters={"custom.when": EARLY_HERE}),
        ],
    ),
    "media": (
        "default:123",
        [
            wish("thierry", "create"),
            wish("alice", "join"),
            wish("alice", "join"),
            wish("alice", "media.connect", entry=0),
            wish("alice", "media.connect", entry=0),
            wish("alice", "media.publish", entry=0, kind="audio"),
            wish("alice", "media.lose", after=1, entry=0),  # one of two
            wish("alice", "media.lose", entry=1),  # never came to be
            wish("alice", "media.connect", after=14, entry=1),
            wish("alice", "media.end", entry=1),
            wish("alice", "media.connect", after=14, entry=1),
            wish("thierry", "join"),
            wish("thierry", "media.connect", entry=2),
            wish("thierry", "media.publish", entry=2, kind="video"),
            wish("thierry", "media.lose", entry=2),
            wish("thierry", "timers", after=15),  # is out
            wish("thierry", "media.connect", entry=2),
            wish("alice", "leave"),  # is measured
            wish("alice", "timers", after=30),
        ],
    ),
    "the lost": (
        "default:123",
        [
            wish("thierry", "create"),
            wish(DESK, "update", settings={"session": {"reconnection_timeout_seconds": 0}}),
            wish("alice", "join"),
            wish("alice", "media.connect", entry=0),
            wish("alice", "media.lose", entry=0),
            wish("alice", "timers", after=30),
        ],
    ),
    "failed recordings": (
        "default:123",
        [
            wish("thierry", "create"),
            wish("thierry", "join"),
            wish("thierry", "start_recording"),
            wish(MEDIA, "media.fail_recording", because="the disk is full"),
            wish("thierry", "start_recording"),
            wish("thierry", "stop_recording"),
            wish(MEDIA, "media.obstacle", because="there is no disk"),
            wish("thierry", "start_recording"),
            wish(DESK, "update", settings={"recording": {"mode": "auto-on"}}),
            wish(DESK, "end"),
            wish(DESK, "go_live"),
            wish("thierry", "join"),
            wish("thierry", "stop_recording"),
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


@pytest.mark.slow
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


@pytest.mark.slow
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
        ("connections", lambda told: [(who, True, *rest) for who, _, *rest in told], "media"),
        ("history", lambda told: {**told, "session.measured": 0}, "the lost"),
        ("history", lambda told: {**told, "session.recording_stopped": 1}, "failed recordings"),
        ("query_calls", lambda _: {"count": 1, "pages": [["default:123"]]}, "declared fields"),
        ("types.update", lambda told: told.model_copy(update={"recorded": ()}), "declared fields"),
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
