"""What is taken hold of in aiortc and aioice, name by name, and how it goes on without."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from operator import attrgetter
from types import SimpleNamespace
from typing import cast

import pytest
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpReceiveParameters
from aiortc.rtp import AnyRtcpPacket
from tests.media.conftest import Room, entry_of, sees_and_hears

from greenroom.media import wire
from greenroom.media.packets import HEADER, Packet
from greenroom.media.sealing import BURST
from greenroom.media.wire import LIFE, QUICK, Link


def link_in(room: Room, name: str) -> Link:
    """The link of somebody's only connection."""
    [connection] = room.media._stage._roster.require(entry_of(name)).connections
    assert connection._link is not None
    return connection._link


@pytest.fixture(scope="module")
def meeting() -> Iterator[Room]:
    """Thierry and alice, connected: what the tests below look at changes nothing."""
    room = Room()
    room.enter("thierry")
    room.enter("alice")
    yield room
    room.close()


@pytest.mark.parametrize("name", [*QUICK, *LIFE])
def test_a_connected_transport_has_the_name(meeting: Room, name: str) -> None:
    assert attrgetter(name)(link_in(meeting, "thierry")._dtls) is not None


@pytest.mark.parametrize(
    "name",
    [
        "protocol.datagram_received",
        "protocol.transport._sock.recvfrom",
        "protocol.transport._sock.sendmsg",
        "protocol.transport.max_size",
        "protocol.request",
    ],
)
def test_the_pair_in_use_has_the_name(meeting: Room, name: str) -> None:
    pair = link_in(meeting, "thierry")._dtls.transport._connection._nominated[1]
    assert attrgetter(name)(pair) is not None
    assert pair.remote_addr[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "name",
    ["_register_rtp_receiver", "_register_rtp_sender", "_send_rtp", "_rtp_header_extensions_map"],
)
def test_the_slow_way_has_the_name(meeting: Room, name: str) -> None:
    assert hasattr(link_in(meeting, "thierry")._dtls, name)


@pytest.mark.parametrize("name", ["_ssrc", "_rtx_ssrc", "_stream_id"])
def test_what_the_answer_announces_has_the_name(meeting: Room, name: str) -> None:
    [connection] = meeting.media._stage._roster.require(entry_of("thierry")).connections
    senders = connection._peer.getSenders()
    assert len({getattr(sender, name) for sender in senders}) == len(senders) == 2


class Listening:
    """A line that notes what comes, and what came together."""

    def __init__(self) -> None:
        self.bursts: list[list[bytes]] = []
        self._burst: list[bytes] = []

    def begin(self, parameters: RTCRtpReceiveParameters) -> None: ...
    def hear(self, report: AnyRtcpPacket) -> None: ...

    def take(self, packet: Packet) -> None:
        self._burst.append(packet.payload)

    def flush(self) -> None:
        self.bursts.append(self._burst)
        self._burst = []


class Plain(Link):
    """A link on which nothing is encrypted, with one line that takes everything."""

    def __init__(self, line: Listening) -> None:
        super().__init__(cast("RTCDtlsTransport", SimpleNamespace(_rx_srtp=self)))
        codec = RTCRtpCodecParameters(mimeType="audio/opus", clockRate=48_000, payloadType=96)
        self._routes.listen(line, RTCRtpReceiveParameters(codecs=[codec]))

    def unprotect(self, data: bytes) -> bytes:
        return data


@pytest.fixture
def inlet() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        opened.setblocking(False)
        yield opened


def said(number: int) -> bytes:
    return HEADER.pack(0x80, 96, number, 0, 7) + bytes([number])


def brought(inlet: socket.socket, link: Link, datagrams: list[bytes]) -> list[bytes]:
    """What is left for others, once a socket has brought these and asyncio read the first."""
    others: list[bytes] = []
    transport = SimpleNamespace(_sock=inlet)
    protocol = SimpleNamespace(
        transport=transport, datagram_received=lambda data, _: others.append(data)
    )
    receive = link._receiver(protocol)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        for datagram in datagrams:
            way.sendto(datagram, inlet.getsockname())
    with suppress(BlockingIOError):
        while True:
            receive(*inlet.recvfrom(2_048))
    return others


def test_what_has_come_together_is_handed_on_together(inlet: socket.socket) -> None:
    line, ping = Listening(), b"\0\1"
    packets = [said(number) for number in range(5)]
    others = brought(inlet, Plain(line), [ping, *packets[:3], ping, b"", *packets[3:]])
    assert line.bursts == [[bytes([number]) for number in range(5)]]
    assert others == [ping, ping, b""]


def test_no_line_keeps_the_others_waiting_for_longer_than_a_burst(inlet: socket.socket) -> None:
    line = Listening()
    brought(inlet, Plain(line), [said(number) for number in range(BURST + 5)])
    assert [len(burst) for burst in line.bursts] == [BURST, 5]


def test_without_its_socket_a_transport_brings_packets_one_by_one() -> None:
    line, transport = Listening(), SimpleNamespace()
    receive = Plain(line)._receiver(SimpleNamespace(transport=transport, datagram_received=print))
    for number in range(3):
        receive(said(number), None)
    assert line.bursts == [[b"\0"], [b"\1"], [b"\2"]]


def test_packets_take_the_quick_way(meeting: Room) -> None:
    thierry, alice = meeting.peers
    assert sees_and_hears(thierry, "green")
    assert sees_and_hears(alice, "red")
    assert link_in(meeting, "thierry").quick
    assert link_in(meeting, "thierry")._carrier is None


def test_a_peer_shows_life_when_it_is_asked(meeting: Room) -> None:
    link = link_in(meeting, "alice")
    link.round_trip = None
    loop = meeting.media._thread._loop
    assert loop is not None
    asyncio.run_coroutine_threadsafe(link.ask_for_life(), loop).result(60)
    assert link.round_trip is not None
    assert 0 < link.round_trip < 60


@pytest.mark.slow
@pytest.mark.parametrize("missing", QUICK)
def test_without_a_hook_packets_take_the_slow_way(
    room: Room, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    moved = tuple(f"{name}_moved" if name == missing else name for name in QUICK)
    monkeypatch.setattr(wire, "QUICK", moved)
    thierry, alice = room.enter("thierry"), room.enter("alice")
    assert sees_and_hears(thierry, "green")
    assert sees_and_hears(alice, "red")
    assert not link_in(room, "thierry").quick


@pytest.mark.slow
def test_a_pair_that_is_not_as_expected_leaves_the_slow_way(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def moved(*_: object) -> None:
        raise AttributeError("remote_addr")

    monkeypatch.setattr(Link, "_bind", moved)
    thierry = room.enter("thierry", sends=())
    room.enter("alice")
    assert sees_and_hears(thierry, "green")
    assert not link_in(room, "thierry").quick


def test_a_peer_that_moves_is_followed_at_once(meeting: Room) -> None:
    link = link_in(meeting, "thierry")
    nominated = link._dtls.transport._connection._nominated
    pair, before = nominated[1], link.write
    nominated[1] = pair
    assert link.write is not before
    nominated.clear()
    assert link.write == link.drop
    nominated[1] = pair
    assert sees_and_hears(meeting.peers[0], "green")
