"""What is counted of a media line, and who counts line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from greenroom.domain.message import EntryId
from greenroom.media.port import Kind, Source


@dataclass(frozen=True, slots=True)
class LineStatistics:
    """What goes through one media line, from its beginning on."""

    epoch: int
    """Of the connection that it belongs to."""
    mid: str
    kind: Kind
    """What it is; of a slot, what it was offered for."""
    direction: Literal["in", "out"]
    """From the participant, or to them."""
    codec: str
    """Empty on a free slot."""
    source: Source | None
    """Whose packets they are; None on a free slot."""
    flowing: bool
    """Whether packets come."""
    packets: int
    bytes: int
    """Of the packets, headers included, before encryption."""
    bitrate: float
    """Bits a second, lately, without headers."""
    lost: int
    """Packets; of a slot, as the participant reported."""
    refused: int
    """Packets that the participant sent beyond what a line may carry; of a slot, 0."""
    resent: int
    """Packets that a slot sent again."""
    key_frame_requests: int
    """Asked of the participant; of a slot, 0."""
    jitter: float | None
    """Seconds that packets come too early or too late; None where nobody has measured."""
    round_trip: float | None
    """Seconds to the participant and back; None where nobody has measured."""


@runtime_checkable
class CountsLines(Protocol):
    """A MediaPort that says more than it must."""

    @property
    def load(self) -> float:
        """The share of its time that the media thread computes, from 0 to 1."""
        ...

    def lines(self) -> Mapping[EntryId, Sequence[LineStatistics]]:
        """What goes through each media line, by entry."""
        ...
