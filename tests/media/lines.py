"""Lines of a publisher and of viewers, negotiated and connected, on links that keep everything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpDecodingParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpReceiveParameters,
    RTCRtpRtxParameters,
    RTCRtpSendParameters,
)
from aiortc.rtp import RtcpPacket, RtpPacket

from greenroom.domain.message import EntryId
from greenroom.media.description import Line, Media
from greenroom.media.incoming import SENT_AT, Incoming
from greenroom.media.outgoing import Outgoing
from greenroom.media.packets import Packet
from greenroom.media.port import Source
from greenroom.media.sealing import forwarding_with
from greenroom.media.wire import Link, Wire

KEY, DELTA = b"\x10\x00", b"\x10\x01"
"""VP8: a descriptor that begins a picture, then a key frame or one that builds on others."""
H264_KEY, H264_DELTA = b"\x67\x42", b"\x41\x9a"
VP8, RTX, H264, THEIR_VP8, THEIR_RTX, THEIR_H264 = 97, 98, 102, 120, 121, 122
OPUS = 111
SSRC, SSRC_AGAIN = 7, 8
SENT_AT_ID = 3


class KeptLink(Link):
    """A link that keeps what is sent on it."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.said: list[bytes] = []
        self.write, self.write_feedback = self.sent.append, self.said.append
        self.forward = forwarding_with(self.sent.append)
        self.round_trip = None
        self.dropped = 0

    @property
    def packets(self) -> list[RtpPacket]:
        return [RtpPacket.parse(data) for data in self.sent]

    @property
    def feedback(self) -> list[object]:
        return [packet for data in self.said for packet in RtcpPacket.parse(data)]


class KeptWire(Wire):
    """A line on it."""

    def __init__(self, number: int) -> None:
        self.kept = KeptLink()
        self.link = self.kept
        self.number = number

    @property
    def ssrc(self) -> int:
        return 1000 + self.number

    @property
    def resend_ssrc(self) -> int:
        return 2000 + self.number


def codecs(plain: int, again: int, h264: int) -> list[RTCRtpCodecParameters]:
    return [
        RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=plain),
        RTCRtpCodecParameters(
            mimeType="video/rtx", clockRate=90_000, payloadType=again, parameters={"apt": plain}
        ),
        RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000, payloadType=h264),
    ]


OPUS_ONLY = [RTCRtpCodecParameters(mimeType="audio/opus", clockRate=48_000, payloadType=OPUS)]
NAMES: dict[Media, tuple[str, ...]] = {"audio": ("opus",), "video": ("VP8", "H264")}


def track(
    name: str = "thierry",
    media: Media = "video",
    *,
    told: Callable[[], None] = lambda: None,
    announced: bool = True,
) -> tuple[Incoming, KeptLink]:
    """A publisher's line."""
    wire = KeptWire(1)
    line = Line("0", media, sends=True, receives=False, screen=False, codecs=NAMES[media])
    incoming = Incoming(Source(EntryId(name), media), line, wire, told)
    encoding = RTCRtpDecodingParameters(
        ssrc=SSRC, payloadType=VP8, rtx=RTCRtpRtxParameters(ssrc=SSRC_AGAIN)
    )
    incoming.begin(
        RTCRtpReceiveParameters(
            codecs=codecs(VP8, RTX, H264) if media == "video" else OPUS_ONLY,
            encodings=[encoding] if announced else [],
            headerExtensions=[RTCRtpHeaderExtensionParameters(id=SENT_AT_ID, uri=SENT_AT)],
        )
    )
    return incoming, wire.kept


def slot(
    *, resends: bool = True, media: Media = "video", number: int = 2
) -> tuple[Outgoing, KeptLink]:
    """A viewer's line."""
    wire = KeptWire(number)
    line = Line("0", media, sends=False, receives=True, screen=False, codecs=NAMES[media])
    outgoing = Outgoing(line, wire)
    offered = codecs(THEIR_VP8, THEIR_RTX, THEIR_H264) if media == "video" else OPUS_ONLY
    outgoing.begin(
        RTCRtpSendParameters(
            codecs=[one for one in offered if resends or one.payloadType != THEIR_RTX]
        )
    )
    return outgoing, wire.kept


def publish(
    incoming: Incoming,
    number: int,
    payload: bytes = DELTA,
    timestamp: int = 0,
    *,
    kind: int | None = None,
    ssrc: int = SSRC,
) -> None:
    kind = (VP8 if incoming.line.media == "video" else OPUS) if kind is None else kind
    packet = Packet(number & 0xFFFF, timestamp & 0xFFFFFFFF, 0x80, kind, ssrc, payload)
    incoming.take(packet)
    incoming.flush()


def numbers(packets: Sequence[RtpPacket]) -> list[int]:
    """Sequence numbers from the first one on, counted beyond 65,535."""
    first = packets[0].sequence_number
    return [(packet.sequence_number - first) & 0xFFFF for packet in packets]


async def until(reached: Callable[[], bool]) -> None:
    """Let the loop go on until it is so; an error where it does not come about in a minute."""
    async with asyncio.timeout(60):
        while not reached():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.002)
