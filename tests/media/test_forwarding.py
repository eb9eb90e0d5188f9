"""What a viewer gets on a slot, packet by packet, on a wire that keeps what is sent on it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from unittest.mock import patch

import pytest
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpDecodingParameters,
    RTCRtpReceiveParameters,
    RTCRtpRtxParameters,
    RTCRtpSendParameters,
)
from aiortc.rtp import (
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    RtpPacket,
    is_rtcp,
    wrap_rtx,
)
from hypothesis import given
from hypothesis import strategies as st

from greenroom.domain.message import EntryId
from greenroom.media import forwarding
from greenroom.media.description import Line, Media
from greenroom.media.forwarding import Incoming, Outgoing, starts_key_frame
from greenroom.media.port import Source
from greenroom.media.wire import PacketSink, PacketSource, Wire

KEY, DELTA = b"\x10\x00", b"\x10\x01"
"""VP8: a descriptor that begins a picture, then a key frame or one that builds on others."""
VP8, RTX, THEIR_VP8, THEIR_RTX = 97, 98, 120, 121
SSRC, SSRC_AGAIN = 7, 8


class Kept(Wire):
    """A wire that keeps what is sent on it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.sent: list[bytes] = []

    @property
    def ssrc(self) -> int:
        return 1000 + self.number

    @property
    def resend_ssrc(self) -> int:
        return 2000 + self.number

    def listen(self, sink: PacketSink, parameters: RTCRtpReceiveParameters) -> None: ...
    def speak(self, source: PacketSource, parameters: RTCRtpSendParameters) -> None: ...
    def forget(self, sink: PacketSink) -> None: ...

    async def send(self, packet: bytes) -> None:
        self.sent.append(packet)

    @property
    def packets(self) -> list[RtpPacket]:
        return [RtpPacket.parse(data) for data in self.sent if not is_rtcp(data)]

    @property
    def feedback(self) -> list[object]:
        return [packet for data in self.sent if is_rtcp(data) for packet in RtcpPacket.parse(data)]


def codecs(plain: int, again: int) -> list[RTCRtpCodecParameters]:
    return [
        RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=plain),
        RTCRtpCodecParameters(
            mimeType="video/rtx", clockRate=90_000, payloadType=again, parameters={"apt": plain}
        ),
    ]


async def track(name: str = "thierry", media: Media = "video") -> tuple[Incoming, Kept]:
    """A publisher's line, negotiated and connected."""
    wire = Kept(1)
    line = Line("0", media, sends=True, receives=False, screen=False)
    incoming = Incoming(Source(EntryId(name), media), line, wire)
    encoding = RTCRtpDecodingParameters(
        ssrc=SSRC, payloadType=VP8, rtx=RTCRtpRtxParameters(ssrc=SSRC_AGAIN)
    )
    await incoming.receive(RTCRtpReceiveParameters(codecs=codecs(VP8, RTX), encodings=[encoding]))
    return incoming, wire


async def slot(*, resends: bool = True, media: Media = "video") -> tuple[Outgoing, Kept]:
    """A viewer's line, negotiated and connected."""
    wire = Kept(2)
    outgoing = Outgoing(Line("0", media, sends=False, receives=True, screen=False), wire)
    offered = codecs(THEIR_VP8, THEIR_RTX)
    await outgoing.send(RTCRtpSendParameters(codecs=offered if resends else offered[:1]))
    return outgoing, wire


async def publish(
    incoming: Incoming, number: int, payload: bytes = DELTA, timestamp: int = 0
) -> None:
    packet = RtpPacket(VP8, 1, number & 0xFFFF, timestamp & 0xFFFFFFFF, SSRC, payload)
    await incoming._handle_rtp_packet(packet, arrival_time_ms=0)


def numbers(packets: Sequence[RtpPacket]) -> list[int]:
    """Sequence numbers from the first one on, counted beyond 65,535."""
    first = packets[0].sequence_number
    return [(packet.sequence_number - first) & 0xFFFF for packet in packets]


@given(
    sources=st.lists(
        st.tuples(st.integers(0, 65_535), st.integers(0, 2**32 - 1), st.integers(1, 20)),
        min_size=1,
        max_size=6,
    )
)
def test_however_often_its_source_changes_a_slot_is_one_stream_without_a_gap(
    sources: list[tuple[int, int, int]],
) -> None:
    async def scenario() -> None:
        outgoing, wire = await slot()
        for number, timestamp, length in sources:
            incoming, _ = await track()
            outgoing.carry(incoming)
            for step in range(length):
                payload = KEY if step == 0 else DELTA
                await publish(incoming, number + step, payload, timestamp + step * 6000)
            outgoing.carry(None)
            incoming.stop()
        assert numbers(wire.packets) == list(range(sum(length for _, _, length in sources)))
        stamps = [packet.timestamp for packet in wire.packets]
        steps = [(b - a) & 0xFFFFFFFF for a, b in pairwise(stamps)]
        assert all(0 < step <= 90_000 for step in steps)
        assert {(p.ssrc, p.payload_type) for p in wire.packets} == {(wire.ssrc, THEIR_VP8)}

    with patch.object(forwarding, "monotonic", return_value=5.0):  # faster than any clock ticks
        asyncio.run(scenario())


@given(order=st.permutations(range(12)), start=st.integers(0, 65_535))
def test_packets_out_of_order_and_twice_keep_their_places(order: list[int], start: int) -> None:
    async def scenario() -> None:
        incoming, _ = await track(media="audio")
        outgoing, wire = await slot(media="audio")
        outgoing.carry(incoming)
        await publish(incoming, start)
        for number in [*order, *order]:
            await publish(incoming, start + 1 + number)
        assert numbers(wire.packets) == [0, *(number + 1 for number in [*order, *order])]
        incoming.stop()

    asyncio.run(scenario())


def test_a_late_packet_from_before_the_beginning_is_not_shown() -> None:
    async def scenario() -> None:
        incoming, _ = await track()
        outgoing, wire = await slot()
        outgoing.carry(incoming)
        await publish(incoming, 10)
        await publish(incoming, 12, KEY)
        await publish(incoming, 11)
        await publish(incoming, 13)
        assert numbers(wire.packets) == [0, 1]
        incoming.stop()

    asyncio.run(scenario())


def test_a_picture_begins_with_a_key_frame_and_one_is_asked_for() -> None:
    async def scenario() -> None:
        incoming, publisher = await track()
        outgoing, viewer = await slot()
        outgoing.carry(incoming)
        await publish(incoming, 1)
        assert viewer.packets == []
        await asyncio.sleep(0.02)
        assert [type(packet) for packet in publisher.feedback] == [RtcpPsfbPacket]
        await publish(incoming, 2, KEY)
        await publish(incoming, 3)
        assert [packet.payload for packet in viewer.packets] == [KEY, DELTA]
        incoming.stop()

    asyncio.run(scenario())


def test_key_frames_asked_for_in_a_rush_are_asked_for_once_now_and_once_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forwarding, "KEY_FRAME_INTERVAL", 0.1)

    async def scenario() -> None:
        incoming, publisher = await track()
        for _ in range(5):
            incoming.want_key_frame()
        await asyncio.sleep(0.05)
        assert len(publisher.feedback) == 1
        for _ in range(5):
            incoming.want_key_frame()
        await asyncio.sleep(0.02)
        assert len(publisher.feedback) == 1
        await asyncio.sleep(0.1)
        assert len(publisher.feedback) == 2
        incoming.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize("resends", [True, False], ids=["by retransmission", "as it was"])
def test_what_a_viewer_missed_is_sent_again(resends: bool) -> None:  # noqa: FBT001 - a parameter
    async def scenario() -> None:
        incoming, _ = await track()
        outgoing, wire = await slot(resends=resends)
        outgoing.carry(incoming)
        await publish(incoming, 65_534, KEY, 5)
        await publish(incoming, 65_535, DELTA + b"lost", 6)
        await publish(incoming, 65_536, DELTA, 7)
        lost = wire.packets[1]
        ask = RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=9, media_ssrc=wire.ssrc)
        ask.lost = [lost.sequence_number]
        await outgoing._handle_rtcp_packet(ask)
        again = wire.packets[-1]
        if resends:
            assert (again.ssrc, again.payload_type) == (wire.resend_ssrc, THEIR_RTX)
            assert again.payload == lost.sequence_number.to_bytes(2, "big") + lost.payload
        else:
            assert again.serialize() == lost.serialize()
        assert again.timestamp == lost.timestamp
        incoming.stop()

    asyncio.run(scenario())


def test_nothing_of_the_source_before_is_sent_again() -> None:
    async def scenario() -> None:
        first, _ = await track("thierry")
        second, _ = await track("alice")
        outgoing, wire = await slot()
        outgoing.carry(first)
        for number in range(5):
            await publish(first, number, KEY)
        for number in range(90, 100):
            await publish(second, number, KEY)
        outgoing.carry(second)
        for number in range(100, 103):
            await publish(second, number, KEY)
        before = len(wire.packets)
        ask = RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=9, media_ssrc=wire.ssrc)
        ask.lost = [packet.sequence_number for packet in wire.packets[:5]]
        await outgoing._handle_rtcp_packet(ask)
        assert len(wire.packets) == before
        for incoming in (first, second):
            incoming.stop()

    asyncio.run(scenario())


def test_what_got_lost_on_the_way_in_is_asked_for_and_fills_its_gap() -> None:
    async def scenario() -> None:
        incoming, publisher = await track()
        outgoing, viewer = await slot()
        outgoing.carry(incoming)
        await publish(incoming, 10, KEY)
        await publish(incoming, 12)
        [ask] = [packet for packet in publisher.feedback if isinstance(packet, RtcpRtpfbPacket)]
        assert ask.lost == [11]
        lost = RtpPacket(VP8, 1, 11, 0, SSRC, DELTA + b"late")
        again = wrap_rtx(lost, payload_type=RTX, sequence_number=1, ssrc=SSRC_AGAIN)
        await incoming._handle_rtp_packet(again, arrival_time_ms=0)
        assert numbers(viewer.packets) == [0, 2, 1]
        assert viewer.packets[-1].payload == DELTA + b"late"
        incoming.stop()

    asyncio.run(scenario())


def test_the_clock_of_the_source_is_passed_on_in_the_slots_own_timestamps() -> None:
    async def scenario() -> None:
        incoming, _ = await track()
        outgoing, wire = await slot()
        outgoing.carry(incoming)
        await publish(incoming, 1, KEY, timestamp=1000)
        info = RtcpSenderInfo(ntp_timestamp=99, rtp_timestamp=1500, packet_count=0, octet_count=0)
        await incoming._handle_rtcp_packet(RtcpSrPacket(ssrc=SSRC, sender_info=info))
        [report] = [packet for packet in wire.feedback if isinstance(packet, RtcpSrPacket)]
        assert report.ssrc == wire.ssrc
        assert report.sender_info.ntp_timestamp == 99
        assert report.sender_info.rtp_timestamp - wire.packets[0].timestamp == 500
        assert report.sender_info.packet_count == 1
        incoming.stop()

    asyncio.run(scenario())


def test_a_viewer_that_lost_the_picture_has_a_key_frame_asked_for() -> None:
    async def scenario() -> None:
        incoming, publisher = await track()
        outgoing, _ = await slot()
        outgoing.carry(incoming)
        await asyncio.sleep(0.02)
        publisher.sent.clear()
        incoming._key_frame_at = 0
        lost = RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=9, media_ssrc=1002)
        await outgoing._handle_rtcp_packet(lost)
        await asyncio.sleep(0.02)
        [ask] = [packet for packet in publisher.feedback if isinstance(packet, RtcpPsfbPacket)]
        assert (ask.fmt, ask.media_ssrc) == (RTCP_PSFB_PLI, SSRC)
        incoming.stop()

    asyncio.run(scenario())


class Broken:
    """A connection that fails in a way nobody thought of."""

    async def _send_rtp(self, _: bytes) -> None:
        raise RuntimeError("on purpose")


class Torn(Wire):
    def __init__(self) -> None: ...

    @property
    def _dtls(self) -> object:  # type: ignore[override]  # the point: it is none
        return Broken()


def test_a_viewer_whose_connection_fails_disturbs_nobody() -> None:
    asyncio.run(Torn().send(b"\x80"))


@given(st.binary(max_size=40))
def test_any_payload_is_told_apart_from_a_key_frame_without_an_error(payload: bytes) -> None:
    assert starts_key_frame(payload) in {True, False}


def test_a_key_frame_is_known_by_its_first_packet_alone() -> None:
    assert starts_key_frame(KEY)
    assert not starts_key_frame(DELTA)
    assert not starts_key_frame(b"\x00\x00")
    assert not starts_key_frame(b"")
