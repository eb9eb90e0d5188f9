"""What publishers send: two seconds of real VP8, encoded once, and packets as small as speech."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from aiortc.codecs.vpx import Vp8Encoder
from av import VideoFrame

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
    encoder, drawing = Vp8Encoder(), random.Random(1)
    encoder.target_bitrate = BITRATE
    grain = [drawing.randbytes(WIDTH) for _ in range(64)]
    film = []
    for number in range(int(seconds * FRAMES_PER_SECOND)):
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane in frame.planes:
            rows = [bytes(plane.line_size)] * plane.height
            for row in range(plane.height):
                shade = (row // 4 + number * 2) % 200 + 16
                noisy = plane is frame.planes[0] and (row // 24 + number) % 7 == 0
                body = grain[(row * 7 + number) % 64] if noisy else bytes([shade]) * WIDTH
                rows[row] = body[: plane.line_size].ljust(plane.line_size, b"\x80")
            plane.update(b"".join(rows))
        frame.pts, frame.time_base = number * 3_000, Fraction(1, 90_000)
        payloads, _ = encoder.encode(frame, force_keyframe=number == 0)
        film.append(Picture(payloads, key=number == 0))
    return film


def speech() -> bytes:
    """A packet of something that sounds like nothing."""
    return os.urandom(SPEECH)
