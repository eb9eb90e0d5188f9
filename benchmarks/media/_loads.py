"""The loads that are put on those who forward, and what they cost them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from time import monotonic
from typing import NamedTuple

from benchmarks.media._clients import Crowd, LossyLink, Peer
from benchmarks.media._houses import House
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


class Cost(NamedTuple):
    """Of one load."""

    each: float
    """Seconds of the processor, a packet."""
    busy: float
    """Share of one core."""
    latencies: Sequence[float] = ()
    """Seconds from a frame's way out of its publisher until a viewer had all of it."""
    seen: float = 1.0
    """Share of the frames that viewers could decode."""


class Comings(NamedTuple):
    """Of viewers who come and go."""

    waits: Sequence[float]
    """Seconds from the offer until the first frame."""
    used: float
    """Seconds of the processor, for each who came and went."""
    kilobytes: float
    """Of each who stayed."""


async def one_to(house: House, many: int, seconds: float) -> Cost:
    """One publisher, so many viewers."""
    publisher, crowd = Peer(SENDING), Crowd()
    viewers = [Peer(RECEIVING) for _ in range(many)]
    probes = viewers[:: max(1, many // PROBES)][:PROBES]
    await house.send("publisher", publisher)
    publisher.publish()
    for number, viewer in enumerate(viewers):
        await house.receive(f"viewer-{number}", viewer)
        if viewer not in probes:
            crowd.welcome(viewer)
    cost = await _loaded(house, [publisher], probes, many, seconds)
    crowd.leave()
    await _over(house, [publisher, *viewers])
    return cost


async def all_of(house: House, many: int, seconds: float) -> Cost:
    """So many who all send, and receive all the others."""
    publishers, crowd = [Peer(SENDING) for _ in range(many)], Crowd()
    viewers = [Peer(RECEIVING * (many - 1)) for _ in range(many)]
    for number, publisher in enumerate(publishers):
        await house.send(f"peer-{number}", publisher)
        publisher.publish()
    for number, viewer in enumerate(viewers):
        await house.receive(f"peer-{number}", viewer)
        if number:
            crowd.welcome(viewer)
    cost = await _loaded(house, publishers[1:], viewers[:1], many, seconds)
    crowd.leave()
    await _over(house, [*publishers, *viewers])
    return cost


async def _loaded(
    house: House, seen: Sequence[Peer], probes: Sequence[Peer], viewers: int, seconds: float
) -> Cost:
    """What so many seconds of it cost the house.

    Args:
        house: that is measured.
        seen: whose frames each of the probes receives.
        probes: some of the viewers.
        viewers: how many there are.
        seconds: that it lasts.
    """
    await asyncio.sleep(SETTLE)
    screens = [screen for probe in probes for screen in probe.screens]
    for screen in screens:
        screen.latencies.clear()
    came, decoded, sent = _packets(probes), _decoded(probes), sum(one.frames for one in seen)
    before, began = house.usage(), monotonic()
    await asyncio.sleep(seconds)
    after, elapsed = house.usage(), monotonic() - began
    used = after.seconds - before.seconds
    forwarded = (_packets(probes) - came) * viewers / len(probes)
    wanted = (sum(one.frames for one in seen) - sent) * len(probes)
    latencies = [one for screen in screens for one in screen.latencies]
    share = (_decoded(probes) - decoded) / wanted
    return Cost(used / max(1, forwarded), used / elapsed, latencies, min(1.0, share))


def _packets(peers: Sequence[Peer]) -> int:
    return sum(peer.packets for peer in peers)


def _decoded(peers: Sequence[Peer]) -> int:
    return sum(screen.decoded for peer in peers for screen in peer.screens)


async def relayed(seconds: float) -> Cost:
    """The stock way, from one to one."""
    server, publisher, viewer = Server("relay"), Peer(SENDING), Peer(RECEIVING)
    await publisher.join(server.signal("publisher"))
    publisher.publish()
    await viewer.join(server.signal("viewer"))
    await asyncio.sleep(SETTLE)
    before, counted = server.usage(), viewer.packets
    began = monotonic()
    await asyncio.sleep(seconds)
    after, elapsed = server.usage(), monotonic() - began
    used = after.seconds - before.seconds
    for peer in (publisher, viewer):
        await peer.close()
    await server.stop()
    return Cost(used / max(1, viewer.packets - counted), used / elapsed)


async def bare_loop(targets: int, seconds: float) -> Cost:
    """What a loop in Python costs that encrypts and sends such packets, and does nothing else."""
    server, receivers, way = Server("bare"), [_opened() for _ in range(targets)], _opened()
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
    return Cost(used / sent, used / seconds)


def _opened() -> socket.socket:
    """A socket to receive on."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.setblocking(False)
    return receiver


async def joining(house: House, times: int) -> Comings:
    """What so many cost who come and go, one after the other, and as many who stay."""
    publisher, staying = Peer(SENDING), [Peer(RECEIVING) for _ in range(times)]
    await house.send("publisher", publisher)
    publisher.publish()
    before, began = house.usage(), monotonic()
    await asyncio.sleep(SETTLE)
    alone = (house.usage().seconds - before.seconds) / (monotonic() - began)
    waits, before = [], house.usage()
    for number in range(times):
        viewer, began = Peer(RECEIVING), monotonic()
        await house.receive(f"viewer-{number}", viewer)
        await viewer.screens[0].shown.wait()
        waits.append((viewer.screens[0].first_at or began) - began)
        await house.leave(f"viewer-{number}", viewer)
        await asyncio.sleep(PAUSE)
    used = house.usage().seconds - before.seconds - PAUSE * times * alone
    empty = house.usage()
    for number, viewer in enumerate(staying):
        await house.receive(f"staying-{number}", viewer)
    full = house.usage()
    await _over(house, [publisher, *staying])
    return Comings(waits, used / times, (full.kilobytes - empty.kilobytes) / times)


async def losing(house: House, seconds: float, *, lossy: bool) -> float:
    """The share of the frames that a viewer can decode, with or without 5 % lost both ways."""
    link = [LossyLink] if lossy else []
    publisher, viewer = Peer(SENDING, *link), Peer(RECEIVING, *link)
    await house.send("publisher", publisher)
    publisher.publish()
    await house.receive("viewer", viewer)
    await asyncio.sleep(SETTLE)
    sent, seen = publisher.frames, viewer.screens[0].decoded
    await asyncio.sleep(seconds)
    share = (viewer.screens[0].decoded - seen) / (publisher.frames - sent)
    await _over(house, [publisher, viewer])
    return min(1.0, share)  # more, where some were on their way before


async def _over(house: House, peers: Sequence[Peer]) -> None:
    """Everybody goes."""
    for peer in peers:
        await peer.close()
    await house.stop()
