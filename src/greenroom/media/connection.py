"""One participant's peer connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.sdp import candidate_from_sdp

from greenroom.domain.errors import MediaError
from greenroom.domain.message import EntryId
from greenroom.media.description import MAX_CANDIDATES, Description, Line
from greenroom.media.forwarding import Incoming, Outgoing
from greenroom.media.port import Source
from greenroom.media.wire import Wire, use_addresses

CODECS: Final = {"audio": {"audio/opus"}, "video": {"video/VP8", "video/rtx"}}
"""One codec a medium, and retransmission: whatever one sends, everybody else can decode."""

State = Literal["connected", "dead"]


class Connection:
    """The peer connection of an entry, from its first offer on. Lives on the media loop.

    Args:
        entry_id: whose it is.
        addresses: to offer candidates on; None for all of the machine's but loopback.
        told: called when it connects and when it dies, `close` included; the latter maybe twice.
    """

    def __init__(
        self,
        entry_id: EntryId,
        addresses: Sequence[str] | None,
        told: Callable[[Connection, State], None],
    ) -> None:
        self.entry_id = entry_id
        self.offered: Description | None = None
        """The last offer that was answered."""
        self.connected = False
        self._addresses = addresses
        self._told = told
        # A STUN server would only delay the answer: peers learn our address from the answer, and
        # we learn theirs from their checks.
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self._peer = RTCPeerConnection(configuration)
        self._peer.on("connectionstatechange", self._changed)
        self._incoming: list[Incoming] = []
        self._outgoing: list[Outgoing] = []
        self._trickled = 0

    async def answer(self, offer: Description) -> str:
        """The answer to a first or a further offer.

        Raises:
            MediaError: there is no address to be reached at.
            Exception: whatever aiortc makes of an offer that nobody should send.
        """
        for line in offer.lines[len(self._incoming) :]:
            self._add(line)
        if self.offered is None and self._addresses is not None:
            use_addresses(self._peer, self._addresses)
        await self._peer.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        await self._peer.setLocalDescription()
        answer = self._peer.localDescription.sdp
        if "a=candidate:" not in answer:
            raise MediaError(
                "this machine has no network address that a peer could reach;"
                " name some with AiortcMedia(addresses=...)"
            )
        for line, incoming, outgoing in zip(
            offer.lines, self._incoming, self._outgoing, strict=True
        ):
            incoming.line = outgoing.line = line
        self.offered = offer
        return answer

    async def add_candidates(self, candidates: Sequence[str]) -> None:
        """Try these addresses of the peer as well; no more than an offer may name in all."""
        assert self.offered is not None, "trickled into the connection of an offer"  # noqa: S101 - a bug here
        for said in candidates[: max(0, MAX_CANDIDATES - self._trickled)]:
            self._trickled += 1
            candidate = candidate_from_sdp(said)
            candidate.sdpMid = self.offered.lines[0].mid  # everything is bundled onto it
            await self._peer.addIceCandidate(candidate)

    def tracks(self) -> Iterator[Incoming]:
        """The lines that the participant sends on, as of the last offer."""
        return (incoming for incoming in self._incoming if incoming.line.sends)

    def slots(self) -> Iterator[Outgoing]:
        """The lines that the participant receives on, as of the last offer."""
        for outgoing in self._outgoing:
            if outgoing.line.receives:
                yield outgoing
            else:
                outgoing.carry(None)

    async def close(self) -> None:
        """End it. Twice is fine."""
        self.stop_forwarding()
        await self._peer.close()

    def stop_forwarding(self) -> None:
        """Let nothing through any more, to or from the participant."""
        for outgoing in self._outgoing:
            outgoing.carry(None)
        for incoming in self._incoming:
            incoming.stop()

    def _add(self, line: Line) -> None:
        """Prepare a media line, before aiortc reads about it in the offer and makes its own."""
        transceiver = self._peer.addTransceiver(line.media)
        capabilities = RTCRtpSender.getCapabilities(line.media).codecs
        transceiver.setCodecPreferences(
            [codec for codec in capabilities if codec.mimeType in CODECS[line.media]]
        )
        wire = Wire(transceiver)
        incoming = Incoming(Source(self.entry_id, line.kind), line, wire)
        outgoing = Outgoing(line, wire)
        wire.hook(incoming, outgoing)
        self._incoming.append(incoming)
        self._outgoing.append(outgoing)

    def _changed(self) -> None:
        match self._peer.connectionState:
            case "connected" if not self.connected:
                self.connected = True
                self._told(self, "connected")
            case "failed" | "closed":
                self.connected = False
                self._told(self, "dead")
