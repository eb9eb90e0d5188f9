"""One command's turn: what it reads, and what the aggregates decide, as one transaction.

An operation that concerns several aggregates (ending a call puts everybody out) asks each of them
in turn. The turn remembers which version of every stream was read, so that all of it is recorded
only if none of it has changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import Any, Final, Generic, Protocol, TypeVar

from msgspec import Struct

from greenroom.domain.call_type import CallType, CallTypeCommand
from greenroom.domain.decider import Asker, Decider
from greenroom.domain.message import Actor, Event, Role, StreamId, Team, UserId, recorded_as
from greenroom.domain.streams import (
    decider_of,
    type_stream,
    user_stream,
)
from greenroom.domain.user import User, UserCommand

S = TypeVar("S")

TIMERS: Final = Asker(Actor(name="timers", system=True), frozenset())
"""Who acts when a deadline has passed."""


class Folded(Struct, Generic[S], frozen=True, gc=False):
    """An aggregate's state and the version it has."""

    state: S
    version: int


class Load(Protocol):
    """Where a turn reads from: a stream's folded state, from a cache or the store."""

    def __call__(self, stream: StreamId) -> Folded[Any]:
        """The state of `stream`; its decider's initial one, at version 0, where it is empty."""
        ...


class Claim(Struct, frozen=True, gc=False):
    """Who acts, as the asker says it.

    Role and teams that are None are looked up in the User record.
    """

    name: str
    role: Role | None = None
    teams: tuple[Team, ...] | None = None
    system: bool = False

    @property
    def user_id(self) -> UserId:
        """As records will name them."""
        return recorded_as(self.name, system=self.system)


class Step(Struct, frozen=True, gc=False):
    """One decided event and where it goes."""

    stream: StreamId
    version: int
    event: Event
    by: Actor


class Turn:
    """What one command reads and decides. Later decisions see the earlier ones."""

    def __init__(self, claim: Claim, at: datetime, load: Load) -> None:
        self.at = at
        self.claim: Final = claim
        """Who acts, as they said."""
        self._load = load
        self._actor: Actor | None = None
        self._now: dict[StreamId, Folded[Any]] = {}
        self._derived: dict[Hashable, Any] = {}
        """What follows from the states as they are now; forgotten when something is decided."""
        self.expects: dict[StreamId, int] = {}
        """The version of every stream that was read, as it was before this turn."""
        self.steps: list[Step] = []
        """What was decided, in order."""

    @property
    def states(self) -> Mapping[StreamId, Folded[Any]]:
        """Every stream that was read, as it is after this turn."""
        return self._now

    @property
    def actor(self) -> Actor:
        """Who acts, with the role and teams that hold for this decision."""
        if self._actor is None:
            self._actor = self._identified()
        return self._actor

    def _identified(self) -> Actor:
        claim = self.claim
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
        return self._now.get(stream) or self._first_read(stream)

    def _first_read(self, stream: StreamId) -> Folded[Any]:
        folded = self._now[stream] = self._load(stream)
        self.expects[stream] = folded.version
        return folded

    def _tell(self, stream: StreamId, command: object, by: Asker) -> None:
        decider: Decider[Any, Any, Any] = decider_of(stream)
        folded = self._read(stream)
        state, version = folded.state, folded.version
        events = decider.decide(state, command)
        if not events:
            return
        for event in events:
            state, version = decider.evolve(state, event), version + 1
            self.steps.append(Step(stream, version, event, by.actor))
        self._now[stream] = Folded(state, version)
        self._derived.clear()
