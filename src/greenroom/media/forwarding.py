"""Packets from one participant's line to the others': nothing is decoded, nothing queues up."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Coroutine
from time import monotonic
from typing import Any, Final, NamedTuple

from aiortc.codecs import is_rtx
from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.rate import RemoteBitrateEstimator
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpReceiveParameters,
    RTCRtpSendParameters,
)
from aiortc.rtcrtpreceiver import NackGenerator, StreamStatistics
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    RtpPacket,
    pack_remb_fci,
    unwrap_rtx,
)

from greenroom.media.description import Line
from greenroom.media.port import Source
from greenroom.media.wire import Wire

KEPT: Final = 512
"""Packets a line can send again: more than two seconds of video."""
KEY_FRAME_INTERVAL: Final = 0.3
"""Seconds between two requests for a key frame; one that comes sooner is put off, not dropped."""
REPORT_INTERVAL: Final = 1.0
"""Seconds between two reports on what arrives."""
CLOCK_RATE: Final = {"audio": 48_000, "video": 90_000}

_HEADER: Final = struct.Struct("!BBHLL")
_U16: Final = 0xFFFF
_U32: Final = 0xFFFFFFFF


class Packet(NamedTuple):
    """One RTP packet, on its way."""

    ordinal: int
    """Its sequence number, counted on beyond 65,535."""
    timestamp: int
    marker: int
    payload: bytes


class Incoming:
    """A line that a participant sends on."""

    def __init__(self, source: Source, line: Line, wire: Wire) -> None:
        self.source = source
        self.line = line
        self._wire = wire
        self._viewers: tuple[Outgoing, ...] = ()
        self._kept: list[Packet | None] = [None] * KEPT
        self._receiving = False
        self._codecs: dict[int, RTCRtpCodecParameters] = {}
        self._ssrc: int | None = None
        self._resent: dict[int, int] = {}
        self._newest: int | None = None
        self._missing = NackGenerator()
        self._statistics = StreamStatistics(CLOCK_RATE[line.media])
        self._estimator = RemoteBitrateEstimator()
        self._heard_report: tuple[RtcpSenderInfo, float] | None = None
        self._key_frame_at = 0.0
        self._key_frame: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def receive(self, parameters: RTCRtpReceiveParameters) -> None:
        """Take the line's packets from now on; the first call counts."""
        if self._receiving:
            return
        self._receiving = True
        self._codecs = {codec.payloadType or 0: codec for codec in parameters.codecs}
        for encoding in parameters.encodings:
            self._ssrc = encoding.ssrc
            if encoding.rtx:
                self._resent[encoding.rtx.ssrc] = encoding.ssrc
        self._wire.listen(self, parameters)
        self._spawn(self._report_for_ever())
        if self._viewers:
            self.want_key_frame()

    def add(self, viewer: Outgoing) -> None:
        """Forward to this line as well."""
        self._viewers = (*self._viewers, viewer)
        self.want_key_frame()

    def remove(self, viewer: Outgoing) -> None:
        """Forward to this line no more."""
        self._viewers = tuple(other for other in self._viewers if other is not viewer)

    def stop(self) -> None:
        """Take nothing any more."""
        for viewer in self._viewers:
            viewer.carry(None)
        if self._receiving:
            self._wire.forget(self)
        if self._key_frame is not None:
            self._key_frame.cancel()
        for task in self._tasks:
            task.cancel()

    def kept(self, ordinal: int) -> Packet | None:
        """A packet of the last few hundred; None for one that never came, or long ago."""
        packet = self._kept[ordinal % KEPT]
        return packet if packet is not None and packet.ordinal == ordinal else None

    @property
    def last_report(self) -> RtcpSenderInfo | None:
        """How the sender's clock and its timestamps relate."""
        return self._heard_report[0] if self._heard_report else None

    def want_key_frame(self) -> None:
        """Ask for a picture that needs no other, soon; asking often asks once."""
        if self.line.media == "audio" or self._key_frame is not None or not self._receiving:
            return
        loop = asyncio.get_running_loop()
        at = max(loop.time(), self._key_frame_at + KEY_FRAME_INTERVAL)
        self._key_frame = loop.call_at(at, self._ask_for_key_frame)

    def _ask_for_key_frame(self) -> None:
        self._key_frame = None
        self._key_frame_at = asyncio.get_running_loop().time()
        if self._ssrc is not None:
            ask = RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=self._wire.ssrc, media_ssrc=self._ssrc)
            self._spawn(self._wire.send(bytes(ask)))

    def _handle_disconnect(self) -> None:
        """The connection notices by itself."""

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpSrPacket):
            self._heard_report = (packet.sender_info, monotonic())
            for viewer in self._viewers:
                await viewer.report(packet.sender_info)

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        await self._estimate(packet, arrival_time_ms)
        original = self._original(packet)
        if original is None:
            return
        self._ssrc = original.ssrc
        self._statistics.add(original)
        if self.line.media == "video" and self._missing.add(original):
            await self._ask_again()
        heard = Packet(
            self._ordinal(original.sequence_number),
            original.timestamp,
            original.marker,
            original.payload,
        )
        self._kept[heard.ordinal % KEPT] = heard
        for viewer in self._viewers:
            await viewer.forward(heard)

    def _original(self, packet: RtpPacket) -> RtpPacket | None:
        """The packet as it was sent first; None for what is not to be forwarded."""
        codec = self._codecs.get(packet.payload_type)
        if codec is None or not is_rtx(codec):
            return packet if codec is not None else None
        ssrc, plain = self._resent.get(packet.ssrc), codec.parameters.get("apt")
        if ssrc is None or not isinstance(plain, int) or len(packet.payload) < 2:  # noqa: PLR2004 - the two bytes of its first number
            return None
        return unwrap_rtx(packet, payload_type=plain, ssrc=ssrc)

    def _ordinal(self, number: int) -> int:
        if self._newest is None:
            self._newest = number + _U16 + 1
            return self._newest
        ahead = (number - self._newest) & _U16
        ordinal = self._newest + (ahead if ahead < _U16 // 2 else ahead - _U16 - 1)
        self._newest = max(self._newest, ordinal)
        return ordinal

    async def _estimate(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        """Tell the sender what its way to us carries, so that it neither chokes nor starves."""
        if self.line.media == "audio" or packet.extensions.abs_send_time is None:
            return
        estimate = self._estimator.add(
            abs_send_time=packet.extensions.abs_send_time,
            arrival_time_ms=arrival_time_ms,
            payload_size=len(packet.payload) + packet.padding_size,
            ssrc=packet.ssrc,
        )
        if estimate is not None:
            told = RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=self._wire.ssrc, media_ssrc=0)
            told.fci = pack_remb_fci(*estimate)
            await self._wire.send(bytes(told))

    async def _ask_again(self) -> None:
        ask = RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=self._wire.ssrc, media_ssrc=self._ssrc or 0)
        ask.lost = sorted(self._missing.missing)
        await self._wire.send(bytes(ask))

    async def _report_for_ever(self) -> None:
        while True:
            await asyncio.sleep(REPORT_INTERVAL * (0.5 + random.random()))  # noqa: S311 - to spread
            highest, ssrc = self._statistics.max_seq, self._ssrc
            if highest is not None and ssrc is not None:
                reception = self._reception(ssrc, highest)
                report = RtcpRrPacket(ssrc=self._wire.ssrc, reports=[reception])
                await self._wire.send(bytes(report))

    def _reception(self, ssrc: int, highest: int) -> RtcpReceiverInfo:
        lsr = dlsr = 0
        if self._heard_report is not None:
            info, at = self._heard_report
            lsr = (info.ntp_timestamp >> 16) & _U32
            dlsr = int((monotonic() - at) * 65_536) & _U32
        return RtcpReceiverInfo(
            ssrc=ssrc,
            fraction_lost=self._statistics.fraction_lost,
            packets_lost=self._statistics.packets_lost,
            highest_sequence=highest,
            jitter=self._statistics.jitter,
            lsr=lsr,
            dlsr=dlsr,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Outgoing:
    """A slot: a line that a participant receives on, whoever is heard or seen on it.

    To the participant it is one stream that never breaks: numbers and timestamps go on where the
    last source ended.
    """

    def __init__(self, line: Line, wire: Wire) -> None:
        self.line = line
        self.incoming: Incoming | None = None
        """What it carries; None while it is free."""
        self._wire = wire
        self._ssrc = wire.ssrc
        self._payload_type: int | None = None
        self._resend_type: int | None = None
        self._resend_number = random.getrandbits(15)
        self._first = 0
        """Ordinal of the first packet of the present source."""
        self._number_shift: int | None = None
        """From the source's ordinals to our sequence number; None until it may begin."""
        self._timestamp_shift = 0
        # In the lower half, for a number that wraps early breaks decryption at the other end.
        self._last_number = random.getrandbits(15)
        self._last_ordinal = 0
        self._last_timestamp = 0
        self._last_at = 0.0
        self._packets = 0
        self._octets = 0

    async def send(self, parameters: RTCRtpSendParameters) -> None:
        """Forward on this line from now on; the first call counts."""
        if self._payload_type is not None:
            return
        self._payload_type = parameters.codecs[0].payloadType
        for codec in parameters.codecs:
            if is_rtx(codec) and codec.parameters.get("apt") == self._payload_type:
                self._resend_type = codec.payloadType
        self._wire.speak(self, parameters)
        if self.incoming is not None:
            self.incoming.want_key_frame()

    def carry(self, incoming: Incoming | None) -> None:
        """Carry this line from now on, or nothing; the same again changes nothing."""
        if incoming is self.incoming:
            return
        if self.incoming is not None:
            self.incoming.remove(self)
        self.incoming, self._number_shift = incoming, None
        if incoming is not None:
            incoming.add(self)

    async def forward(self, packet: Packet) -> None:
        """Send a packet of the source on; a picture begins with a key frame."""
        if self._payload_type is None or self.incoming is None:
            return
        if self._number_shift is None:
            if self.line.media == "video" and not starts_key_frame(packet.payload):
                self.incoming.want_key_frame()
                return
            self._align(packet)
            if (info := self.incoming.last_report) is not None:
                await self.report(info)
        if packet.ordinal < self._first:
            return  # late, from before we began: its number belongs to what came before
        if packet.ordinal >= self._last_ordinal:
            self._last_ordinal, self._last_at = packet.ordinal, monotonic()
            self._last_number = self._number(packet)
            self._last_timestamp = packet.timestamp + self._timestamp_shift & _U32
        self._packets += 1
        self._octets += len(packet.payload)
        await self._write(packet, self._payload_type, self._number(packet), self._ssrc)

    async def report(self, info: RtcpSenderInfo) -> None:
        """Pass on how the source's clock and its timestamps relate."""
        if self._payload_type is None or self._number_shift is None:
            return
        ours = RtcpSenderInfo(
            ntp_timestamp=info.ntp_timestamp,
            rtp_timestamp=info.rtp_timestamp + self._timestamp_shift & _U32,
            packet_count=self._packets & _U32,
            octet_count=self._octets & _U32,
        )
        await self._wire.send(bytes(RtcpSrPacket(ssrc=self._ssrc, sender_info=ours)))

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK:
            for number in packet.lost:
                await self._resend(number)
        elif (
            isinstance(packet, RtcpPsfbPacket)
            and packet.fmt in {RTCP_PSFB_PLI, RTCP_PSFB_FIR}
            and self.incoming is not None
        ):
            self.incoming.want_key_frame()

    def _align(self, packet: Packet) -> None:
        """Begin with `packet`, right after what was sent last."""
        timestamp = packet.timestamp
        if self._packets:
            elapsed = monotonic() - self._last_at
            # At least 1: two pictures of one timestamp would be taken for one.
            timestamp = self._last_timestamp + max(1, int(elapsed * CLOCK_RATE[self.line.media]))
        self._timestamp_shift = timestamp - packet.timestamp
        self._number_shift = self._last_number + 1 - packet.ordinal
        self._first = self._last_ordinal = packet.ordinal

    def _number(self, packet: Packet) -> int:
        return packet.ordinal + (self._number_shift or 0) & _U16

    async def _resend(self, number: int) -> None:
        if self.incoming is None or self._number_shift is None or self._payload_type is None:
            return
        ordinal = self._last_ordinal - (self._last_number - number & _U16)
        packet = self.incoming.kept(ordinal)
        if packet is None or ordinal < self._first:
            return
        if self._resend_type is None:
            await self._write(packet, self._payload_type, number, self._ssrc)
            return
        again = packet._replace(payload=struct.pack("!H", number) + packet.payload)
        self._resend_number = self._resend_number + 1 & _U16
        await self._write(again, self._resend_type, self._resend_number, self._wire.resend_ssrc)

    async def _write(self, packet: Packet, payload_type: int, number: int, ssrc: int) -> None:
        timestamp = packet.timestamp + self._timestamp_shift & _U32
        kind = packet.marker << 7 | payload_type
        await self._wire.send(_HEADER.pack(0x80, kind, number, timestamp, ssrc) + packet.payload)


def starts_key_frame(payload: bytes) -> bool:
    """Whether a VP8 payload begins a picture that needs no other (RFC 7741, sections 4.2, 4.3)."""
    try:
        descriptor, picture = VpxPayloadDescriptor.parse(payload)
    except ValueError:
        return False
    first = descriptor.partition_start == 1 and descriptor.partition_id == 0
    return first and bool(picture) and not picture[0] & 1
