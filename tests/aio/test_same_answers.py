"""Awaited or not, it is the same room: every answer, refusal and record is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from inspect import getmembers, isfunction, signature
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.aio.conftest import START
from tests.aio.inside import forget
from tests.laws import NO_SHRINKING, times

import greenroom
from greenroom import Greenroom, aio, errors, past_policy, policy
from greenroom.aio import handles
from greenroom.domain.turn import Claim
from greenroom.testing.clock import VirtualClock
from greenroom.testing.history import Wish
from greenroom.testing.ids import SequentialIds
from greenroom.testing.strategies import cids, courses

Ask = Callable[[Any, Wish, str], Any]
UNCOMPARED = {"event_id", "request_id", "correlation_id", "causation_id"}
"""Ids of decisions; one that was decided again has taken others on the way."""


def asked(room: Any, wish: Wish, cid: str) -> Any:
    """What a wish asks for; to be awaited where the room is for tasks."""
    said, call_type = dict(wish.arguments), cid.partition(":")[0]
    place, _, method = wish.name.rpartition(".")
    if place == "types":
        return getattr(room.call_types, method)(call_type, **said)
    if place == "users":
        return getattr(room.users, method)(**said)
    if method == "leave":
        del said["entry"]
    return getattr(handle(room, wish.by, cid), method)(**said)


def handle(room: Any, claim: Claim, cid: str) -> Any:
    """A call, as somebody sees it."""
    call_type, _, id_ = cid.partition(":")
    user = (
        room.system(claim.name)
        if claim.system
        else room.as_user(claim.name, role=claim.role, teams=claim.teams)
    )
    return user.call(call_type, id_)


def views(room: Any, cid: str) -> dict[str, Any]:
    """Everything that can be read of a call, by whoever may read everything."""
    call = handle(room, Claim("auditor", system=True), cid)
    return {
        "get": call.get,
        "members": call.query_members,
        "participants": call.query_participants,
        "sessions": call.query_sessions,
        "history": call.history,
        "attendance": call.attendance,
        "explain": lambda: call.explain("join", user="alice"),
        "calls": room.system("auditor").query_calls,
        "types": room.call_types.list,
    }


def plain(answer: Any) -> Any:
    """An answer as it compares."""
    match answer:
        case list() | tuple():
            return [plain(one) for one in answer]
        case greenroom.Entry() | aio.Entry():
            return answer.state.model_dump()
        case _ if hasattr(answer, "model_dump"):
            return answer.model_dump(exclude=UNCOMPARED)
        case _ if hasattr(answer, "items") and hasattr(answer, "next"):
            return plain(answer.items)
        case _:
            return answer


@dataclass
class Both:
    """The same room twice."""

    url: str
    cid: str
    chilled: bool = False
    """Whether the room for tasks remembers nothing from one command to the next."""
    options: dict[str, Any] = field(default_factory=dict)

    async def go_through(self, course: Sequence[Wish]) -> None:
        """Ask each wish of both, and compare what they say."""
        clocks = [VirtualClock(START), VirtualClock(START)]
        with Greenroom.open("memory://", clock=clocks[0], ids=SequentialIds()) as room:
            opening = aio.Greenroom.open(
                self.url, clock=clocks[1], ids=SequentialIds(), **self.options
            )
            async with opening as awaited:
                for wish in course:
                    for clock in clocks:
                        await asyncio.to_thread(clock.advance, seconds=wish.after)
                    if wish.name != "timers":
                        await self._ask(room, awaited, wish)
                await self._compare(room, awaited)

    async def _ask(self, room: Greenroom, awaited: aio.Greenroom, wish: Wish) -> None:
        if self.chilled:
            forget(awaited)
        expected = told(lambda: asked(room, wish, self.cid))
        assert await told_later(lambda: asked(awaited, wish, self.cid)) == expected, wish
        assert await awaited.position() == room.position

    async def _compare(self, room: Greenroom, awaited: aio.Greenroom) -> None:
        one, other = views(room, self.cid), views(awaited, self.cid)
        for name, look in one.items():
            if self.chilled:
                forget(awaited)
            assert await told_later(other[name]) == told(look), name


def told(ask: Callable[[], Any]) -> Any:
    """The answer, or the refusal with all it says."""
    try:
        return plain(ask())
    except (errors.Refused, errors.InvalidInput) as refusal:
        return type(refusal), str(refusal)


async def told_later(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The same of something to await."""
    try:
        return plain(await ask())
    except (errors.Refused, errors.InvalidInput) as refusal:
        return type(refusal), str(refusal)


@pytest.mark.slow
@settings(max_examples=times(12), phases=NO_SHRINKING)
@given(courses(shortest=6, longest=14), cids(), st.booleans())
def test_a_course_of_wishes_is_answered_alike(
    course: Sequence[Wish],
    cid: str,
    chilled: bool,  # noqa: FBT001 - Hypothesis gives it
) -> None:
    asyncio.run(Both("memory://", cid, chilled=chilled).go_through(course))


@pytest.mark.slow
@settings(max_examples=times(25), phases=NO_SHRINKING)
@given(courses(shortest=8, longest=20), cids(), st.sampled_from((1, 2, 10_000)))
def test_so_it_is_where_next_to_nothing_is_kept_in_memory(
    course: Sequence[Wish], cid: str, cache: int
) -> None:
    asyncio.run(Both("memory://", cid, options={"cache": cache}).go_through(course))


@pytest.mark.slow
async def test_so_it_is_on_a_store_that_outlives_the_room(url: str) -> None:
    thierry, alice = Claim("thierry"), Claim("alice")
    course = [
        Wish("create", thierry, 0, {"member_ids": ["alice"], "custom": {"a": 1}}),
        Wish("join", thierry, 1, {}),
        Wish("ring", thierry, 1, {"member_ids": ["alice"]}),
        Wish("accept", alice, 1, {}),
        Wish("join", alice, 1, {}),
        Wish("end", alice, 1, {}),
        Wish("update", thierry, 1, {"max_participants": 2}),
        Wish("join", Claim("charlie"), 1, {}),
        Wish("kick", thierry, 1, {"user_id": "alice", "block": True}),
        Wish("join", alice, 1, {}),
        Wish("leave", thierry, 1, {"entry": 0}),
        Wish("timers", thierry, 60, {}),
        Wish("users.upsert", thierry, 1, {"user_id": "alice", "role": "admin"}),
        Wish("users.erase", thierry, 1, {"user_id": "alice"}),
        Wish("delete", Claim("registry", system=True), 1, {"hard": True}),
        Wish("get", thierry, 1, {}),
    ]
    for chilled in (False, True):
        if chilled and url != "memory://":
            return  # the first has written there
        await Both(url, "default:123", chilled=chilled).go_through(course)


# The same methods, with the same arguments

PAIRS = [
    (greenroom.CallHandle, aio.CallHandle),
    (greenroom.UserHandle, aio.UserHandle),
    (greenroom.Entry, aio.Entry),
    (policy.CallTypes, aio.CallTypes),
    (policy.Users, aio.Users),
    (greenroom.Greenroom, aio.Greenroom),
    (greenroom.PastRoom, aio.PastRoom),
    (past_policy.PastCallTypes, handles.PastCallTypes),
    (past_policy.PastUsers, handles.PastUsers),
]


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=lambda kind: kind.__name__)
def test_whatever_is_offered_to_threads_is_offered_to_tasks(one: type, other: type) -> None:
    offered = {name for name, _ in getmembers(one, isfunction) if not name.startswith("_")} - {
        "bound"
    }
    assert offered - set(dir(other)) == set()
    for name in offered:
        mirrored = getattr(other, name)
        function = getattr(mirrored, "_function", mirrored)
        if hasattr(function, "__wrapped__"):
            ours, theirs = signature(function), signature(getattr(one, name))
            assert str(ours) == str(theirs), name
            assert mirrored.__doc__ == getattr(one, name).__doc__, name
