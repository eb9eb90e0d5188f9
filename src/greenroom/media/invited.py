"""A peer connection that a participant is invited to, to receive on."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Final

from aiortc import RTCSessionDescription

from greenroom.domain.errors import MediaError
from greenroom.media.connection import Connection
from greenroom.media.description import CODECS, MAX_LINES, Description, Line, Media

Place = tuple[Media, int]
"""The first, second ... line for sound, or for pictures."""

_MEDIA: Final[tuple[Media, ...]] = ("audio", "video")


def places(media: Sequence[Media]) -> Sequence[Place]:
    """One for each track, as many as a description may have lines."""
    some: list[Place] = [(one, number) for one in _MEDIA for number in range(media.count(one))]
    return some[:MAX_LINES]


class Invited(Connection):
    """A peer connection that the server offers. Lives on the media loop.

    Its lines are never taken away: whoever comes is put on one that is free, without a word to
    the participant, and another invitation is needed only when there are too few.
    """

    @property
    def places(self) -> Sequence[Place]:
        """What it has lines for."""
        return places([outgoing.line.media for outgoing in self._outgoing])

    async def invite(self, wanted: Collection[Place]) -> str:
        """The offer, with lines for what is wanted beside those that there are.

        Raises:
            MediaError: there is no address to be reached at.
        """
        there = self.places
        for media, _ in [place for place in wanted if place not in there]:
            codecs = tuple(codec.partition("/")[0] for codec in CODECS[media])
            self._add(Line("", media, sends=False, receives=False, screen=False, codecs=codecs))
            self._peer.getTransceivers()[-1].direction = "sendonly"
        if not there:
            self._stay_on_addresses()
        await self._peer.setLocalDescription()
        return self._said()

    async def accept(self, answer: Description, deadline: float) -> None:
        """Take the peer's answer to the last offer.

        Args:
            answer: of the peer.
            deadline: seconds until the peer must have connected, else it is dead.

        Raises:
            MediaError: it answers something else; the offer stands.
            Exception: whatever aiortc makes of an answer that nobody should give.
        """
        mids = [transceiver.mid for transceiver in self._peer.getTransceivers()]
        if [line.mid for line in answer.lines] != mids or any(one.sends for one in answer.lines):
            raise MediaError(
                "expected an answer that receives on the media lines of the invitation"
            )
        before = self.offered
        if before is not None and (answer.fingerprint, answer.ufrag) != (
            before.fingerprint,
            before.ufrag,
        ):
            raise MediaError("expected the answer of the peer that accepted before; ask anew")
        await self._peer.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        for line, incoming, outgoing in zip(
            answer.lines, self._incoming, self._outgoing, strict=True
        ):
            incoming.line = outgoing.line = line
        self.offered = answer
        if before is None and not self.connected:
            self._timer = asyncio.get_running_loop().call_later(deadline, self._expire)
