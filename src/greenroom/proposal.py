"""One decision on its way into the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from greenroom.domain.message import StreamId
from greenroom.domain.ports import Append
from greenroom.domain.turn import Folded

if TYPE_CHECKING:
    from greenroom.telemetry import Watch


class Proposal:
    """One decision on its way into the log: what it appends, and what became of it."""

    __slots__ = (
        "append",
        "before",
        "erasures",
        "guessed",
        "outcome",
        "rests_on",
        "saw",
        "states",
        "wake",
        "watch",
    )

    def __init__(
        self,
        append: Append,
        states: Mapping[StreamId, Folded[Any]],
        wake: Callable[[Proposal], None],
    ) -> None:
        """Say what is to be appended.

        Args:
            append: what is to be recorded.
            states: of the streams it appends to, as they will be.
            wake: called with it, from any thread, once it is settled; and before, where somebody
                has to `lead`.
        """
        self.append = append
        self.states = states
        self.wake = wake
        self.saw: Mapping[StreamId, int] = {}
        """The versions it was decided on."""
        self.guessed: Mapping[StreamId, Folded[Any]] = {}
        """What was only supposed to be so; known to be once this is recorded."""
        self.rests_on: list[Proposal] = []
        self.erasures = 0
        self.outcome: Sequence[int] | Exception | None = None
        """None while it is on its way."""
        self.before = 0
        """The log's position when it was settled, with what came before it in its batch."""
        self.watch: Watch | None = None
        """Looks at the command that it was decided on; None where nobody wants to know."""

    @property
    def failed(self) -> bool:
        """Whether it was not recorded, and will not be."""
        return isinstance(self.outcome, Exception)
