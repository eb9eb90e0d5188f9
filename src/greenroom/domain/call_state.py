"""What deciding needs to know of a call."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from immutables import Map

from greenroom.domain.message import CallId, Json, Team, UserId
from greenroom.domain.settings import Settings, SettingsPatch


class Existence(StrEnum):
    """Whether there is a call to speak of."""

    ABSENT = "absent"
    HERE = "here"
    DELETED = "deleted"
    """Softly: the system can restore it."""
    ERASED = "erased"
    """For good; its id is never used again."""


@dataclass(frozen=True, slots=True)
class Ring:
    """A ring that has not been withdrawn."""

    number: int
    caller: UserId
    user_ids: tuple[UserId, ...]
    auto_cancel_at: datetime
    missed_at: datetime


@dataclass(frozen=True, slots=True)
class Call:
    """What deciding needs to know of a call."""

    existence: Existence = Existence.ABSENT
    cid: CallId = CallId("")
    call_type: str = ""
    created_by: UserId = UserId("")
    team: Team | None = None
    custom: Json = field(default_factory=dict)
    settings: SettingsPatch = field(default_factory=dict)
    """The call's own, over those of its type."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    starts_at: datetime | None = None
    ended_at: datetime | None = None
    backstage: bool = False
    blocked: frozenset[UserId] = frozenset()
    session: int = 0
    """Number of the session that is on; 0 for none."""
    sessions: int = 0
    """How many there have been."""
    session_started_at: datetime | None = None
    timer_ends_at: datetime | None = None
    """When the session that is on reaches the maximum duration."""
    live_started_at: datetime | None = None
    live_ended_at: datetime | None = None
    rings: tuple[Ring, ...] = ()
    """Not withdrawn yet, oldest first."""
    ring_count: int = 0
    rung: Map[UserId, int] = Map()
    """The latest ring that names each user."""
    callers: Map[UserId, int] = Map()
    """The latest ring that each user made, or that found them calling others."""

    def opens_at(self, settings: Settings) -> datetime | None:
        """From when regular users may join in backstage; None where only going live opens it."""
        ahead = settings.backstage.join_ahead_time_seconds
        if self.starts_at is None or ahead == 0:
            return None
        return self.starts_at - timedelta(seconds=ahead)

    def calls(self, user_id: UserId) -> bool:
        """Whether the user was calling when a ring last concerned them, whatever came of it."""
        return self.callers.get(user_id, 0) >= self.rung.get(user_id, 0)

    def open_ring(self, user_id: UserId, at: datetime) -> Ring | None:
        """The ring that names the user and still rings at `at`, answered by them or not."""
        number = self.rung.get(user_id)
        for ring in self.rings:
            if ring.number == number and at < ring.missed_at:
                return ring
        return None
