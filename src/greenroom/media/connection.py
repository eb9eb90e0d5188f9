"""One peer connection of a participant."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Final, Literal

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.rtp import RtcpByePacket, RtcpRrPacket
from aiortc.sdp import candidate_from_sdp

from greenroom.domain.errors import MediaError
from greenroom.domain.message import EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.description import MAX_CANDIDATES, Description, Line
from greenroom.media.incoming import Incoming
from greenroom.media.lines import LineStatistics
from greenroom.media.outgoing import Outgoing
from greenroom.media.port import Kind, Source
from greenroom.media.statistics import of_connection, of_incoming, of_outgoing
from greenroom.media.wire import Link, Wire, link_of, use_addresses

log: Final = logging.getLogger(__name__)

CODECS: Final = {
    "audio": ["audio/opus"],
    "video": ["video/VP8", "video/H264", "video/rtx"],
}
"""What is forwarded, the most wanted first, and retransmission."""
WATCH: Final = 0.9
"""Seconds between two looks at a connection: what came, what to report."""
PATIENCE: Final = 4
"""Looks in a row without a datagram after which a peer is dead: less than five seconds."""
ROUND_TRIP: Final = 10
"""Looks between two measurements of the round trip, where the peer shows life anyway."""
MOST_REPORTS: Final = 31
"""Reports in one packet (RFC 3550, section 6.4)."""

_OPUS: Final = re.compile(r"a=rtpmap:([0-9]+) opus/48000/2\r\n")

State = Literal["connected", "flow", "dead"]


class Connection:
    """A peer connection of an entry, from its first offer on. Lives on the media loop.

    Args:
        entry_id: whose it is.
        addresses: to offer candidates on; None for all of the machine's but loopback.
        told: called when it connects, when a line begins or ceases to flow or changes its codec,
            and when the connection dies, `close` included; the latter maybe twice.
    """

    def __init__(
        self,
        entry_id: EntryId,
        addresses: Sequence[str] | None,
        told: Callable[[Connection, State], None],
    ) -> None:
        self.entry_id = entry_id
        self.epoch = 0
        """Its number among the entry's connections."""
        self.offered: Description | None = None
        """What the peer said last: an offer that was answered, or an answer."""
        self.connected = False
        self.published: frozenset[Kind] = frozenset()
        """What was reported as published."""
        self._connected_at: float | None = None
        self._addresses = addresses
        self._told = told
        # A STUN server would only delay the answer: peers learn our address from the answer, and
        # we learn theirs from their checks.
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self._peer = RTCPeerConnection(configuration)
        self._peer.on("connectionstatechange", self._changed)
        self._link: Link | None = None
        self._incoming: list[Incoming] = []
        self._outgoing: list[Outgoing] = []
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._looks = self._quiet = self._trickled = 0
        self._warned = False

    async def answer(self, offer: Description, deadline: float) -> str:
        """The answer to a first or a further offer.

        Args:
            offer: of the peer.
            deadline: seconds until the peer must have connected, else it is dead.

        Raises:
            MediaError: there is no address to be reached at.
            Exception: whatever aiortc makes of an offer that nobody should send.
        """
        for line in offer.lines[len(self._incoming) :]:
            self._add(line)
        if self.offered is None:
            self._stay_on_addresses()
        await self._peer.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        await self._peer.setLocalDescription()
        answer = self._said()
        for line, incoming, outgoing in zip(
            offer.lines, self._incoming, self._outgoing, strict=True
        ):
            incoming.line = outgoing.line = line
        if self.offered is None and not self.connected:
            self._timer = asyncio.get_running_loop().call_later(deadline, self._expire)
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

    @property
    def sends(self) -> bool:
        """Whether the participant sends on it, as of the last offer."""
        return self.offered is not None and any(line.sends for line in self.offered.lines)

    @property
    def receives(self) -> bool:
        """Whether the participant receives on it; what does not send is there to receive."""
        lines = self.offered.lines if self.offered is not None else ()
        return not self.sends or any(line.receives for line in lines)

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

    @property
    def flowing(self) -> frozenset[Kind]:
        """The kinds of which something arrives."""
        return frozenset(track.source.kind for track in self.tracks() if track.flowing)

    def statistics(self) -> MediaStatistics | None:
        """What went through it; None if it never stood."""
        if self._connected_at is None or self._link is None:
            return None
        seconds = monotonic() - self._connected_at
        return of_connection(seconds, self._link, self._incoming, self._outgoing)

    def lines(self) -> Iterator[LineStatistics]:
        """What goes through each line that is in use."""
        for incoming in self.tracks():
            yield of_incoming(self.epoch, incoming)
        for outgoing in self.slots():
            yield of_outgoing(self.epoch, outgoing)

    async def close(self) -> None:
        """End it. Twice is fine."""
        self.stop_forwarding()
        await self._peer.close()
        if self._link is not None:
            self._link.close()
        if self._asking is not None:
            self._asking.cancel()

    def stop_forwarding(self) -> None:
        """Let nothing through any more, to or from the participant, and say goodbye."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for outgoing in self._outgoing:
            outgoing.carry(None)
        for incoming in self._incoming:
            incoming.stop()
        if self.connected and self._link is not None and self._outgoing:
            self.connected = False
            bye = RtcpByePacket(sources=[one.ssrc for one in self._outgoing][:MOST_REPORTS])
            self._link.write_feedback(bytes(bye))

    def _stay_on_addresses(self) -> None:
        """Offer the addresses that were named, and no others; once lines are there."""
        if self._addresses is not None:
            use_addresses(self._peer, self._addresses)

    def _said(self) -> str:
        """Our own description, for the peer."""
        said = _mending(self._peer.localDescription.sdp)
        if "a=candidate:" not in said:
            raise MediaError(
                "this machine has no network address that a peer could reach;"
                " name some with AiortcMedia(addresses=...)"
            )
        return said

    def _add(self, line: Line) -> None:
        """Prepare a media line, before aiortc reads about it in the offer and makes its own."""
        transceiver = self._peer.addTransceiver(line.media)
        capabilities = RTCRtpSender.getCapabilities(line.media).codecs
        transceiver.setCodecPreferences(
            [
                codec
                for wanted in CODECS[line.media]
                for codec in reversed(capabilities)  # H264: the constrained profile first
                if codec.mimeType == wanted
            ]
        )
        self._link = self._link or link_of(transceiver)
        wire = Wire(transceiver, self._link)
        incoming = Incoming(Source(self.entry_id, line.kind), line, wire, self._flow)
        outgoing = Outgoing(line, wire)
        wire.hook(incoming, outgoing)
        self._incoming.append(incoming)
        self._outgoing.append(outgoing)

    def _flow(self) -> None:
        self._told(self, "flow")

    def _changed(self) -> None:
        match self._peer.connectionState:
            case "connected" if not self.connected:
                self.connected = True
                if self._connected_at is None:
                    self._connected_at = monotonic()
                    self._watch_later()
                self._told(self, "connected")
            case "failed" | "closed":
                self.connected = False
                self._told(self, "dead")

    def _expire(self) -> None:
        if not self.connected:
            self._told(self, "dead")

    def _watch_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(WATCH, self._watch)

    def _watch(self) -> None:
        """Look after the connection: whether the peer lives, and what it should know."""
        link = self._link
        if link is None or not self.connected:
            return
        self._watch_later()
        self._looks += 1
        if link.rests and not self._warned:
            self._warned = True
            log.warning("entry %s sends too much; what is beyond gets lost", self.entry_id)
        self._quiet = 0 if link.heard() else self._quiet + 1
        if link.alive:
            if self._quiet >= PATIENCE:
                self._told(self, "dead")
                return
            if self._quiet > 1 or self._looks % ROUND_TRIP == 1:
                self._ask_for_life(link)
        for slot in self._outgoing:
            slot.watch()
        reports = [report for track in self._incoming if (report := track.watch()) is not None]
        if reports:
            ssrc = self._outgoing[0].ssrc
            link.write_feedback(bytes(RtcpRrPacket(ssrc, reports[:MOST_REPORTS])))

    def _ask_for_life(self, link: Link) -> None:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(link.ask_for_life())


def _mending(answer: str) -> str:
    """Ask whoever speaks to send each packet's sound with the next one again, where some get lost.

    Only the answer can: a sender of Opus does as the other side says (RFC 7587, section 6.1).
    """
    return _OPUS.sub(r"\g<0>a=fmtp:\1 minptime=10;useinbandfec=1\r\n", answer)
