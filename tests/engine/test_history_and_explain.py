"""What happened, in order and with its author; and what would happen, with its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from tests.engine.conftest import START
from tests.laws import NO_SHRINKING, times

from greenroom import CallHandle, Greenroom, errors
from greenroom.domain.turn import Claim
from greenroom.testing.clock import VirtualClock
from greenroom.testing.strategies import cids, courses

if TYPE_CHECKING:
    from greenroom.testing.history import Wish


def handle(room: Greenroom, claim: Claim, cid: str) -> CallHandle:
    user = (
        room.system(claim.name)
        if claim.system
        else room.as_user(claim.name, role=claim.role, teams=claim.teams)
    )
    call_type, _, id_ = cid.partition(":")
    return user.call(call_type, id_)


def carry_out(room: Greenroom, clock: VirtualClock, cid: str, wish: Wish) -> Any:
    """Do what a wish asks for, through the handles; `leave` and `timers` as handles have them."""
    clock.advance(seconds=wish.after)
    said = dict(wish.arguments)
    place, _, method = wish.name.rpartition(".")
    match wish.name:
        case "timers":
            return None
        case "leave":
            said = {}
    if place == "types":
        return getattr(room.call_types, method)(cid.partition(":")[0], **said)
    if place == "users":
        return room.users.upsert(**said)
    return getattr(handle(room, wish.by, cid), method)(**said)


def test_the_history_is_gapless_ordered_and_says_who_and_why(
    room: Greenroom, clock: VirtualClock
) -> None:
    thierry = room.as_user("thierry").call("default", "123")
    thierry.create(member_ids=["alice"], request_id="create-1")
    room.as_user("alice").call("default", "123").join()
    clock.advance(seconds=10)
    thierry.kick("alice")
    clock.advance(seconds=60)
    history = thierry.history()
    assert [(event.seq, event.name, event.by) for event in history] == [
        (1, "call.created", "thierry"),
        (2, "member.added", "thierry"),
        (3, "session.started", "alice"),
        (4, "session.joined", "alice"),
        (5, "session.left", "thierry"),
        (6, "session.ended", "system:timers"),
    ]
    assert [event.position for event in history] == sorted(event.position for event in history)
    assert {event.request_id for event in history[:2]} == {"create-1"}
    assert history[4].event["reason"] == "kicked"
    assert (history[5].at - history[4].at).total_seconds() == 30
    assert len({event.event_id for event in history}) == 6


def test_versions_have_no_gaps_in_any_stream(room: Greenroom) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.create(member_ids=["alice"])
    call.join().leave()
    call.update(custom={"a": 1})
    by_stream: dict[str, list[int]] = {}
    for event in call.history():
        by_stream.setdefault(event.stream, []).append(event.version)
    assert all(found == list(range(1, len(found) + 1)) for found in by_stream.values())


def test_a_history_needs_read_call(room: Greenroom) -> None:
    room.as_user("thierry").call("default", "123").create()
    with pytest.raises(errors.NotAllowed):
        room.as_user("charlie", role="anonymous").call("default", "123").history()


# Explain


def test_an_explanation_names_the_rules_in_their_order_and_stops_at_the_refusal(
    room: Greenroom,
) -> None:
    thierry = room.as_user("thierry").call("livestream", "123")
    thierry.create()
    thierry.block("eve")
    why = thierry.explain("join", user="alice")
    assert (why.allowed, why.code, why.user_id) == (False, "not_live_yet", "alice")
    assert [reason.rule for reason in why.reasons] == [
        "exists", "not_deleted", "team", "not_blocked", "join_call", "not_ended", "open",
    ]  # fmt: skip  # in order
    assert [reason.passed for reason in why.reasons] == [True] * 6 + [False]
    assert [reason.rule for reason in thierry.explain("join", user="eve").reasons][
        -1
    ] == "not_blocked"
    assert thierry.explain("join").would_record == ("session.started", "session.joined")


def test_an_explanation_says_where_a_capability_comes_from(room: Greenroom) -> None:
    thierry = room.as_user("thierry").call("default", "123")
    thierry.create(member_ids=["alice"])
    why = thierry.explain("end")
    assert "role owner" in next(r.because for r in why.reasons if r.rule == "end-call")
    refused = thierry.explain("end", user="alice")
    assert (refused.allowed, refused.code) == (False, "not_allowed")
    assert thierry.explain("end", user="alice", role="admin").allowed


def test_explaining_records_nothing(room: Greenroom) -> None:
    thierry = room.as_user("thierry").call("default", "123")
    thierry.create()
    before = room.position
    for operation in ("join", "end", "delete", "stop_live"):
        assert thierry.explain(operation).would_record != ()
    assert room.position == before


@pytest.mark.parametrize(
    ("operation", "arguments", "path", "nearest"),
    [
        ("jion", {}, "operation", "join"),
        ("kick", {"user": "alice"}, "arguments", None),
        ("kick", {}, "arguments", None),
        ("kick", {"user_id": "a b"}, "user_id", None),
    ],
)
def test_what_cannot_be_explained_is_refused_with_its_path(
    room: Greenroom,
    operation: str,
    arguments: Mapping[str, Any],
    path: str,
    nearest: str | None,
) -> None:
    thierry = room.as_user("thierry").call("default", "123")
    thierry.create()
    with pytest.raises(errors.InvalidInput) as fault:
        thierry.explain(operation, **{k: v for k, v in arguments.items() if k != "user"})
    assert fault.value.path == path
    assert fault.value.nearest == nearest


@settings(max_examples=times(5), phases=NO_SHRINKING)
@given(cids(), courses(shortest=5, longest=15))
def test_what_is_explained_is_what_happens(cid: str, course: Sequence[Wish]) -> None:
    explain_and_compare(cid, course)


@pytest.mark.slow
@settings(max_examples=times(60), phases=NO_SHRINKING)
@given(cids(), courses(shortest=15, longest=40))
def test_so_it_is_in_long_courses(cid: str, course: Sequence[Wish]) -> None:
    explain_and_compare(cid, course)


def explain_and_compare(cid: str, course: Sequence[Wish]) -> None:
    """Have each wish explained before it is carried out."""
    clock = VirtualClock(START)
    with Greenroom.open("memory://", clock=clock) as room:
        for wish in course:
            clock.advance(seconds=wish.after)
            said = dict(wish.arguments)
            if wish.name == "leave":
                said = {}
            told = None
            if "." not in wish.name and wish.name != "timers":
                try:
                    told = handle(room, wish.by, cid).explain(wish.name, **said)
                except errors.Refused:
                    told = None  # who may not read the call is told nothing
            before = room.position
            code, recorded = outcome(room, clock, cid, replace(wish, after=0))
            if not recorded:
                assert room.position == before
            if told is not None:
                assert (told.code, told.would_record) == (code, recorded)
                assert told.allowed == (code is None)


def outcome(
    room: Greenroom, clock: VirtualClock, cid: str, wish: Wish
) -> tuple[str | None, tuple[str, ...]]:
    """The code of the refusal, or what was recorded."""
    try:
        answer = carry_out(room, clock, cid, wish)
    except errors.Refused as refused:
        return refused.code, ()
    return None, () if answer is None else getattr(answer, "state", answer).recorded
