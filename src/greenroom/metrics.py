"""Media for Prometheus (extra `metrics`): a collector for the registry of your application.

For example::

    from prometheus_client import REGISTRY
    REGISTRY.register(MediaMetrics(room))

Nothing is named after a user, and no more than a hundred calls are: so many series, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from greenroom.domain import checks
from greenroom.domain.session_events import MediaStatistics
from greenroom.engine import Greenroom
from greenroom.media_stats import CallMediaStats, RoomMediaStats

MOST_CALLS: Final = 100
"""Calls that have series of their own, unless told otherwise."""

Direction = Literal["in", "out"]
Count = Callable[[MediaStatistics], int]
Length = Callable[[MediaStatistics], float | None]

_BY_DIRECTION: Final[Mapping[str, tuple[str, Mapping[Direction, Count]]]] = {
    "packets": (
        "Packets from participants (in) and to them (out)",
        {"in": lambda one: one.packets_received, "out": lambda one: one.packets_sent},
    ),
    "bytes": (
        "Bytes of packets from participants (in) and to them (out), before encryption",
        {"in": lambda one: one.bytes_received, "out": lambda one: one.bytes_sent},
    ),
}
_COUNTERS: Final[Mapping[str, tuple[str, Count]]] = {
    "lost_packets": (
        "Packets lost on the way, in both directions, as far as either side knows",
        lambda one: one.packets_lost,
    ),
    "key_frame_requests": (
        "Requests for a key frame that participants were sent",
        lambda one: one.key_frame_requests,
    ),
}
_LENGTHS: Final[Mapping[str, tuple[str, Length]]] = {
    "round_trip_seconds": (
        "Longest time to a participant and back, as measured last",
        lambda one: one.round_trip,
    ),
    "jitter_seconds": (
        "Longest time by which a participant's packets come too early or too late",
        lambda one: one.jitter,
    ),
}


class MediaMetrics(Collector):
    """What goes through all media of a room in this process, and of each call.

    Names begin with `greenroom_media_`, those of calls (label `cid`) with `greenroom_media_call_`.
    A call's series end with its last connection.

    Args:
        room: whose media it is.
        most_calls: calls that have series of their own, those that most has gone through; 0 for
            none.
    """

    def __init__(self, room: Greenroom, *, most_calls: int = MOST_CALLS) -> None:
        self._room = room
        self._most_calls: Final = checks.integer(most_calls, "most_calls", 0, 100_000)

    def describe(self) -> Iterator[Metric]:
        """Nothing beforehand: names are fixed, and asking media takes a moment."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """What is counted now; nothing where media has not begun."""
        found = self._room.media_stats()
        if found is None:
            return
        yield from _of_room(found)
        busiest = sorted(found.calls.items(), key=lambda call: _traffic(call[1]), reverse=True)
        yield from _of_calls(dict(busiest[: self._most_calls]))


def _of_room(found: RoomMediaStats) -> Iterator[Metric]:
    prefix = "greenroom_media"
    if found.load is not None:
        about = "The share of its time that the media thread computes"
        yield GaugeMetricFamily(f"{prefix}_load_ratio", about, found.load)
    yield GaugeMetricFamily(f"{prefix}_calls", "Calls that anybody is in", len(found.calls))
    entries = sum(len(call.entries) for call in found.calls.values())
    yield GaugeMetricFamily(f"{prefix}_entries", "Entries in calls", entries)
    connected = sum(_connected(call) for call in found.calls.values())
    about = "Entries that audio and video can flow to"
    yield GaugeMetricFamily(f"{prefix}_connected_entries", about, connected)
    yield from _counted(prefix, {(): found.counted}, ())
    rates = [_bitrates(call) for call in found.calls.values()]
    if found.load is not None:  # an adapter that tells more
        both: Mapping[Direction, float] = {
            "in": sum(rate["in"] for rate in rates),
            "out": sum(rate["out"] for rate in rates),
        }
        yield _bitrate_family(prefix, {(): both}, ())


def _of_calls(calls: Mapping[str, CallMediaStats]) -> Iterator[Metric]:
    prefix, labels = "greenroom_media_call", ("cid",)
    connected = GaugeMetricFamily(
        f"{prefix}_connected_entries",
        "Entries of the call that audio and video can flow to",
        labels=labels,
    )
    for cid, call in calls.items():
        connected.add_metric([cid], _connected(call))
    yield connected
    yield from _counted(prefix, {(cid,): call.counted for cid, call in calls.items()}, labels)
    rates: dict[tuple[str, ...], Mapping[Direction, float]]
    rates = {(cid,): _bitrates(call) for cid, call in calls.items() if _tells(call)}
    yield _bitrate_family(prefix, rates, labels)


def _counted(
    prefix: str, some: Mapping[tuple[str, ...], MediaStatistics], labels: tuple[str, ...]
) -> Iterator[Metric]:
    """Families of what is counted, by the values of `labels`."""
    for name, (about, ways) in _BY_DIRECTION.items():
        directed = CounterMetricFamily(f"{prefix}_{name}", about, labels=(*labels, "direction"))
        for values, one in some.items():
            for direction, count in ways.items():
                directed.add_metric([*values, direction], count(one))
        yield directed
    for name, (about, count) in _COUNTERS.items():
        counter = CounterMetricFamily(f"{prefix}_{name}", about, labels=labels)
        for values, one in some.items():
            counter.add_metric(values, count(one))
        yield counter
    for name, (about, length) in _LENGTHS.items():
        gauge = GaugeMetricFamily(f"{prefix}_{name}", about, labels=labels)
        for values, one in some.items():
            said = length(one)
            if said is not None:
                gauge.add_metric(values, said)
        yield gauge


def _bitrate_family(
    prefix: str,
    some: Mapping[tuple[str, ...], Mapping[Direction, float]],
    labels: tuple[str, ...],
) -> Metric:
    about = "Bits a second from participants (in) and to them (out), lately, without headers"
    family = GaugeMetricFamily(f"{prefix}_bitrate", about, labels=(*labels, "direction"))
    for values, rates in some.items():
        for direction, rate in rates.items():
            family.add_metric([*values, direction], rate)
    return family


def _bitrates(call: CallMediaStats) -> Mapping[Direction, float]:
    rates: dict[Direction, float] = {"in": 0.0, "out": 0.0}
    for entry in call.entries.values():
        for line in entry.lines:
            rates[line.direction] += line.bitrate
    return rates


def _tells(call: CallMediaStats) -> bool:
    return any(entry.lines for entry in call.entries.values())


def _connected(call: CallMediaStats) -> int:
    return sum(entry.counted is not None for entry in call.entries.values())


def _traffic(call: CallMediaStats) -> int:
    return call.counted.bytes_received + call.counted.bytes_sent
