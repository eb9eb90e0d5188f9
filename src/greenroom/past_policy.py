"""Call types and users as they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from greenroom.domain import checks
from greenroom.domain.streams import type_stream, user_stream
from greenroom.policy import TypeState, UserState, type_state, user_state

if TYPE_CHECKING:
    from greenroom.past import PastCore


class PastCallTypes:
    """Call types as they were: settings and grants."""

    def __init__(self, core: PastCore) -> None:
        self._core = core

    def list(self) -> Sequence[TypeState]:
        """All types that were defined by then, by name."""
        return [self.get(name) for name in self._core.call_types()]

    def get(self, name: str) -> TypeState:
        """The type as it was.

        Raises:
            CallTypeNotFound: nobody had defined it.
        """
        checked = checks.name(name, "name")
        stream = type_stream(checked)
        return self._core.look(
            lambda turn: type_state(turn.type_named(checked), checked, turn, stream)
        )


class PastUsers:
    """What was known of users."""

    def __init__(self, core: PastCore) -> None:
        self._core = core

    def get(self, user_id: str) -> UserState:
        """What was known of a user, without what was erased since."""
        checked = checks.user_id(user_id, "user_id")
        stream = user_stream(checked)
        return self._core.look(lambda turn: user_state(turn.user(checked), checked, turn, stream))
