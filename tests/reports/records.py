"""Records of a call, as reports are given them."""

from __future__ import annotations

from itertools import chain

from greenroom import Greenroom
from greenroom.domain.message import CallId, Event, Recorded
from greenroom.history import HistoryReader


def records_of(room: Greenroom, cid: str) -> list[tuple[int, Recorded[Event]]]:
    return [*chain.from_iterable(room._core.numbered(HistoryReader(CallId(cid))))]
