"""Histories told in short: everybody by name, instants in seconds since the beginning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest

from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import GreenroomError
from greenroom.domain.message import EntryId, Event, Role, Team
from greenroom.domain.operations import life, people, policy, presence, rings
from greenroom.domain.operations.members import Member
from greenroom.domain.operations.operation import Operation
from greenroom.domain.session_events import Left
from greenroom.domain.turn import Claim
from greenroom.testing.history import EMBEDDER, START, History

E = TypeVar("E", bound=Event)
R = TypeVar("R", bound=GreenroomError)
Who = Claim | str
Wanted = Operation[CallTurn]

SYSTEM = Claim("scheduler", system=True)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def guest(name: str) -> Claim:
    return Claim(name, Role("guest"), ())


def anonymous(name: str) -> Claim:
    return Claim(name, Role("anonymous"), ())


def of_team(name: str, *teams: str) -> Claim:
    return Claim(name, Role("user"), tuple(Team(team) for team in teams))


def names(events: Iterable[Event]) -> list[str]:
    return [event.name for event in events]


class Story(History):
    """A call's history; thierry creates, unless somebody else is named."""

    def create(
        self, by: Who = "thierry", *, at: float | None = None, ring: bool = False,
        notify: bool = False, video: bool = True, **options: Any,
    ) -> tuple[Event, ...]:  # fmt: skip  # a long signature in short
        new = life.new_call(**options)
        return self.ask(life.create(new, ring=ring, notify=notify, video=video), by=by, at=at)

    def join(self, who: Who, *, at: float | None = None) -> EntryId:
        entry_id = self.entry()
        self.ask(presence.join(entry_id), by=who, at=at)
        return entry_id

    def leave(
        self, who: Who, entry: EntryId | None = None, *, at: float | None = None
    ) -> tuple[Event, ...]:
        return self.ask(presence.leave(entry), by=who, at=at)

    def ring(self, *users: str, by: Who = "thierry", at: float | None = None) -> tuple[Event, ...]:
        return self.ask(rings.ring(users), by=by, at=at)

    def add(self, *members: Member | str, by: Who = "thierry") -> tuple[Event, ...]:
        found = [Member(one) if isinstance(one, str) else one for one in members]
        return self.ask(people.put(found), by=by)

    def upsert(self, user: str, **said: Any) -> None:
        self.ask(policy.upsert_user(user, **said), by=EMBEDDER)

    def settle(self, *, at: float) -> tuple[Event, ...]:
        """Time passes; what fell due has happened, late."""
        self.now = START + timedelta(seconds=at)
        return tuple(self.fire_timers())

    def refused(
        self, kind: type[R], operation: Wanted, *, by: Who = "thierry", at: float | None = None
    ) -> R:
        """The refusal, which must be of this kind."""
        with pytest.raises(kind) as refusal:
            self.rehearse(operation, by=by, at=at)
        return refusal.value

    def refused_join(self, kind: type[R], who: Who, *, at: float | None = None) -> R:
        return self.refused(kind, presence.join(self.entry()), by=who, at=at)

    @property
    def present(self) -> list[str]:
        return sorted(self.session.occupants)

    def last(self, kind: type[E]) -> E:
        """The latest event of this kind."""
        found = [step.event for step in self.steps if isinstance(step.event, kind)]
        assert found, f"there was no {kind.__name__}"
        return found[-1]

    def left(self) -> list[tuple[str, str]]:
        """(user, reason) of everybody who left, in order."""
        return [(e.user_id, e.reason.value) for s in self.steps if isinstance(e := s.event, Left)]


def story(cid: str = "default:123", **options: Any) -> Story:
    """A call that thierry has created at second 0."""
    told = Story(cid)
    told.create(**options)
    return told


def limited(participants: int, **limits: Any) -> Mapping[str, Any]:
    """Settings that admit so many."""
    return {"limits": {"max_participants": participants, **limits}}
