"""What forwarding costs: `python benchmarks/media/forwarding.py [--save]`.

Processor time of the server for each packet that it forwards (VP8 640x480 at 30 frames a second,
and Opus): from 1 to 10 viewers, from 1 to 100, and among 10 and 16 who all send and receive; and
how long a frame takes from its publisher to a viewer. Baselines, each in every round: a Janus with
the VideoRoom plugin and one event loop; a loop in Python that does nothing but encrypt and send;
the stock way, a MediaRelay that decodes and encodes again, from 1 to 1. Then how long a viewer
waits for the first frame, what joining and leaving costs, what a viewer takes in memory, and how
many frames survive a network that loses 5 percent in both directions.

Whatever is measured has a process of its own; the peers here neither encode nor decode. It takes
the program `janus` (Debian and Ubuntu: `apt-get install janus`).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks._report import Arguments, arguments, grid, percentiles, tell
from benchmarks.media._houses import Greenroom, House, Janus
from benchmarks.media._loads import (
    Comings,
    Cost,
    all_of,
    bare_loop,
    joining,
    losing,
    one_to,
    relayed,
)

HOUSES: Final[tuple[type[House], type[House]]] = (Greenroom, Janus)
COMING = 30
"""Viewers who come and go, and who stay."""


class Load(NamedTuple):
    """What is put on a house, and how it should stand against the other (at most so many times)."""

    put: Callable[[House, int, float], Awaitable[Cost]]
    many: int
    bare: int | None = None
    """To how many the loop sends that it is held against."""
    p50: str = ""
    p99: str = ""


LOADS: Final = {
    "1 to 10": Load(one_to, 10, bare=10, p50="1.2", p99="1.2"),
    "1 to 100": Load(one_to, 100, bare=100, p99="4"),
    "10 x 10": Load(all_of, 10, bare=10),
    "16 x 16": Load(all_of, 16),
}


class Round(NamedTuple):
    """One load, in one round."""

    ours: Cost
    janus: Cost
    bare: Cost | None
    relay: Cost


class Options(Arguments):
    """What the command line says."""

    seconds: float
    only: list[str]
    loads: list[str]


async def forwarding(loads: Sequence[str], seconds: float, rounds: int) -> list[str]:
    """Processor time and latency, each the median of the rounds."""
    taken: dict[str, list[Round]] = {name: [] for name in loads}
    for _ in range(rounds):
        relay = await relayed(seconds)
        for name in loads:
            load = LOADS[name]
            bare = await bare_loop(load.bare, seconds) if load.bare else None
            ours, janus = [
                await load.put(await house.open(), load.many, seconds) for house in HOUSES
            ]
            taken[name].append(Round(ours, janus, bare, relay))
    return [_costs(taken), _latencies(taken)]


def _costs(taken: dict[str, list[Round]]) -> str:
    body = []
    for name, rounds in taken.items():
        bare = [(one.ours.each, one.bare.each) for one in rounds if one.bare is not None]
        body.append(
            [
                name,
                _microseconds([one.ours for one in rounds]),
                _microseconds([one.janus for one in rounds]),
                _times([(one.ours.each, one.janus.each) for one in rounds]),
                _microseconds([one.bare for one in rounds if one.bare is not None]),
                _times(bare),
                f"{median(one.relay.each / one.ours.each for one in rounds):,.0f}",
                _share([one.ours.busy for one in rounds]),
                _share([one.janus.busy for one in rounds]),
                _share([one.ours.seen for one in rounds], 1),
                _share([one.janus.seen for one in rounds], 1),
            ]
        )
    body.append(["wanted", "", "", "<= 1.15", "", "<= 1.8", ">= 70", "", "", "100.0%", ""])
    head = ["Processor time of a forwarded packet", "greenroom", "Janus", "of Janus's"]
    head += ["bare loop", "of the loop's", "times cheaper than MediaRelay", "greenroom, of a core"]
    return grid([*head, "Janus", "greenroom, frames decoded", "Janus"], body)


def _latencies(taken: dict[str, list[Round]]) -> str:
    body = []
    for name, rounds in taken.items():
        both = [(one.ours.latencies, one.janus.latencies) for one in rounds]
        ends = [
            (percentiles(ours), percentiles(theirs))
            for ours, theirs in both
            if min(len(ours), len(theirs)) > 1  # else nothing came through: see the frames decoded
        ]
        for at, what in enumerate(("p50", "p99") if ends else ()):
            pairs = [(ours[at], theirs[at]) for ours, theirs in ends]
            body.append(
                [
                    f"{name}, {what}",
                    *(f"{median(column) * 1e3:.2f} ms" for column in zip(*pairs, strict=True)),
                    _times(pairs),
                    f"<= {wanted}" if (wanted := LOADS[name][3 + at]) else "",
                ]
            )
    title = "From a frame's way out of its publisher until a viewer has all of it"
    return grid([title, "greenroom", "Janus", "times Janus's", "wanted"], body)


def _microseconds(costs: Sequence[Cost]) -> str:
    return f"{median(cost.each for cost in costs) * 1e6:,.1f} us" if costs else ""


def _times(pairs: Sequence[tuple[float, float]]) -> str:
    """How the first stands against the second: median of the ratios within each round."""
    return f"{median(first / second for first, second in pairs):.2f}" if pairs else ""


def _share(shares: Sequence[float], digits: int = 0) -> str:
    return f"{median(shares):.{digits}%}"


async def comings(seconds: float, rounds: int) -> str:
    """Joins, memory and loss."""
    came: tuple[list[Comings], list[Comings]] = ([], [])
    shares: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for number, house in enumerate(HOUSES):
            came[number].append(await joining(await house.open(), COMING))
        for lossy, found in shares.items():
            found.append(await losing(await Greenroom.open(), seconds, lossy=lossy))
    rows: list[tuple[str, str, Callable[[Comings], float], str]] = [
        ("join to first frame, p50", "ms", lambda one: percentiles(one.waits)[0] * 1e3, "<= 1.25"),
        ("join to first frame, p99", "ms", lambda one: percentiles(one.waits)[1] * 1e3, ""),
        ("joins and leaves a second on one core", "", lambda one: 1 / one.used, ">= 40"),
        ("memory of a viewer more", "kB", lambda one: one.kilobytes, "<= 400 kB"),
    ]
    body = []
    for name, unit, read, wanted in rows:
        pairs = [(read(ours), read(theirs)) for ours, theirs in zip(*came, strict=True)]
        both = [f"{median(column):.0f} {unit}".strip() for column in zip(*pairs, strict=True)]
        body.append([name, *both, _times(pairs), wanted])
    for lossy, found in shares.items():
        name = "frames decoded, 5 % lost both ways" if lossy else "frames decoded, no loss"
        wanted = ">= 95.0%" if lossy else ""
        body.append([name, _share(found, 1), "", "", wanted])
    title = f"{COMING} viewers come and go, as many stay"
    return grid([title, "greenroom", "Janus", "times Janus's", "wanted"], body)


async def run(options: Options) -> list[str]:
    tables = []
    if "forwarding" in options.only:
        tables += await forwarding(options.loads, options.seconds, options.rounds)
    if "joining" in options.only:
        tables.append(await comings(options.seconds, options.rounds))
    return tables


def main() -> None:
    parser = arguments(__doc__, rounds=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load (%(default)s)")
    both = ["forwarding", "joining"]
    parser.add_argument("--only", nargs="*", choices=both, default=both)
    parser.add_argument("--loads", nargs="*", choices=list(LOADS), default=list(LOADS))
    options = parser.parse_args(namespace=Options())
    also = f"Janus on one event loop, {os.getloadavg()[0]:.0f} other programs at work"
    tell("media", asyncio.run(run(options)), save=options.save, also=also)


if __name__ == "__main__":
    main()
