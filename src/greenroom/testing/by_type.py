"""What Hypothesis is told of when it is loaded: `st.from_type(Joined)` then draws one.

Nothing here needs Hypothesis before it is asked to register: somebody may import greenroom first
and Hypothesis from within. What draws is in `typed`, loaded when a type is first drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

from greenroom.domain.call_commands import CallCommand
from greenroom.domain.call_type import CallTypeCommand
from greenroom.domain.membership import MembershipCommand
from greenroom.domain.message import CallId, EntryId, Role, Team, UserId
from greenroom.domain.session_commands import SessionCommand
from greenroom.domain.settings import Settings
from greenroom.domain.streams import EVENTS
from greenroom.domain.user import UserCommand

if TYPE_CHECKING:
    from hypothesis import strategies as st
    from msgspec import Struct

COMMANDS: Final[tuple[type[Struct], ...]] = tuple(
    command
    for union in (CallCommand, SessionCommand, MembershipCommand, CallTypeCommand, UserCommand)
    for command in get_args(union)
)
"""Every command of the domain."""
KINDS: Final[tuple[Any, ...]] = (
    *EVENTS.values(),
    *COMMANDS,
    CallId,
    EntryId,
    Role,
    Team,
    UserId,
    Settings,
)
"""What can be drawn by its type."""


def register() -> None:
    """Tell Hypothesis of them; again changes nothing."""
    from hypothesis import strategies as st  # noqa: PLC0415 - see above

    for kind in KINDS:
        st.register_type_strategy(kind, _drawn)


def _drawn(kind: Any) -> st.SearchStrategy[Any]:
    from greenroom.testing.typed import strategy_of  # noqa: PLC0415 - see above

    return strategy_of(kind)
