"""What the embedder holds: its call types and its users."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from pydantic import ConfigDict, TypeAdapter

from greenroom.answers import Answer, recorded
from greenroom.desk import Command
from greenroom.domain import checks
from greenroom.domain.call_type import CallType
from greenroom.domain.errors import CallTypeNotFound
from greenroom.domain.message import StreamId, UserId
from greenroom.domain.operations import policy
from greenroom.domain.operations.operation import Operation
from greenroom.domain.settings import Settings
from greenroom.domain.streams import type_stream, user_stream
from greenroom.domain.turn import Claim, Turn
from greenroom.domain.user import User

if TYPE_CHECKING:
    from greenroom.live import LiveCore

A = TypeVar("A", bound=Answer)


class TypeState(Answer):
    """A call type."""

    name: str
    settings: Settings
    grants: Mapping[str, tuple[str, ...]]
    """What each role may do, sorted."""
    indexed_custom: Mapping[str, Mapping[str, str]]


class UserState(Answer):
    """What is known of a user."""

    model_config = ConfigDict(frozen=True)

    user_id: UserId
    name: str
    role: str
    teams: tuple[str, ...]
    custom: Mapping[str, Any]
    known: bool
    """Whether anybody has told us about them, and nobody has erased them since."""

    def impersonal(self) -> Self:
        """Without name and custom data."""
        return self.model_copy(update={"name": "", "custom": {}})

    def personal_again(self, state: Callable[[StreamId], Any]) -> Self:
        """With name and custom data, read from the user's stream."""
        user: User = state(user_stream(self.user_id))
        return self.model_copy(update={"name": user.display_name, "custom": dict(user.custom)})


_TYPE: Final = TypeAdapter(TypeState)
_USER: Final = TypeAdapter(UserState)


class CallTypes:
    """Call types: bundles of settings and grants. Changes are the embedder's, and recorded."""

    def __init__(self, core: LiveCore) -> None:
        self._core = core

    def create(
        self,
        name: str,
        *,
        based_on: str = "default",
        settings: Mapping[str, Any] | None = None,
        indexed_custom: Mapping[str, Mapping[str, str]] | None = None,
        request_id: str | None = None,
    ) -> TypeState:
        """Define a type as a copy of another; its later changes do not reach the copy.

        Args:
            name: 1 to 64 of `A-Za-z0-9_-`.
            based_on: built in are `default`, `audio_room`, `livestream`, `development`.
            settings: what differs, by group and field.
            indexed_custom: declared custom fields, `{"members": {"color": "string"}, "calls": ...}`
                of kind `string`, `number`, `boolean` or `instant`: checked on write, indexed.
            request_id: of this command.

        Raises:
            CallTypeExists: it was defined before, differently; the same again records nothing.
        """
        operation = policy.define_type(
            name, based_on=based_on, settings=settings, indexed_custom=indexed_custom
        )
        return self._ask(name, operation, request_id)

    def update(
        self,
        name: str,
        *,
        settings: Mapping[str, Any] | None = None,
        indexed_custom: Mapping[str, Mapping[str, str | None]] | None = None,
        request_id: str | None = None,
    ) -> TypeState:
        """Change settings, and which custom fields are declared; None leaves them as they are.

        Calls follow at once where they have no settings of their own. Except for the maximum
        duration: a session that is on keeps the end it began with.

        Args:
            name: of the type.
            settings: what changes, by group and field.
            indexed_custom: fields to declare beside those that are, `{"members": {"color":
                "string"}}`; None in place of a kind declares one no longer. What was written
                before stays as it is, and is checked with its next change. The index is made
                beside everything else that goes on.
            request_id: of this command.

        Raises:
            CallTypeNotFound: nobody defined it.
        """
        return self._ask(name, policy.change_type(name, settings, indexed_custom), request_id)

    def grant(
        self, name: str, *, role: str, capability: str, request_id: str | None = None
    ) -> TypeState:
        """Let a role do more in calls of this type."""
        return self._ask(name, policy.grant(name, role, capability), request_id)

    def revoke(
        self, name: str, *, role: str, capability: str, request_id: str | None = None
    ) -> TypeState:
        """Let a role do less in calls of this type. Nobody who is in is put out by it."""
        return self._ask(name, policy.revoke(name, role, capability), request_id)

    def list(self) -> Sequence[TypeState]:
        """All types as they are, by name; the built-in ones among them."""
        return [self.get(name) for name in self._core.seen().lookups.call_types()]

    def get(self, name: str) -> TypeState:
        """The type as it is.

        Raises:
            CallTypeNotFound: nobody defined it.
        """
        return self._ask(name, policy.look_at_type(name), None)

    def _ask(self, said: str, operation: Operation[Turn], request_id: str | None) -> TypeState:
        name = checks.name(said, "name")
        stream = type_stream(name)

        def answer(turn: Turn) -> TypeState:
            return type_state(turn.type_named(name), name, turn, stream)

        return _asked(self._core, stream, operation, answer, _TYPE, request_id)


class Users:
    """What the embedder tells greenroom of its users; nobody need be told about to join."""

    def __init__(self, core: LiveCore) -> None:
        self._core = core

    def upsert(
        self,
        user_id: str,
        *,
        name: str | None = None,
        role: str | None = None,
        teams: Iterable[str] | None = None,
        custom: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> UserState:
        """Tell about a user, or tell more; what is None stays as it is.

        Args:
            user_id: 1 to 128 of `A-Za-z0-9_@.+|=~-`.
            name: to be shown and searched by.
            role: `user guest anonymous admin`, or any other.
            teams: all of them.
            custom: a JSON Merge Patch; at most 8 KiB in all.
            request_id: of this command.
        """
        operation = policy.upsert_user(user_id, name=name, role=role, teams=teams, custom=custom)
        return self._ask(user_id, operation, request_id)

    def get(self, user_id: str) -> UserState:
        """What is known of a user."""
        return self._ask(user_id, policy.look_at_user(user_id), None)

    def erase(self, user_id: str, *, request_id: str | None = None) -> UserState:
        """Make everything personal about a user unreadable, in every call; the id remains."""
        return self._ask(user_id, policy.erase_user(user_id), request_id)

    def _ask(self, said: str, operation: Operation[Turn], request_id: str | None) -> UserState:
        user_id = checks.user_id(said, "user_id")
        stream = user_stream(user_id)

        def answer(turn: Turn) -> UserState:
            return user_state(turn.user(user_id), user_id, turn, stream)

        return _asked(self._core, stream, operation, answer, _USER, request_id)


EMBEDDER: Final = Claim("embedder", system=True)
"""Who acts through `room.call_types` and `room.users`."""


def _asked(  # noqa: PLR0917 - what both classes ask with, in the order of a command
    core: LiveCore,
    stream: StreamId,
    operation: Operation[Turn],
    answer: Callable[[Turn], A],
    kind: TypeAdapter[A],
    request_id: str | None,
) -> A:
    """Carry it out as the embedder, in the lane of the stream it is about."""
    return core.carry_out(
        Command(
            lane=stream,
            operation=operation,
            turn=core.plain_turn(EMBEDDER),
            claim=EMBEDDER,
            answer=answer,
            kind=kind,
            request_id=None if request_id is None else checks.request_id(request_id),
        )
    )


def type_state(found: CallType, name: str, turn: Turn, stream: StreamId) -> TypeState:
    """A call type as its users see it."""
    if found.name is None:
        raise CallTypeNotFound(name)
    return TypeState(
        version=turn.version(stream),
        recorded=recorded(turn),
        name=name,
        settings=found.settings,
        grants={role: tuple(sorted(held)) for role, held in sorted(found.grants.items())},
        indexed_custom={place: dict(fields) for place, fields in found.indexed_custom.items()},
    )


def user_state(user: User, user_id: UserId, turn: Turn, stream: StreamId) -> UserState:
    """A user as the embedder sees them."""
    return UserState(
        version=turn.version(stream),
        recorded=recorded(turn),
        user_id=user_id,
        name=user.display_name,
        role=user.role,
        teams=user.teams,
        custom=dict(user.custom),
        known=user.known,
    )
