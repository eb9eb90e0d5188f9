"""A record that cannot be read: its call waits in the views, and everything else is as always."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from greenroom import Greenroom, errors
from greenroom.testing.clock import VirtualClock

Damage = tuple[bytes, int]
"""The document of a record, as it was, and its position."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'calls.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def room(url: str) -> Iterator[Greenroom]:
    with Greenroom.open(
        url, clock=VirtualClock(datetime(2026, 1, 1, tzinfo=UTC)), timers=False
    ) as made:
        yield made


def written_over(url: str, position: int, document: bytes) -> bytes:
    """What stood in the log at `position`, where `document` stands now."""
    if url.startswith("postgresql"):
        with psycopg.connect(url, options="-c search_path=greenroom") as server:
            (before,) = server.execute(
                "SELECT state FROM stored_events WHERE notification_id = %s", [position]
            ).fetchone() or (b"",)
            server.execute(
                "UPDATE stored_events SET state = %s WHERE notification_id = %s",
                [document, position],
            )
            return bytes(before)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file, file:
        ((before,),) = file.execute(
            "SELECT state FROM stored_events WHERE rowid = ?", [position]
        ).fetchall()
        file.execute("UPDATE stored_events SET state = ? WHERE rowid = ?", [document, position])
        return bytes(before)


def test_what_lags_is_told_and_a_query_takes_it_along(room: Greenroom) -> None:
    thierry = room.as_user("thierry")
    thierry.query_calls()
    assert {one.lag for one in room.positions().values()} == {0}
    before = room.position
    created = thierry.call("default", "visit").create()
    members = room.positions()["members"]
    assert members.position == before
    assert members.lag == room.position - before
    assert members.since == created.created_at
    assert members.parked == 0
    thierry.query_calls()
    members = room.positions()["members"]
    assert (members.position, members.lag, members.since) == (room.position, 0, None)


def test_a_damaged_record_holds_up_its_call_alone(room: Greenroom, url: str) -> None:
    thierry = room.as_user("thierry")
    first, second = thierry.call("default", "first"), thierry.call("default", "second")
    first.create(member_ids=["alice"])
    damaged = room.position
    before = written_over(url, damaged, b'{"event": "gossip"}')
    second.create(member_ids=["alice", "charlie"])
    assert [item.cid for item in thierry.query_calls().items if item.cid == second.cid]
    assert len(second.query_members().items) == 2
    assert {one.key for one in room.parked()} == {first.cid}
    assert {one.position for one in room.parked()} == {damaged}
    assert "gossip" not in str(room.parked())
    assert room.positions()["members"].parked == 1
    assert room.positions()["members"].lag == 0

    assert room.retry_parked(key=first.cid).mended == []
    written_over(url, damaged, before)
    assert room.retry_parked(projection="members", key=first.cid).parked == []
    assert room.positions()["members"].parked == 0
    assert room.retry_parked().parked == []
    assert room.parked() == []
    assert [one.user_id for one in first.query_members().items] == ["alice"]


def test_decisions_about_a_damaged_stream_are_refused_as_ever(room: Greenroom, url: str) -> None:
    call = room.as_user("thierry").call("default", "visit")
    call.create()
    position = room.position
    room.close()
    written_over(url, position, b"{}")
    with Greenroom.open(url, timers=False) as again:
        call = again.as_user("thierry").call("default", "visit")
        with pytest.raises(errors.StoreError):
            call.update(custom={"color": "red"})
        assert again.as_user("thierry").query_calls().items == ()


def test_what_to_retry_is_said_in_text(room: Greenroom) -> None:
    with pytest.raises(errors.InvalidInput):
        room.retry_parked(key=5)  # type: ignore[arg-type]  # that is what is tested
