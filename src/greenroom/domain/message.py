"""What events, commands and records have in common."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Generic, NewType, TypeVar

from msgspec import Meta, Struct

CallId = NewType("CallId", str)
"""The cid, `type:id`."""
UserId = NewType("UserId", str)
EntryId = NewType("EntryId", str)
"""One connection of one user; a user may be present through several."""
SessionId = NewType("SessionId", str)
"""One occupation of a call, `<cid>/<number>`."""
StreamId = NewType("StreamId", str)
EventId = NewType("EventId", str)
RequestId = NewType("RequestId", str)
Role = NewType("Role", str)
Team = NewType("Team", str)

SYSTEM: Final = "system:"
"""How the ids of the system's own participants begin; no user id can."""

Instant = Annotated[datetime, Meta(tz=True)]
"""An aware datetime."""
Json = Mapping[str, Any]
"""A JSON object."""


class Event(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Something that happened. Who asked and where it stands is the record's business.

    Its types are checked when it is read back: what is recorded by our own rules is right.
    """

    name: ClassVar[str]
    """The stored name. Once released it never changes."""
    personal: ClassVar[tuple[str, ...]] = ()
    """Fields about a person: stored sealed, and gone once the person or the call is erased.

    Each has a default, which is what is read back after the erasure.
    """

    at: Instant
    """When it was decided."""


class Actor(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Who issues a command: a user, or a named part of the embedding system."""

    name: str
    """The user id; for the system, the name of the part that acts."""
    role: Role = Role("user")
    teams: tuple[Team, ...] = ()
    system: bool = False

    @property
    def user_id(self) -> UserId:
        """The acting user. For the system `system:<name>`, which no user id can be."""
        return recorded_as(self.name, system=self.system)


def recorded_as(name: str, *, system: bool) -> UserId:
    """How records name who acts: parts of the system as no user id can be."""
    return UserId(SYSTEM + name if system else name)


E_co = TypeVar("E_co", bound=Event, covariant=True)


class Decided(Struct, Generic[E_co], frozen=True, gc=False, kw_only=True):
    """An event about to be recorded: its place in its stream, who asked, and why."""

    stream: StreamId
    version: int
    """Order within the stream: 1, 2, 3 ... without gaps."""
    event: E_co
    event_id: EventId
    by: Actor
    request_id: RequestId
    """Of the command that brought it about; shared by all events of one append."""
    correlation_id: RequestId
    """Of the first command of the chain this one belongs to; its own for commands from outside."""
    causation_id: EventId | None = None
    """The event that made the system act; None where somebody asked."""

    @property
    def at(self) -> datetime:
        """When it was decided."""
        return self.event.at


class Recorded(Decided[E_co], Generic[E_co], frozen=True, gc=False, kw_only=True):
    """An event as it stands in the log."""

    position: int
    """Order in the whole log. Positions rise; gaps may occur."""
