"""What publishers send: two seconds of real VP8, encoded once, and packets as small as speech."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from time import monotonic

from aiortc.codecs.vpx import Vp8Encoder
from av import CodecContext, VideoFrame
from av.video.codeccontext import VideoCodecContext

WIDTH, HEIGHT, FRAMES_PER_SECOND = 640, 480, 30
BITRATE = 1_000_000
SPEECH, SPEECH_PER_SECOND = 80, 50
"""Bytes of a packet of Opus, and how many there are."""


@dataclass(frozen=True)
class Picture:
    """One encoded frame: the payloads of its packets."""

    payloads: Sequence[bytes]
    key: bool


@cache
def pictures(seconds: float = 2.0) -> Sequence[Picture]:
    """Some film, beginning with a key frame; the others build on the one before."""
    encoder, drawing = encoding(), random.Random(1)
    # A wall of bricks that the camera passes by, each of its own shade: key frames are large.
    bricks = [bytes(drawing.randrange(60, 190) for _ in range(WIDTH)) for _ in range(HEIGHT // 8)]
    wall = [bytes(shade for shade in row for _ in range(8)) for row in bricks]
    film = []
    for number in range(int(seconds * FRAMES_PER_SECOND)):
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for depth, plane in enumerate(frame.planes):
            if depth == 0:
                rows = [
                    wall[row // 8][number * 2 : number * 2 + plane.line_size]
                    for row in range(plane.height)
                ]
                plane.update(b"".join(rows))
            else:
                plane.update(b"\x80" * plane.buffer_size)
        frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_SECOND)
        for packet in encoder.encode(frame):
            packet.time_base = Fraction(1, FRAMES_PER_SECOND)
            film.append(Picture(Vp8Encoder().pack(packet)[0], key=packet.is_keyframe))
    return film


def encoding() -> VideoCodecContext:
    """An encoder of VP8 as calls have them: at once, and at an even rate."""
    encoder = CodecContext.create("libvpx", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate = (
        Fraction(1, FRAMES_PER_SECOND),
        Fraction(FRAMES_PER_SECOND),
    )
    encoder.bit_rate, encoder.gop_size = BITRATE, 3_000
    encoder.options = {"cpu-used": "-6", "deadline": "realtime", "lag-in-frames": "0"}
    return encoder


def speech() -> bytes:
    """A packet of something that sounds like nothing."""
    return os.urandom(SPEECH)


async def paced(per_second: int, do: Callable[[int], object]) -> None:
    """Do it for 0, 1, 2 ..., each in its time; what is late is made up for."""
    began, number = monotonic(), 0
    while True:
        await asyncio.sleep(max(0.0, began + number / per_second - monotonic()))
        do(number)
        number += 1
