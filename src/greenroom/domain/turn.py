"""One command's turn: what it reads, and what the aggregates decide, as one transaction.

An operation that concerns several aggregates (ending a call puts everybody out) asks each of them
in turn. The turn remembers which version of every stream was read, so that all of it is recorded
only if none of it has changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, Generic, Protocol, TypeVar

from greenroom.domain.access import Capability, Standing, effective
from greenroom.domain.admission import JoinFacts, Occupancy, admit
from greenroom.domain.call_commands import CallCommand, EndSession
from greenroom.domain.call_state import Call, Existence, Ring
from greenroom.domain.call_type import CallType, CallTypeCommand
from greenroom.domain.decider import Asker, Decider
from greenroom.domain.errors import CallNotFound, CallTypeNotFound, WrongTeam
from greenroom.domain.membership import MemberAdded, Membership, MembershipCommand, Miss
from greenroom.domain.message import SYSTEM, Actor, CallId, Event, Role, StreamId, Team, UserId
from greenroom.domain.session import Session
from greenroom.domain.session_commands import PutOut, SessionCommand
from greenroom.domain.session_events import Left, LeftReason
from greenroom.domain.settings import Settings
from greenroom.domain.streams import (
    call_stream,
    decider_of,
    member_stream,
    session_stream,
    type_stream,
    user_stream,
)
from greenroom.domain.user import User, UserCommand

S = TypeVar("S")

TIMERS: Final = Asker(Actor(name="timers", system=True), frozenset())
"""Who acts when a deadline has passed."""


@dataclass(frozen=True, slots=True)
class Folded(Generic[S]):
    """An aggregate's state and the version it has."""

    state: S
    version: int


class Load(Protocol):
    """Where a turn reads from: a stream's folded state, from a cache or the store."""

    def __call__(self, stream: StreamId) -> Folded[Any]:
        """The state of `stream`; its decider's initial one, at version 0, where it is empty."""
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """Who acts, as the asker says it.

    Role and teams that are None are looked up in the User record.
    """

    name: str
    role: Role | None = None
    teams: tuple[Team, ...] | None = None
    system: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One decided event and where it goes."""

    stream: StreamId
    version: int
    event: Event
    by: Actor


class Turn:
    """What one command reads and decides. Later decisions see the earlier ones."""

    def __init__(self, claim: Claim, at: datetime, load: Load) -> None:
        self.at = at
        self._claim = claim
        self._load = load
        self._now: dict[StreamId, Folded[Any]] = {}
        self.expects: dict[StreamId, int] = {}
        """The version of every stream that was read, as it was before this turn."""
        self.steps: list[Step] = []
        """What was decided, in order."""

    @property
    def states(self) -> Mapping[StreamId, Folded[Any]]:
        """Every stream that was read, as it is after this turn."""
        return self._now

    @cached_property
    def actor(self) -> Actor:
        """Who acts, with the role and teams that hold for this decision."""
        claim = self._claim
        if claim.system:
            return Actor(name=claim.name, role=Role("system"), system=True)
        if claim.role is not None and claim.teams is not None:
            return Actor(name=claim.name, role=claim.role, teams=claim.teams)
        user = self.user(UserId(claim.name))
        return Actor(
            name=claim.name,
            role=user.role if claim.role is None else claim.role,
            teams=user.teams if claim.teams is None else claim.teams,
        )

    def user(self, user_id: UserId) -> User:
        """What is known of a user."""
        state: User = self._read(user_stream(user_id)).state
        return state

    def type_named(self, name: str) -> CallType:
        """A call type; its initial state where there is none."""
        state: CallType = self._read(type_stream(name)).state
        return state

    def tell_type(self, name: str, command: CallTypeCommand) -> None:
        """Let a call type decide."""
        self._tell(type_stream(name), command, command.by)

    def tell_user(self, user_id: UserId, command: UserCommand) -> None:
        """Let a user record decide."""
        self._tell(user_stream(user_id), command, command.by)

    def version(self, stream: StreamId) -> int:
        """The version that `stream` has, with what this turn adds."""
        return self._read(stream).version

    def _read(self, stream: StreamId) -> Folded[Any]:
        folded = self._now.get(stream)
        if folded is None:
            folded = self._now[stream] = self._load(stream)
            self.expects[stream] = folded.version
        return folded

    def _tell(self, stream: StreamId, command: object, by: Asker) -> None:
        decider: Decider[Any, Any, Any] = decider_of(stream)
        folded = self._read(stream)
        state, version = folded.state, folded.version
        for event in decider.decide(state, command):
            state, version = decider.evolve(state, event), version + 1
            self.steps.append(Step(stream, version, event, by.actor))
        self._now[stream] = Folded(state, version)


class CallTurn(Turn):
    """A turn about one call."""

    def __init__(
        self,
        cid: CallId,
        claim: Claim,
        at: datetime,
        load: Load,
        member_ids: Callable[[CallId], Iterable[UserId]],
    ) -> None:
        super().__init__(claim, at, load)
        self.cid = cid
        self.type_name = cid.partition(":")[0]
        """The call's type: the first half of the cid."""
        self._call_stream = call_stream(cid)
        self._type_stream = type_stream(self.type_name)
        self._member_ids = member_ids

    @property
    def call(self) -> Call:
        """The call, whether it exists or not."""
        state: Call = self._read(self._call_stream).state
        return state

    @property
    def call_type(self) -> CallType:
        """The call's type."""
        state: CallType = self._read(self._type_stream).state
        return state

    @property
    def settings(self) -> Settings:
        """The settings in force: the call's own over its type's."""
        return self.call_type.settings.overridden(self.call.settings)

    @property
    def inactivity_timeout(self) -> timedelta:
        """How long an empty session stays open."""
        return timedelta(seconds=self.settings.session.inactivity_timeout_seconds)

    @property
    def session(self) -> Session:
        """Who is in the call; nobody where no session is on."""
        return self.session_numbered(self.call.session)

    def session_numbered(self, number: int) -> Session:
        """One session of the call, the next one included."""
        if number == 0:
            return Session()
        state: Session = self._read(session_stream(self.cid, number)).state
        return state

    def member(self, user_id: UserId) -> Membership:
        """A user's standing in the call, member or not."""
        state: Membership = self._read(member_stream(self.cid, user_id)).state
        return state

    @property
    def standing(self) -> Standing:
        """What decides the actor's capabilities."""
        actor = self.actor
        return self.standing_of(actor.user_id, actor.role)

    def standing_of(self, user_id: UserId, role: Role) -> Standing:
        """What decides the capabilities of a user who has this role."""
        member = self.member(user_id)
        return Standing(
            user_role=role,
            member_role=member.role,
            owner=self.call.created_by == user_id,
            granted=member.granted,
            revoked=member.revoked,
        )

    @property
    def by(self) -> Asker:
        """The actor with their effective capabilities."""
        return self.asker(self.actor)

    def asker(self, actor: Actor) -> Asker:
        """Somebody with their effective capabilities in this call."""
        if actor.system:
            return Asker(actor, frozenset())
        standing = self.standing_of(actor.user_id, actor.role)
        return Asker(actor, effective(self.call_type.grants, standing))

    def existing(self) -> Call:
        """The call, for somebody who may know of it.

        Raises:
            CallNotFound: it was never created, or was deleted.
            WrongTeam: it belongs to a team that the actor is not in; its creator and its members
                see it all the same, though only the team may join.
        """
        call = self.call
        if call.existence is not Existence.HERE:
            raise CallNotFound(self.cid)
        actor = self.actor
        if call.team is None or actor.system or call.team in actor.teams:
            return call
        if call.created_by == actor.user_id or self.member(actor.user_id).role is not None:
            return call
        raise WrongTeam(call.team)

    def known_type(self) -> CallType:
        """The call's type, where there must be one.

        Raises:
            CallTypeNotFound: nobody defined it.
        """
        call_type = self.call_type
        if call_type.name is None:
            raise CallTypeNotFound(self.type_name)
        return call_type

    def everyone(self) -> tuple[UserId, ...]:
        """All members, sorted, with those this turn has added or removed considered."""
        told = {step.event.user_id for step in self.steps if isinstance(step.event, MemberAdded)}
        ids = told.union(self._member_ids(self.cid))
        return tuple(sorted(user for user in ids if self.member(user).role is not None))

    def tell_call(self, command: CallCommand) -> None:
        """Let the call decide."""
        self._tell(self._call_stream, command, command.by)

    def tell_member(self, command: MembershipCommand) -> None:
        """Let one user's standing decide."""
        self._tell(member_stream(self.cid, command.user_id), command, command.by)

    def tell_session(self, command: SessionCommand) -> None:
        """Let a session decide; close it at once where it became empty and may not wait."""
        self._tell(session_stream(self.cid, command.session), command, command.by)
        last = self.steps[-1].event if self.steps else None
        if isinstance(last, Left) and last.closes_at is not None and last.closes_at <= self.at:
            self.tell_call(
                EndSession(at=self.at, by=command.by, cid=self.cid, session=command.session)
            )

    def put_out(
        self,
        reason: LeftReason,
        users: frozenset[UserId] | None = None,
        *,
        by: Asker | None = None,
        closing: bool = False,
    ) -> None:
        """Close every entry of these users, or of everybody.

        Args:
            reason: recorded with each.
            users: None for everybody.
            by: who does it, where it is not the actor.
            closing: the session ends with them, and need not wait for anybody.
        """
        number = self.call.session
        if number:
            self.tell_session(
                PutOut(
                    at=self.at,
                    by=by or self.by,
                    cid=self.cid,
                    session=number,
                    reason=reason,
                    user_ids=users,
                    inactivity_timeout=None if closing else self.inactivity_timeout,
                )
            )

    def miss(self, ring: Ring, by: Asker) -> None:
        """Record whoever has not answered `ring` as having missed it."""
        for user_id in ring.user_ids:
            self.tell_member(
                Miss(at=self.at, by=by, cid=self.cid, user_id=user_id, ring=ring.number)
            )

    def join_facts(self, by: Asker, *, created: bool = False) -> JoinFacts:
        """Everything outside the session that a join by `by` is decided on."""
        call, settings = self.call, self.settings
        user_id = by.user_id
        standing = self.standing_of(user_id, by.actor.role)
        limits = settings.limits
        excluded = {standing.user_role, standing.member_role} & {
            *limits.max_participants_exclude_roles
        }
        free = bool(excluded) or (standing.owner and limits.max_participants_exclude_owner)
        user = user_stream(user_id)
        return JoinFacts(
            cid=self.cid,
            at=self.at,
            by=by,
            standing=standing,
            claimed=self._claim.system or self._claim.role is not None,
            grants=self.call_type.grants,
            exists=call.existence is not Existence.ABSENT,
            created=created,
            deleted=call.existence in {Existence.DELETED, Existence.ERASED},
            team=call.team,
            blocked=user_id in call.blocked,
            ended_at=call.ended_at,
            backstage=call.backstage,
            opens_at=call.opens_at(settings),
            max_participants=limits.max_participants,
            counts=not free,
            versions=(
                self.version(self._call_stream),
                self.version(self._type_stream),
                self.version(member_stream(self.cid, user_id)),
                self._now[user].version if user in self._now else 0,
            ),
        )

    def holds(self, user_id: UserId, capability: Capability) -> bool:
        """Whether somebody who is in the call holds `capability` there."""
        return self.asker(participant(user_id, self._role_of(user_id))).may(capability)

    def may_stay(self, user_id: UserId) -> bool:
        """Whether somebody who is in the call could join it again, as things are now."""
        team = self.call.team
        teams = () if team is None else (team,)
        actor = participant(user_id, self._role_of(user_id), teams)
        return admit(self.join_facts(self.asker(actor)), Occupancy(present=True)).admitted

    def _role_of(self, user_id: UserId) -> Role:
        """The user role of somebody who is in the call, as it is now."""
        claimed = self.session.occupants[user_id].claimed
        return self.user(user_id).role if claimed is None else claimed


def participant(user_id: UserId, role: Role, teams: tuple[Team, ...] = ()) -> Actor:
    """Whoever is in a call under this id, as an actor."""
    if user_id.startswith(SYSTEM):
        return Actor(name=user_id.removeprefix(SYSTEM), role=role, system=True)
    return Actor(name=user_id, role=role, teams=teams)
