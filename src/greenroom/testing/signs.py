"""By what peers know one another: a colour, and a tone that goes with it.

Importing this loads PyAV (extra `media`).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from itertools import pairwise
from typing import Final, Literal

from av import AudioFrame, VideoFrame
from av.video.plane import VideoPlane

Sign = Literal["red", "green", "blue", "yellow"]
"""What a peer is recognised by: a colour, and a tone that goes with it."""

COLOURS: Final[Mapping[Sign, tuple[int, int, int]]] = {
    "red": (81, 90, 240),
    "green": (145, 54, 34),
    "blue": (41, 240, 110),
    "yellow": (210, 16, 146),
}
"""Brightness and the two differences of colour (YUV), as video is encoded."""
_GREY: Final = 128
"""What both differences are where there is no colour."""
_PALE: Final = 50
"""Differences below are no sign's; each sign has more than twice as much."""
_NEAR: Final = 20
"""Degrees of hue; signs are 61 apart and more."""
TONES: Final[Mapping[Sign, int]] = {"red": 500, "green": 900, "blue": 1300, "yellow": 1700}
"""In hertz: far enough apart for 20 ms of sound, which hold a whole number of waves of each."""


def sign_of_picture(frame: VideoFrame) -> Sign | None:
    """Whose colour stands below the middle; None for anything else.

    By its hue: by which of several tables colours become numbers, and how bright they are then, is
    each sender's own affair, and changes from one version of a browser to another.
    """
    _, *differences = frame.reformat(format="yuv420p").planes
    blue, red = map(_mean_below_the_middle, differences)
    if math.hypot(blue, red) < _PALE:
        return None
    hue = math.degrees(math.atan2(red, blue))
    for sign, (_, sign_blue, sign_red) in COLOURS.items():
        theirs = math.degrees(math.atan2(sign_red - _GREY, sign_blue - _GREY))
        if abs((hue - theirs + 180) % 360 - 180) < _NEAR:
            return sign
    return None


def _mean_below_the_middle(plane: VideoPlane) -> float:
    start = plane.height * 3 // 4 * plane.line_size
    row = bytes(plane)[start : start + plane.width]
    return sum(row) / len(row) - _GREY


def sign_of_sound(frame: AudioFrame) -> Sign | None:
    """Whose tone it is, by counting waves; None for silence and anything else."""
    channels = len(frame.layout.channels)
    wave = array("h", bytes(frame.planes[0])[: frame.samples * channels * 2])[::channels]
    if not wave or max(wave) < 2000:
        return None
    turns = sum((a < 0) != (b < 0) for a, b in pairwise(wave))
    pitch = turns / 2 * frame.sample_rate / len(wave)
    return next((sign for sign, tone in TONES.items() if abs(tone - pitch) <= 50), None)
