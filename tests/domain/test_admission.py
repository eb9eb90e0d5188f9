"""Each rule of admission by itself: what it sees, what it refuses, what it needed (semantics 3)."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from tests.domain.story import at

from greenroom.domain.access import Capability, Standing
from greenroom.domain.admission import RULES, JoinFacts, Occupancy, admit, special_grants
from greenroom.domain.decider import Asker
from greenroom.domain.errors import (
    Blocked,
    CallEnded,
    CallFull,
    CallNotFound,
    NotAllowed,
    NotLiveYet,
    Refused,
    WrongTeam,
)
from greenroom.domain.message import Actor, CallId, Role, Team

JOINS = frozenset({Capability.JOIN_CALL})
ALICE = Asker(Actor("alice", teams=(Team("ward-7"),)), JOINS)
SYSTEM = Asker(Actor("desk", system=True), frozenset())
LATE = Asker(ALICE.actor, JOINS | {Capability.JOIN_ENDED_CALL})
CREW = Asker(ALICE.actor, JOINS | {Capability.JOIN_BACKSTAGE})
NOBODY = Asker(Actor("charlie", role=Role("guest")), frozenset())
ADMITTED = JoinFacts(
    cid=CallId("default:123"),
    at=at(60),
    by=ALICE,
    standing=Standing(Role("user"), Role("host"), granted=JOINS),
    claimed=True,
    grants={Role("user"): JOINS, Role("host"): JOINS},
    exists=True,
    deleted=False,
    created=False,
    team=None,
    blocked=False,
    ended_at=None,
    backstage=False,
    opens_at=None,
    max_participants=None,
    counts=True,
    versions=(1, 1, 0, 0),
)
"""Of somebody who is let in: a call that exists, without limits."""
NO_ROLE = {"grants": {}, "standing": Standing(Role("guest"))}
REVOKED = Standing(Role("user"), revoked=JOINS)
ENDED = "the call ended at 2026-01-01T12:00:30+00:00"


@pytest.mark.parametrize(
    ("rule", "facts", "because"),
    [
        ("exists", {}, "the call was created"),
        ("exists", {"created": True, "exists": False}, "the call is created with this join"),
        ("not_deleted", {}, "the call was not deleted"),
        ("team", {}, "the call is for no team in particular"),
        ("team", {"team": "ward-7"}, "in team ward-7"),
        ("team", {"team": "ward-7", "by": SYSTEM}, "in team ward-7"),
        ("not_blocked", {}, "not blocked"),
        ("join_call", {}, "join-call: role user, role host, granted in this call"),
        ("join_call", {"by": SYSTEM}, "the system holds every capability"),
        ("not_ended", {}, "the call has not ended"),
        ("open", {}, "the call is not in backstage"),
        (
            "open",
            {"backstage": True, "opens_at": at(60)},
            "open ahead of its start since 2026-01-01T12:01:00+00:00",
        ),
        ("capacity", {}, "no limit of participants"),
        ("capacity", {"max_participants": 3}, "2 of 3 participants"),
        (
            "capacity",
            {"max_participants": 2, "counts": False},
            "does not count against the limit",
        ),
    ],
)
def test_a_rule_that_lets_in_says_what_it_saw(
    rule: str, facts: dict[str, Any], because: str
) -> None:
    asked = msgspec.structs.replace(ADMITTED, **facts)
    verdict = admit(asked, Occupancy(counted=2))
    assert verdict.admitted
    assert [reason.rule for reason in verdict.reasons] == [name for name, _ in RULES]
    assert all(reason.passed for reason in verdict.reasons)
    assert [reason.because for reason in verdict.reasons if reason.rule == rule] == [because]
    assert verdict.grants == special_grants(asked, Occupancy(counted=2)) == ()


@pytest.mark.parametrize(
    ("rule", "facts", "because", "refusal"),
    [
        ("exists", {"exists": False}, "no such call", CallNotFound("default:123")),
        ("not_deleted", {"deleted": True}, "the call was deleted", CallNotFound("default:123")),
        ("team", {"team": "ward-8"}, "not in team ward-8", WrongTeam("ward-8")),
        ("not_blocked", {"blocked": True}, "blocked in this call", Blocked("alice")),
        (
            "join_call",
            {"by": NOBODY, **NO_ROLE},
            "join-call: no role grants it",
            NotAllowed("charlie", "join-call"),
        ),
        (
            "join_call",
            {"by": NOBODY, "standing": REVOKED},
            "join-call: role user, revoked in this call",
            NotAllowed("charlie", "join-call"),
        ),
        ("not_ended", {"ended_at": at(30)}, ENDED, CallEnded(at(30))),
        (
            "open",
            {"backstage": True, "opens_at": at(61)},
            "in backstage",
            NotLiveYet(at(61)),
        ),
        ("open", {"backstage": True}, "in backstage", NotLiveYet(None)),
        ("capacity", {"max_participants": 2}, "2 of 2 participants", CallFull(2)),
    ],
)
def test_a_rule_that_refuses_says_why_and_is_the_last_to_be_asked(
    rule: str, facts: dict[str, Any], because: str, refusal: Refused
) -> None:
    asked = msgspec.structs.replace(ADMITTED, **facts)
    verdict = admit(asked, Occupancy(counted=2))
    last = verdict.reasons[-1]
    assert (last.rule, last.passed, last.because) == (rule, False, because)
    assert all(reason.passed for reason in verdict.reasons[:-1])
    assert (type(verdict.refusal), str(verdict.refusal)) == (type(refusal), str(refusal))
    assert verdict.grants == ()
    with pytest.raises(type(refusal), match=re.escape(str(refusal))):
        special_grants(asked, Occupancy(counted=2))


@pytest.mark.parametrize(
    ("by", "facts", "because", "needed"),
    [
        (LATE, {"ended_at": at(30)}, f"{ENDED}; join-ended-call held", Capability.JOIN_ENDED_CALL),
        (
            CREW,
            {"backstage": True, "opens_at": at(61)},
            "in backstage; join-backstage held",
            Capability.JOIN_BACKSTAGE,
        ),
    ],
)
def test_a_special_grant_that_was_needed_is_told(
    by: Asker, facts: dict[str, Any], because: str, needed: Capability
) -> None:
    asked = msgspec.structs.replace(ADMITTED, by=by, **facts)
    verdict = admit(asked, Occupancy())
    assert because in [reason.because for reason in verdict.reasons]
    assert verdict.grants == special_grants(asked, Occupancy()) == (needed,)


def test_two_that_were_needed_are_told_in_the_order_of_the_rules() -> None:
    both = Asker(ALICE.actor, LATE.capabilities | CREW.capabilities)
    asked = msgspec.structs.replace(ADMITTED, by=both, ended_at=at(30), backstage=True)
    needed = (Capability.JOIN_ENDED_CALL, Capability.JOIN_BACKSTAGE)
    assert admit(asked, Occupancy()).grants == special_grants(asked, Occupancy()) == needed


def test_whoever_is_there_already_may_come_again_though_the_call_is_full() -> None:
    full = msgspec.structs.replace(ADMITTED, max_participants=1)
    verdict = admit(full, Occupancy(counted=1, present=True))
    assert (verdict.admitted, verdict.reasons[-1].because) == (True, "in the call already")


def test_other_rules_are_asked_in_place_of_ours() -> None:
    only_names = (("exists", RULES[0][1]),)
    asked = msgspec.structs.replace(ADMITTED, blocked=True, rules=only_names)
    assert [reason.rule for reason in admit(asked, Occupancy()).reasons] == ["exists"]
    assert special_grants(asked, Occupancy()) == ()
