"""Packets of pictures, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from aiortc.codecs.h264 import h264_depayload
from aiortc.codecs.vpx import vp8_depayload

from greenroom.media.packets import starts_picture
from greenroom.media.recording.frames import Frame
from greenroom.media.recording.ordering import Arrived
from greenroom.media.recording.timeline import Timeline

_ASK_EVERY: Final = 1.0
"""Seconds between two wishes for a picture that needs no other."""
_LARGEST: Final = 8 * 1024 * 1024
"""Bytes of one picture."""
_DEPAYLOAD: Final = {"VP8": vp8_depayload, "H264": h264_depayload}


class Pictures:
    """Whole pictures. After a gap there is none until one comes that needs no other.

    Args:
        codec: `VP8` or `H264`.
        want_key_frame: asks whoever sends for such a picture.
    """

    rate = 90_000

    def __init__(self, codec: str, want_key_frame: Callable[[], None]) -> None:
        self._codec = codec
        self._want_key_frame = want_key_frame
        self._depayload = _DEPAYLOAD[codec]
        self._timeline = Timeline(self.rate)
        self._parts: list[bytes] = []
        self._size = 0
        self._first: Arrived | None = None
        """The first packet of the picture that is being put together."""
        self._key = False
        self._broken = True
        self._asked_at = float("-inf")

    @property
    def origin(self) -> int:
        """The timestamp at the beginning of the file."""
        return self._timeline.origin

    def take(self, packet: Arrived) -> Iterator[Frame]:
        """The picture that ends with this packet, or before it."""
        if self._first is not None and packet.timestamp != self._first.timestamp:
            yield from self._whole()
        if self._first is None and not self._begins(packet):
            return
        try:
            part = self._depayload(packet.payload)
        except (ValueError, IndexError):
            self.gap()
            return
        self._parts.append(part)
        self._size += len(part)
        if self._size > _LARGEST:
            self.gap()
        elif packet.marker:
            yield from self._whole()

    def gap(self) -> None:
        """What is there is of no use without what is missing, nor is what builds on it."""
        self._parts.clear()
        self._first, self._size, self._broken = None, 0, True

    def _begins(self, packet: Arrived) -> bool:
        """Whether a picture of use begins with this packet."""
        self._key = starts_picture(self._codec, packet.payload)
        if self._broken and not self._key:
            if packet.at - self._asked_at > _ASK_EVERY:
                self._asked_at = packet.at
                self._want_key_frame()
            return False
        self._first, self._broken = packet, False
        return True

    def _whole(self) -> Iterator[Frame]:
        if self._first is not None:
            place = self._timeline.place(self._first.timestamp, self._first.at)
            yield Frame(b"".join(self._parts), place, 0, key=self._key)
        self._parts.clear()
        self._first, self._size = None, 0
