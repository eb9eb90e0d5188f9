"""Reads a log from its beginning, and tells whether what was decided had to be decided so."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from tests.engine.joiners import CALL, Told

from greenroom import Greenroom, errors
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.message import CallId, EntryId, Event, Recorded, StreamId, UserId
from greenroom.domain.operations import presence
from greenroom.domain.session_events import Joined, Left
from greenroom.domain.streams import decider_of
from greenroom.domain.turn import Claim, Folded

CID: Final = CallId(":".join(CALL))


class Referee:
    """What was so at every position of a room's log."""

    def __init__(self, room: Greenroom) -> None:
        self.log: list[Recorded[Event]] = [record for _, record in room._store.feed()]
        self.commands = [list(one) for _, one in groupby(self.log, lambda one: one.request_id)]
        """The records of one command after the other."""
        self._states: dict[int, dict[StreamId, Folded[Any]]] = {0: {}}
        """All streams as they were at the end of each command, by position."""
        for records in self.commands:
            self._states[records[-1].position] = after(self._before(records), records)

    def check(self) -> None:
        """Nothing is missing, nothing stands twice, nobody was let in without a right to it."""
        assert [record.position for record in self.log] == list(range(1, len(self.log) + 1))
        versions: dict[StreamId, int] = {}
        for record in self.log:
            assert record.version == versions.get(record.stream, 0) + 1
            versions[record.stream] = record.version
        for records in self.commands:
            for record in records:
                if isinstance(record.event, Joined):
                    self._check_admission(records, record.event)

    def admitted(self) -> list[str]:
        """Whoever was let in, in their order, once for each time."""
        return [one.event.user_id for one in self.log if isinstance(one.event, Joined)]

    def present(self) -> set[str]:
        """Whoever is in, by what is written of their coming and going."""
        entries: dict[str, str] = {}
        for one in self.log:
            match one.event:
                case Joined(entry_id=entry_id, user_id=user_id):
                    entries[entry_id] = user_id
                case Left(entry_id=entry_id):
                    del entries[entry_id]
        return set(entries.values())

    def last_admission(self) -> int:
        """The position at which somebody was let in for the last time."""
        return max(one.position for one in self.log if isinstance(one.event, Joined))

    def was_true(self, told: Told) -> bool:
        """Whether a refusal had to be given at some moment while it was asked for."""
        places = [place for place in self._states if told.before <= place <= told.after]
        return any(self._refusal(told.user_id, place) == told.code for place in places)

    def _check_admission(self, records: list[Recorded[Event]], joined: Joined) -> None:
        """Decided again at its place in the log, it is the same, with the same evidence."""
        actor = records[0].by
        claim = Claim(actor.name, actor.role if joined.claimed else None, None, actor.system)
        turn = self._turn(claim, self._before(records), joined)
        presence.join(joined.entry_id).decide(turn)
        assert [step.event for step in turn.steps] == [record.event for record in records]

    def _refusal(self, user_id: str, place: int) -> str | None:
        last = next(one for one in reversed(self.log) if one.position <= max(place, 1))
        turn = self._turn(Claim(user_id), self._states[place], last.event)
        try:
            presence.join(EntryId("again")).decide(turn)
        except errors.Refused as refusal:
            return refusal.code
        return None

    def _before(self, records: list[Recorded[Event]]) -> dict[StreamId, Folded[Any]]:
        return self._states[records[0].position - 1]

    @staticmethod
    def _turn(claim: Claim, states: dict[StreamId, Folded[Any]], event: Event) -> CallTurn:
        def load(stream: StreamId) -> Folded[Any]:
            return states.get(stream) or Folded(decider_of(stream).initial, 0)

        def nobody(_: CallId) -> Iterator[UserId]:
            return iter(())

        return CallTurn(CID, claim, event.at, load, nobody)


def after(
    states: dict[StreamId, Folded[Any]], records: list[Recorded[Event]]
) -> dict[StreamId, Folded[Any]]:
    """The streams as they are once `records` are in the log."""
    found = dict(states)
    for record in records:
        decider = decider_of(record.stream)
        before = found.get(record.stream) or Folded(decider.initial, 0)
        state = decider.fold([record.event], before.state)
        found[record.stream] = Folded(state, before.version + 1)
    return found
