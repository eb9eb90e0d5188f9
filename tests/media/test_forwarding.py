"""What a viewer gets on a slot, packet by packet, on links that keep what is sent on them."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from time import monotonic
from unittest.mock import patch

import pytest
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    pack_remb_fci,
    unpack_remb_fci,
)
from hypothesis import example, given
from hypothesis import strategies as st
from tests.media.lines import (
    DELTA,
    H264,
    H264_DELTA,
    H264_KEY,
    KEY,
    OPUS,
    RTX,
    SSRC,
    SSRC_AGAIN,
    THEIR_H264,
    THEIR_RTX,
    THEIR_VP8,
    VP8,
    numbers,
    publish,
    slot,
    track,
    until,
)

from greenroom.media import incoming as incoming_module
from greenroom.media import outgoing as outgoing_module
from greenroom.media.packets import Packet, again


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
        outgoing, link = slot()
        for number, timestamp, length in sources:
            incoming, _ = track()
            outgoing.carry(incoming)
            for step in range(length):
                payload = KEY if step == 0 else DELTA
                publish(incoming, number + step, payload, timestamp + step * 6000)
            outgoing.carry(None)
            incoming.stop()
        assert numbers(link.packets) == list(range(sum(length for _, _, length in sources)))
        stamps = [packet.timestamp for packet in link.packets]
        steps = [(b - a) & 0xFFFFFFFF for a, b in pairwise(stamps)]
        assert all(0 < step <= 90_000 for step in steps)
        assert {(p.ssrc, p.payload_type) for p in link.packets} == {(outgoing.ssrc, THEIR_VP8)}

    with (  # faster than any clock ticks
        patch.object(incoming_module, "monotonic", return_value=5.0),
        patch.object(outgoing_module, "monotonic", return_value=5.0),
    ):
        asyncio.run(scenario())


@given(order=st.permutations(range(12)), start=st.integers(0, 65_535))
def test_packets_out_of_order_keep_their_places_and_come_once(order: list[int], start: int) -> None:
    async def scenario() -> None:
        incoming, _ = track(media="audio")
        outgoing, link = slot(media="audio")
        outgoing.carry(incoming)
        publish(incoming, start)
        for number in [*order, *order]:
            publish(incoming, start + 1 + number)
        assert numbers(link.packets) == [0, *(number + 1 for number in order)]
        assert incoming.reception.lost == 0
        incoming.stop()

    asyncio.run(scenario())


@given(bursts=st.lists(st.lists(st.integers(1, 1_200), max_size=80), max_size=6))
def test_however_packets_come_together_a_viewer_gets_each_once_and_in_order(
    bursts: list[list[int]],
) -> None:
    async def scenario() -> None:
        incoming, _ = track(media="audio")
        outgoing, link = slot(media="audio")
        outgoing.carry(incoming)
        publish(incoming, 0)
        sizes = [size for burst in bursts for size in burst]
        for at, size in enumerate(sizes):
            incoming.take(Packet(at + 1, at, 0x80, OPUS, SSRC, bytes(size)))
        incoming.flush()
        assert numbers(link.packets) == list(range(len(sizes) + 1))
        assert [len(packet.payload) for packet in link.packets[1:]] == sizes
        assert outgoing.sent == (len(sizes) + 1, sum(sizes) + len(DELTA))
        assert (incoming.packets, incoming.octets) == outgoing.sent
        incoming.stop()

    asyncio.run(scenario())


def test_a_viewer_begins_amid_what_came_together() -> None:
    async def scenario() -> None:
        incoming, _ = track()
        outgoing, link = slot()
        outgoing.carry(incoming)
        for number, payload in enumerate((DELTA, KEY + bytes(9), DELTA, KEY, DELTA + bytes(5))):
            incoming.take(Packet(number, 0, 0, VP8, SSRC, payload))
        incoming.flush()
        assert [packet.payload for packet in link.packets] == [
            KEY + bytes(9),
            DELTA,
            KEY,
            DELTA + bytes(5),
        ]
        assert outgoing.sent == (4, 9 + 5 + 4 * 2)
        incoming.stop()

    asyncio.run(scenario())


def test_what_came_before_a_slot_shows_another_is_still_shown() -> None:
    async def scenario() -> None:
        (incoming, _), (other, _) = track(), track("alice")
        outgoing, link = slot()
        outgoing.carry(incoming)
        publish(incoming, 0, KEY)
        incoming.take(Packet(1, 0, 0, VP8, SSRC, DELTA))
        outgoing.carry(other)
        incoming.flush()
        publish(other, 40, KEY)
        assert numbers(link.packets) == [0, 1, 2]
        incoming.stop()
        other.stop()

    asyncio.run(scenario())


def test_nothing_that_waits_is_sent_once_a_line_is_stopped() -> None:
    async def scenario() -> None:
        incoming, _ = track(media="audio")
        outgoing, link = slot(media="audio")
        outgoing.carry(incoming)
        publish(incoming, 0)
        incoming.take(Packet(1, 0, 0x80, OPUS, SSRC, b"said"))
        incoming.stop()
        incoming.flush()
        assert numbers(link.packets) == [0]

    asyncio.run(scenario())


def test_a_late_packet_from_before_the_beginning_is_not_shown() -> None:
    async def scenario() -> None:
        incoming, _ = track()
        outgoing, link = slot()
        outgoing.carry(incoming)
        publish(incoming, 10)
        publish(incoming, 12, KEY)
        publish(incoming, 11)
        publish(incoming, 13)
        assert numbers(link.packets) == [0, 1]
        incoming.stop()

    asyncio.run(scenario())


def test_a_picture_begins_with_a_key_frame_and_one_is_asked_for() -> None:
    async def scenario() -> None:
        incoming, publisher = track()
        outgoing, viewer = slot()
        outgoing.carry(incoming)
        publish(incoming, 1)
        assert viewer.packets == []
        await until(lambda: bool(publisher.feedback))
        assert [type(packet) for packet in publisher.feedback] == [RtcpPsfbPacket]
        publish(incoming, 2, KEY)
        publish(incoming, 3)
        assert [packet.payload for packet in viewer.packets] == [KEY, DELTA]
        incoming.stop()

    asyncio.run(scenario())


@pytest.mark.slow
def test_key_frames_asked_for_in_a_rush_are_asked_for_once_now_and_once_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(incoming_module, "KEY_FRAME_INTERVAL", 0.1)

    async def scenario() -> None:
        incoming, publisher = track()
        began = monotonic()
        for times in (1, 2):
            for _ in range(5):
                incoming.want_key_frame()
            await until(lambda: len(publisher.feedback) == times)  # noqa: B023 - called at once
        assert monotonic() - began >= 0.1
        await asyncio.sleep(0.15)
        assert len(publisher.feedback) == 2
        incoming.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize("resends", [True, False], ids=["by retransmission", "as it was"])
def test_what_a_viewer_missed_is_sent_again(resends: bool) -> None:  # noqa: FBT001 - a parameter
    async def scenario() -> None:
        incoming, _ = track()
        outgoing, link = slot(resends=resends)
        outgoing.carry(incoming)
        publish(incoming, 65_534, KEY, 5)
        publish(incoming, 65_535, DELTA + b"lost", 6)
        publish(incoming, 65_536, DELTA, 7)
        lost = link.packets[1]
        ask = RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=9, media_ssrc=outgoing.ssrc)
        ask.lost = [lost.sequence_number]
        outgoing.hear(ask)
        repeated = link.packets[-1]
        if resends:
            assert (repeated.ssrc, repeated.payload_type) == (2002, THEIR_RTX)
            assert repeated.payload == again(lost.payload, lost.sequence_number)
        else:
            assert repeated.serialize() == lost.serialize()
        assert repeated.timestamp == lost.timestamp
        assert outgoing.resent == 1
        incoming.stop()

    asyncio.run(scenario())


def test_nothing_of_the_source_before_is_sent_again() -> None:
    async def scenario() -> None:
        first, _ = track("thierry")
        second, _ = track("alice")
        outgoing, link = slot()
        outgoing.carry(first)
        for number in range(5):
            publish(first, number, KEY)
        for number in range(90, 100):
            publish(second, number, KEY)
        outgoing.carry(second)
        for number in range(100, 103):
            publish(second, number, KEY)
        before = len(link.packets)
        ask = RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=9, media_ssrc=outgoing.ssrc)
        ask.lost = [packet.sequence_number for packet in link.packets[:5]]
        outgoing.hear(ask)
        assert len(link.packets) == before
        for incoming in (first, second):
            incoming.stop()

    asyncio.run(scenario())


def test_what_got_lost_on_the_way_in_is_asked_for_and_fills_its_gap() -> None:
    async def scenario() -> None:
        incoming, publisher = track()
        outgoing, viewer = slot()
        outgoing.carry(incoming)
        publish(incoming, 10, KEY)
        publish(incoming, 12)
        [ask] = [packet for packet in publisher.feedback if isinstance(packet, RtcpRtpfbPacket)]
        assert ask.lost == [11]
        late = again(DELTA + b"late", 11)
        incoming.take(Packet(1, 0, 0x80, RTX, SSRC_AGAIN, late))
        incoming.flush()
        assert numbers(viewer.packets) == [0, 2, 1]
        assert viewer.packets[-1].payload == DELTA + b"late"
        incoming.stop()

    asyncio.run(scenario())


def test_the_clock_of_the_source_is_passed_on_in_the_slots_own_timestamps() -> None:
    async def scenario() -> None:
        incoming, _ = track()
        outgoing, link = slot()
        outgoing.carry(incoming)
        publish(incoming, 1, KEY, timestamp=1000)
        info = RtcpSenderInfo(ntp_timestamp=99, rtp_timestamp=1500, packet_count=0, octet_count=0)
        incoming.hear(RtcpSrPacket(ssrc=SSRC, sender_info=info))
        [report] = [packet for packet in link.feedback if isinstance(packet, RtcpSrPacket)]
        assert report.ssrc == outgoing.ssrc
        assert report.sender_info.ntp_timestamp == 99
        assert report.sender_info.rtp_timestamp - link.packets[0].timestamp == 500
        assert report.sender_info.packet_count == 1
        incoming.stop()

    asyncio.run(scenario())


def test_a_viewer_that_lost_the_picture_has_a_key_frame_asked_for() -> None:
    async def scenario() -> None:
        incoming, publisher = track()
        outgoing, _ = slot()
        outgoing.carry(incoming)
        await until(lambda: bool(publisher.feedback))
        publisher.said.clear()
        incoming._key_frame_at = 0
        lost = RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=9, media_ssrc=1002)
        outgoing.hear(lost)
        await until(lambda: bool(publisher.feedback))
        [ask] = [packet for packet in publisher.feedback if isinstance(packet, RtcpPsfbPacket)]
        assert (ask.fmt, ask.media_ssrc) == (RTCP_PSFB_PLI, SSRC)
        incoming.stop()

    asyncio.run(scenario())


def test_a_slot_that_switches_back_begins_anew_and_drops_what_is_late() -> None:
    async def scenario() -> None:
        first, _ = track("thierry")
        second, _ = track("alice")
        outgoing, link = slot()
        for incoming, number in ((first, 65_530), (second, 5), (first, 2)):
            outgoing.carry(incoming)
            publish(incoming, number, KEY)
            publish(incoming, number - 1)
            publish(incoming, number + 1)
        assert numbers(link.packets) == list(range(6))
        for incoming in (first, second):
            incoming.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize("leap", [3_000, 30_000, 40_000, 60_000])
def test_a_publisher_whose_numbers_leap_goes_on_as_one_stream(leap: int) -> None:
    async def scenario() -> None:
        incoming, _ = track()
        outgoing, link = slot()
        outgoing.carry(incoming)
        publish(incoming, 100, KEY)
        publish(incoming, 100 + leap, KEY)  # one alone is noise
        publish(incoming, 101)
        assert numbers(link.packets) == [0, 1]
        for number in range(3):
            publish(incoming, 102 + leap + number, KEY)
        assert numbers(link.packets) == [0, 1, 2, 3]
        incoming.stop()

    asyncio.run(scenario())


def test_a_publisher_that_comes_back_as_another_stream_goes_on_as_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(incoming_module, "LAYER_PATIENCE", 0.0)

    async def scenario() -> None:
        incoming, _ = track()
        outgoing, link = slot()
        outgoing.carry(incoming)
        publish(incoming, 100, KEY, 5_000)
        publish(incoming, 7, KEY, 90, ssrc=99)
        publish(incoming, 8, DELTA, 180, ssrc=99)
        assert numbers(link.packets) == [0, 1, 2]
        assert {packet.ssrc for packet in link.packets} == {outgoing.ssrc}
        assert incoming.reception.lost == 0
        incoming.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize("announced", [True, False])
def test_of_several_layers_one_is_forwarded(announced: bool) -> None:  # noqa: FBT001 - a parameter
    async def scenario() -> None:
        incoming, _ = track(announced=announced)
        outgoing, link = slot()
        outgoing.carry(incoming)
        for number in range(5):
            for layer, ssrc in enumerate((SSRC, 51, 52)):
                publish(incoming, number + 1_000 * layer, KEY + bytes([layer]), ssrc=ssrc)
        stray = Packet(9, 0, 0, RTX, 53, again(KEY, 3))  # of some layer
        incoming.take(stray)
        assert [packet.payload[-1] for packet in link.packets] == [0] * 5
        assert numbers(link.packets) == list(range(5))
        incoming.stop()

    asyncio.run(scenario())


def test_a_publisher_that_changes_its_codec_goes_on_in_it_and_says_so() -> None:
    async def scenario() -> None:
        told: list[str] = []
        incoming, _ = track(told=lambda: told.append(incoming.codec))
        outgoing, link = slot()
        outgoing.carry(incoming)
        publish(incoming, 1, KEY)
        publish(incoming, 2, H264_DELTA, kind=H264)
        publish(incoming, 3, H264_KEY, kind=H264)
        publish(incoming, 4, H264_DELTA, kind=H264)
        assert [packet.payload_type for packet in link.packets] == [
            THEIR_VP8,
            THEIR_H264,
            THEIR_H264,
        ]
        assert numbers(link.packets) == [0, 1, 2]
        assert told == ["VP8", "H264"]
        incoming.stop()

    asyncio.run(scenario())


def test_what_stays_missing_is_asked_for_again_and_given_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(incoming_module, "ASK_AGAIN", 0.005)

    async def scenario() -> None:
        incoming, publisher = track()
        publish(incoming, 10, KEY)
        publish(incoming, 12)
        await until(lambda: len(publisher.feedback) >= 8)
        await asyncio.sleep(0.05)
        asks = [one for one in publisher.feedback if isinstance(one, RtcpRtpfbPacket)]
        assert [ask.lost for ask in asks] == [[11]] * 8
        incoming.stop()

    asyncio.run(scenario())


def test_nobody_can_have_more_sent_again_than_helps() -> None:
    async def scenario() -> None:
        incoming, _ = track()
        outgoing, link = slot()
        outgoing.carry(incoming)
        for number in range(400):
            publish(incoming, number, KEY)
        ask = RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=9, media_ssrc=outgoing.ssrc)
        ask.lost = [packet.sequence_number for packet in link.packets]
        for _ in range(20):
            outgoing.hear(ask)
        assert 400 <= outgoing.resent < 2 * outgoing_module.RESENDS
        incoming.stop()

    asyncio.run(scenario())


def reported(link_numbers: list[int], fmt: int = RTCP_PSFB_APP) -> RtcpPsfbPacket:
    return RtcpPsfbPacket(fmt, 9, 0, pack_remb_fci(link_numbers[0], link_numbers[1:]))


@given(
    estimates=st.lists(st.integers(1_000, 10_000_000), min_size=1, max_size=12),
    uplink=st.one_of(st.none(), st.integers(1_000, 10_000_000)),
)
@example(estimates=[3_000_000] * 9 + [1_000], uplink=None)
def test_a_publisher_is_told_what_three_of_four_viewers_and_its_own_way_carry(
    estimates: list[int], uplink: int | None
) -> None:
    async def scenario() -> None:
        incoming, publisher = track()
        publish(incoming, 1, KEY)
        clock = 100.0
        with patch.object(outgoing_module, "monotonic", side_effect=lambda: clock):
            viewers = [slot(number=number)[0] for number in range(len(estimates))]
            for viewer in viewers:
                viewer.carry(incoming)
            clock += 4
            for viewer, estimate in zip(viewers, estimates, strict=True):
                viewer.hear(reported([estimate, viewer.ssrc]))
            incoming._limit(uplink)
        [said] = [one for one in publisher.feedback if isinstance(one, RtcpPsfbPacket)]
        limit, streams = unpack_remb_fci(said.fci)
        assert streams == [SSRC]
        enough = sum(max(estimate, 200_000) >= limit for estimate in estimates)
        assert enough >= len(estimates) * 3 / 4 - 1
        assert uplink is None or limit <= uplink
        spared = sorted(estimates)[len(estimates) // 4]
        assert limit >= min(max(spared, 200_000), uplink or 10**9) * 0.99  # it is rounded down
        incoming.stop()

    asyncio.run(scenario())


def test_a_viewers_report_tells_its_loss_jitter_and_round_trip() -> None:
    async def scenario() -> None:
        incoming, _ = track()
        outgoing, _ = slot()
        outgoing.carry(incoming)
        publish(incoming, 1, KEY)
        info = RtcpSenderInfo(1 << 40, rtp_timestamp=0, packet_count=0, octet_count=0)
        with patch.object(outgoing_module, "monotonic", return_value=50.0):
            outgoing.pass_on(info)
        told = RtcpReceiverInfo(outgoing.ssrc, 0, 3, 0, 900, (1 << 40) >> 16, 65_536 // 2)
        with patch.object(outgoing_module, "monotonic", return_value=50.6):
            outgoing.hear(RtcpRrPacket(ssrc=9, reports=[told]))
        assert outgoing.round_trip == pytest.approx(0.1)
        assert outgoing.jitter == pytest.approx(0.01)
        assert outgoing.reported is not None
        assert outgoing.reported.packets_lost == 3
        incoming.stop()

    asyncio.run(scenario())


def test_a_line_flows_from_its_first_packet_until_it_ends_or_falls_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        news: list[bool] = []
        incoming, _ = track(told=lambda: news.append(incoming.flowing))
        publish(incoming, 1, KEY)
        publish(incoming, 2)
        assert news == [True]
        incoming.hear(RtcpByePacket(sources=[SSRC]))
        publish(incoming, 3)
        incoming.watch()
        assert news == [True, False, True]
        monkeypatch.setattr(incoming_module, "SILENCE", 0.0)
        incoming.watch()
        assert news == [True, False, True, False]
        incoming.stop()

    asyncio.run(scenario())
