"""The baseline: the same session as an aggregate of the eventsourcing library, as it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.sqlite import SQLiteFactory

# ruff: noqa: ARG002  # the library records a command's arguments as its event

PRESENT: Final = 20
"""How many are in the session at a time."""
FINGERPRINT: Final = "sha-256 " + ":".join(["4A"] * 32)
EVIDENCE: Final[dict[str, Any]] = {"call": 3, "call_type": 1, "membership": 1, "user": 1}
CACHED: Final = {"AGGREGATE_CACHE_MAXSIZE": "10000"}
"""Lets an application keep aggregates, and read only what is new of them."""


class Full(Exception):  # noqa: N818  # it names the fact that refuses
    """As many are in as may be."""


class StockSession(Aggregate):
    """One occupation of a call: who came and who left."""

    @event("Opened")
    def __init__(self, cid: str, session: int) -> None:
        self.cid = cid
        self.session = session
        self.entries: dict[str, str] = {}
        self.connected: set[str] = set()
        self.pinned: set[str] = set()

    @event("Joined")
    def join(
        self, entry_id: str, user_id: str, role: str, *, counts: bool, evidence: dict[str, Any]
    ) -> None:
        self.entries[entry_id] = user_id

    def enter(self, user_id: str, limit: int) -> None:
        """Join where fewer than `limit` are in.

        Raises:
            Full: no more than that may be in.
        """
        if len(self.entries) >= limit:
            raise Full
        self.join(f"entry-{user_id}", user_id, "user", counts=True, evidence=EVIDENCE)

    @event("MediaConnected")
    def connect_media(self, entry_id: str, fingerprint: str) -> None:
        self.connected.add(entry_id)

    @event("Pinned")
    def pin(self, user_id: str) -> None:
        self.pinned.add(user_id)

    @event("Left")
    def leave(self, entry_id: str, user_id: str, reason: str) -> None:
        del self.entries[entry_id]
        self.connected.discard(entry_id)
        self.pinned.discard(user_id)


class StockApplication(Application[UUID]):
    """Stock recorder, stock JSON; no cache unless the environment has one.

    Args:
        environment: where and how it records; nothing of the process's own.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        if isinstance(self.factory, SQLiteFactory):
            with self.factory.datastore.transaction(commit=False) as cursor:
                cursor.execute("PRAGMA synchronous")
                assert tuple(cursor.fetchone()) == (2,), "the library leaves SQLite at FULL"

    def session(self, session_id: UUID) -> StockSession:
        """The session as it is recorded."""
        found: StockSession = self.repository.get(session_id)
        return found


def open_session(application: StockApplication, present: int = PRESENT) -> UUID:
    """A new session in which so many are."""
    session = StockSession(cid="livestream:123", session=1)
    for number in range(present):
        session.join(f"{number}", f"user-{number}", "user", counts=True, evidence=EVIDENCE)
    application.save(session)
    return session.id


def record_stock(application: StockApplication, events: int) -> UUID:
    """A session of that many events: people come, get media, and leave when 20 others came."""
    session = StockSession(cid="livestream:123", session=1)
    evidence: dict[str, Any] = EVIDENCE | {"member_role": "call_member", "owner": False}
    evidence |= {"grants": []}
    for number in range(events - 1):  # and `Opened`
        visit, step = divmod(number, 3)
        if step == 0:
            session.join(f"entry-{visit}", f"user-{visit}", "user", counts=True, evidence=evidence)
        elif step == 1:
            session.connect_media(f"entry-{visit}", FINGERPRINT)
        elif visit >= PRESENT:
            session.leave(f"entry-{visit - PRESENT}", f"user-{visit - PRESENT}", "left")
        else:
            session.pin(f"user-{visit}")
    application.save(session)
    return session.id
