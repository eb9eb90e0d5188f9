"""A turn about one call: what its aggregates are asked, and what follows from their states."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from greenroom.domain.access import Capability, Standing, effective
from greenroom.domain.admission import JoinFacts, Occupancy, Rules, admit
from greenroom.domain.call import CALL
from greenroom.domain.call_commands import CallCommand, DeleteCall, EndCall, EndSession
from greenroom.domain.call_events import SessionEnded
from greenroom.domain.call_state import Call, Existence, Ring
from greenroom.domain.call_type import CallType
from greenroom.domain.decider import Asker
from greenroom.domain.errors import CallNotFound, CallTypeNotFound, WrongTeam
from greenroom.domain.membership import MemberAdded, Membership, MembershipCommand, Miss
from greenroom.domain.message import SYSTEM, Actor, CallId, Role, Team, UserId
from greenroom.domain.session_commands import EndRecording, PutOut, SessionCommand
from greenroom.domain.session_events import Left, LeftReason, RecordingEnd
from greenroom.domain.session_state import Session
from greenroom.domain.settings import Settings
from greenroom.domain.streams import (
    call_stream,
    member_stream,
    session_stream,
    type_stream,
    user_stream,
)
from greenroom.domain.turn import Claim, Load, Turn


class CallTurn(Turn):
    """A turn about one call."""

    rules: Rules = ()
    """Of joining, where they are not those of semantics 3."""

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
        self.member_ids: Final = member_ids
        """Finds who is recorded as a member of a call."""

    @property
    def call(self) -> Call:
        """The call, whether it exists or not."""
        stream = self._call_stream
        state: Call = (self._now.get(stream) or self._first_read(stream)).state
        return state

    @property
    def call_type(self) -> CallType:
        """The call's type."""
        state: CallType = self._read(self._type_stream).state
        return state

    @property
    def settings(self) -> Settings:
        """The settings in force: the call's own over its type's."""
        found: Settings | None = self._derived.get("settings")
        if found is None:
            found = self.call_type.settings.overridden(self.call.settings)
            self._derived["settings"] = found
        return found

    @property
    def inactivity_timeout(self) -> timedelta:
        """How long an empty session stays open."""
        return timedelta(seconds=self.settings.session.inactivity_timeout_seconds)

    @property
    def grace(self) -> timedelta:
        """How long an entry whose media was lost may take to connect again."""
        return timedelta(seconds=self.settings.session.reconnection_timeout_seconds)

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
        about = "standing", user_id, role
        found: Standing | None = self._derived.get(about)
        if found is None:
            member = self.member(user_id)
            found = self._derived[about] = Standing(
                user_role=role,
                member_role=member.role,
                owner=self.call.created_by == user_id,
                granted=member.granted,
                revoked=member.revoked,
            )
        return found

    @property
    def by(self) -> Asker:
        """The actor with their effective capabilities."""
        return self.asker(self.actor)

    def asker(self, actor: Actor) -> Asker:
        """Somebody with their effective capabilities in this call."""
        found: Asker | None = self._derived.get(actor)
        if found is None:
            held: frozenset[Capability] = frozenset()
            if not actor.system:
                standing = self.standing_of(actor.user_id, actor.role)
                held = effective(self.call_type.grants, standing)
            found = self._derived[actor] = Asker(actor, held)
        return found

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
        ids = told.union(self.member_ids(self.cid))
        return tuple(sorted(user for user in ids if self.member(user).role is not None))

    def tell_call(self, command: CallCommand) -> None:
        """Let the call decide; the recording of a session ends with it."""
        if isinstance(command, EndCall | EndSession | DeleteCall):
            self._end_recording(command)
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

    def _end_recording(self, command: CallCommand) -> None:
        """End the recording that is on, if `command` ends the session; before it does."""
        if self.session.recordings.running:
            for event in CALL.decide(self.call, command):
                if isinstance(event, SessionEnded):
                    ending = EndRecording(
                        at=self.at,
                        by=command.by,
                        cid=self.cid,
                        session=event.session,
                        reason=RecordingEnd.ENDED,
                    )
                    self.tell_session(ending)

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
            claimed=self.claim.system or self.claim.role is not None,
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
            rules=self.rules,
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
