"""Deeds: what one command recorded, taken together again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from greenroom.domain.message import CallId, Event, Recorded
from greenroom.domain.streams import call_in
from greenroom.domain.turn import TIMERS

Record = Recorded[Event]
_NO_CALL: Final = CallId("")


class Deed(Struct, frozen=True, gc=False):
    """What one command recorded, whole: it was appended at once."""

    cid: CallId
    """Empty where it is about call types or users."""
    position: int
    """Of its first record."""
    records: Sequence[Record]
    """In order; at least one."""

    @property
    def at(self) -> datetime:
        """When it was decided."""
        return self.records[0].event.at

    @property
    def own(self) -> Sequence[Record]:
        """Without what fell due by the way; empty where that was all."""
        return [record for record in self.records if record.by != TIMERS.actor]


def deeds(records: Iterable[tuple[int, Record]]) -> Iterator[Deed]:
    """The deeds of `records`, which are in the order of the log.

    All events of one command share its request id, and no other stands between them.
    """
    together: list[Record] = []
    request: str | None = None
    for _, record in records:
        if record.request_id == request:
            together.append(record)
            continue
        if together:
            yield _deed(together)
        together, request = [record], record.request_id
    if together:
        yield _deed(together)


def _deed(records: Sequence[Record]) -> Deed:
    first = records[0]
    return Deed(call_in(first.event) or _NO_CALL, first.position, records)
