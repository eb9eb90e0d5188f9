"""What aiortc hands packets to, parsed and one by one, where `wire` finds no quicker way.

Both have the methods that `RTCDtlsTransport` calls (unchanged from aiortc 1.5 to 1.16);
`._rtp_header_extensions_map` lets header extensions through, where it is there.
"""

from __future__ import annotations

from collections.abc import Callable

from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtp import AnyRtcpPacket, RtpPacket

from greenroom.media.packets import read
from greenroom.media.routing import PacketSink, PacketSource


class SlowSink:
    """Takes the packets of one line.

    Args:
        sink: whose they are.
        dtls: where they come from.
        heard: called with each sign of life.
    """

    def __init__(self, sink: PacketSink, dtls: RTCDtlsTransport, heard: Callable[[], None]) -> None:
        self._sink, self._dtls, self._heard = sink, dtls, heard

    def _handle_disconnect(self) -> None:
        """The connection notices by itself."""

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        self._heard()
        self._sink.hear(packet)

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        del arrival_time_ms
        self._heard()
        known = getattr(self._dtls, "_rtp_header_extensions_map", None)
        packet.padding_size = 0
        self._sink.take(read(packet.serialize(known) if known else packet.serialize()))
        self._sink.flush()


class SlowSource:
    """Takes the feedback on one line.

    Args:
        source: whom it concerns.
        ssrc: of what is sent on the line, for aiortc.
        heard: called with each sign of life.
    """

    def __init__(self, source: PacketSource, ssrc: int, heard: Callable[[], None]) -> None:
        self._source, self._ssrc, self._heard = source, ssrc, heard

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        self._heard()
        self._source.hear(packet)
