"""The hold on aiortc and aioice below their public surfaces, all in one place.

aiortc decodes what it receives and encodes what it sends; forwarding needs neither. With the names
below, packets go in and out as they are, at once, in the callback of the socket that brought them.

Without these there is no forwarding (unchanged from aiortc 1.5 to 1.16):

- `RTCRtpReceiver.receive`, `.transport`, `RTCRtpSender.send`: public, replaced on each line;
- `RTCRtpSender._ssrc`, `._rtx_ssrc`, `._stream_id`: what the answer announces;
- `RTCDtlsTransport._register_rtp_receiver`, `._register_rtp_sender`, `._send_rtp`: the slow way,
  taken where one of the next group is missing (see `slow_way`).

The quick way (aioice 0.13; most of them since 0.7):

- `RTCDtlsTransport._tx_srtp`, `._rx_srtp`: the two `pylibsrtp.Session`;
- `RTCIceTransport._connection`, `aioice.Connection._nominated`, `._protocols`: which sockets there
  are, and by which of them the peer is reached;
- `aioice.StunProtocol.datagram_received`, `.transport`: replaced on each socket; asyncio's
  transport keeps the socket itself in `_sock` (without it, packets come and go one by one), and
  reads `max_size` bytes at a time; `allowance.rest` names what it takes to let a socket rest;
- `aioice.CandidatePair.protocol`, `.remote_addr`.

Signs of life: `aioice.Connection.build_request`, `.remote_password`, `aioice.StunProtocol.request`
(without them, a peer that vanished is noticed by aioice, after 30 seconds).

`use_addresses` replaces `aioice.Connection.get_component_candidates`. `tests/media/test_wire.py`
has a test for each name, and takes them away one by one to see that the slow way goes on.
"""

# ruff: noqa: SLF001 - reaching under the surface is what this module is for

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from operator import attrgetter
from time import monotonic
from typing import Any, Final

import pylibsrtp
from aioice import stun
from aioice.candidate import Candidate
from aiortc import RTCPeerConnection, RTCRtpTransceiver
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters, RTCRtpSendParameters
from aiortc.rtp import RtcpPacket, is_rtcp

from greenroom.media.allowance import DATAGRAMS, Allowance, rest
from greenroom.media.packets import read
from greenroom.media.routing import PacketSink, PacketSource, Routes
from greenroom.media.sealing import (
    BURST,
    Forward,
    Write,
    can_forward,
    forwarder,
    forwarding_with,
    sender,
    writer,
)
from greenroom.media.slow_way import SlowSink, SlowSource

log: Final = logging.getLogger(__name__)

QUICK: Final = (
    "_tx_srtp.protect",
    "_tx_srtp.protect_rtcp",
    "_rx_srtp.unprotect",
    "_rx_srtp.unprotect_rtcp",
    "transport._connection._nominated",
    "transport._connection._protocols",
)
"""From an `RTCDtlsTransport` that is connected: what the quick way needs."""
LIFE: Final = ("transport._connection.build_request", "transport._connection.remote_password")
"""From there as well: what it takes to ask a peer for a sign of life."""

DATAGRAM: Final = 2_048
"""Bytes of a datagram that are read; none on a path of 1,500 has more."""
WAITING: Final = 1_024
"""Packets that wait on the slow way; more are dropped."""

Gather = Callable[..., Awaitable[list[Candidate]]]


class Link:
    """The encrypted way to one peer, which all its lines share.

    Writing never waits and never fails: what cannot be sent at once is dropped, as the network
    would; `dropped` counts it. `write`, `write_feedback` and `forward` are to be looked up each
    time, for they change with the peer's address.
    """

    def __init__(self, dtls: RTCDtlsTransport) -> None:
        self.write: Write = self.drop
        """Send an RTP packet."""
        self.write_feedback: Write = self.drop
        """Send an RTCP packet."""
        self.forward: Forward = forwarding_with(self.drop)
        """Send RTP packets that are in parts; the quickest."""
        self.dropped = 0
        self.round_trip: float | None = None
        """Seconds to the peer and back, as measured last."""
        self.quick = False
        """Whether packets take the quick way."""
        self.rests = 0
        """How often the peer was not listened to for a moment, for it sends too much."""
        self._dtls = dtls
        self._opened = False
        self._heard = True
        self._routes = Routes()
        self._allowance = Allowance(DATAGRAMS)
        self._hooked: list[Any] = []
        self._fed: list[PacketSink] = []
        """Those that got packets just now, and are still to learn that these were all."""
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(WAITING)
        self._carrier: asyncio.Task[None] | None = None

    def listen(self, sink: PacketSink, parameters: RTCRtpReceiveParameters) -> None:
        """Hand the packets of this line to `sink` from now on."""
        self._open()
        self._routes.listen(sink, parameters)
        if not self.quick:
            slow = SlowSink(sink, self._dtls, self._overhear)
            self._dtls._register_rtp_receiver(slow, parameters)

    def speak(self, source: PacketSource, ssrc: int, parameters: RTCRtpSendParameters) -> None:
        """Hand the feedback on this line to `source` from now on."""
        self._open()
        self._routes.speak(source, ssrc)
        if not self.quick:
            slow = SlowSource(source, ssrc, self._overhear)
            self._dtls._register_rtp_sender(slow, parameters)

    def heard(self) -> bool:
        """Whether anything came from the peer since this was asked last."""
        heard, self._heard = self._heard, False
        return heard

    @property
    def alive(self) -> bool:
        """Whether the peer can be asked for signs of life."""
        return self._opened and _has(self._dtls, LIFE)

    async def ask_for_life(self) -> None:
        """Have the peer answer, whoever it is, and take the time; silence is no error."""
        ice = self._dtls.transport._connection
        pair = ice._nominated.get(1)
        if pair is None:
            return
        asked = monotonic()
        with suppress(stun.TransactionError):
            await pair.protocol.request(
                ice.build_request(pair, nominate=False),
                pair.remote_addr,
                integrity_key=(ice.remote_password or "").encode(),
                retransmissions=0,
            )
            self.round_trip = monotonic() - asked
            self._heard = True

    def drop(self, packet: bytes) -> None:
        """Send nothing: the link does not stand, or the packet cannot be sent."""
        del packet
        self.dropped += 1

    def close(self) -> None:
        """Take nothing and send nothing any more. Twice is fine."""
        self._unbind()
        self._routes.clear()
        for protocol in self._hooked:
            with suppress(AttributeError):
                del protocol.datagram_received
        self._hooked.clear()
        if self._carrier is not None:
            self._carrier.cancel()

    def _open(self) -> None:
        """Find the way, when the connection stands."""
        if self._opened:
            return
        self._opened = True
        try:
            if _has(self._dtls, QUICK):
                self._open_quickly()
        except AttributeError:
            log.warning("aioice is not as expected; packets take the slow way", exc_info=True)
        if not self.quick:
            self.write = self.write_feedback = self._put
            self.forward = forwarding_with(self._put)
            self._carrier = asyncio.get_running_loop().create_task(self._carry())

    # The quick way

    def _open_quickly(self) -> None:
        ice = self._dtls.transport._connection
        self._bind(ice._nominated)
        sockets: list[Any] = ice._protocols
        for protocol in sockets:
            # asyncio would ask the system for the memory of 256 kB, and give it back, each time.
            protocol.transport.max_size = DATAGRAM
            protocol.datagram_received = self._receiver(protocol)
            self._hooked.append(protocol)
        ice._nominated = _Nominated(ice._nominated, self._bind)
        self.quick = True

    def _bind(self, nominated: dict[int, Any]) -> None:
        """Send to where the peer is reached now."""
        pair = nominated.get(1)
        if pair is None:
            self._unbind()
            return
        srtp, transport = self._dtls._tx_srtp, pair.protocol.transport
        # The socket itself: asyncio's transport would keep for later what the socket refuses.
        socket = getattr(transport, "_sock", None)
        send_to = transport.sendto if socket is None else socket.sendto
        self.write = writer(srtp.protect, send_to, pair.remote_addr, self.drop)
        self.forward = (
            forwarder(srtp, sender(socket, pair.remote_addr), self.drop)
            if socket is not None and can_forward()
            else forwarding_with(self.write)
        )
        self.write_feedback = writer(srtp.protect_rtcp, send_to, pair.remote_addr, self.drop)

    def _unbind(self) -> None:
        self.write = self.write_feedback = self.drop
        self.forward = forwarding_with(self.drop)

    def _receiver(self, protocol: Any) -> Callable[[bytes, Any], None]:
        """What takes a socket's datagrams: `protocol` gets what is neither RTP nor RTCP."""
        others = protocol.datagram_received
        # asyncio would look at all other sockets before it comes back for the next packet.
        receive = _receive_of(protocol.transport)

        def received(data: bytes, address: Any) -> None:
            self._heard, came = True, 1
            self._sort(data, address, others)
            for _ in range(BURST - 1 if self._fed else 0):
                try:
                    data, address = receive(DATAGRAM)
                except OSError:
                    break  # nothing more has come; what else it may be, asyncio notices as well
                self._sort(data, address, others)
                came += 1
            for sink in self._fed:
                sink.flush()
            self._fed.clear()
            pause = self._allowance.spend(came, monotonic())
            self.rests += pause > 0 and rest(protocol.transport, pause)

        return received

    def _sort(self, data: bytes, address: Any, others: Callable[[bytes, Any], None]) -> None:
        if len(data) < 2 or not 127 < data[0] < 192:  # noqa: PLR2004 - RFC 7983
            others(data, address)
        elif is_rtcp(data):
            self._take_feedback(data)
        else:
            self._take(data)

    def _take(self, data: bytes) -> None:
        try:
            packet = read(self._dtls._rx_srtp.unprotect(data))
        except (ValueError, pylibsrtp.Error):
            return
        sink = self._routes.sink_of(packet)
        if sink is not None:
            sink.take(packet)
            if sink not in self._fed:
                self._fed.append(sink)

    def _take_feedback(self, data: bytes) -> None:
        try:
            reports = RtcpPacket.parse(self._dtls._rx_srtp.unprotect_rtcp(data))
        except (ValueError, pylibsrtp.Error):
            return
        for report in reports:
            for hearer in self._routes.hearers_of(report):
                hearer.hear(report)

    # The slow way

    def _put(self, packet: bytes) -> None:
        try:
            self._waiting.put_nowait(packet)
        except asyncio.QueueFull:
            self.drop(packet)

    async def _carry(self) -> None:
        while True:
            packet = await self._waiting.get()
            try:
                await self._dtls._send_rtp(packet)
            except Exception:  # noqa: BLE001 - one viewer's trouble reaches nobody else
                self.drop(packet)

    def _overhear(self) -> None:
        self._heard = True


class _Nominated(dict[int, Any]):
    """By which pair of addresses each component is reached; tells when that changes."""

    def __init__(self, pairs: dict[int, Any], changed: Callable[[dict[int, Any]], None]) -> None:
        super().__init__(pairs)
        self._changed = changed

    def __setitem__(self, component: int, pair: Any) -> None:
        super().__setitem__(component, pair)
        self._changed(self)

    def clear(self) -> None:
        super().clear()
        self._changed(self)


class Wire:
    """One media line on a link."""

    def __init__(self, transceiver: RTCRtpTransceiver, link: Link) -> None:
        self.link = link
        self._transceiver = transceiver
        self._listens = self._speaks = False

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

        async def receive(parameters: RTCRtpReceiveParameters) -> None:
            if not self._listens:
                self._listens = True
                self.link.listen(sink, parameters)
                sink.begin(parameters)

        async def send(parameters: RTCRtpSendParameters) -> None:
            if not self._speaks:
                self._speaks = True
                self.link.speak(source, self.ssrc, parameters)
                source.begin(parameters)

        receiver, sender = self._transceiver.receiver, self._transceiver.sender
        receiver.receive = receive  # type: ignore[method-assign]  # per line, not per class
        sender.send = send  # type: ignore[method-assign]  # per line, not per class
        # aiortc gives all lines one stream: browsers would then delay strangers' tracks until
        # they are in step with each other.
        sender._stream_id = f"slot-{self.ssrc}"


def _receive_of(transport: Any) -> Callable[[int], tuple[bytes, Any]]:
    """What reads the next datagram and who it is from; BlockingIOError where there is none."""
    socket = getattr(transport, "_sock", None)
    return _nothing if socket is None else socket.recvfrom


def _nothing(_: int) -> tuple[bytes, Any]:
    raise BlockingIOError


def _has(dtls: RTCDtlsTransport, names: Sequence[str]) -> bool:
    try:
        attrgetter(*names)(dtls)
    except AttributeError:
        return False
    return True


def link_of(transceiver: RTCRtpTransceiver) -> Link:
    """The link that a line, and all that are bundled with it, will be on."""
    return Link(transceiver.receiver.transport)


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
