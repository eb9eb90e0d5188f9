"""What goes through calls and entries a second, from two looks at their counters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from greenroom.cli.media.looking import Look
from greenroom.domain.session_events import MediaStatistics
from greenroom.media_stats import CallMediaStats

Order = Literal["traffic", "packets", "loss", "round-trip", "jitter", "key-frames", "name"]
"""What calls, and entries in them, are sorted by: the most first; names from A to Z."""
ORDERS: Final[tuple[Order, ...]] = get_args(Order)


@dataclass(frozen=True, slots=True)
class Rates:
    """What goes through, a second."""

    packets_in: float
    packets_out: float
    bits_in: float
    """Headers included, before encryption."""
    bits_out: float
    loss: float | None
    """The share of packets that was lost on the way, from 0 to 1; None where none were sent."""
    key_frame_requests: float
    round_trip: float | None
    """Seconds, as measured last; of a call, the longest."""
    jitter: float | None
    """Seconds, as measured last; of a call, the longest."""


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry."""

    entry_id: str
    user_id: str
    rates: Rates | None
    """None while it has no connection."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call on one process."""

    cid: str
    served_by: str
    rates: Rates
    entries: Sequence[EntryRow]


def between(before: MediaStatistics, after: MediaStatistics, seconds: float) -> Rates:
    """What went through in between; `before` is of nothing where there was nothing yet."""
    span = max(seconds, 0.001)

    def rate(count: Callable[[MediaStatistics], int]) -> float:
        return max(0, count(after) - count(before)) / span

    received, sent = rate(lambda one: one.packets_received), rate(lambda one: one.packets_sent)
    lost = rate(lambda one: one.packets_lost)
    expected = received + sent + lost
    return Rates(
        packets_in=received,
        packets_out=sent,
        bits_in=8 * rate(lambda one: one.bytes_received),
        bits_out=8 * rate(lambda one: one.bytes_sent),
        loss=lost / expected if expected else None,
        key_frame_requests=rate(lambda one: one.key_frame_requests),
        round_trip=after.round_trip,
        jitter=after.jitter,
    )


def calls(name: str, before: Look, after: Look, order: Order) -> Sequence[CallRow]:
    """The calls of one process, sorted.

    Args:
        name: of the process.
        before: what it answered first; who came since counts from nothing.
        after: what it answered then.
        order: what to sort by.
    """
    seconds = after.at - before.at
    rows: list[CallRow] = []
    for cid, call in after.calls.items():
        known = before.calls.get(cid, _NO_CALL)
        rates = between(known.counted, call.counted, seconds)
        rows.append(CallRow(cid, name, rates, _entries(known, call, seconds, order)))
    return in_order(rows, order)


def in_order(rows: Sequence[CallRow], order: Order) -> Sequence[CallRow]:
    """Sorted; the same sort keeps its order from one look to the next."""
    if order == "name":
        return sorted(rows, key=lambda row: row.cid)
    weight = _WEIGHTS[order]
    return sorted(rows, key=lambda row: (-weight(row.rates), row.cid))


def _entries(
    before: CallMediaStats, after: CallMediaStats, seconds: float, order: Order
) -> Sequence[EntryRow]:
    rows: list[EntryRow] = []
    for entry_id, entry in after.entries.items():
        known = before.entries.get(entry_id)
        counted = (known and known.counted) or MediaStatistics()
        rates = None if entry.counted is None else between(counted, entry.counted, seconds)
        rows.append(EntryRow(entry_id, entry.user_id, rates))
    rows.sort(key=lambda row: (row.user_id, row.entry_id))
    if order != "name":
        weight = _WEIGHTS[order]
        rows.sort(key=lambda row: -1.0 if row.rates is None else weight(row.rates), reverse=True)
    return rows


_NO_CALL: Final = CallMediaStats(MediaStatistics(), {})
_WEIGHTS: Final[Mapping[Order, Callable[[Rates], float]]] = {
    "traffic": lambda one: one.bits_in + one.bits_out,
    "packets": lambda one: one.packets_in + one.packets_out,
    "loss": lambda one: one.loss or 0.0,
    "round-trip": lambda one: one.round_trip or 0.0,
    "jitter": lambda one: one.jitter or 0.0,
    "key-frames": lambda one: one.key_frame_requests,
}
