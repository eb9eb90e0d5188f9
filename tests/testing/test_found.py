"""Histories by which the machine showed that a room did something else than the rules say."""

from __future__ import annotations

import pytest

from greenroom import Member
from greenroom.testing import CallMachine, MediaMachine, Wish, wish

FRIENDS = [Member("alice"), Member("charlie"), Member("tommaso")]


def test_who_may_change_settings_may_not_change_custom_data_with_them() -> None:
    CallMachine.replay(
        "default:123",
        [
            wish("thierry", "create", members=FRIENDS),
            wish(
                "system:embedder",
                "types.grant",
                role="call_member",
                capability="update-call-settings",
            ),
            wish(
                "alice",
                "update",
                custom={"color": "red"},
                settings={"session": {"inactivity_timeout_seconds": 5}},
            ),
        ],
    )


def test_whose_own_ring_is_over_rejects_that_of_another_with_cancel() -> None:
    CallMachine.replay(
        "default:123",
        [
            wish("thierry", "create", members=FRIENDS),
            wish("alice", "ring", member_ids=["charlie"]),
            wish("charlie", "accept", after=1),
            wish("tommaso", "ring", member_ids=["alice"], after=9),
            wish("alice", "reject", reason="cancel", after=6),
        ],
    )


def test_a_ring_that_is_over_is_not_cancelled_when_all_reject_it_late() -> None:
    CallMachine.replay(
        "default:123",
        [
            wish("thierry", "create", members=FRIENDS),
            wish("thierry", "ring", member_ids=["alice", "charlie"]),
            wish("alice", "accept", after=1),
            wish("alice", "reject", after=20),
            wish("charlie", "reject"),
        ],
    )


def test_nought_and_no_are_not_the_same_of_a_user() -> None:
    said = [{"plan": 0}, {"plan": False}, {"plan": False}]
    wishes = [wish("system:embedder", "users.upsert", user_id="alice", custom=one) for one in said]
    CallMachine.replay("default:123", [wish("thierry", "create"), *wishes])


def test_who_has_left_while_connected_is_waited_for_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    MediaMachine.replay(
        "default:123",
        [
            wish("thierry", "create"),
            wish("alice", "join"),
            wish("charlie", "join"),
            wish("system:media", "media.connect", entry=0),
            wish("alice", "leave"),
            wish("charlie", "get", after=60),
        ],
    )
    assert not caplog.messages


@pytest.mark.parametrize("second", ["update", "create"])
def test_what_is_left_to_the_type_from_the_start_is_not_given_back_to_it(second: str) -> None:
    unlimited = {"limits": {"max_participants": None}}
    wishes: list[Wish] = [
        wish("thierry", "create", settings=unlimited),
        wish("thierry", second, settings=unlimited),
    ]
    CallMachine.replay("default:123", wishes)
