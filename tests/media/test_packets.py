from __future__ import annotations

import contextlib
import struct
from fractions import Fraction
from itertools import pairwise

import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder, VpxPayloadDescriptor
from aiortc.rtp import (
    HeaderExtensions,
    HeaderExtensionsMap,
    RtpPacket,
    pack_header_extensions,
    wrap_rtx,
)
from av import VideoFrame
from hypothesis import given
from hypothesis import strategies as st

from greenroom.media.packets import (
    Kept,
    Packet,
    again,
    extension,
    original,
    read,
    runs,
    starts_picture,
)

NUMBERS = st.integers(0, 0xFFFF)
WORDS = st.integers(0, 0xFFFFFFFF)


@given(
    number=NUMBERS,
    timestamp=WORDS,
    ssrc=WORDS,
    marker=st.sampled_from([0, 1]),
    payload=st.binary(max_size=60),
    csrcs=st.lists(WORDS, max_size=3),
    padding=st.integers(0, 9),
    values=st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16), max_size=3),
)
def test_a_packet_is_read_as_the_library_wrote_it(
    *,
    number: int,
    timestamp: int,
    ssrc: int,
    marker: int,
    payload: bytes,
    csrcs: list[int],
    padding: int,
    values: dict[int, bytes],
) -> None:
    written = RtpPacket(97, marker, number, timestamp, ssrc, payload)
    written.csrc, written.padding_size = csrcs, padding
    data = bytearray(written.serialize())
    if values:
        profile, packed = pack_header_extensions(list(values.items()))
        at = 12 + 4 * len(csrcs)
        data[0] |= 0x10
        data[at:at] = struct.pack("!HH", profile, len(packed) // 4) + packed
    packet = read(bytes(data))
    assert packet[:6] == (number, timestamp, marker << 7, 97, ssrc, payload)
    assert all(extension(packet.extensions, key) == value for key, value in values.items())
    assert extension(packet.extensions, 15) is None


@given(st.binary(max_size=80))
def test_anything_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        packet = read(data)
        extension(packet.extensions, 3)


@given(profile=st.sampled_from([0xBEDE, 0x1000, 5]), rest=st.binary(max_size=40), number=NUMBERS)
def test_damaged_extensions_are_missing(profile: int, rest: bytes, number: int) -> None:
    value = extension(struct.pack("!HH", profile, len(rest) // 4) + rest, number & 0xFF)
    assert value is None or value in rest


def test_a_send_time_is_found_where_the_library_puts_it() -> None:
    found = HeaderExtensionsMap()
    assert found.get(0xBEDE, b"") == HeaderExtensions()
    packed = pack_header_extensions([(3, b"\x01\x02\x03"), (1, b"mid")])
    assert extension(struct.pack("!HH", packed[0], len(packed[1]) // 4) + packed[1], 3) == (
        b"\x01\x02\x03"
    )


@given(number=NUMBERS, payload=st.binary(max_size=20))
def test_what_was_sent_again_is_read_as_what_was_sent_first(number: int, payload: bytes) -> None:
    first = RtpPacket(97, 1, number, 5, 7, payload)
    repeated = read(wrap_rtx(first, payload_type=98, sequence_number=3, ssrc=8).serialize())
    assert original(repeated, 97, 7) == read(first.serialize())
    assert repeated.payload == again(payload, number)


def test_padding_is_a_copy_of_nothing() -> None:
    assert original(Packet(1, 0, 0, 98, 8, b"\x00"), 97, 7) is None


@given(st.sampled_from(["VP8", "H264"]), st.binary(max_size=40))
def test_any_payload_is_told_apart_from_a_key_frame_without_an_error(
    codec: str, payload: bytes
) -> None:
    assert starts_picture(codec, payload) in {True, False}


@given(
    picture=st.one_of(st.none(), st.integers(0, 0x7FFF)),
    layer=st.one_of(st.none(), st.integers(0, 255)),
    turn=st.one_of(st.none(), st.just((1, 0))),
    key=st.one_of(st.none(), st.integers(0, 31)),
    first=st.sampled_from([0, 1]),
    partition=st.integers(0, 3),
    body=st.binary(min_size=1, max_size=3),
)
def test_a_vp8_key_frame_is_known_behind_every_descriptor(
    *,
    picture: int | None,
    layer: int | None,
    turn: tuple[int, int] | None,
    key: int | None,
    first: int,
    partition: int,
    body: bytes,
) -> None:
    descriptor = VpxPayloadDescriptor(first, partition, picture, layer, turn, key)
    begins = first == 1 and partition == 0 and not body[0] & 1
    assert starts_picture("VP8", bytes(descriptor) + body) is begins


UNITS = {
    "parameters": (b"\x67\x42", True),
    "a whole picture": (b"\x65\x88", True),
    "a picture that builds on others": (b"\x41\x9a", False),
    "parameters and more, together": (b"\x78\x00\x02\x67\x42\x00\x02\x68\xce", True),
    "an access mark, then parameters": (b"\x78\x00\x02\x09\x10\x00\x02\x67\x42", True),
    "others together": (b"\x78\x00\x02\x41\x9a\x00\x02\x41\x9a", False),
    "the first part of a whole picture": (b"\x7c\x85\x88", True),
    "a later part of one": (b"\x7c\x05\x88", False),
    "the first part of another": (b"\x5c\x81\x9a", False),
    "cut off": (b"\x78\x00", False),
    "nothing": (b"", False),
}


@pytest.mark.parametrize("unit", UNITS)
def test_an_h264_key_frame_is_known_by_its_units(unit: str) -> None:
    payload, begins = UNITS[unit]
    assert starts_picture("H264", payload) is begins


@pytest.mark.parametrize(("codec", "encoder"), [("VP8", Vp8Encoder), ("H264", H264Encoder)])
def test_of_what_an_encoder_makes_only_key_frames_start_a_picture(
    codec: str, encoder: type[Vp8Encoder | H264Encoder]
) -> None:
    encoding, started = encoder(), []
    for number in range(6):
        frame = VideoFrame(320, 240, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([16 + number]) * plane.buffer_size)
        frame.pts, frame.time_base = number * 3_000, Fraction(1, 90_000)
        payloads, _ = encoding.encode(frame, force_keyframe=number in {0, 4})
        started.append(any(starts_picture(codec, payload) for payload in payloads))
    assert started == [True, False, False, False, True, False]


def test_sound_can_be_heard_from_any_packet_on() -> None:
    assert starts_picture("opus", b"\x01")


@given(sizes=st.lists(st.integers(0, 3), max_size=12))
def test_runs_are_equally_long_but_for_a_shorter_end_and_as_few_as_can_be(
    sizes: list[int],
) -> None:
    packets = [Kept(at, 0, 0, bytes(size)) for at, size in enumerate(sizes)]
    found = [[len(packet.payload) for packet in run] for run in runs(packets)]
    assert [size for run in found for size in run] == sizes
    for run in found:
        assert set(run[:-1]) <= {run[0]}
        assert run[-1] <= run[0]
    for run, following in pairwise(found):
        assert run[-1] < run[0] or following[0] > run[0]
