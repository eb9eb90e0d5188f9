"""Files of recordings, played: what is heard and seen when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av import VideoFrame

from greenroom.testing.peer import SAMPLES
from greenroom.testing.signs import Sign, sign_of_picture, sign_of_sound


@dataclass(frozen=True)
class Heard:
    """A sound file, in pieces of 20 ms."""

    signs: list[Sign | None]
    """Whose tone each is; None for silence, and for what is none of them."""

    @property
    def seconds(self) -> float:
        return len(self.signs) / 50

    def share(self, sign: Sign | None, begin: float = 0, end: float = 1e9) -> float:
        """How much of a stretch, in seconds from the beginning, is of that sign."""
        some = self.signs[round(begin * 50) : round(min(end, self.seconds) * 50)]
        return some.count(sign) / len(some)


@dataclass(frozen=True)
class Seen:
    """A file of pictures."""

    signs: Counter[Sign | None]
    times: list[float]
    """When each is shown."""
    bars: list[int]
    """How far the bar in each has come."""

    @property
    def seconds(self) -> float:
        return self.times[-1] - self.times[0] + 1 / 15


def heard(path: Path) -> Heard:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000, frame_size=SAMPLES)
    with av.open(path) as file:
        frames = [one for frame in file.decode(audio=0) for one in resampler.resample(frame)]
    return Heard([sign_of_sound(frame) for frame in frames])


def seen(path: Path) -> Seen:
    frames = [*_pictures(path)]
    return Seen(
        Counter(sign_of_picture(frame) for frame in frames),
        [frame.time or 0 for frame in frames],
        [_bar(frame) for frame in frames],
    )


def _pictures(path: Path) -> Iterator[VideoFrame]:
    with av.open(path) as file:
        yield from file.decode(video=0)


def _bar(frame: VideoFrame) -> int:
    plane = frame.reformat(format="yuv420p").planes[0]
    row = bytes(plane)[8 * plane.line_size : 8 * plane.line_size + plane.width]
    return max(range(len(row) - 16), key=lambda at: sum(row[at : at + 16]))
