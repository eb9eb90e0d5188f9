"""Whose a packet is, among the lines of one connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final, Protocol

from aiortc.rtcrtpparameters import RTCRtpReceiveParameters, RTCRtpSendParameters
from aiortc.rtp import (
    RTCP_PSFB_APP,
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    unpack_remb_fci,
)

from greenroom.media.packets import Packet, extension

MOST_STREAMS: Final = 256
"""Streams of one peer that are told apart; more are nobody's."""
MID: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"


class PacketSink(Protocol):
    """Where the packets of one incoming line go."""

    def begin(self, parameters: RTCRtpReceiveParameters) -> None:
        """The line is negotiated and connected; called once."""
        ...

    def take(self, packet: Packet) -> None:
        """A packet came."""
        ...

    def flush(self) -> None:
        """Nothing more has come for now."""
        ...

    def hear(self, report: AnyRtcpPacket) -> None:
        """The peer reports on what it sends, or says that it has ended."""
        ...


class PacketSource(Protocol):
    """Where the feedback on one outgoing line goes."""

    def begin(self, parameters: RTCRtpSendParameters) -> None:
        """The line is negotiated and connected; called once."""
        ...

    def hear(self, report: AnyRtcpPacket) -> None:
        """The peer reports on what it gets, or asks for something."""
        ...


class Routes:
    """The lines of one connection, by their streams."""

    def __init__(self) -> None:
        self._lines: list[tuple[PacketSink, str, frozenset[int]]] = []
        self._mid_extension = 0
        self._sinks: dict[int, PacketSink] = {}
        self._sources: dict[int, PacketSource] = {}

    def listen(self, sink: PacketSink, parameters: RTCRtpReceiveParameters) -> None:
        """The packets of this line are for `sink`."""
        self._mid_extension = next(
            (one.id for one in parameters.headerExtensions if one.uri == MID), self._mid_extension
        )
        kinds = frozenset(codec.payloadType for codec in parameters.codecs if codec.payloadType)
        self._lines.append((sink, parameters.muxId, kinds))
        for encoding in parameters.encodings:
            self._sinks[encoding.ssrc] = sink
            if encoding.rtx is not None:
                self._sinks[encoding.rtx.ssrc] = sink

    def speak(self, source: PacketSource, ssrc: int) -> None:
        """The feedback on this stream is for `source`."""
        self._sources[ssrc] = source

    def sink_of(self, packet: Packet) -> PacketSink | None:
        """Whose a packet is; None where nobody can tell."""
        return self._sinks.get(packet.ssrc) or self._find(packet)

    def hearers_of(self, report: AnyRtcpPacket) -> set[PacketSink | PacketSource]:
        """Whom a report concerns."""
        return {one for one in self._concerned(report) if one is not None}

    def clear(self) -> None:
        """Nobody's any more."""
        self._lines.clear()
        self._sinks.clear()
        self._sources.clear()

    def _find(self, packet: Packet) -> PacketSink | None:
        """Whose a stream is that nobody announced: by the line it names, or by its codec."""
        mid = extension(packet.extensions, self._mid_extension)
        fitting = [
            sink
            for sink, name, kinds in self._lines
            if packet.payload_type in kinds and (mid is None or name.encode() == mid)
        ]
        if len(fitting) != 1 or len(self._sinks) >= MOST_STREAMS:
            return None
        self._sinks[packet.ssrc] = fitting[0]
        return fitting[0]

    def _concerned(self, report: AnyRtcpPacket) -> Iterator[PacketSink | PacketSource | None]:
        if isinstance(report, RtcpSrPacket):
            yield self._sinks.get(report.ssrc)
        if isinstance(report, RtcpSrPacket | RtcpRrPacket):
            yield from (self._sources.get(one.ssrc) for one in report.reports)
        elif isinstance(report, RtcpByePacket):
            yield from map(self._sinks.get, report.sources)
        elif isinstance(report, RtcpPsfbPacket) and report.fmt == RTCP_PSFB_APP:
            with suppress(ValueError):
                yield from map(self._sources.get, unpack_remb_fci(report.fci)[1])
        elif isinstance(report, RtcpPsfbPacket | RtcpRtpfbPacket):
            yield self._sources.get(report.media_ssrc)
