"""Event by event, a call goes through what the room of then shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from tests.engine.conftest import START
from tests.engine.test_history_and_explain import outcome
from tests.laws import NO_SHRINKING, times
from tests.reports.records import records_of

from greenroom import Greenroom, PastRoom
from greenroom.domain.message import CallId
from greenroom.projections.stepping import Steps
from greenroom.testing.clock import VirtualClock
from greenroom.testing.strategies import cids, courses

if TYPE_CHECKING:
    from greenroom.testing.history import Wish

Shown = dict[str, dict[str, Mapping[str, Any]]]


@settings(max_examples=times(5), phases=NO_SHRINKING)
@given(cids(), courses(shortest=8, longest=16))
def test_after_every_event_it_is_what_the_room_of_then_shows(
    cid: str, course: Sequence[Wish]
) -> None:
    step_and_compare(cid, course)


@pytest.mark.slow
@settings(max_examples=times(15), phases=NO_SHRINKING)
@given(cids(), courses(shortest=15, longest=40))
def test_so_it_is_in_long_courses(cid: str, course: Sequence[Wish]) -> None:
    step_and_compare(cid, course)


def step_and_compare(cid: str, course: Sequence[Wish]) -> None:
    clock = VirtualClock(START)
    with Greenroom.open("memory://", clock=clock) as room:
        for wish in course:
            outcome(room, clock, cid, wish)
        steps, shown = Steps(), empty()
        for _, record in records_of(room, cid):
            for kind, key, facts in steps.step(record):
                if facts is None:
                    del shown[kind][key]
                else:
                    shown[kind][key] = facts
            with room.at(record.position) as then:
                expected = seen(then, CallId(cid))
            if shown["call"][""]["deleted"]:  # nobody is shown such a call, nor its members
                expected |= {kind: shown[kind] for kind in ("call", "member")}
            assert shown == expected, record.event


def empty() -> Shown:
    return {kind: {} for kind in ("call", "member", "participant", "answer", "block")}


def seen(then: PastRoom, cid: CallId) -> Shown:
    """The same as the views of then have it, asked by who may see everything."""
    looks = then._core.seen(of=cid).lookups
    state = then._core.load(f"call-{cid}").state  # type: ignore[arg-type]  # a stream's name
    call = then.system("auditor").call(*cid.split(":"))
    shown = empty()
    shown["block"] = {user: {} for user in state.blocked}
    shown["answer"] = {
        user: {"ring": one.ring, "answer": one.answer, "at": one.at}
        for user, one in looks.answers(cid).items()
    }
    shown["participant"] = {
        one.entry_id: {
            "user_id": one.user_id,
            "role": one.role,
            "joined_at": one.joined_at,
            "connected": one.connected,
            "published": [*one.published],
            "muted": [*one.muted],
        }
        for one in looks.participants(cid)
    }
    found = looks.call(cid)
    if found is None:
        return shown
    shown["member"] = {
        one.user_id: {"role": one.role} for one in call.query_members(limit=1000).items
    }
    shown["call"][""] = {
        "backstage": found.backstage,
        "ongoing": found.ongoing,
        "session": state.sessions,
        "starts_at": found.starts_at,
        "ended_at": found.ended_at,
        "member_count": found.member_count,
        "deleted": False,
    }
    return shown
