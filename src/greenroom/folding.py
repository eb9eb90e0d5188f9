"""From events to a state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from greenroom.domain.message import Event, StreamId
from greenroom.domain.ports import EventStore
from greenroom.domain.streams import decider_of
from greenroom.domain.turn import Folded


def fold(
    store: EventStore,
    stream: StreamId,
    until: int | None = None,
    start: Folded[Any] | None = None,
) -> Folded[Any]:
    """The state of `stream`, as of position `until` of the log where that is given.

    Args:
        store: where its events are.
        stream: any.
        until: a position.
        start: an earlier state to go on from.
    """
    after = 0 if start is None else start.version
    count = 0

    def counted() -> Iterator[Event]:
        nonlocal count
        for count, event in enumerate(store.events(stream, after=after, until=until), 1):  # noqa: B007 - how many
            yield event

    state = decider_of(stream).fold(counted(), None if start is None else start.state)
    return start if start is not None and not count else Folded(state, after + count)
