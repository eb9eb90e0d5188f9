"""Refused attempts: who tried something and was turned away."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from greenroom.domain.message import CallId, Role, Team, UserId


class Attempt(BaseModel):
    """Somebody asked for something, and was refused."""

    model_config = ConfigDict(frozen=True)

    cid: CallId
    user_id: UserId
    operation: str
    at: datetime
    code: str
    """Of the refusal."""
    rule: str | None = None
    """The capability that was missing, where one was."""
    position: int
    """Of the log when it was decided: `room.at(position)` explains it."""
    request_id: str | None = None
    role: Role | None = None
    """The user role that whoever asked said; None where their record says it."""
    teams: tuple[Team, ...] | None = None
    create: bool = False
    """Of a join: whether the call was to be created."""
    calls_out: bool = False
    """Whether it was to ring or notify everybody, too."""


class AttemptCount(BaseModel):
    """How often somebody was refused within one minute."""

    model_config = ConfigDict(frozen=True)

    user_id: UserId
    minute: datetime
    """Its beginning."""
    count: int
    """All of them, those that are kept verbatim included."""


class Attempts(BaseModel):
    """Who tried something in a call, and was turned away."""

    model_config = ConfigDict(frozen=True)

    verbatim: tuple[Attempt, ...]
    """The latest first; of each user and minute the first few."""
    counts: tuple[AttemptCount, ...]
    """By user and minute, the latest first."""
    total: int
    """All there were within the time they are kept."""


class AttemptStore(Protocol):
    """Where attempts are kept. Safe for many threads."""

    def write(self, new: Sequence[Attempt], verbatim: int) -> None:
        """Note them: so many verbatim of each user, call and minute, and the count of all."""
        ...

    def read(
        self, cid: CallId, *, user_id: UserId | None, until: datetime | None, limit: int
    ) -> Attempts:
        """Of a call, and of one user where that is asked."""
        ...

    def all(self, after: int, until: int) -> Iterator[Attempt]:
        """Those kept verbatim, decided past one position up to another, in that order."""
        ...

    def forget(self, *, users: Collection[UserId], calls: Collection[CallId]) -> None:
        """Let nothing stay of these users, nor of these calls."""
        ...

    def prune(self, before: datetime) -> None:
        """Forget what is older."""
        ...

    def close(self) -> None:
        """Release it. Twice is fine."""
        ...
