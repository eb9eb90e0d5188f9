"""Whether somebody may join: the rules of semantics 3, in their order, with their reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from greenroom.domain.access import Capability, Grants, Standing, sources
from greenroom.domain.decider import Asker
from greenroom.domain.errors import (
    Blocked,
    CallEnded,
    CallFull,
    CallNotFound,
    NotAllowed,
    NotLiveYet,
    Refused,
    WrongTeam,
)
from greenroom.domain.message import CallId, Role, Team, Value


class Evidence(Value):
    """What an admission rests on: versions of the streams read, and the standing found there."""

    call: int
    call_type: int
    membership: int
    user: int
    member_role: Role | None
    """None for somebody who is not a member."""
    owner: bool
    grant: Capability | None = None
    """The special grant without which they would have been refused: `join-backstage` on a call
    not open yet, or `join-ended-call`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinFacts:
    """Everything outside the session that a join is decided on."""

    cid: CallId
    at: datetime
    by: Asker
    standing: Standing
    grants: Grants
    exists: bool
    """Whether there is a call that was not deleted."""
    deleted: bool
    may_create: bool
    """Whether the call may come to be by this join."""
    team: Team | None
    blocked: bool
    ended_at: datetime | None
    backstage: bool
    opens_at: datetime | None
    """From when regular users may join in backstage; None where only going live opens it."""
    max_participants: int | None
    counts: bool
    """Whether the user counts against `max_participants`."""
    versions: tuple[int, int, int, int]
    """Of call, call type, membership and user."""


@dataclass(frozen=True, slots=True)
class Occupancy:
    """What admission needs to know of the session."""

    counted: int = 0
    """Distinct users present who count against the limit."""
    present: bool = False
    """Whether the user is there already, through another connection."""
