"""What forwarding costs: `python benchmarks/media/forwarding.py [--save]`.

Processor time of the server for each packet that it forwards (VP8 640x480 at 30 frames a second,
and Opus): from 1 to 10 viewers, from 1 to 100, and among 10 who all send and receive. Baseline:
the stock way, a MediaRelay that decodes and encodes again, from 1 to 1. Beside them what cannot be
saved in Python: a loop that does nothing but encrypt and send. Then how long a frame takes from
its publisher to a viewer, how long a viewer waits for the first one, what joining and leaving
costs, what a viewer takes in memory, and how many frames survive a network that loses 5 percent in
both directions.

The server has a process of its own; the peers here neither encode nor decode.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import monotonic
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks._report import Arguments, arguments, grid, percentiles, tell
from benchmarks.media._clients import Crowd, LossyLink, Peer
from benchmarks.media._server import Server
from benchmarks.media._stream import (
    FRAMES_PER_SECOND,
    SPEECH_PER_SECOND,
    paced,
    pictures,
    speech,
)

from greenroom.media.description import Media

SENDING: list[tuple[Media, str]] = [("audio", "sendonly"), ("video", "sendonly")]
RECEIVING: list[tuple[Media, str]] = [("audio", "recvonly"), ("video", "recvonly")]
PROBES = 3
"""Viewers whose frames are counted; the others' packets are thrown away, unread."""
SETTLE = 1.5
"""Seconds until a measurement begins."""
PAUSE = 0.4
"""Seconds between two joins: more than between two requests for a key frame, so that each viewer
waits for its own."""


class Options(Arguments):
    """What the command line says."""

    seconds: float
    only: list[str]


class Cost(NamedTuple):
    """One load."""

    name: str
    each: float
    """Seconds of the processor, a packet."""
    busy: float
    """Share of one core."""
    latencies: Sequence[float]


async def one_to(many: int, seconds: float) -> Cost:
    """One publisher, so many viewers."""
    server, publisher = Server("greenroom"), Peer(SENDING)
    await publisher.join(server.signal("publisher"))
    publisher.publish()
    viewers, crowd = [Peer(RECEIVING) for _ in range(many)], Crowd()
    probes = viewers[:: max(1, many // PROBES)][:PROBES]
    for number, viewer in enumerate(viewers):
        await viewer.join(server.signal(f"viewer-{number}"))
        if viewer not in probes:
            crowd.welcome(viewer)
    cost = await loaded(f"greenroom, 1 to {many}", server, probes, seconds)
    crowd.leave()
    await over(server, [publisher, *viewers])
    return cost


async def all_of(many: int, seconds: float) -> Cost:
    """So many who all send, and receive all the others."""
    server, lines = Server("greenroom"), [("audio", "sendrecv"), ("video", "sendrecv")]
    lines += RECEIVING * (many - 2)
    peers = [Peer(lines) for _ in range(many)]  # type: ignore[arg-type]  # as RECEIVING says
    crowd = Crowd()
    for number, peer in enumerate(peers):
        await peer.join(server.signal(f"peer-{number}"))
        peer.publish()
        if number:
            crowd.welcome(peer)
    cost = await loaded(f"greenroom, {many} x {many}", server, peers[:1], seconds)
    crowd.leave()
    await over(server, peers)
    return cost


async def relayed(seconds: float) -> Cost:
    """The stock way, from one to one."""
    server, publisher, viewer = Server("relay"), Peer(SENDING), Peer(RECEIVING)
    await publisher.join(server.signal("publisher"))
    publisher.publish()
    await viewer.join(server.signal("viewer"))
    await asyncio.sleep(SETTLE)
    before, counted = await server.usage(), arrived(viewer)
    began = monotonic()
    await asyncio.sleep(seconds)
    after, elapsed = await server.usage(), monotonic() - began
    used = after.seconds - before.seconds
    each = used / max(1, arrived(viewer) - counted)
    await over(server, [publisher, viewer])
    return Cost("MediaRelay, 1 to 1", each, used / elapsed, viewer.screens[0].latencies)


async def loaded(name: str, server: Server, probes: Sequence[Peer], seconds: float) -> Cost:
    """What so many seconds of it cost the server."""
    await asyncio.sleep(SETTLE)
    for probe in probes:
        for screen in probe.screens:
            screen.latencies.clear()
    before, began = await server.usage(), monotonic()
    await asyncio.sleep(seconds)
    after, elapsed = await server.usage(), monotonic() - began
    used = after.seconds - before.seconds
    latencies = [one for probe in probes for screen in probe.screens for one in screen.latencies]
    return Cost(name, used / (after.packets - before.packets), used / elapsed, latencies)


async def bare_loop(targets: int, seconds: float) -> Cost:
    """What a loop in Python costs that encrypts and sends such packets, and does nothing else."""
    server, receivers, way = Server("bare"), [opened() for _ in range(targets)], opened()
    crowd = Crowd(receivers)
    inlet = await server.ask("inlet")
    addresses = [receiver.getsockname() for receiver in receivers]
    forwarding = asyncio.create_task(server.ask("forward", addresses))
    film, said = pictures(), speech()

    def show(number: int) -> None:
        for payload in film[number % len(film)].payloads:
            way.sendto(payload, inlet)

    publishing = [
        asyncio.create_task(paced(FRAMES_PER_SECOND, show)),
        asyncio.create_task(paced(SPEECH_PER_SECOND, lambda _: way.sendto(said, inlet))),
    ]
    await asyncio.sleep(seconds)
    for one in publishing:
        one.cancel()
    way.sendto(b"", inlet)
    used, sent = await forwarding
    crowd.leave()
    for receiver in (*receivers, way):
        receiver.close()
    await server.stop()
    return Cost(f"bare loop, 1 to {targets}", used / sent, used / seconds, [])


def opened() -> socket.socket:
    """A socket to receive on."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.setblocking(False)
    return receiver


async def joining(times: int) -> tuple[Sequence[float], float, float]:
    """Seconds to the first frame; processor and kilobytes of a viewer more."""
    server, publisher = Server("greenroom"), Peer(SENDING)
    await publisher.join(server.signal("publisher"))
    publisher.publish()
    before, began = await server.usage(), monotonic()
    await asyncio.sleep(SETTLE)
    alone = ((await server.usage()).seconds - before.seconds) / (monotonic() - began)
    waits, before = [], await server.usage()
    for number in range(times):
        viewer, began = Peer(RECEIVING), monotonic()
        await viewer.join(server.signal(f"viewer-{number}"))
        await viewer.screens[0].shown.wait()
        waits.append((viewer.screens[0].first_at or began) - began)
        await server.ask("close", f"viewer-{number}")
        await viewer.close()
        await asyncio.sleep(PAUSE)
    used = (await server.usage()).seconds - before.seconds - PAUSE * times * alone
    staying = [Peer(RECEIVING) for _ in range(times)]
    empty = await server.usage()
    for number, viewer in enumerate(staying):
        await viewer.join(server.signal(f"staying-{number}"))
    full = await server.usage()
    await over(server, [publisher, *staying])
    return waits, used / times, (full.kilobytes - empty.kilobytes) / times


async def losing(seconds: float) -> tuple[float, float]:
    """The share of the frames that a viewer can decode, without loss and with 5 % both ways."""
    shares = []
    for link in (None, LossyLink):
        server = Server("greenroom")
        publisher = Peer(SENDING, *([link] if link else []))
        viewer = Peer(RECEIVING, *([link] if link else []))
        await publisher.join(server.signal("publisher"))
        publisher.publish()
        await viewer.join(server.signal("viewer"))
        await asyncio.sleep(SETTLE)
        sent, seen = publisher.frames, viewer.screens[0].decoded
        await asyncio.sleep(seconds)
        shares.append((viewer.screens[0].decoded - seen) / (publisher.frames - sent))
        await over(server, [publisher, viewer])
    return shares[0], shares[1]


def arrived(viewer: Peer) -> int:
    """Packets of pictures that came, counted by the peer itself."""
    return sum(one.incoming.packets for one in viewer.screens if one.incoming is not None)


async def over(server: Server, peers: Sequence[Peer]) -> None:
    """Everybody goes."""
    for peer in peers:
        await peer.close()
    await server.stop()


async def forwarding(seconds: float, rounds: int) -> str:
    """CPU and latency, each the median of the rounds."""
    taken: dict[str, list[Cost]] = {}
    for _ in range(rounds):
        for cost in (
            await relayed(seconds),
            await bare_loop(10, seconds),
            await bare_loop(100, seconds),
            await one_to(10, seconds),
            await one_to(100, seconds),
            await all_of(10, seconds),
        ):
            taken.setdefault(cost.name, []).append(cost)
    usual = {name: median(cost.each for cost in costs) for name, costs in taken.items()}
    relay = usual["MediaRelay, 1 to 1"]
    body = []
    for name, costs in taken.items():
        bare = usual[f"bare loop, 1 to {100 if '100' in name else 10}"]
        ends = [percentiles(cost.latencies) for cost in costs if len(cost.latencies) > 1]
        waits = [f"{median(column) * 1e3:.2f} ms" for column in zip(*ends, strict=True)]
        body.append(
            [
                name,
                f"{usual[name] * 1e6:,.1f} us",
                f"{relay / usual[name]:,.0f}",
                f"{usual[name] / bare:.2f}",
                f"{median(cost.busy for cost in costs):.0%}",
                *(waits or ["", ""]),
            ]
        )
    head = ["CPU of a forwarded packet", "each", "times cheaper than MediaRelay", "of a bare loop"]
    return grid([*head, "of a core", "latency p50", "p99"], body)


async def comings(times: int, seconds: float) -> str:
    """Joins, memory and loss."""
    waits, used, kilobytes = await joining(times)
    p50, p99 = percentiles(waits)
    clean, lossy = await losing(seconds)
    rows = [
        ["join to first frame, p50", f"{p50 * 1e3:.0f} ms"],
        ["join to first frame, p99", f"{p99 * 1e3:.0f} ms"],
        ["joins and leaves a second on one core", f"{1 / used:.0f}"],
        ["memory of a viewer more", f"{kilobytes:.0f} kB"],
        ["frames decoded, no loss", f"{clean:.1%}"],
        ["frames decoded, 5 % lost both ways", f"{lossy:.1%}"],
    ]
    return grid([f"{times} viewers come and go, as many stay", ""], rows)


async def run(options: Options) -> list[str]:
    tables = []
    if "forwarding" in options.only:
        tables.append(await forwarding(options.seconds, options.rounds))
    if "joining" in options.only:
        tables.append(await comings(30, options.seconds))
    return tables


def main() -> None:
    parser = arguments(__doc__, rounds=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load (%(default)s)")
    both = ["forwarding", "joining"]
    parser.add_argument("--only", nargs="*", choices=both, default=both)
    options = parser.parse_args(namespace=Options())
    tell("media", asyncio.run(run(options)), save=options.save)


if __name__ == "__main__":
    main()
