"""The User aggregate: what the embedder tells greenroom about its people. Streams: `user-<id>`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, assert_never

from greenroom.domain.access import USER
from greenroom.domain.decider import Command, Decider
from greenroom.domain.merge import merge_patch, same_json
from greenroom.domain.message import Event, Json, Role, Team, UserId


class UserUpserted(Event, frozen=True, kw_only=True):
    """The user is known with these properties from now on."""

    name: ClassVar[str] = "user.upserted"
    personal: ClassVar[tuple[str, ...]] = ("display_name", "custom")
    user_id: UserId
    role: Role = USER
    teams: tuple[Team, ...] = ()
    display_name: str = ""
    custom: dict[str, Any] = {}


class UserErased(Event, frozen=True, kw_only=True):
    """Everything personal about the user is gone; the id remains."""

    name: ClassVar[str] = "user.erased"
    user_id: UserId


UserEvent = UserUpserted | UserErased


class UpsertUser(Command, frozen=True, kw_only=True):
    """None leaves a property as it is; `custom` is a JSON Merge Patch."""

    user_id: UserId
    role: Role | None = None
    teams: tuple[Team, ...] | None = None
    display_name: str | None = None
    custom: Json = {}


class EraseUser(Command, frozen=True, kw_only=True):
    user_id: UserId


UserCommand = UpsertUser | EraseUser


@dataclass(frozen=True, slots=True)
class User:
    """What is known of a user; as for somebody nobody has told us about."""

    known: bool = False
    role: Role = USER
    teams: tuple[Team, ...] = ()
    display_name: str = ""
    custom: Json = field(default_factory=dict)


def decide(user: User, command: UserCommand) -> Sequence[UserEvent]:
    """The events that `command` brings about; none where it is already so."""
    match command:
        case UpsertUser():
            wanted = User(
                known=True,
                role=user.role if command.role is None else command.role,
                teams=user.teams if command.teams is None else command.teams,
                display_name=(
                    user.display_name if command.display_name is None else command.display_name
                ),
                custom=merge_patch(user.custom, command.custom),
            )
            if wanted == user and same_json(wanted.custom, user.custom):
                return []
            return [
                UserUpserted(
                    at=command.at,
                    user_id=command.user_id,
                    role=wanted.role,
                    teams=wanted.teams,
                    display_name=wanted.display_name,
                    custom=dict(wanted.custom),
                )
            ]
        case EraseUser(user_id=user_id):
            # Each time anew: calls may hold more about somebody unknown here, or erased before.
            return [UserErased(at=command.at, user_id=user_id)]
        case _:
            assert_never(command)


def evolve(user: User, event: UserEvent) -> User:  # noqa: ARG001 - the shape of every evolve
    """The user after `event`. Never refuses: what is recorded has happened."""
    match event:
        case UserUpserted():
            return User(
                known=True,
                role=event.role,
                teams=event.teams,
                display_name=event.display_name,
                custom=event.custom,
            )
        case UserErased():
            return User()
        case _:
            assert_never(event)


USER_PROFILE: Final = Decider(User(), decide, evolve)
