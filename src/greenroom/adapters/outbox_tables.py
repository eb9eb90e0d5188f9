"""What the outbox keeps: its tables beside the events, and what their rows say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, cast

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    RowMapping,
    Table,
    Text,
)

from greenroom.adapters.intents import Intent
from greenroom.domain import checks
from greenroom.domain.call_events import CallRung
from greenroom.domain.errors import InvalidInput
from greenroom.domain.instants import instant_or_none, micros
from greenroom.domain.message import CallId, UserId

SCHEMA: Final = 1
"""Version of the tables."""
LONGEST_PAUSE: Final = timedelta(minutes=5)
"""Between two attempts."""


class Status(StrEnum):
    """What became of a notification."""

    PENDING = "pending"
    """Not attempted yet, or failed and to be attempted again."""
    UNKNOWN = "unknown"
    """On its way; or its process died, and nobody knows whether it arrived. Not sent again."""
    DELIVERED = "delivered"
    GAVE_UP = "gave_up"
    """It failed too often."""
    SWITCHED_OFF = "switched_off"
    """By the time of an attempt its kind was no longer sent in that call, or the call was gone."""


_BIG: Final = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts no other type by itself

metadata: Final = MetaData()
"""All tables of the outbox."""

follower: Final = Table(
    "greenroom_effects_follower",
    metadata,
    Column("schema", Integer, nullable=False),
    Column("position", _BIG, nullable=False),
)
"""One row: how far the log was read."""

entries: Final = Table(
    "greenroom_effects",
    metadata,
    Column("id", _BIG, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("cid", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("caused_by", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    Column("due_at", _BIG),
    Column("settled_at", _BIG),
    Index("greenroom_effects_due", "due_at", "id"),
    Index("greenroom_effects_settled", "settled_at"),
    Index("greenroom_effects_status", "status", "id"),
)
"""One row a notification; `due_at` (microseconds) only while it is pending."""

rings: Final = Table(
    "greenroom_effects_rings",
    metadata,
    Column("cid", Text, primary_key=True),
    Column("ring", Integer, primary_key=True),
    Column("caller", Text, nullable=False),
    Column("rung_at", _BIG, nullable=False, index=True),
)
"""Who rang: whoever misses the ring is told, and the event of that does not say it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One notification, and what became of it."""

    key: str
    kind: str
    cid: CallId
    user_id: UserId
    status: Status
    attempts: int
    """Begun so far."""
    last_error: str | None
    """Of the attempt before; empty once somebody it may speak of was erased."""
    next_attempt_at: datetime | None
    """None unless pending."""


def known_status(said: object) -> Status:
    """The status that was named.

    Raises:
        InvalidInput: there is no such one.
    """
    known = {one.value: one for one in Status}
    found = known.get(checks.plain(cast("str", said))) if checks.is_a(said, str) else None
    if found is None:
        raise InvalidInput("status", f"one of {', '.join(known)}", checks.nearest(said, known))
    return found


def entry_row(intent: Intent, now: datetime | None) -> Mapping[str, Any]:
    """A new row of `entries`, due when its record was made, or `now` where that is earlier."""
    return {
        "key": intent.key,
        "kind": intent.kind,
        "cid": intent.cid,
        "user_id": intent.user_id,
        "caused_by": intent.caused_by,
        "cause": intent.cause,
        "data": json.dumps(intent.data),
        "status": Status.PENDING,
        "attempts": 0,
        "due_at": micros(intent.at if now is None else min(intent.at, now)),
    }


def is_due(now: datetime) -> ColumnElement[bool]:
    """Whether an entry is to be attempted; so are those that a clock put off which was set back."""
    return (entries.c.due_at <= micros(now)) | (entries.c.due_at > micros(now + LONGEST_PAUSE))


def ring_row(event: CallRung) -> Mapping[str, Any]:
    """A new row of `rings`."""
    return {
        "cid": event.cid,
        "ring": event.ring,
        "caller": event.caller,
        "rung_at": micros(event.at),
    }


def entry(row: RowMapping) -> Entry:
    """What a row of `entries` says."""
    return Entry(
        key=row["key"],
        kind=row["kind"],
        cid=CallId(row["cid"]),
        user_id=UserId(row["user_id"]),
        status=Status(row["status"]),
        attempts=row["attempts"],
        last_error=row["last_error"],
        next_attempt_at=instant_or_none(row["due_at"]),
    )
