"""A line that a participant sends on: its packets go to the viewers' slots, nothing is decoded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final, Protocol

from aiortc.codecs import is_rtx
from aiortc.rate import RemoteBitrateEstimator
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    pack_remb_fci,
)

from greenroom.media.allowance import PACKETS, Allowance
from greenroom.media.description import Line
from greenroom.media.meter import Meter
from greenroom.media.packets import Kept, Packet, extension, original, runs
from greenroom.media.port import Source
from greenroom.media.reception import KEPT, Reception
from greenroom.media.sealing import BURST
from greenroom.media.wire import Wire

KEY_FRAME_INTERVAL: Final = 0.3
"""Seconds between two requests for a key frame; one that comes sooner is put off, not dropped."""
SILENCE: Final = 5.0
"""Seconds without a packet after which nothing is published any more."""
LAYER_PATIENCE: Final = 1.0
"""Seconds that the stream that is forwarded may pause before another of the line takes over."""
ASK_AGAIN: Final = 0.1
"""Seconds until a missing packet is asked for once more, where the round trip is not known."""
LEAST_BITRATE: Final = 200_000
"""Bits a second that no viewer's estimate takes a publisher below."""
CLOCK_RATE: Final = {"audio": 48_000, "video": 90_000}
SENT_AT: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
_U32: Final = 0xFFFFFFFF

Forward = Callable[[Sequence[Kept]], None]
"""Sends packets on that came in one go: some, at most `BURST`, equally long but for a shorter
end."""


class Viewer(Protocol):
    """A slot that carries a line."""

    @property
    def forward(self) -> Forward:
        """Takes the packets; another one after `rewire`."""
        ...

    @property
    def estimate(self) -> int | None:
        """Bits a second that its way carries, where the viewer has said so lately."""
        ...

    def begin_again(self, last: int) -> None:
        """The stream ended with the packet of ordinal `last`; another one begins."""
        ...

    def pass_on(self, info: RtcpSenderInfo) -> None:
        """Tell the viewer how the source's clock and its timestamps relate."""
        ...

    def carry(self, incoming: Incoming | None) -> None:
        """Carry another line, or nothing."""
        ...


class Incoming:
    """A line that a participant sends on. Lives on the media loop.

    Args:
        source: who and what it is.
        line: as offered last.
        wire: where it comes from.
        told: called when packets begin or cease to come, and when they come in another codec.
    """

    def __init__(
        self, source: Source, line: Line, wire: Wire, told: Callable[[], None] = lambda: None
    ) -> None:
        self.source = source
        self.line = line
        self.codec: str = line.codecs[0]
        """What its packets are encoded in: as agreed on, then as they come."""
        self.flowing = False
        """Whether packets come."""
        self.packets = self.octets = 0
        self.key_frame_requests = 0
        self.refused = 0
        """Packets beyond what a line may carry."""
        self.reception = Reception(CLOCK_RATE[line.media])
        self.newest_timestamp = 0
        self.heard_at = 0.0
        """When the newest packet came."""
        self.meter = Meter()
        self._wire = wire
        self._allowance = Allowance(PACKETS[line.media])
        self._told = told
        self._viewers: tuple[Viewer, ...] = ()
        self._forwards: tuple[Forward, ...] = ()
        self._kept: list[Kept | None] = [None] * KEPT
        self._burst: list[Kept] = []
        """What came, and was not sent on yet."""
        self._begun = False
        self._codecs: dict[int, str] = {}
        self._resends: dict[int, int] = {}
        """Payload type of what is sent again, to the one that it was first sent with."""
        self._resent: dict[int, int] = {}
        """The same with streams."""
        self._ssrc: int | None = None
        self._payload_type: int | None = None
        self._layered = False
        self._stretch = 0
        self._sent_at_extension = 0
        self._estimator = RemoteBitrateEstimator()
        self._heard_report: tuple[RtcpSenderInfo, float] | None = None
        self._key_frame_at = 0.0
        self._key_frame: asyncio.TimerHandle | None = None
        self._asking: asyncio.TimerHandle | None = None

    def begin(self, parameters: RTCRtpReceiveParameters) -> None:
        """The line is negotiated and connected."""
        self._begun = True
        for codec in parameters.codecs:
            kind, of = codec.payloadType or 0, codec.parameters.get("apt")
            if not is_rtx(codec):
                self._codecs[kind] = codec.name
            elif isinstance(of, int):
                self._resends[kind] = of
        for encoding in parameters.encodings:
            self._ssrc = self._ssrc or encoding.ssrc
            if encoding.rtx:
                self._resent[encoding.rtx.ssrc] = encoding.ssrc
        for one in parameters.headerExtensions:
            if one.uri == SENT_AT and self.line.media == "video":
                self._sent_at_extension = one.id
        if self._viewers:
            self.want_key_frame()

    def add(self, viewer: Viewer) -> None:
        """Forward to this slot as well."""
        self._viewers = (*self._viewers, viewer)
        self.rewire()

    def remove(self, viewer: Viewer) -> None:
        """Forward to this slot no more."""
        self._viewers = tuple(other for other in self._viewers if other is not viewer)
        self.rewire()

    def rewire(self) -> None:
        """Look up anew how each viewer takes packets."""
        self._forwards = tuple(viewer.forward for viewer in self._viewers)

    def stop(self) -> None:
        """Take nothing any more."""
        self._burst.clear()
        for viewer in self._viewers:
            viewer.carry(None)
        self.flowing = False
        for timer in (self._key_frame, self._asking):
            if timer is not None:
                timer.cancel()

    def take(self, packet: Packet) -> None:
        """A packet came: keep it for a while, count it and send it on with the next `flush`."""
        now = monotonic()
        if packet.ssrc != self._ssrc or packet.payload_type != self._payload_type:
            known = self._other(packet, now)
            if known is None:
                return
            packet = known
        if not self._allowance.take(now):
            self.refused += 1
            return
        reception = self.reception
        ordinal = reception.place(packet.number)
        if ordinal is None:
            return
        payload, at = packet.payload, ordinal % KEPT
        before = self._kept[at]
        if before is not None and before.ordinal == ordinal:
            return
        if reception.stretch != self._stretch:
            self._stretch = reception.stretch
            self.flush()
            for viewer in self._viewers:
                viewer.begin_again(reception.stretch_before)
        reception.arrived(ordinal, packet.timestamp, now)
        if ordinal == reception.newest:
            self.newest_timestamp, self.heard_at = packet.timestamp, now
        kept = self._kept[at] = Kept(ordinal, packet.timestamp, packet.marker, payload)
        self._burst.append(kept)
        if len(self._burst) == BURST:
            self.flush()
        if self._sent_at_extension:
            self._estimate(packet, now)
        if reception.missing and self._asking is None and self.line.media == "video":
            self._ask_again()
        if not self.flowing:
            self.flush()
            self.flowing = True
            self._told()

    def flush(self) -> None:
        """Nothing more has come for now: send on what has."""
        packets, self._burst = self._burst, []
        for run in runs(packets):
            self.packets += len(run)
            self.octets += sum(len(packet.payload) for packet in run)
            for forward in self._forwards:
                forward(run)

    def hear(self, report: AnyRtcpPacket) -> None:
        """The participant reports on its clock, or ends the line."""
        if isinstance(report, RtcpSrPacket):
            self._heard_report = (report.sender_info, monotonic())
            for viewer in self._viewers:
                viewer.pass_on(report.sender_info)
        elif isinstance(report, RtcpByePacket):
            self._fall_silent()

    def kept(self, ordinal: int) -> Kept | None:
        """A packet of the last few hundred; None for one that never came, or long ago."""
        packet = self._kept[ordinal % KEPT]
        return packet if packet is not None and packet.ordinal == ordinal else None

    @property
    def last_report(self) -> RtcpSenderInfo | None:
        """How the sender's clock and its timestamps relate."""
        return self._heard_report[0] if self._heard_report else None

    @property
    def round_trip(self) -> float | None:
        """Seconds to the participant and back, as measured last."""
        return self._wire.link.round_trip

    def want_key_frame(self) -> None:
        """Ask for a picture that needs no other, soon; asking often asks once."""
        if self.line.media == "audio" or self._key_frame is not None or not self._begun:
            return
        loop = asyncio.get_running_loop()
        at = max(loop.time(), self._key_frame_at + KEY_FRAME_INTERVAL)
        self._key_frame = loop.call_at(at, self._ask_for_key_frame)

    def watch(self) -> RtcpReceiverInfo | None:
        """Once in a while: note that nothing comes any more; what to report on what came."""
        now = monotonic()
        self.meter.look(self.octets, now)
        if self.flowing and now - self.heard_at > SILENCE:
            self._fall_silent()
        if not self._sent_at_extension:
            self._limit(None)
        if self._ssrc is None or not self.flowing:
            return None
        fraction, highest, jitter = self.reception.report()
        lsr = dlsr = 0
        if self._heard_report is not None:
            info, at = self._heard_report
            lsr = (info.ntp_timestamp >> 16) & _U32
            dlsr = int((now - at) * 65_536) & _U32
        lost = min(self.reception.lost, 0x7FFFFF)
        return RtcpReceiverInfo(self._ssrc, fraction, lost, highest, jitter, lsr, dlsr)

    def _other(self, packet: Packet, now: float) -> Packet | None:
        """A packet unlike the one before: sent again, of another layer, or of another codec."""
        plain = self._resends.get(packet.payload_type)
        if plain is not None:
            ssrc = self._resent.get(packet.ssrc, None if self._layered else self._ssrc)
            same = plain == self._payload_type and ssrc is not None and ssrc == self._ssrc
            return original(packet, plain, packet.ssrc if ssrc is None else ssrc) if same else None
        codec = self._codecs.get(packet.payload_type)
        if codec is None:
            return None
        if packet.ssrc != self._ssrc:
            if self._payload_type is not None and now - self.heard_at < LAYER_PATIENCE:
                self._layered = True
                return None
            if self.reception.received:
                self.reception.begin_anew(packet.number)
            self._ssrc = packet.ssrc
        self._payload_type = packet.payload_type
        if codec != self.codec:
            self.flush()
            self.codec = codec
            for viewer in self._viewers:
                viewer.begin_again(self.reception.newest)
            self._told()
        return packet

    def _fall_silent(self) -> None:
        if self.flowing:
            self.flowing = False
            self._told()

    def _ask_for_key_frame(self) -> None:
        self._key_frame = None
        self._key_frame_at = asyncio.get_running_loop().time()
        if self._ssrc is not None:
            self.key_frame_requests += 1
            ask = RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=self._wire.ssrc, media_ssrc=self._ssrc)
            self._wire.link.write_feedback(bytes(ask))

    def _ask_again(self) -> None:
        """Ask for what is missing, and once more later if it does not come."""
        self._asking = None
        numbers = self.reception.to_ask()
        if not numbers or self._ssrc is None:
            return
        ask = RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=self._wire.ssrc, media_ssrc=self._ssrc)
        ask.lost = list(numbers)
        self._wire.link.write_feedback(bytes(ask))
        trip = self._wire.link.round_trip
        pause = ASK_AGAIN if trip is None else min(0.5, max(0.02, 1.5 * trip))
        self._asking = asyncio.get_running_loop().call_later(pause, self._ask_again)

    def _estimate(self, packet: Packet, now: float) -> None:
        """Tell the sender what its way to us carries, so that it neither chokes nor starves."""
        sent_at = extension(packet.extensions, self._sent_at_extension)
        if sent_at is None:
            return
        estimate = self._estimator.add(
            abs_send_time=int.from_bytes(sent_at, "big"),
            arrival_time_ms=int(now * 1000),
            payload_size=len(packet.payload),
            ssrc=packet.ssrc,
        )
        if estimate is not None:
            self._limit(estimate[0])

    def _limit(self, uplink: int | None) -> None:
        """Tell the sender what to send: what its own way and three of four viewers' ways carry.

        The rest would starve the others; they lose packets, or watch something else.
        """
        said = sorted(viewer.estimate for viewer in self._viewers if viewer.estimate is not None)
        spared = len(self._viewers) // 4
        limits = [] if uplink is None else [uplink]
        if spared < len(said):
            limits.append(max(LEAST_BITRATE, said[spared]))
        if limits and self._ssrc is not None:
            told = RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=self._wire.ssrc, media_ssrc=0)
            told.fci = pack_remb_fci(min(limits), [self._ssrc])
            self._wire.link.write_feedback(bytes(told))
