"""Logs with many calls, in which the same happens at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path

import msgspec
from eventsourcing.persistence import StoredEvent
from tests.whatif.conftest import START, call_of

from greenroom import Greenroom
from greenroom.adapters.codec import Row
from greenroom.adapters.stores import SQLiteStore
from greenroom.testing import VirtualClock

_MODEL = "default:model"


def busy_log(path: Path, *, calls: int, visits: int) -> str:
    """The URL of a store with so many calls, to each of which so many people come and go again."""
    url = f"sqlite:///{path}"
    with Greenroom.open(url, clock=VirtualClock(START), timers=False) as room:
        before = room.position
        call_of(room, "thierry", _MODEL).create(member_ids=["alice"])
        for number in range(visits):
            entry = call_of(room, f"user-{number}", _MODEL).join()
            if number:  # the first stays, so that it is one session
                entry.leave()
    with closing(SQLiteStore(path)) as store:
        rows = store.recorder.log_rows(before, 2**63 - 1, 2**31)
        for _, together in groupby(rows, _request):
            deed = [*together]
            store.recorder.insert_events(
                [copy for number in range(calls) for copy in _copies(deed, number)]
            )
    return url


def _request(row: Row) -> str:
    return str(msgspec.json.decode(row[4])["request_id"])


def _copies(deed: list[Row], number: int) -> Iterator[StoredEvent]:
    """What one command recorded, recorded by another command in another call."""
    cid, request = f"default:{number}", _request(deed[0])
    for _, stream, version, name, document in deed:
        state = document.replace(_MODEL.encode(), cid.encode())
        state = state.replace(request.encode(), f"{request}-{number}".encode())
        yield StoredEvent(stream.replace(_MODEL, cid), version, name, state)
