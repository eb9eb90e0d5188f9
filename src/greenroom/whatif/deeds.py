"""Deeds: what one command recorded, taken together again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from msgspec import Struct

from greenroom.domain.message import CallId, Event, Recorded
from greenroom.domain.streams import call_in
from greenroom.domain.turn import TIMERS

Record = Recorded[Event]


class Deed(Struct, frozen=True, gc=False):
    """What one command recorded about a call, whole: it was appended at once."""

    cid: CallId
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


def deeds(records: Iterable[tuple[int, Record]]) -> Iterator[Deed | Record]:
    """The deeds of `records`, which are in the order of the log; records of no call by themselves.

    All events of one command share its request id, and no other stands between them.
    """
    together: list[Record] = []
    request: str | None = None
    for _, record in records:
        if record.request_id == request:
            together.append(record)
            continue
        if together:
            yield from _deed(together)
        together, request = [record], record.request_id
    if together:
        yield from _deed(together)


def _deed(records: Sequence[Record]) -> Iterable[Deed | Record]:
    cid = call_in(records[0].event)
    return records if cid is None else (Deed(cid, records[0].position, records),)
