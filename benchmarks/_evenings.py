"""The data set of catching up: evenings, each a call of its own that members come to and leave.

Every evening is 100 events, the same for greenroom and for the aggregate of the eventsourcing
library: the call, its session, then of each visitor that they are a member, come and get media;
each leaves when ten others came.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, count, islice
from typing import Any, Final

from benchmarks._ours import EVIDENCE
from benchmarks._stock import EVIDENCE as STOCK_EVIDENCE
from benchmarks._stock import FINGERPRINT, StockApplication
from eventsourcing.domain import Aggregate, event

from greenroom.domain.call_events import CallCreated, SessionStarted
from greenroom.domain.membership import MemberAdded
from greenroom.domain.message import CallId, EntryId, Event, Role, StreamId, UserId
from greenroom.domain.session_events import Joined, Left, LeftReason, MediaConnected
from greenroom.domain.streams import call_stream, member_stream, session_stream

# ruff: noqa: ARG002  # the library records a command's arguments as its event

EVENTS: Final = 100
"""Of one evening."""
PRESENT: Final = 10
"""How many are in at a time."""
TYPE: Final = "livestream"
BEGIN: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
_TOGETHER: Final = 20
"""Evenings in one commit of the library's."""


def custom(visitor: int) -> dict[str, Any]:
    """A member's own data."""
    return {"tier": f"tier-{visitor % 7}", "n": visitor}


def evenings(number: int) -> Iterator[tuple[StreamId, int, Event]]:
    """(stream, version, event) of so many evenings, one after the other."""
    return chain.from_iterable(islice(_evening(each), EVENTS) for each in range(number))


def long_evening(events: int) -> Iterator[tuple[StreamId, int, Event]]:
    """The same of one evening that is as long as that."""
    return islice(_evening(0), events)


def _evening(number: int) -> Iterator[tuple[StreamId, int, Event]]:
    cid, host = CallId(f"{TYPE}:evening-{number}"), UserId("thierry")
    at = BEGIN + timedelta(minutes=number)
    created = CallCreated(at=at, cid=cid, call_type=TYPE, created_by=host, custom={"n": number})
    yield call_stream(cid), 1, created
    started = SessionStarted(at=at, cid=cid, session=1, started_by=host, backstage=False)
    yield call_stream(cid), 2, started
    stream, versions = session_stream(cid, 1), count(1)
    for visitor in count():
        at += timedelta(milliseconds=300)
        entry_id, user_id = EntryId(f"entry-{visitor}"), UserId(f"user-{visitor}")
        added = MemberAdded(at=at, cid=cid, user_id=user_id, custom=custom(visitor))
        yield member_stream(cid, user_id), 1, added
        one: dict[str, Any] = {"at": at, "cid": cid, "session": 1, "entry_id": entry_id}
        joined = Joined(
            **one, user_id=user_id, role=Role("call_member"), counts=True, evidence=EVIDENCE
        )
        yield stream, next(versions), joined
        yield stream, next(versions), MediaConnected(**one, fingerprint=FINGERPRINT)
        if visitor >= PRESENT:
            one["entry_id"] = EntryId(f"entry-{visitor - PRESENT}")
            gone = UserId(f"user-{visitor - PRESENT}")
            yield stream, next(versions), Left(**one, user_id=gone, reason=LeftReason.LEFT)


class StockEvening(Aggregate):
    """The same as an aggregate of the library."""

    @event("Opened")
    def __init__(self, cid: str, created_by: str, custom: dict[str, Any]) -> None:
        self.cid = cid
        self.members: set[str] = set()
        self.entries: dict[str, str] = {}

    @event("SessionStarted")
    def start(self, session: int, started_by: str) -> None:
        self.session = session

    @event("MemberAdded")
    def add(self, user_id: str, role: str, custom: dict[str, Any]) -> None:
        self.members.add(user_id)

    @event("Joined")
    def join(
        self, entry_id: str, user_id: str, role: str, *, counts: bool, evidence: dict[str, Any]
    ) -> None:
        self.entries[entry_id] = user_id

    @event("MediaConnected")
    def connect_media(self, entry_id: str, fingerprint: str) -> None:
        pass

    @event("Left")
    def leave(self, entry_id: str, user_id: str, reason: str) -> None:
        del self.entries[entry_id]


def record_stock_evenings(application: StockApplication, number: int) -> None:
    """So many evenings as the library keeps them."""
    for first in range(0, number, _TOGETHER):
        some = range(first, min(number, first + _TOGETHER))
        application.save(*(_stock_evening(each) for each in some))


def _stock_evening(number: int) -> StockEvening:
    evening = StockEvening(f"{TYPE}:evening-{number}", "thierry", {"n": number})
    steps = _stock_steps(evening)
    for _ in range(EVENTS - 1):  # and `Opened`
        next(steps)
    return evening


def _stock_steps(evening: StockEvening) -> Iterator[None]:
    yield evening.start(1, "thierry")
    for visitor in count():
        entry, user = f"entry-{visitor}", f"user-{visitor}"
        yield evening.add(user, "call_member", custom(visitor))
        yield evening.join(entry, user, "call_member", counts=True, evidence=STOCK_EVIDENCE)
        yield evening.connect_media(entry, FINGERPRINT)
        if visitor >= PRESENT:
            gone = visitor - PRESENT
            yield evening.leave(f"entry-{gone}", f"user-{gone}", "left")
