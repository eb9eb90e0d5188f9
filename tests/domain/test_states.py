"""What each event changes of what is known of a call, or of somebody in it, and what it leaves."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

import pytest
from immutables import Map
from tests.domain.story import at

from greenroom.domain.access import Capability
from greenroom.domain.call import CALL
from greenroom.domain.call_events import (
    CallCreated,
    CallDeleted,
    CallEnded,
    CallEvent,
    CallRestored,
    CallRung,
    CallUpdated,
    EndReason,
    MembersNotified,
    RingCancelled,
    RingEndReason,
    SessionEnded,
    SessionEndReason,
    SessionStarted,
    StoppedLive,
    UserBlocked,
    UserUnblocked,
    WentLive,
)
from greenroom.domain.call_state import Call, Existence, Ring
from greenroom.domain.membership import (
    MEMBERSHIP,
    Answer,
    MemberAdded,
    MemberRemoved,
    Membership,
    MembershipEvent,
    MemberUpdated,
    PermissionRequested,
    PermissionsGranted,
    PermissionsRevoked,
    RingAccepted,
    RingMissed,
    RingRejected,
)
from greenroom.domain.message import CallId, Role, Team, UserId

CID: Final = CallId("default:123")
ALICE, CHARLIE = UserId("alice"), UserId("charlie")
NOW: Final = at(100)
FIRST: Final = Ring(1, ALICE, (CHARLIE,), auto_cancel_at=at(90), missed_at=NOW)
SECOND: Final = Ring(2, ALICE, (CHARLIE,), auto_cancel_at=at(101), missed_at=at(102))
BUSY: Final = Call(
    existence=Existence.HERE,
    cid=CID,
    call_type="default",
    created_by=ALICE,
    team=Team("ward-7"),
    custom={"color": "red"},
    settings={"limits": {"max_participants": 3}},
    created_at=at(1),
    updated_at=at(2),
    starts_at=at(3),
    ended_at=at(4),
    backstage=True,
    blocked=frozenset({CHARLIE}),
    session=5,
    sessions=5,
    session_started_at=at(6),
    timer_ends_at=at(700),
    live_started_at=at(8),
    live_ended_at=at(9),
    rings=(FIRST, SECOND),
    ring_count=2,
    rung=Map({CHARLIE: 2}),
)
"""A call of which there is everything to know."""
THIRD: Final = CallRung(
    at=NOW,
    cid=CID,
    ring=3,
    caller=CHARLIE,
    user_ids=(ALICE,),
    video=True,
    auto_cancel_at=at(110),
    missed_at=at(120),
)


def changed(before: object, after: object) -> dict[str, Any]:
    """The fields that differ, as they are afterwards."""
    names = [field.name for field in fields(before)]  # type: ignore[arg-type]  # any dataclass
    return {
        name: getattr(after, name)
        for name in names
        if getattr(after, name) != getattr(before, name)
    }


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (
            CallUpdated(
                at=NOW,
                cid=CID,
                custom={"color": "blue"},
                starts_at=at(200),
                settings={"limits": {"max_participants": 4}},
                backstage=False,
                timer_ends_at=at(800),
            ),
            {
                "custom": {"color": "blue"},
                "starts_at": at(200),
                "settings": {"limits": {"max_participants": 4}},
                "backstage": False,
                "timer_ends_at": at(800),
                "updated_at": NOW,
            },
        ),
        (
            WentLive(at=NOW, cid=CID, backstage=True),
            {
                "backstage": False,
                "ended_at": None,
                "live_started_at": NOW,
                "live_ended_at": None,
                "updated_at": NOW,
            },
        ),
        (StoppedLive(at=NOW, cid=CID), {"live_ended_at": NOW, "updated_at": NOW}),
        (
            CallEnded(at=NOW, cid=CID, reason=EndReason.ENDED),
            {"ended_at": NOW, "updated_at": NOW},
        ),
        (
            UserBlocked(at=NOW, cid=CID, user_id=ALICE),
            {"blocked": frozenset({ALICE, CHARLIE}), "updated_at": NOW},
        ),
        (
            UserUnblocked(at=NOW, cid=CID, user_id=CHARLIE),
            {"blocked": frozenset(), "updated_at": NOW},
        ),
        (CallDeleted(at=NOW, cid=CID, hard=False), {"existence": Existence.DELETED}),
        (
            THIRD,
            {"rings": (SECOND, Ring(3, CHARLIE, (ALICE,), at(110), at(120))), "ring_count": 3}
            | {"rung": Map({CHARLIE: 2, ALICE: 3}), "callers": Map({CHARLIE: 3, ALICE: 3})},
        ),
        (
            RingCancelled(at=NOW, cid=CID, ring=2, reason=RingEndReason.CANCELLED),
            {"rings": (FIRST,)},
        ),
        (MembersNotified(at=NOW, cid=CID, user_ids=(ALICE,)), {}),
        (
            SessionStarted(
                at=NOW,
                cid=CID,
                session=6,
                started_by=ALICE,
                backstage=True,
                timer_ends_at=at(900),
            ),
            {
                "session": 6,
                "sessions": 6,
                "session_started_at": NOW,
                "timer_ends_at": at(900),
            },
        ),
        (
            SessionEnded(at=NOW, cid=CID, session=5, reason=SessionEndReason.EMPTY),
            {"session": 0, "session_started_at": None, "timer_ends_at": None},
        ),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_an_event_changes_of_a_call_what_it_says_and_nothing_else(
    event: CallEvent, changes: dict[str, Any]
) -> None:
    assert changed(BUSY, CALL.evolve(BUSY, event)) == changes


def test_stopping_takes_a_call_that_is_live_to_backstage() -> None:
    live = replace(BUSY, backstage=False)
    after = CALL.evolve(live, StoppedLive(at=NOW, cid=CID))
    assert changed(live, after) == {"backstage": True, "live_ended_at": NOW, "updated_at": NOW}


def test_of_a_call_that_was_deleted_for_good_its_name_remains() -> None:
    gone = CALL.evolve(BUSY, CallDeleted(at=NOW, cid=CID, hard=True))
    assert gone == Call(Existence.ERASED, CID, "default")


def test_what_was_restored_is_there_as_it_was() -> None:
    deleted = CALL.evolve(BUSY, CallDeleted(at=at(99), cid=CID, hard=False))
    restored = CALL.evolve(deleted, CallRestored(at=NOW, cid=CID))
    assert changed(BUSY, restored) == {"updated_at": NOW}


def test_a_call_is_created_with_all_that_is_said_of_it() -> None:
    created = CallCreated(
        at=NOW,
        cid=CID,
        call_type="default",
        created_by=ALICE,
        team=Team("ward-7"),
        custom={"color": "red"},
        starts_at=at(200),
        settings={"limits": {"max_participants": 3}},
        backstage=True,
    )
    assert changed(Call(), CALL.evolve(Call(), created)) == {
        "existence": Existence.HERE,
        "cid": CID,
        "call_type": "default",
        "created_by": ALICE,
        "team": "ward-7",
        "custom": {"color": "red"},
        "starts_at": at(200),
        "settings": {"limits": {"max_participants": 3}},
        "backstage": True,
        "created_at": NOW,
        "updated_at": NOW,
    }


AUDIO, VIDEO = Capability.SEND_AUDIO, Capability.SEND_VIDEO
SCREEN: Final = Capability.SCREENSHARE
HOST: Final = Membership(
    role=Role("host"),
    custom={"seat": 1},
    added_at=at(1),
    updated_at=at(2),
    granted=frozenset({AUDIO}),
    revoked=frozenset({VIDEO}),
    requested=frozenset({VIDEO, SCREEN}),
    ring=3,
    answer=Answer.REJECTED,
    final=True,
)
"""A member of whom there is everything to know."""
SAID: Final[dict[str, Any]] = {"at": NOW, "cid": CID, "user_id": ALICE}


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (
            MemberAdded(**SAID, role=Role("guest"), custom={"seat": 2}),
            {"role": "guest", "custom": {"seat": 2}, "added_at": NOW, "updated_at": NOW},
        ),
        (
            MemberUpdated(**SAID, role=Role("guest"), custom={"seat": 2}),
            {"role": "guest", "custom": {"seat": 2}, "updated_at": NOW},
        ),
        (
            MemberRemoved(**SAID),
            {"role": None, "custom": {}, "added_at": None, "updated_at": None},
        ),
        (
            PermissionRequested(**SAID, permissions=(AUDIO, SCREEN)),
            {"requested": frozenset({AUDIO, VIDEO, SCREEN})},
        ),
        (
            PermissionsGranted(**SAID, permissions=(VIDEO,)),
            {
                "granted": frozenset({AUDIO, VIDEO}),
                "revoked": frozenset(),
                "requested": frozenset({SCREEN}),
            },
        ),
        (
            PermissionsRevoked(**SAID, permissions=(AUDIO, SCREEN)),
            {
                "granted": frozenset(),
                "revoked": frozenset({AUDIO, VIDEO, SCREEN}),
                "requested": frozenset({VIDEO}),
            },
        ),
        (
            RingAccepted(**SAID, ring=4, joined=True),
            {"ring": 4, "answer": Answer.ACCEPTED},
        ),
        (
            RingAccepted(**SAID, ring=4, joined=False),
            {"ring": 4, "answer": Answer.ACCEPTED, "final": False},
        ),
        (RingRejected(**SAID, ring=4), {"ring": 4, "final": False}),
        (
            RingMissed(**SAID, ring=4),
            {"ring": 4, "answer": Answer.MISSED, "final": False},
        ),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_an_event_changes_of_somebody_what_it_says_and_nothing_else(
    event: MembershipEvent, changes: dict[str, Any]
) -> None:
    assert changed(HOST, MEMBERSHIP.evolve(HOST, event)) == changes


def test_an_answer_is_kept_with_whether_it_stands() -> None:
    unasked = replace(HOST, ring=0, answer=None, final=False)
    joined = MEMBERSHIP.evolve(unasked, RingAccepted(**SAID, ring=4, joined=True))
    assert changed(unasked, joined) == {"ring": 4, "answer": Answer.ACCEPTED, "final": True}
    rejected = MEMBERSHIP.evolve(unasked, RingRejected(**SAID, ring=4))
    assert changed(unasked, rejected) == {"ring": 4, "answer": Answer.REJECTED}
