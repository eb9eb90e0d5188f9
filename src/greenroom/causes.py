"""Which event made a fact true."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any

from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import Refused
from greenroom.domain.message import Event, Recorded, StreamId
from greenroom.domain.operations.operation import Operation
from greenroom.domain.ports import EventStore
from greenroom.domain.reasons import Fact, Reason
from greenroom.domain.streams import decider_of
from greenroom.domain.turn import Folded, Turn
from greenroom.explaining import Asked, ExaminedTurn, examine
from greenroom.facts import Sighted, Written

Found = dict[int, Recorded[Event]]
"""The records that made facts true, by the identity of what is written."""


def explained(refusal: Refused, turn: Turn, operation: Operation[Any], store: EventStore) -> None:
    """Let a refusal tell its reasons, once somebody wants to know them.

    Args:
        refusal: just raised.
        turn: in which.
        operation: what was asked for.
        store: tells how it came to that.
    """
    if isinstance(turn, CallTurn):
        refusal.explained_by(lambda: _reasons_again(turn, operation, store), turn.at)


def _reasons_again(
    turn: CallTurn, operation: Operation[CallTurn], store: EventStore
) -> tuple[Reason, ...]:
    """What the rules say on the versions that the turn has read."""

    def load(stream: StreamId) -> Folded[Any]:
        version = turn.expects.get(stream, 0)
        found = turn.states.get(stream)
        if found is not None and found.version == version:
            return found
        records = _up_to(version, store.read(stream))
        return Folded(decider_of(stream).fold(record.event for record in records), version)

    again = ExaminedTurn(turn.cid, turn.claim, turn.at, load, turn.member_ids)
    asked, _ = examine(again, operation)
    return reasons(asked, again, store)


def reasons(asked: Sequence[Asked], turn: Turn, store: EventStore) -> tuple[Reason, ...]:
    """The same rules with the event behind each fact; every stream they cite is read once.

    Args:
        asked: as they were examined.
        turn: knows the versions that were read.
        store: tells how it came to them.
    """
    by_stream: dict[StreamId, list[Written]] = defaultdict(list)
    for one in asked:
        for fact in one.facts:
            if fact.written is not None:
                by_stream[fact.written.stream].append(fact.written)
    found: Found = {}
    for stream, written in by_stream.items():
        found.update(_causes(stream, written, turn, store))
    return tuple(
        Reason(
            rule=one.rule,
            passed=one.code is None,
            because=one.because,
            facts=tuple(_fact(fact, found) for fact in one.facts),
            code=one.code,
        )
        for one in asked
    )


def _fact(seen: Sighted, found: Found) -> Fact:
    cause = found.get(id(seen.written))
    if cause is None:
        return Fact(seen.says, seen.favours)
    return Fact(seen.says, seen.favours, cause.event.name, cause.position, cause.stream)


def _causes(stream: StreamId, written: Sequence[Written], turn: Turn, store: EventStore) -> Found:
    """The last event that changed what each is about, as it was before the turn.

    None where it is the turn itself that does.
    """
    now = turn.states[stream].state if stream in turn.states else None
    until = turn.expects.get(stream, 0)
    decider = decider_of(stream)
    state, found = decider.initial, {}
    values: list[Any] = [one.aspect(state) for one in written]
    for record in _up_to(until, store.read(stream)):
        state = decider.evolve(state, record.event)
        for n, one in enumerate(written):
            value = one.aspect(state)
            if value != values[n]:
                values[n], found[id(one)] = value, record
    for n, one in enumerate(written):
        if now is None or one.aspect(now) != values[n]:
            found.pop(id(one), None)
    return found


def _up_to(version: int, records: Iterable[Recorded[Event]]) -> Iterable[Recorded[Event]]:
    return takewhile(lambda record: record.version <= version, records)
