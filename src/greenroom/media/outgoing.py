"""A slot: a line that a participant receives on, whoever is heard or seen on it."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import Final

from aiortc.codecs import is_rtx
from aiortc.rtcrtpparameters import RTCRtpSendParameters
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
    unpack_remb_fci,
)

from greenroom.media.description import Line
from greenroom.media.incoming import CLOCK_RATE, Forward, Incoming
from greenroom.media.meter import Meter
from greenroom.media.packets import Kept, again, starts_picture
from greenroom.media.reception import KEPT
from greenroom.media.wire import Wire

RESENDS: Final = 600
"""Packets a second that a slot sends again; who asks for more is not helped by more."""
FRESH: Final = 5.0
"""Seconds that a viewer's estimate of its way holds."""
SETTLED: Final = 3.0
"""Seconds that a slot must have carried its line for an estimate to say something."""
_U16: Final = 0xFFFF
_U32: Final = 0xFFFFFFFF


class Outgoing:
    """A line that a participant receives on. Lives on the media loop.

    To the participant it is one stream that never breaks: numbers and timestamps go on where the
    last source ended.
    """

    def __init__(self, line: Line, wire: Wire) -> None:
        self.line = line
        self.ssrc = wire.ssrc
        self.incoming: Incoming | None = None
        """What it carries; None while it is free."""
        self.forward: Forward = self._hold
        self.reported: RtcpReceiverInfo | None = None
        """What the participant said last about what arrives."""
        self.round_trip: float | None = None
        """Seconds to the participant and back, as the last such report tells."""
        self.resent = 0
        self.meter = Meter()
        self._wire = wire
        self._types: dict[str, tuple[int, int | None]] = {}
        """By codec: the payload type, and the one of what is sent again."""
        self._resend_number = random.getrandbits(15)
        self._allowance: float = RESENDS
        self._allowed_at = 0.0
        self._estimate = 0
        self._estimate_at = self._carried_at = 0.0
        self._sender_reports: deque[tuple[int, float]] = deque(maxlen=8)
        # Of the present source, from when on it is shown
        self._showing = False
        self._type = 0
        self._resend_type: int | None = None
        self._first = 0
        self._number_shift = 0
        self._timestamp_shift = 0
        self._packets_at_first = self._octets_at_first = 0
        # Of what was before it. Numbers begin in the lower half, for one that wraps early breaks
        # decryption at the other end.
        self._last_number = random.getrandbits(15)
        self._last_timestamp = random.getrandbits(31)
        self._last_at = 0.0
        self._packets_before = self._octets_before = 0

    def begin(self, parameters: RTCRtpSendParameters) -> None:
        """The line is negotiated and connected."""
        resends = {
            codec.parameters.get("apt"): codec.payloadType
            for codec in parameters.codecs
            if is_rtx(codec)
        }
        for codec in parameters.codecs:
            if not is_rtx(codec) and codec.payloadType is not None:
                found = (codec.payloadType, resends.get(codec.payloadType))
                self._types.setdefault(codec.name, found)
        if self.incoming is not None:
            self.incoming.want_key_frame()

    def takes(self, incoming: Incoming) -> bool:
        """Whether the participant can decode that line here."""
        return incoming.line.media == self.line.media and incoming.codec in self.line.codecs

    def carry(self, incoming: Incoming | None) -> None:
        """Carry this line from now on, or nothing; the same again changes nothing."""
        if incoming is self.incoming:
            return
        if self.incoming is not None:
            self.incoming.flush()  # what came before is still shown
            self._end(self.incoming.reception.newest)
            self.incoming.remove(self)
        self.incoming, self._carried_at = incoming, monotonic()
        if incoming is not None:
            incoming.add(self)
            # Not before the way stands: the key frame would come too early, and the next one is
            # not asked for at once.
            if self._types:
                incoming.want_key_frame()

    def begin_again(self, last: int) -> None:
        """The source's stream ended with the packet of ordinal `last`; another one begins."""
        self._end(last)
        if self.incoming is not None:
            self.incoming.rewire()

    def pass_on(self, info: RtcpSenderInfo) -> None:
        """Tell the participant how the source's clock and its timestamps relate."""
        if not self._showing:
            return
        packets, octets = self.sent
        ours = RtcpSenderInfo(
            ntp_timestamp=info.ntp_timestamp,
            rtp_timestamp=info.rtp_timestamp + self._timestamp_shift & _U32,
            packet_count=packets & _U32,
            octet_count=octets & _U32,
        )
        self._sender_reports.append((info.ntp_timestamp >> 16 & _U32, monotonic()))
        self._wire.link.write_feedback(bytes(RtcpSrPacket(ssrc=self.ssrc, sender_info=ours)))

    def hear(self, report: AnyRtcpPacket) -> None:
        """The participant reports on what arrives, or asks for something."""
        match report:
            case RtcpRrPacket(reports=reports) | RtcpSrPacket(reports=reports):
                for info in reports:
                    if info.ssrc == self.ssrc:
                        self._note(info)
            case RtcpRtpfbPacket(fmt=fmt, lost=lost) if fmt == RTCP_RTPFB_NACK:
                for number in lost:
                    self._resend(number)
            case RtcpPsfbPacket(fmt=fmt) if fmt in {RTCP_PSFB_PLI, RTCP_PSFB_FIR}:
                if self.incoming is not None:
                    self.incoming.want_key_frame()
            case RtcpPsfbPacket(fmt=fmt, fci=fci) if fmt == RTCP_PSFB_APP:
                bitrate, streams = unpack_remb_fci(fci)
                self._estimate = bitrate // max(1, len(streams))
                self._estimate_at = monotonic()

    @property
    def estimate(self) -> int | None:
        """Bits a second that the way to the participant carries here; None where nobody knows."""
        fresh = monotonic() - self._estimate_at < FRESH
        settled = self._estimate_at - self._carried_at > SETTLED
        return self._estimate if fresh and settled else None

    @property
    def jitter(self) -> float | None:
        """Seconds that packets come too early or too late there; None until it was reported."""
        if self.reported is None:
            return None
        return self.reported.jitter / CLOCK_RATE[self.line.media]

    @property
    def sent(self) -> tuple[int, int]:
        """Packets, and octets in them, without what was sent again."""
        packets, octets = self._packets_before, self._octets_before
        if self._showing and self.incoming is not None:
            packets += self.incoming.packets - self._packets_at_first
            octets += self.incoming.octets - self._octets_at_first
        return packets, octets

    def watch(self) -> None:
        """Once in a while: see how much goes out."""
        self.meter.look(self.sent[1], monotonic())

    def _hold(self, packets: Sequence[Kept]) -> None:
        """Wait for a packet that one can begin with; then send each at once."""
        incoming = self.incoming
        if incoming is None or incoming.codec not in self._types:
            return
        for at, packet in enumerate(packets):
            if starts_picture(incoming.codec, packet.payload):
                self._begin_with(incoming, packets[at:])
                return
        incoming.want_key_frame()

    def _begin_with(self, incoming: Incoming, packets: Sequence[Kept]) -> None:
        self._align(incoming, packets)
        self.forward = self._pour()
        incoming.rewire()
        if incoming.last_report is not None:
            self.pass_on(incoming.last_report)
        self.forward(packets)

    def _align(self, incoming: Incoming, packets: Sequence[Kept]) -> None:
        """Begin with the first of these packets, right after what was sent last."""
        self._showing = True
        ordinal, timestamp, _, _ = packets[0]
        self._type, self._resend_type = self._types[incoming.codec]
        follows = timestamp
        if self._packets_before:
            elapsed = monotonic() - self._last_at
            # At least 1: two pictures of one timestamp would be taken for one.
            follows = self._last_timestamp + max(1, int(elapsed * CLOCK_RATE[self.line.media]))
        self._timestamp_shift = follows - timestamp
        self._number_shift = self._last_number + 1 - ordinal
        self._first = ordinal
        # These were counted by now.
        self._packets_at_first = incoming.packets - len(packets)
        self._octets_at_first = incoming.octets - sum(len(one.payload) for one in packets)

    def _pour(self) -> Forward:
        """What sends packets on, with nothing left to look up or to decide."""
        link, ssrc, kind = self._wire.link, self.ssrc, self._type
        first, further, later = self._first, self._number_shift, self._timestamp_shift

        def pour(packets: Sequence[Kept]) -> None:
            if packets[0].ordinal < first + 2 * KEPT:  # later on, none comes that late
                packets = [packet for packet in packets if packet.ordinal >= first]
            if packets:  # else their numbers belong to what came before
                link.forward(ssrc, kind, further, later, packets)

        return pour

    def _end(self, last: int) -> None:
        """Remember where the present source stops, at its packet of ordinal `last`."""
        if self._showing and self.incoming is not None:
            self._packets_before, self._octets_before = self.sent
            self._last_number = last + self._number_shift & _U16
            self._last_timestamp = self.incoming.newest_timestamp + self._timestamp_shift & _U32
            self._last_at = self.incoming.heard_at
        self._showing = False
        self.forward = self._hold

    def _note(self, info: RtcpReceiverInfo) -> None:
        self.reported = info
        now = monotonic()
        for middle, at in self._sender_reports:
            if middle == info.lsr and info.dlsr:
                self.round_trip = max(0.0, now - at - info.dlsr / 65_536)

    def _resend(self, number: int) -> None:
        incoming = self.incoming
        if incoming is None or not self._showing or not self._may_resend():
            return
        newest = incoming.reception.newest
        ordinal = newest - (newest + self._number_shift - number & _U16)
        packet = incoming.kept(ordinal)
        if packet is None or ordinal < self._first:
            return
        kind, ssrc, further = self._type, self.ssrc, self._number_shift
        if self._resend_type is not None:
            kind, ssrc, further = self._resend_type, self._wire.resend_ssrc, 0
            self._resend_number = self._resend_number + 1 & _U16
            payload = again(packet.payload, number)
            packet = packet._replace(ordinal=self._resend_number, payload=payload)
        self.resent += 1
        self._wire.link.forward(ssrc, kind, further, self._timestamp_shift, (packet,))

    def _may_resend(self) -> bool:
        """So many a second, and not more: asking costs less than answering."""
        now = monotonic()
        earned = (now - self._allowed_at) * RESENDS
        self._allowance, self._allowed_at = min(RESENDS, self._allowance + earned), now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True
