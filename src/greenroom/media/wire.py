"""The hold on aiortc below its public surface, all in one place.

aiortc decodes what it receives and encodes what it sends; forwarding needs neither. These are the
names that let packets in and out untouched. They stood unchanged from aiortc 1.5 to 1.16, and
`tests/media` fails if they move.
"""

# ruff: noqa: SLF001 - reaching under the surface is what this module is for

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol

from aioice.candidate import Candidate
from aiortc import RTCPeerConnection, RTCRtpTransceiver
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters, RTCRtpSendParameters
from aiortc.rtp import AnyRtcpPacket, RtpPacket

log: Final = logging.getLogger(__name__)

Gather = Callable[..., Awaitable[list[Candidate]]]


class PacketSink(Protocol):
    """What aiortc hands the packets of one incoming line to."""

    async def receive(self, parameters: RTCRtpReceiveParameters) -> None:
        """The line is negotiated and connected; called again after each renegotiation."""
        ...

    def _handle_disconnect(self) -> None: ...
    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None: ...
    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None: ...


class PacketSource(Protocol):
    """What aiortc hands the feedback on one outgoing line to."""

    _ssrc: int

    async def send(self, parameters: RTCRtpSendParameters) -> None:
        """The line is negotiated and connected; called again after each renegotiation."""
        ...

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None: ...


class Wire:
    """The encrypted connection to one peer, at the level of packets."""

    def __init__(self, transceiver: RTCRtpTransceiver) -> None:
        self._transceiver = transceiver

    @property
    def _dtls(self) -> RTCDtlsTransport:
        return self._transceiver.receiver.transport

    @property
    def ssrc(self) -> int:
        """Of what is sent on this line, as the answer announces it."""
        return self._transceiver.sender._ssrc

    @property
    def resend_ssrc(self) -> int:
        """Of what is sent again on this line."""
        return self._transceiver.sender._rtx_ssrc

    def hook(self, sink: PacketSink, source: PacketSource) -> None:
        """Let `sink` and `source` take the places of decoder and encoder."""
        receiver, sender = self._transceiver.receiver, self._transceiver.sender
        receiver.receive = sink.receive  # type: ignore[method-assign]  # per line, not per class
        sender.send = source.send  # type: ignore[method-assign]  # per line, not per class
        # aiortc gives all lines one stream: browsers would then delay strangers' tracks until
        # they are in step with each other.
        sender._stream_id = f"slot-{self.ssrc}"

    def listen(self, sink: PacketSink, parameters: RTCRtpReceiveParameters) -> None:
        """Hand the packets of this line to `sink` from now on."""
        self._dtls._register_rtp_receiver(sink, parameters)

    def speak(self, source: PacketSource, parameters: RTCRtpSendParameters) -> None:
        """Hand the feedback on this line to `source` from now on."""
        self._dtls._register_rtp_sender(source, parameters)

    def forget(self, sink: PacketSink) -> None:
        """Hand `sink` nothing more."""
        self._dtls._unregister_rtp_receiver(sink)

    async def send(self, packet: bytes) -> None:
        """Send an RTP or RTCP packet; what cannot be sent is dropped, as the network would."""
        try:
            await self._dtls._send_rtp(packet)
        except ConnectionError:
            pass
        except Exception:
            # One viewer's trouble must reach neither the publisher nor the other viewers.
            log.debug("a packet could not be sent", exc_info=True)


def use_addresses(peer: RTCPeerConnection, addresses: Sequence[str]) -> None:
    """Offer candidates on `addresses` alone; to be called before the first description is set.

    aiortc offers all addresses of the machine but 127.0.0.1.
    """
    for transceiver in peer.getTransceivers():
        ice = transceiver.receiver.transport.transport._connection
        ice.get_component_candidates = partial(  # type: ignore[method-assign]  # of this one
            _on_addresses, ice.get_component_candidates, tuple(addresses)
        )


async def _on_addresses(
    gather: Gather, chosen: Sequence[str], component: int, addresses: list[str], *limits: int
) -> list[Candidate]:
    """What `gather` finds on the `chosen` addresses instead of all the machine's."""
    del addresses
    return await gather(component, list(chosen), *limits)
