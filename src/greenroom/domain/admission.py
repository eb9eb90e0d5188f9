"""Whether somebody may join: the rules of semantics 3, in their order, with their reasons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec import Struct

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
from greenroom.domain.message import CallId, Role, Team
from greenroom.domain.reasons import Reason


class Evidence(Struct, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True):
    """What an admission rests on: versions of the streams read, and the standing found there."""

    call: int
    call_type: int
    membership: int
    user: int
    member_role: Role | None
    """None for somebody who is not a member."""
    owner: bool
    grants: tuple[Capability, ...] = ()
    """The special grants without which they would have been refused: `join-ended-call`, and
    `join-backstage` on a call that is not open yet."""


Rules = tuple[tuple[str, "Rule"], ...]
"""Rules by name, in the order they are asked."""


class JoinFacts(Struct, frozen=True, gc=False, kw_only=True):
    """Everything outside the session that a join is decided on."""

    cid: CallId
    at: datetime
    by: Asker
    standing: Standing
    claimed: bool
    """Whether the asker said the user's role; else it is the User record's."""
    grants: Grants
    exists: bool
    """Whether the call was ever created."""
    deleted: bool
    created: bool
    """Whether this very join creates the call."""
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
    rules: Rules = ()
    """Others than `RULES`, where somebody asks what would be under them."""


class Occupancy(Struct, frozen=True, gc=False):
    """What admission needs to know of the session."""

    counted: int = 0
    """Distinct users present who count against the limit."""
    present: bool = False
    """Whether the user is there already, through another connection."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the join is admitted, and why."""

    reasons: tuple[Reason, ...]
    """In the order of the rules; ends at the first that refuses."""
    refusal: Refused | None = None
    grants: tuple[Capability, ...] = ()
    """The special grants that were needed, in the order of the rules."""

    @property
    def admitted(self) -> bool:
        """Whether every rule passed."""
        return self.refusal is None


Because = str | Callable[[], str]
"""What a rule saw; a function where it takes some finding out."""
Outcome = tuple[Because, Refused | None, Capability | None]
"""What a rule saw, its refusal if any, and the special grant it needed, if any."""
Rule = Callable[[JoinFacts, Occupancy], Outcome]


def admit(facts: JoinFacts, occupancy: Occupancy) -> Verdict:
    """Ask every rule in turn; the first that refuses names the reason."""
    reasons: list[Reason] = []
    grants: list[Capability] = []
    for name, rule in facts.rules or RULES:
        because, refusal, needed = rule(facts, occupancy)
        told = because if isinstance(because, str) else because()
        reasons.append(Reason(name, refusal is None, told))
        if refusal is not None:
            return Verdict(tuple(reasons), refusal)
        if needed is not None:
            grants.append(needed)
    return Verdict(tuple(reasons), None, tuple(grants))


def special_grants(facts: JoinFacts, occupancy: Occupancy) -> tuple[Capability, ...]:
    """The same where nobody wants to know the reasons: the special grants that were needed.

    Raises:
        Refused: as the verdict says.
    """
    grants: tuple[Capability, ...] = ()
    for _, rule in facts.rules or RULES:
        _, refusal, needed = rule(facts, occupancy)
        if refusal is not None:
            raise refusal
        if needed is not None:
            grants = (*grants, needed)
    return grants


def _exists(facts: JoinFacts, _: Occupancy) -> Outcome:
    if facts.created:
        return "the call is created with this join", None, None
    if facts.exists:
        return "the call was created", None, None
    return "no such call", CallNotFound(facts.cid), None


def _not_deleted(facts: JoinFacts, _: Occupancy) -> Outcome:
    if facts.deleted:
        return "the call was deleted", CallNotFound(facts.cid), None
    return "the call was not deleted", None, None


def _team(facts: JoinFacts, _: Occupancy) -> Outcome:
    if facts.team is None:
        return "the call is for no team in particular", None, None
    if facts.by.actor.system or facts.team in facts.by.actor.teams:
        return f"in team {facts.team}", None, None
    return f"not in team {facts.team}", WrongTeam(facts.team), None


def _not_blocked(facts: JoinFacts, _: Occupancy) -> Outcome:
    if facts.blocked:
        return "blocked in this call", Blocked(facts.by.user_id), None
    return "not blocked", None, None


def _granted(facts: JoinFacts, _: Occupancy) -> Outcome:
    capability = Capability.JOIN_CALL
    if facts.by.actor.system:
        return "the system holds every capability", None, None

    def why() -> str:
        granting = sources(facts.grants, facts.standing, capability)
        return f"{capability}: {', '.join(granting) or 'no role grants it'}"

    if facts.by.may(capability):
        return why, None, None
    return why, NotAllowed(facts.by.actor.name, capability), None


def _not_ended(facts: JoinFacts, _: Occupancy) -> Outcome:
    if facts.ended_at is None:
        return "the call has not ended", None, None
    ended = f"the call ended at {facts.ended_at.isoformat()}"
    if facts.by.may(Capability.JOIN_ENDED_CALL):
        return f"{ended}; {Capability.JOIN_ENDED_CALL} held", None, Capability.JOIN_ENDED_CALL
    return ended, CallEnded(facts.ended_at), None


def _open(facts: JoinFacts, _: Occupancy) -> Outcome:
    if not facts.backstage:
        return "the call is not in backstage", None, None
    if facts.opens_at is not None and facts.at >= facts.opens_at:
        return f"open ahead of its start since {facts.opens_at.isoformat()}", None, None
    if facts.by.may(Capability.JOIN_BACKSTAGE):
        return f"in backstage; {Capability.JOIN_BACKSTAGE} held", None, Capability.JOIN_BACKSTAGE
    return "in backstage", NotLiveYet(facts.opens_at), None


def _room(facts: JoinFacts, occupancy: Occupancy) -> Outcome:
    limit = facts.max_participants
    if limit is None:
        return "no limit of participants", None, None
    if occupancy.present:
        return "in the call already", None, None
    if not facts.counts:
        return "does not count against the limit", None, None
    if occupancy.counted < limit:
        return f"{occupancy.counted} of {limit} participants", None, None
    return f"{occupancy.counted} of {limit} participants", CallFull(limit), None


RULES: Final[Rules] = (
    ("exists", _exists),
    ("not_deleted", _not_deleted),
    ("team", _team),
    ("not_blocked", _not_blocked),
    ("join_call", _granted),
    ("not_ended", _not_ended),
    ("open", _open),
    ("capacity", _room),
)
"""The order of semantics 3."""
