"""Peers without a screen or a camera: they send packets made before, and count what arrives.

They stand on greenroom's own forwarding core, turned around: what is sent is a line "received" from
the film, what arrives goes to a "viewer" that keeps count as a decoder would.
"""

# ruff: noqa: SLF001 - what is measured from outside is reached from below

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any

from aioice.ice import get_host_addresses
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc import RTCRtpSender as Sender
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpReceiveParameters
from aiortc.rtp import RtcpRrPacket, RtcpSenderInfo
from benchmarks.media._stream import FRAMES_PER_SECOND, SPEECH_PER_SECOND, paced, pictures, speech

from greenroom.domain.message import EntryId
from greenroom.media.description import Line, Media
from greenroom.media.incoming import Incoming
from greenroom.media.outgoing import Outgoing
from greenroom.media.packets import Kept, Packet, starts_picture
from greenroom.media.port import Source
from greenroom.media.sealing import forwarding_with
from greenroom.media.wire import Link, Wire, use_addresses

CODECS: dict[Media, tuple[str, ...]] = {"audio": ("opus",), "video": ("VP8",)}
FILMED: dict[Media, RTCRtpCodecParameters] = {
    "audio": RTCRtpCodecParameters(mimeType="audio/opus", clockRate=48_000, payloadType=96),
    "video": RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=97),
}
MIMES = {"audio/opus", "video/VP8", "video/rtx"}
PATIENCE = 0.6
"""Seconds that a screen waits for a packet before it gives up on the picture."""
DRAIN, AT_ONCE = 0.02, 8
"""Seconds between two rounds in which a crowd's sockets are emptied, and how many without a pause:
what else arrives is looked at in between."""
SENT_AT = struct.Struct("!d")
"""When a frame was sent, behind its last packet's payload, where decoders do not look; those who
forward may change timestamps."""
STANDS_WITHIN = 20.0
"""Seconds."""

Signal = Callable[[str], Awaitable[str]]


def own_address() -> str:
    """An address of this machine that is not loopback, for Janus offers no other."""
    found = get_host_addresses(use_ipv4=True, use_ipv6=False)
    if not found:
        raise SystemExit("this machine has no address but loopback, which Janus never offers")
    return found[0]


class Camera(Wire):
    """The wire that a film "comes" on: asked for a key frame, the film begins again."""

    def __init__(self) -> None:
        self.rewind = False
        self.link = Link.__new__(Link)
        self.link.round_trip = None
        self.link.write_feedback = self._asked

    @property
    def ssrc(self) -> int:
        return 1

    def _asked(self, _: bytes) -> None:
        self.rewind = True


class Screen:
    """Counts the frames that could be decoded: whole, and so was everything they build on."""

    def __init__(self) -> None:
        self.decoded = 0
        self.first_at: float | None = None
        self.latencies: list[float] = []
        self.incoming: Incoming | None = None
        self._waiting: dict[int, Kept] = {}
        self._next: int | None = None
        self._stuck_at: float | None = None
        self.shown = asyncio.Event()
        """Set with the first frame."""
        self._broken = True
        self._begun: int | None = None

    estimate = None

    def forward(self, packets: Sequence[Kept]) -> None:
        for packet in packets:
            if self._next is None:
                self._next = packet.ordinal
            if packet.ordinal >= self._next:
                self._waiting[packet.ordinal] = packet
        self._advance()

    def begin_again(self, last: int) -> None:
        del last
        self._next, self._broken = None, True

    def pass_on(self, info: RtcpSenderInfo) -> None: ...
    def carry(self, incoming: Incoming | None) -> None: ...

    def _advance(self) -> None:
        now = monotonic()
        while self._waiting:
            assert self._next is not None
            packet = self._waiting.pop(self._next, None)
            if packet is None:
                self._stuck_at = self._stuck_at or now
                if now - self._stuck_at < PATIENCE:
                    return
                self._next, self._broken = min(self._waiting), True
                continue
            self._stuck_at = None
            self._next += 1
            self._show(packet, now)

    def _show(self, packet: Kept, now: float) -> None:
        _, timestamp, marker, payload = packet
        if timestamp != self._begun:
            self._begun = timestamp
            if starts_picture("VP8", payload):
                self._broken = False
            elif self._broken and self.incoming is not None:
                self.incoming.want_key_frame()
        if marker and not self._broken:
            self.decoded += 1
            self.first_at = self.first_at or now
            self.shown.set()
            if len(payload) >= SENT_AT.size:  # else somebody has encoded it anew
                self.latencies.append(now - SENT_AT.unpack_from(payload, -SENT_AT.size)[0])


class LossyLink(Link):
    """Loses some of what is sent and of what arrives."""

    losing = random.Random(1)
    share = 0.05

    def _bind(self, nominated: dict[int, Any]) -> None:
        super()._bind(nominated)
        self.write, self.write_feedback = map(self._lossy, (self.write, self.write_feedback))
        self.forward = forwarding_with(self.write)

    def _lossy(self, write: Callable[[bytes], None]) -> Callable[[bytes], None]:
        return lambda packet: None if self.losing.random() < self.share else write(packet)

    def _sort(self, data: bytes, address: Any, others: Callable[[bytes, Any], None]) -> None:
        if self.losing.random() >= self.share:
            super()._sort(data, address, others)


class Peer:
    """One client; what it sends and what it receives is said by `lines`.

    Args:
        lines: medium and direction of each line.
        link: what kind of way it has.
    """

    def __init__(self, lines: Sequence[tuple[Media, str]], link: type[Link] = Link) -> None:
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self.connection = RTCPeerConnection(configuration)
        self.cameras: list[tuple[Media, Camera, Incoming]] = []
        self.screens: list[Screen] = []
        self.link: Link | None = None
        self.frames = 0
        self._received: list[Incoming] = []
        self._film = pictures()  # takes its time once: nothing is connected yet
        self._up = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        for number, (media, direction) in enumerate(lines):
            self._add(media, direction, str(number), link)
        use_addresses(self.connection, [own_address()])
        self.connection.on("connectionstatechange", self._changed)

    async def join(self, signal: Signal) -> None:
        """Offer, take the answer, wait until the connection stands."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        answer = await signal(self.connection.localDescription.sdp)
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await self.stand()

    async def answer(self, offer: str) -> str:
        """The answer to an offer."""
        await self.connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return self.connection.localDescription.sdp

    async def stand(self) -> None:
        """Wait until the connection does, and report from then on."""
        await asyncio.wait_for(self._up.wait(), STANDS_WITHIN)
        self._tasks.append(asyncio.create_task(self._report()))

    @property
    def packets(self) -> int:
        """What has arrived."""
        return sum(one.packets for one in self._received)

    def publish(self) -> None:
        """Begin to send."""
        for media, camera, incoming in self.cameras:
            if media == "video":
                sending = paced(FRAMES_PER_SECOND, self._showing(camera, incoming))
            else:
                sending = paced(SPEECH_PER_SECOND, self._saying(incoming))
            self._tasks.append(asyncio.create_task(sending))

    def become_a_sink(self) -> None:
        """Read nothing any more but to throw it away, cheaply; see `Crowd`."""
        assert self.link is not None
        loop = asyncio.get_running_loop()
        for protocol in self.link._hooked:
            loop._remove_reader(protocol.transport._sock.fileno())  # type: ignore[attr-defined]  # asyncio's own

    @property
    def sockets(self) -> list[socket.socket]:
        """What it receives on."""
        assert self.link is not None
        return [protocol.transport._sock for protocol in self.link._hooked]

    async def close(self) -> None:
        """Go."""
        for task in self._tasks:
            task.cancel()
        await self.connection.close()
        if self.link is not None:
            self.link.close()

    def _add(self, media: Media, direction: str, mid: str, link: type[Link]) -> None:
        transceiver = self.connection.addTransceiver(media, direction=direction)
        known = Sender.getCapabilities(media).codecs
        transceiver.setCodecPreferences([one for one in known if one.mimeType in MIMES])
        self.link = self.link or link(transceiver.receiver.transport)
        wire = Wire(transceiver, self.link)
        line = Line(mid, media, sends=True, receives=True, screen=False, codecs=CODECS[media])
        incoming, outgoing = Incoming(Source(EntryId("-"), media), line, wire), Outgoing(line, wire)
        wire.hook(incoming, outgoing)
        self._received.append(incoming)
        if direction != "recvonly":
            camera = Camera()
            film = Incoming(Source(EntryId("-"), media), line, camera)
            film.begin(RTCRtpReceiveParameters(codecs=[FILMED[media]]))
            outgoing.carry(film)
            self.cameras.append((media, camera, film))
        if direction != "sendonly" and media == "video":
            screen = Screen()
            screen.incoming = incoming
            incoming.add(screen)
            self.screens.append(screen)

    def _showing(self, camera: Camera, incoming: Incoming) -> Callable[[int], None]:
        """What sends frame 0, 1, 2 ... of the film."""
        film, packets, at = self._film, 0, 0

        def show(frame: int) -> None:
            nonlocal packets, at
            if camera.rewind:
                camera.rewind, at = False, 0
            timestamp, payloads = frame * 3_000, film[at % len(film)].payloads
            sent_at = SENT_AT.pack(monotonic())
            for payload in payloads:
                last = payload is payloads[-1]
                said, marker = (payload + sent_at, 0x80) if last else (payload, 0)
                incoming.take(Packet(packets & 0xFFFF, timestamp, marker, 97, 7, said))
                incoming.flush()  # each by itself: networks do not bring them all at once
                packets += 1
            at += 1
            self.frames += 1

        return show

    def _saying(self, incoming: Incoming) -> Callable[[int], None]:
        said = speech()

        def say(number: int) -> None:
            incoming.take(Packet(number & 0xFFFF, number * 960, 0, 96, 7, said))
            incoming.flush()

        return say

    def _changed(self) -> None:
        if self.connection.connectionState == "connected":
            self._up.set()

    async def _report(self) -> None:
        """Show life, and tell how it goes, as any client does."""
        while self.link is not None:
            reports = [
                report
                for screen in self.screens
                if screen.incoming is not None and (report := screen.incoming.watch()) is not None
            ]
            self.link.write_feedback(bytes(RtcpRrPacket(9, reports[:31])))
            await asyncio.sleep(1)


class Crowd:
    """Throws away what sockets receive, so that they never fill up."""

    def __init__(self, sockets: Sequence[socket.socket] = ()) -> None:
        self._sockets = list(sockets)
        self._task = asyncio.create_task(self._drain())

    def welcome(self, peer: Peer) -> None:
        """A peer more, which reads nothing itself any more."""
        peer.become_a_sink()
        self._sockets += peer.sockets

    def leave(self) -> None:
        """Throw away no more."""
        self._task.cancel()

    async def _drain(self) -> None:
        room = bytearray(2_048)
        while True:
            for number, one in enumerate(tuple(self._sockets)):
                if number % AT_ONCE == 0:
                    await asyncio.sleep(0)
                try:
                    while True:
                        one.recv_into(room)
                except OSError:
                    continue
            await asyncio.sleep(DRAIN)
