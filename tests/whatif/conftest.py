"""Rooms in which something has happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from greenroom import CallHandle, Greenroom
from greenroom.testing.clock import VirtualClock

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def room(clock: VirtualClock) -> Iterator[Greenroom]:
    with Greenroom.open("memory://", clock=clock) as room:
        yield room


def call_of(room: Greenroom, user_id: str, cid: str = "default:123") -> CallHandle:
    call_type, _, id_ = cid.partition(":")
    return room.as_user(user_id).call(call_type, id_)
