"""Explanations: rules, the facts they used, and the events that made the facts true."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from tests.engine.conftest import START
from tests.engine.test_history_and_explain import carry_out, handle
from tests.laws import NO_SHRINKING, times

from greenroom import CallHandle, Greenroom, Member, errors
from greenroom.causes import reasons
from greenroom.core import Core
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.message import CallId, Role, Team
from greenroom.domain.reasons import Fact, Reason, refusal_in
from greenroom.domain.turn import Claim
from greenroom.explaining import ExaminedTurn, examine, operation_named
from greenroom.folding import fold
from greenroom.testing.clock import VirtualClock
from greenroom.testing.history import Wish
from greenroom.testing.strategies import cids, courses


def call_of(room: Greenroom, user_id: str, cid: str = "default:123") -> CallHandle:
    return handle(room, Claim(user_id), cid)


def position_of(call: CallHandle, name: str) -> int:
    return next(event.position for event in call.history() if event.name == name)


def facts(reasons: Sequence[Reason], rule: str) -> Sequence[Fact]:
    return next(reason.facts for reason in reasons if reason.rule == rule)


def cited(reasons: Sequence[Reason], rule: str) -> list[tuple[str, str | None]]:
    return [(fact.says, fact.event) for fact in facts(reasons, rule)]


# Each fact names the event behind it


@pytest.mark.slow
def test_a_capability_cites_how_the_role_was_got_and_what_it_grants(room: Greenroom) -> None:
    thierry = call_of(room, "thierry")
    thierry.create(members=[Member("alice")])
    room.call_types.revoke("default", role="user", capability="join-call")
    thierry.add_members([Member("alice", role="host")])
    thierry.add_members([Member("alice", custom={"seat": 3})])
    seen = facts(thierry.explain("join", user="alice").reasons, "join_call")
    assert [(fact.says, fact.event) for fact in seen] == [
        ("member role host", "member.updated"),
        ("role host grants join-call", "type.defined"),
    ]
    updates = [e.position for e in thierry.history() if e.name == "member.updated"]
    assert seen[0].position == updates[0], "the second changed custom data and no role"


def test_a_lack_cites_what_took_it_away(room: Greenroom) -> None:
    thierry = call_of(room, "thierry")
    thierry.create(member_ids=["charlie"])
    room.call_types.revoke("default", role="user", capability="join-call")
    thierry.remove_members(["charlie"])
    assert cited(thierry.explain("join", user="charlie").reasons, "join_call") == [
        ("user role user", None),
        ("role user does not grant join-call", "type.revoked"),
    ]


def test_backstage_cites_going_live_and_stopping(room: Greenroom) -> None:
    thierry = call_of(room, "thierry", "livestream:1")
    thierry.create()
    assert cited(thierry.explain("join", user="eve").reasons, "open")[0] == (
        "the call is in backstage",
        "call.created",
    )
    thierry.go_live()
    assert cited(thierry.explain("join", user="eve").reasons, "open") == [
        ("the call is not in backstage", "call.went_live")
    ]
    thierry.stop_live()
    seen = cited(thierry.explain("join").reasons, "open")
    assert seen == [
        ("the call is in backstage", "call.stopped_live"),
        ("role owner: created the call", "call.created"),
        ("role owner grants join-backstage", "type.defined"),
    ]


def test_a_full_house_cites_the_limit_and_the_one_who_filled_it(room: Greenroom) -> None:
    thierry = call_of(room, "thierry")
    thierry.create(max_participants=1)
    call_of(room, "alice").join()
    seen = facts(thierry.explain("join", user="tommaso").reasons, "capacity")
    assert [(fact.says, fact.event) for fact in seen] == [
        ("limits.max_participants is 1, as the call has it", "call.created"),
        ("1 of 1 participants", "session.joined"),
    ]
    room.call_types.update("default", settings={"limits": {"max_participants": 2}})
    thierry.update(settings={"limits": {"max_participants": None}})
    assert cited(thierry.explain("join", user="tommaso").reasons, "capacity")[0] == (
        "limits.max_participants is 2",
        "type.settings_changed",
    )


def test_blocks_teams_ends_and_the_users_record_are_cited(
    room: Greenroom, clock: VirtualClock
) -> None:
    room.users.upsert("alice", teams=["blue"], role="guest")
    thierry = handle(room, Claim("thierry", teams=(Team("blue"),)), "default:123")
    thierry.create(team="blue")
    why = thierry.explain("join", user="alice").reasons
    assert cited(why, "team") == [
        ("the call is for team blue", "call.created"),
        ("in team blue", "user.upserted"),
    ]
    assert cited(why, "join_call")[0] == ("user role guest", "user.upserted")
    thierry.block("alice")
    assert cited(thierry.explain("join", user="alice").reasons, "not_blocked") == [
        ("blocked in this call", "call.user_blocked")
    ]
    thierry.unblock("alice")
    thierry.end()
    seen = thierry.explain("join", user="alice").reasons
    assert cited(seen, "not_blocked") == [("not blocked", "call.user_unblocked")]
    assert cited(seen, "not_ended")[0][1] == "call.ended"


@pytest.mark.parametrize(
    ("operation", "arguments", "says", "event"),
    [
        ("ring", {"member_ids": ["eve"]}, "eve is not a member", "member.removed"),
        ("pin", {"user_id": "eve"}, "eve is not in the call", "session.left"),
        ("ring", {"member_ids": ["alice"]}, "the call ended at", "call.ended"),
        ("reject", {}, "the call ended at", "call.ended"),
    ],
)
def test_other_operations_cite_what_speaks_against_them(
    room: Greenroom, operation: str, arguments: dict[str, Any], says: str, event: str
) -> None:
    thierry = call_of(room, "thierry")
    thierry.create(member_ids=["eve", "alice"])
    thierry.join()
    call_of(room, "eve").join().leave()
    thierry.remove_members(["eve"])
    if event == "call.ended":
        thierry.end()
    last = thierry.explain(operation, **arguments).reasons[-1]
    assert (last.passed, last.facts[-1].event) == (False, event)
    assert last.facts[-1].says.startswith(says)


def test_what_falls_due_with_the_command_itself_cites_nothing(rooms: Any) -> None:
    """Nobody heard the timer: the call ends in the very join that is refused."""
    clock = rooms.clock
    room = rooms.open("memory://", timers=False)
    thierry = call_of(room, "thierry")
    thierry.create(max_duration=10)
    thierry.join()
    clock.advance(seconds=20)
    seen = facts(thierry.explain("join", user="alice").reasons, "not_ended")
    assert seen[0].says.startswith("the call ended at")
    assert seen[0].position is None


# Refusals explain themselves


def test_a_refusal_has_the_reasons_that_explain_gives(room: Greenroom) -> None:
    thierry = call_of(room, "thierry")
    thierry.create(member_ids=["alice"])
    thierry.block("eve")
    for operation, user_id, said in (
        ("join", "eve", {}),
        ("end", "alice", {}),
        ("kick", "alice", {"user_id": "thierry"}),
        ("accept", "alice", {}),
    ):
        with pytest.raises(errors.Refused) as refused:
            getattr(call_of(room, user_id), operation)(**said)
        why = thierry.explain(operation, user=user_id, **said)
        assert refused.value.reasons == why.reasons
        assert refused.value.reasons[-1].code == refused.value.code == why.code


def test_a_refusal_tells_what_was_known_then_and_not_what_is_known_now(room: Greenroom) -> None:
    thierry = call_of(room, "thierry")
    thierry.create()
    thierry.block("eve")
    with pytest.raises(errors.Blocked) as refused:
        call_of(room, "eve").join()
    thierry.unblock("eve")
    assert refused.value.reasons[-1].facts[-1].position == position_of(thierry, "call.user_blocked")


def test_a_refusal_takes_its_reasons_to_other_processes(room: Greenroom) -> None:
    call_of(room, "thierry").create()
    with pytest.raises(errors.NotAllowed) as refused:
        call_of(room, "alice").end()
    sent = pickle.loads(pickle.dumps(refused.value))  # noqa: S301 - our own
    assert sent.reasons == refused.value.reasons != ()


def test_reads_and_the_past_explain_their_refusals_too(room: Greenroom) -> None:
    call_of(room, "thierry").create()
    stranger = handle(room, Claim("eve", role=Role("anonymous")), "default:123")
    with pytest.raises(errors.NotAllowed) as refused:
        stranger.query_members()
    assert refused.value.reasons[-1].rule == "read-call"


# Laws


def examined(core: Core, cid: str, wish: Wish) -> tuple[ExaminedTurn, Any, Any]:
    turn = ExaminedTurn(CallId(cid), wish.by, core.now(), core.load, core.member_ids)
    said = {} if wish.name == "leave" else wish.arguments
    return turn, *examine(turn, operation_named(wish.name, said))


def the_reasons_alone_tell_the_verdict(cid: str, course: Sequence[Wish]) -> None:
    clock = VirtualClock(START)
    with Greenroom.open("memory://", clock=clock) as room:
        for wish in course:
            if "." not in wish.name and wish.name != "timers":
                said = {} if wish.name == "leave" else dict(wish.arguments)
                with suppress(errors.GreenroomError):
                    why = handle(room, wish.by, cid).explain(wish.name, **said)
                    assert refusal_in(why.reasons) == why.code, why
                    assert [one.passed for one in why.reasons] == [
                        one.facts[-1].favours for one in why.reasons
                    ]
            with suppress(errors.GreenroomError):
                carry_out(room, clock, cid, wish)


def every_cited_event_made_its_fact_true(cid: str, course: Sequence[Wish]) -> None:
    clock = VirtualClock(START)
    with Greenroom.open("memory://", clock=clock) as room:
        core = room._core
        store = core.desk.store
        for wish in course:
            if "." not in wish.name and wish.name != "timers":
                with suppress(errors.GreenroomError):
                    core.follow()
                    turn, asked, _ = examined(core, cid, wish)
                    told = reasons_of(turn, asked, room)
                    sighted = [fact for one in asked for fact in one.facts]
                    for fact, seen in zip(told, sighted, strict=True):
                        assert (fact.says, fact.favours) == (seen.says, seen.favours)
                        if fact.position is None:
                            continue
                        ((_, record),) = store.pick([fact.position])
                        assert (record.event.name, record.stream) == (fact.event, fact.stream)
                        _, aspect = seen.written
                        before = aspect(fold(store, record.stream, fact.position - 1).state)
                        after = aspect(fold(store, record.stream, fact.position).state)
                        assert before != after == aspect(fold(store, record.stream).state)
            with suppress(errors.GreenroomError):
                carry_out(room, clock, cid, wish)


def reasons_of(turn: CallTurn, asked: Any, room: Greenroom) -> list[Fact]:
    return [fact for one in reasons(asked, turn, room._core.desk.store) for fact in one.facts]


LAWS = [the_reasons_alone_tell_the_verdict, every_cited_event_made_its_fact_true]


@pytest.mark.slow
@pytest.mark.hypothesis
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law(law: Any) -> None:
    settings(max_examples=times(3), phases=NO_SHRINKING)(given(cids(), courses())(law))()


@pytest.mark.slow
@pytest.mark.hypothesis
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law_in_long_courses(law: Any) -> None:
    wide = settings(max_examples=times(15), phases=NO_SHRINKING)
    wide(given(cids(), courses(shortest=20, longest=40))(law))()
