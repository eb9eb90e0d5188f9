"""Packets of sound, with nothing missing between them."""

from __future__ import annotations

from collections.abc import Iterator

from greenroom.media.recording.frames import Frame
from greenroom.media.recording.opus import SILENCE, concealed, samples
from greenroom.media.recording.ordering import Arrived
from greenroom.media.recording.timeline import Timeline


class Sound:
    """Each packet of Opus is a frame. Where there is none, the sound goes on without.

    Players take files of Opus for unbroken. So what was lost, not sent because nobody spoke, or
    muted stands in them as packets that are made up for, and after a second as silence.
    """

    rate = 48_000

    def __init__(self) -> None:
        self._timeline = Timeline(self.rate)
        self._before = SILENCE
        self._end: int | None = None

    @property
    def origin(self) -> int:
        """The timestamp at the beginning of the file."""
        return self._timeline.origin

    def take(self, packet: Arrived) -> Iterator[Frame]:
        """It, after whatever makes up for what is missing before it."""
        length = samples(packet.payload)
        if not length:
            return
        place = self._timeline.place(packet.timestamp, packet.at)
        if self._end is None:
            self._end = place
        if place <= self._end - length:
            return  # its time is taken
        yield from self._fill(self._end, place)
        yield Frame(packet.payload, self._end, length, key=True)
        self._end += length
        self._before = packet.payload

    def gap(self) -> None:
        """The next packet's place tells."""

    def _fill(self, begin: int, until: int) -> Iterator[Frame]:
        filler, end = concealed(self._before), begin
        while True:
            if end - begin >= self.rate:
                filler = SILENCE
            length = samples(filler)
            if until - end < length:
                break
            yield Frame(filler, end, length, key=True)
            end += length
        self._end = end
