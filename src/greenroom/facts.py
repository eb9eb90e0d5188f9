"""What the rules look at, each with where it stands written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from greenroom.domain.access import OWNER, Capability, Standing
from greenroom.domain.admission import JoinFacts, Occupancy
from greenroom.domain.call_state import Call, Existence
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.call_type import CallType
from greenroom.domain.message import EntryId, Role, StreamId, UserId
from greenroom.domain.streams import (
    call_stream,
    member_stream,
    session_stream,
    type_stream,
    user_stream,
)

Aspect = Callable[[Any], Any]
"""What of a stream's state a fact is about: the last event that changed it made the fact true."""


class Written(NamedTuple):
    """Where a fact stands."""

    stream: StreamId
    aspect: Aspect


class Sighted(NamedTuple):
    """A fact that a rule looked at."""

    says: str
    favours: bool
    """Whether it speaks for passing; of several facts the last decides."""
    written: Written | None = None
    """None where nothing on record made it so."""


Facts = Sequence[Sighted]


def of_join(turn: CallTurn, facts: JoinFacts, occupancy: Occupancy) -> dict[str, Facts]:
    """What each rule of joining looks at, by the rule's name."""
    found = Finder(turn)
    return {
        "exists": found.existence(created=facts.created),
        "not_deleted": found.not_deleted(),
        "team": found.team(members_too=False),
        "not_blocked": found.not_blocked(facts.by.user_id),
        "join_call": found.capability(Capability.JOIN_CALL),
        "not_ended": found.not_ended(),
        "open": found.open(facts),
        "capacity": found.capacity(facts, occupancy),
    }


class Finder:
    """Finds what a turn about a call has looked at."""

    def __init__(self, turn: CallTurn) -> None:
        self._turn = turn
        self._call = call_stream(turn.cid)
        self._type = type_stream(turn.type_name)

    def existence(self, *, created: bool = False) -> Facts:
        """Whether there is such a call."""
        if created:
            return [Sighted("the call is created with this join", favours=True)]
        written = Written(self._call, _ever_created)
        if self._turn.call.existence is Existence.ABSENT:
            return [Sighted("no such call", favours=False, written=written)]
        return [Sighted("the call was created", favours=True, written=written)]

    def not_deleted(self) -> Facts:
        """Whether it was deleted."""
        deleted = _deleted(self._turn.call)
        says = "the call was deleted" if deleted else "the call was not deleted"
        return [Sighted(says, not deleted, Written(self._call, _deleted))]

    def team(self, *, members_too: bool) -> Facts:
        """Whether the actor is inside the call's team; creator and members may see in."""
        turn, team = self._turn, self._turn.call.team
        written = Written(self._call, lambda call: (_ever_created(call), call.team))
        if team is None:
            return [Sighted("the call is for no team in particular", favours=True, written=written)]
        wall = Sighted(f"the call is for team {team}", favours=False, written=written)
        actor = turn.actor
        if actor.system:
            return [wall, Sighted("the system is of every team", favours=True)]
        in_it = team in actor.teams
        record = Written(user_stream(UserId(actor.name)), lambda user: team in user.teams)
        own = Sighted(
            f"in team {team}" if in_it else f"not in team {team}",
            in_it,
            record if turn.claim.teams is None else None,
        )
        return [wall, own] if in_it or not members_too else [wall, own, *self._belongs()]

    def _belongs(self) -> Iterator[Sighted]:
        """What lets somebody of another team see the call all the same."""
        user_id = self._turn.actor.user_id
        if self._turn.call.created_by == user_id:
            yield Sighted("created the call", True, self._created_by(user_id))
        elif self._turn.member(user_id).role is not None:
            yield Sighted("a member of the call", True, self._member_role(user_id))

    def not_blocked(self, user_id: UserId) -> Facts:
        """Whether the user is blocked."""
        blocked = user_id in self._turn.call.blocked
        written = Written(self._call, lambda call: user_id in call.blocked)
        return [Sighted("blocked in this call" if blocked else "not blocked", not blocked, written)]

    def capability(self, capability: Capability, standing: Standing | None = None) -> Facts:
        """Why it is held or not: roles and what they grant, special grants, revocations.

        Args:
            capability: of the actor.
            standing: theirs, where it has changed meanwhile.
        """
        turn = self._turn
        if turn.actor.system:
            return [Sighted("the system holds every capability", favours=True)]
        grants, standing = turn.call_type.grants, standing or turn.standing
        user_id = turn.actor.user_id
        roles = list(self._roles(standing))
        held: list[Sighted] = []
        for role, own in roles:
            if capability in grants.get(role, frozenset()):
                held += [own._replace(favours=True), self._grants(role, capability, holds=True)]
        member = member_stream(turn.cid, user_id)
        if capability in standing.granted:
            written = Written(member, lambda one: capability in one.granted)
            held.append(Sighted(f"{capability} granted in this call", True, written))
        if not held:
            for role, own in roles:
                held += [own, self._grants(role, capability, holds=False)]
        if capability in standing.revoked:
            written = Written(member, lambda one: capability in one.revoked)
            held.append(Sighted(f"{capability} revoked in this call", False, written))
        return held

    def _roles(self, standing: Standing) -> Iterator[tuple[Role, Sighted]]:
        """The roles of the actor, and what makes them theirs; against, until they grant."""
        turn = self._turn
        user_id = turn.actor.user_id
        record = Written(user_stream(user_id), lambda user: user.role)
        own = record if turn.claim.role is None else None
        yield standing.user_role, Sighted(f"user role {standing.user_role}", False, own)
        if standing.member_role is not None:
            says = f"member role {standing.member_role}"
            yield standing.member_role, Sighted(says, False, self._member_role(user_id))
        if standing.owner:
            yield OWNER, Sighted("role owner: created the call", False, self._created_by(user_id))

    def _grants(self, role: Role, capability: Capability, *, holds: bool) -> Sighted:
        says = f"role {role} {'grants' if holds else 'does not grant'} {capability}"
        return Sighted(says, holds, Written(self._type, _granting(role, capability)))

    def _member_role(self, user_id: UserId) -> Written:
        return Written(member_stream(self._turn.cid, user_id), lambda member: member.role)

    def _created_by(self, user_id: UserId) -> Written:
        return Written(self._call, lambda call: call.created_by == user_id)

    def ended(self) -> Sighted:
        """When the call ended, or that it has not."""
        ended_at = self._turn.call.ended_at
        written = Written(self._call, lambda call: call.ended_at)
        if ended_at is None:
            return Sighted("the call has not ended", favours=True, written=written)
        return Sighted(f"the call ended at {ended_at.isoformat()}", False, written)

    def not_ended(self) -> Facts:
        """Whether it has ended, and whether that keeps the actor out."""
        ended = self.ended()
        return [ended] if ended.favours else [ended, *self.capability(Capability.JOIN_ENDED_CALL)]

    def open(self, facts: JoinFacts) -> Facts:
        """Whether regular users may come in yet, and whether the actor is one of them."""
        written = Written(self._call, lambda call: (_ever_created(call), call.backstage))
        if not facts.backstage:
            return [Sighted("the call is not in backstage", favours=True, written=written)]
        behind = [Sighted("the call is in backstage", False, written), *self._opening(facts)]
        if behind[-1].favours:
            return behind
        return [*behind, *self.capability(Capability.JOIN_BACKSTAGE)]

    def _opening(self, facts: JoinFacts) -> Iterator[Sighted]:
        if facts.opens_at is None:
            return
        starts_at = self._turn.call.starts_at
        said = "" if starts_at is None else starts_at.isoformat()
        yield Sighted(
            f"it starts at {said}", False, Written(self._call, lambda call: call.starts_at)
        )
        yield self.setting("backstage", "join_ahead_time_seconds", favours=False)
        passed = facts.at >= facts.opens_at
        yield Sighted(f"it opens ahead at {facts.opens_at.isoformat()}", passed)

    def capacity(self, facts: JoinFacts, occupancy: Occupancy) -> Facts:
        """Whether there is room."""
        limit = facts.max_participants
        if limit is None:
            return [self.setting("limits", "max_participants", favours=True)]
        of = self.setting("limits", "max_participants", favours=False)
        if occupancy.present:
            return [of, self.presence(facts.by.user_id)]
        if not facts.counts:
            return [of, *self._does_not_count(facts)]
        number = self._turn.call.session
        written = (
            Written(session_stream(self._turn.cid, number), lambda session: session.counted)
            if number
            else None
        )
        says = f"{occupancy.counted} of {limit} participants"
        return [of, Sighted(says, occupancy.counted < limit, written)]

    def _does_not_count(self, facts: JoinFacts) -> Iterator[Sighted]:
        standing = facts.standing
        limits = self._turn.settings.limits
        for role, own in self._roles(standing):
            if role in limits.max_participants_exclude_roles and role != OWNER:
                yield own._replace(favours=True)
                yield self.setting("limits", "max_participants_exclude_roles", favours=True)
        if standing.owner and limits.max_participants_exclude_owner:
            yield Sighted("created the call", True, self._created_by(facts.by.user_id))
            yield self.setting("limits", "max_participants_exclude_owner", favours=True)

    def presence(self, user_id: UserId) -> Sighted:
        """Whether the user is in the call."""
        number = self._turn.call.session
        present = user_id in self._turn.session.occupants
        says = f"{user_id} is in the call" if present else f"{user_id} is not in the call"
        if not number:
            return Sighted(says, present)
        stream = session_stream(self._turn.cid, number)
        return Sighted(says, present, Written(stream, lambda one: user_id in one.occupants))

    def entry(self, entry_id: EntryId) -> Sighted:
        """Whether an entry is in the call."""
        number = self._turn.call.session
        if not number or entry_id in self._turn.session.entries:
            return Sighted(f"{entry_id} is no entry of theirs", favours=False)
        stream = session_stream(self._turn.cid, number)
        written = Written(stream, lambda one: entry_id in one.entries)
        return Sighted(f"{entry_id} is not in the call", favours=False, written=written)

    def setting(self, group: str, field: str, *, favours: bool) -> Sighted:
        """A setting, as it is in force, and whose it is."""
        value = getattr(getattr(self._turn.settings, group), field)
        own = self._turn.call.settings.get(group, {}).get(field)
        says = f"{group}.{field} is {'not set' if value is None else value}"
        if own is not None:
            written = Written(self._call, lambda call: call.settings.get(group, {}).get(field))
            return Sighted(f"{says}, as the call has it", favours, written)
        return Sighted(says, favours, Written(self._type, _setting(group, field)))

    def defined(self) -> Sighted:
        """Whether the call's type is."""
        known = self._turn.call_type.name is not None
        says = f"call type {self._turn.type_name} is {'' if known else 'not '}defined"
        return Sighted(says, known, Written(self._type, lambda one: one.name is not None))

    def membership(self, user_id: UserId) -> Sighted:
        """Whether the user is a member."""
        member = self._turn.member(user_id).role is not None
        says = f"{user_id} is {'' if member else 'not '}a member"
        written = Written(member_stream(self._turn.cid, user_id), lambda one: one.role is not None)
        return Sighted(says, member, written)

    def rung(self, user_id: UserId) -> Sighted:
        """Whether the user was ever rung."""
        number = self._turn.call.rung.get(user_id, 0)
        says = f"ring {number} called {user_id}" if number else f"no ring called {user_id}"
        return Sighted(
            says, bool(number), Written(self._call, lambda one: one.rung.get(user_id, 0))
        )

    def answered(self, user_id: UserId) -> Sighted:
        """What the user answered to their last ring."""
        member = self._turn.member(user_id)
        says = f"{user_id} answered: {member.answer}" if member.answer else f"{user_id} is in"
        stream = member_stream(self._turn.cid, user_id)
        return Sighted(says, False, Written(stream, lambda one: (one.ring, one.answer, one.final)))


def _ever_created(call: Call) -> bool:
    return call.existence is not Existence.ABSENT


def _deleted(call: Call) -> bool:
    return call.existence in _GONE


_GONE: Final = frozenset({Existence.DELETED, Existence.ERASED})


def _granting(role: Role, capability: Capability) -> Aspect:
    def aspect(call_type: CallType) -> bool:
        return capability in call_type.grants.get(role, frozenset())

    return aspect


def _setting(group: str, field: str) -> Aspect:
    def aspect(call_type: CallType) -> tuple[bool, Any]:
        return call_type.name is not None, getattr(getattr(call_type.settings, group), field)

    return aspect
