"""The baseline: the same session as an aggregate of the eventsourcing library, as it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

# ruff: noqa: ARG002  # the library records a command's arguments as its event

PRESENT = 20
"""How many are in the session at a time."""
FINGERPRINT = "sha-256 " + ":".join(["4A"] * 32)


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
    """Stock SQLite recorder, stock JSON, no cache."""

    def __init__(self, path: Path) -> None:
        super().__init__({"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)})

    def session(self, session_id: UUID) -> StockSession:
        """The session as it is recorded."""
        found: StockSession = self.repository.get(session_id)
        return found


def record_stock(application: StockApplication, events: int) -> UUID:
    """A session of that many events: people come, get media, and leave when 20 others came."""
    session = StockSession(cid="livestream:123", session=1)
    evidence: dict[str, Any] = {"call": 3, "call_type": 1, "membership": 1, "user": 1}
    evidence |= {"member_role": "call_member", "owner": False, "grants": []}
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
