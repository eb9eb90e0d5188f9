"""The shape of every aggregate in greenroom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Generic, TypeVar

from msgspec import Struct

from greenroom.domain.access import Capability
from greenroom.domain.errors import NotAllowed
from greenroom.domain.message import Actor, UserId

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Decider(Generic[S, C, E]):
    """Two pure functions and a value: all there is to say of an aggregate."""

    initial: S
    decide: Callable[[S, C], Sequence[E]]
    evolve: Callable[[S, E], S]
    roll: Callable[[S, Iterable[E]], S] | None = None
    """The same as evolving by one event after the other, all at once and therefore faster; None
    where that is fast enough."""

    def fold(self, events: Iterable[E], state: S | None = None) -> S:
        """The state after `events`, from `state` on (from the beginning where none is given)."""
        start = self.initial if state is None else state
        if self.roll is not None:
            return self.roll(start, events)
        return reduce(self.evolve, events, start)


class Asker(Struct, frozen=True, gc=False):
    """Who asks, and what they may do in this call."""

    actor: Actor
    capabilities: frozenset[Capability]

    @property
    def user_id(self) -> UserId:
        """The user who asks."""
        return self.actor.user_id

    def may(self, capability: Capability) -> bool:
        """Whether the rules let them do what `capability` names. The system may all."""
        return self.actor.system or capability in self.capabilities

    def must(self, capability: Capability) -> None:
        """Go on only if they may.

        Raises:
            NotAllowed: they lack `capability`.
        """
        if not self.may(capability):
            raise NotAllowed(self.actor.name, capability)


class Command(Struct, frozen=True, gc=False, kw_only=True):
    """A wish, in the imperative. Time and standing come with it: the domain looks nothing up."""

    at: datetime
    by: Asker
