"""What is written: sound or a picture, and where it stands in its file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from greenroom.media.recording.ordering import Arrived


class Frame(NamedTuple):
    """Some sound, or a picture."""

    data: bytes
    place: int
    """In units of the track's clock, from the beginning of the file."""
    length: int
    """In the same; 0 where nobody knows."""
    key: bool
    """Whether one can begin with it."""


class Frames(Protocol):
    """Makes frames of packets that come in order."""

    rate: int
    """Units of its clock, a second."""

    @property
    def origin(self) -> int:
        """The timestamp at the beginning of the file."""
        ...

    def take(self, packet: Arrived) -> Iterator[Frame]:
        """What is whole with this packet."""
        ...

    def gap(self) -> None:
        """Something is missing before the next packet, and will not come."""
        ...
