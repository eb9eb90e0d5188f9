"""What one decision sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from greenroom.domain.message import CallId, StreamId, UserId
from greenroom.domain.streams import decider_of, member_stream
from greenroom.domain.turn import Folded
from greenroom.proposal import Proposal
from greenroom.states import States

Ahead = Mapping[StreamId, tuple[Folded[Any], Proposal]]
"""Streams that something on its way appends to: as they will be, and by what."""


class Sight:
    """What one decision sees: the states as they will be once all that is decided is recorded."""

    def __init__(
        self,
        ahead: Ahead,
        states: States,
        load: Callable[[StreamId], Folded[Any] | None],
        members: Callable[[CallId], Iterable[UserId] | None],
    ) -> None:
        """Look at what is on its way, and at what is recorded.

        Args:
            ahead: streams that something on its way appends to: as they will be, and by what.
            states: what is recorded.
            load: a stream that is not in memory, as it is recorded; None where that would block.
            members: of a call, as they are recorded; None where they are not at hand.
        """
        self._ahead = ahead
        self._peek = states.peek
        self._load = load
        self._members = members
        self._guess = states.guess
        self.erasures = states.erasures
        self.rests_on: dict[int, Proposal] = {}
        """What it saw that is not recorded yet."""
        self.guessed: dict[StreamId, Folded[Any]] = {}
        """What it took for granted."""
        self.missing: list[StreamId] = []
        """What was not at hand: it went on as if it were empty, and must be asked again."""
        self.missing_members: CallId | None = None
        """The call whose members were not at hand."""
        self.soon_members: Sequence[UserId] = ()
        """Those of them that were on their way in."""

    def __call__(self, stream: StreamId) -> Folded[Any]:
        """The state of `stream`."""
        ahead = self._ahead.get(stream)
        if ahead is not None:
            folded, proposal = ahead
            self.rests_on[id(proposal)] = proposal
            return folded
        found = self._peek(stream)
        if found is not None:
            return found
        supposed = self._guess(stream)
        if supposed is not None:
            self.guessed[stream] = supposed
            return supposed
        found = self._load(stream)
        if found is None:
            self.missing.append(stream)
            return Folded(decider_of(stream).initial, 0)
        return found

    def member_ids(self, cid: CallId) -> Iterable[UserId]:
        """Whoever is a member of the call, or may be soon."""
        prefix = member_stream(cid, UserId(""))
        soon = [
            UserId(stream.removeprefix(prefix))
            for stream in tuple(self._ahead)  # looked at first: what leaves it is recorded
            if stream.startswith(prefix)
        ]
        found = self._members(cid)
        if found is None:
            self.missing_members, self.soon_members = cid, soon
        return {*soon, *(found or ())}

    @property
    def whole(self) -> bool:
        """Whether everything was at hand."""
        return not self.missing and self.missing_members is None
