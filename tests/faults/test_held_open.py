"""Somebody's transaction stays open beside the room: nothing is skipped, and it has a name."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import psycopg
import pytest
from tests.faults.clients import CALL, ask, begin, requests
from tests.faults.judgement import PATIENCE, Notes, judge

from greenroom import Greenroom
from greenroom.adapters.inspection import status

pytestmark = pytest.mark.slow


def test_what_is_appended_while_others_hold_on_is_seen_in_its_turn_by_all(
    postgres_url: str, tried: Callable[[str, int], None]
) -> None:
    """One has appended and does not commit; whoever reads meanwhile misses nothing of it later."""
    notes, rounds = Notes(), 5
    with (
        Greenroom.open(postgres_url, timers=False) as room,
        ThreadPoolExecutor(1) as client,
        psycopg.connect(postgres_url, application_name="report") as report,
    ):
        begin(room)
        room.users.upsert("elsewhere", teams=["red"])
        report.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        report.execute("SELECT count(*) FROM greenroom.stored_events")  # and stays as it is
        for number in range(rounds):
            with psycopg.connect(postgres_url, application_name="forgetful") as other:
                append_by_hand(other, number + 2)
                asking = client.submit(notes.ask, room, requests("alice", number, 1)[0], ask)
                assert holder_of(postgres_url) == "forgetful"
                seen = [position for position, _ in room._store.feed()]
                assert room.as_user("thierry").call(*CALL).history()
                assert not asking.done(), "it came before who was first"
                other.commit()
                assert asking.result(PATIENCE)
            after = [position for position, _ in room._store.feed(seen[-1])]
            assert after == list(range(seen[-1] + 1, room.position + 1))
            assert len(after) > 1, "who was first is missing"
        judge(room, notes, ask, url=postgres_url)
    tried("postgresql", rounds)


def append_by_hand(other: psycopg.Connection, version: int) -> None:
    """As the room's own function does, in a transaction that stays open."""
    other.execute("LOCK TABLE greenroom.append_turn IN EXCLUSIVE MODE")
    other.execute(
        "INSERT INTO greenroom.stored_events"
        " (originator_id, originator_version, topic, state, notification_id)"
        " SELECT 'user-elsewhere', %s, topic, state, (SELECT max(notification_id) + 1"
        " FROM greenroom.stored_events) FROM greenroom.stored_events"
        " WHERE originator_id = 'user-elsewhere' AND originator_version = 1",
        [version],
    )


def holder_of(url: str) -> str | None:
    """Who is named for holding the room up, once somebody is."""
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        for one in status(url).holders:
            if "append lock" in one.why and one.waiting:
                return one.application_name
        sleep(0.02)
    return None
