"""A file that grows: named and counted when it is whole."""

from __future__ import annotations

import hashlib
import os
from fractions import Fraction
from io import BytesIO, FileIO
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import Stream
from typing_extensions import Buffer

from greenroom.media.recording.frames import Frame

FORMATS: Final = {"opus": "ogg", "VP8": "webm", "H264": "matroska"}
"""What each codec is kept in."""
EXTENSIONS: Final = {"opus": "opus", "VP8": "webm", "H264": "mkv"}
PART: Final = ".part"
"""What the name of a file ends in as long as it is not whole."""
FAILURES: Final = (OSError, FFmpegError)
"""What writing may raise."""

_RATES: Final = {"opus": 48_000, "VP8": 1_000, "H264": 1_000}
"""Units of time in the file, a second."""
_OPTIONS: Final = {
    # What is older than a second or two is in the file, whatever becomes of the process.
    "ogg": {"page_duration": "1000000", "flush_packets": "1"},
    "webm": {"cluster_time_limit": "1000", "flush_packets": "1"},
    "matroska": {"cluster_time_limit": "1000", "flush_packets": "1"},
}
_SPS: Final = 7


class TrackFile:
    """A file of one track, being written.

    Args:
        path: what it is called when it is whole; until then `.part` stands behind it.
        codec: `opus`, `VP8` or `H264`.
        first: the frame that it begins with, which is to be written as well.

    Raises:
        OSError: it cannot be written.
        FFmpegError: `first` is no frame to begin with.
    """

    def __init__(self, path: Path, codec: str, first: Frame) -> None:
        self.seconds = 0.0
        """How long what was written plays."""
        self._path = path
        self._rate = _RATES[codec]
        self._last = -1
        self._step = 0
        self._part = path.with_name(path.name + PART)
        self._file = _Whole(self._part)
        self._container: OutputContainer = av.open(
            self._file, "w", format=FORMATS[codec], options=_OPTIONS[FORMATS[codec]]
        )
        try:
            self._stream = _stream(self._container, codec, first.data)
            self._container.start_encoding()
        except BaseException:
            self._file.close()
            self._part.unlink()
            raise

    def write(self, frame: Frame, rate: int) -> None:
        """Write a frame; its place is in units of `rate` a second, and behind those before.

        Raises:
            OSError, FFmpegError: it could not be.
        """
        scale = self._rate / rate
        place = max(self._last + 1, round(frame.place * scale))
        packet = av.Packet(frame.data)
        packet.stream = self._stream
        packet.time_base = Fraction(1, self._rate)
        packet.pts = packet.dts = place
        packet.duration = length = round(frame.length * scale)
        packet.is_keyframe = frame.key
        self._container.mux(packet)
        self._step = length or (place - self._last if self._last >= 0 else self._step)
        self._last = place
        self.seconds = (place + self._step) / self._rate

    def close(self) -> tuple[int, str, str]:
        """Finish it as far as that is possible.

        Returns:
            Its size in bytes, its SHA-256 in hexadecimal digits, and what failed, if anything did.
        """
        failure = ""
        try:
            self._container.close()
            os.fsync(self._file.fileno())
        except FAILURES as error:
            failure = str(error)
        finally:
            self._file.close()
        return (*named(self._part, self._path), failure)


class _Whole(FileIO):
    """A file each of whose writes writes all of it, or raises."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "xb")

    def write(self, data: Buffer) -> int:
        """Write all of `data`."""
        view = memoryview(data)
        size = len(view)
        while view:
            view = view[super().write(view) or 0 :]
        return size


def named(part: Path, path: Path) -> tuple[int, str]:
    """Give a file its name, for good; its size and its SHA-256."""
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = os.fstat(file.fileno()).st_size
    part.rename(path)
    sync(path.parent)
    return size, digest


def sync(folder: Path) -> None:
    """Have the names in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def may_begin(codec: str, frame: Frame) -> bool:
    """Whether a file can begin with this frame; H.264 says its size with some key frames only."""
    if codec == "H264":
        units = frame.data.split(b"\x00\x00\x01")[1:]
        return frame.key and any(unit and unit[0] & 0x1F == _SPS for unit in units)
    return frame.key


def _stream(container: OutputContainer, codec: str, first: bytes) -> Stream:
    """A stream for frames that are encoded already."""
    match codec:
        case "opus":  # the encoder is not used, but for what it says of itself in the file
            return container.add_stream("libopus", rate=48_000, layout="stereo")
        case "VP8":
            width = int.from_bytes(first[6:8], "little") & 0x3FFF
            height = int.from_bytes(first[8:10], "little") & 0x3FFF
            unit = Fraction(1, 1_000)
            return container.add_mux_stream("vp8", width=width, height=height, time_base=unit)
        case _:
            with av.open(BytesIO(first), format="h264") as read:
                assert isinstance(read, InputContainer)  # noqa: S101 - for the type checker
                stream = container.add_stream_from_template(read.streams.video[0])
            stream.time_base = Fraction(1, 1_000)
            return stream
