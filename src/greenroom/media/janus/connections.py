"""The connections of a participant to a Janus: one that sends, one that receives."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from msgspec import structs

from greenroom.domain.errors import MediaError
from greenroom.domain.message import EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.description import MAX_CANDIDATES, Description
from greenroom.media.janus.session import JanusSession, Reply
from greenroom.media.port import Kind, Source

CODECS: Final = {"audiocodec": "opus", "videocodec": "vp8,h264"}
"""What rooms forward, the most wanted first."""

PICTURES_EVERY: Final = 0.1
"""Seconds between two requests for a key frame of one line."""


@dataclass(frozen=True, slots=True)
class Track:
    """What one media line of somebody sends, as Janus names it."""

    source: Source
    feed: int
    """The publisher."""
    mid: str

    @property
    def named(self) -> dict[str, object]:
        """For Janus."""
        return {"feed": self.feed, "mid": self.mid}


@dataclass(frozen=True, slots=True)
class JanusRoom:
    """A room at Janus, which nobody enters but by the one who made it."""

    session: JanusSession
    control: int
    """A handle for what is done to the room."""
    number: int
    secret: str = field(repr=False)
    """Of whoever may change the room."""
    pin: str = field(repr=False)
    """Of whoever may enter it: handed to no client."""

    async def moderate(self, feed: int, mid: str, *, muted: bool) -> None:
        """Let a line of a publisher through no more, or again; the publisher cannot undo it."""
        said = {"room": self.number, "secret": self.secret, "id": feed, "mid": mid, "mute": muted}
        await self.session.ask(self.control, "moderate", said)

    async def destroy(self) -> None:
        """Put everybody out, and be no more."""
        said = {"room": self.number, "secret": self.secret}
        await self.session.ask(self.control, "destroy", said)


@dataclass(eq=False)
class Connection:
    """A handle at Janus, and the peer connection behind it."""

    entry_id: EntryId
    room: JanusRoom
    handle: int
    epoch: int = 0
    """Its number among the entry's connections; 0 until it is one of them."""
    described: Description | None = None
    """What the peer said last."""
    connected_at: float | None = None
    reported: bool = False
    """Whether the observer was told that it stands."""
    dead: bool = False
    counts: MediaStatistics = field(default_factory=MediaStatistics)
    """What went through it when somebody looked last."""
    timer: asyncio.TimerHandle | None = None
    trickled: int = 0

    @property
    def session(self) -> JanusSession:
        """That its handle belongs to."""
        return self.room.session

    async def trickle(self, candidates: Sequence[str]) -> None:
        """Try these addresses of the peer as well; no more than an offer may name in all."""
        assert self.described is not None, "found by its description"  # noqa: S101 - a bug here
        some = candidates[: max(0, MAX_CANDIDATES - self.trickled)]
        self.trickled += len(some)
        await self.session.trickle(self.handle, self.described.lines[0].mid, some)

    def statistics(self) -> MediaStatistics | None:
        """What went through it, as far as is known; None if it never stood."""
        if self.connected_at is None:
            return None
        return structs.replace(self.counts, seconds=monotonic() - self.connected_at)

    def stop_waiting(self) -> None:
        """It need not connect in time any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@dataclass(eq=False)
class Publishing(Connection):
    """On which the participant sends."""

    feed: int = 0
    flowing: set[str] = field(default_factory=set)
    """Lines on which something arrives."""
    muted: set[str] = field(default_factory=set)
    """Lines that are let through no more."""
    published: frozenset[Kind] = frozenset()
    """What was reported as published."""

    pictures: set[str] = field(default_factory=set)
    """Lines of which somebody waits for a key frame."""
    asking: asyncio.Task[None] | None = None

    async def join(self) -> None:
        """Enter the room, sending nothing yet."""
        room = self.room
        said = {"ptype": "publisher", "room": room.number, "pin": room.pin}
        reply = await self.session.ask(self.handle, "join", said)
        self.feed = int(reply.data["id"])

    async def answer(self, offer: Description, may_send: Collection[Kind]) -> str:
        """The answer to a first or a further offer; what may not be sent is muted by then."""
        reply = await self.session.ask(self.handle, "configure", {}, ("offer", _layered(offer)))
        self.described = offer
        await self.mute(may_send)
        return _sdp_of(reply)

    async def mute(self, may_send: Collection[Kind]) -> None:
        """Let through what may be sent, and nothing else."""
        if self.described is None:
            return
        for line in self.described.lines:
            mute = line.kind not in may_send
            if line.sends and mute != (line.mid in self.muted):
                await self.room.moderate(self.feed, line.mid, muted=mute)
                (self.muted.add if mute else self.muted.discard)(line.mid)

    def tracks(self, may_send: Collection[Kind]) -> Iterator[Track]:
        """What others may receive of it, once it stands."""
        if self.connected_at is not None and self.described is not None:
            for line in self.described.lines:
                if line.sends and line.kind in may_send:
                    yield Track(Source(self.entry_id, line.kind), self.feed, line.mid)

    def want_picture(self, mid: str) -> None:
        """Have the peer send a key frame soon: one for all who come to see it at once."""
        self.pictures.add(mid)
        if self.asking is None or self.asking.done():
            self.asking = asyncio.get_running_loop().create_task(self._ask_for_pictures())

    async def _ask_for_pictures(self) -> None:
        await asyncio.sleep(PICTURES_EVERY)
        mids, self.pictures = self.pictures, set()
        said = {"streams": [{"mid": mid, "keyframe": True} for mid in sorted(mids)]}
        with suppress(MediaError):
            await self.session.ask(self.handle, "configure", said)

    def arriving(self) -> frozenset[Kind]:
        """The kinds of which something arrives."""
        lines = self.described.lines if self.described is not None else ()
        return frozenset(line.kind for line in lines if line.sends and line.mid in self.flowing)


@dataclass(eq=False)
class Receiving(Connection):
    """On which the participant receives."""

    lines: dict[str, Track | None] = field(default_factory=dict)
    """What each line is offered to carry, by its mid."""
    carried: frozenset[Track] = frozenset()
    """What the peer has accepted."""

    async def begin(self, tracks: Sequence[Track]) -> str:
        """The offer of a line for each of these tracks, of which there are some."""
        said = {
            "ptype": "subscriber",
            "room": self.room.number,
            "pin": self.room.pin,
            "use_msid": True,
            "autoupdate": False,
            "streams": [track.named for track in tracks],
        }
        return self._offered(await self.session.ask(self.handle, "join", said), tracks)

    async def go_on(self, tracks: Sequence[Track]) -> str:
        """The offer of these tracks, in place of those before; their lines are used again."""
        carried = [track for track in self.lines.values() if track is not None]
        gone = [track.named for track in carried if track not in tracks]
        said: dict[str, object] = {}
        if new := [track.named for track in tracks if track not in carried]:
            said["subscribe"] = new
        if gone:
            # Not by line: Janus subscribes first, and may have used the line again by then.
            said["unsubscribe"] = gone
        return self._offered(await self.session.ask(self.handle, "update", said), tracks)

    async def accept(self, answer: Description) -> frozenset[Track]:
        """The peer's answer to the last offer; what has come with it to a running connection.

        Raises:
            MediaError: it answers something else.
        """
        if [line.mid for line in answer.lines] != list(self.lines):
            raise MediaError("expected an answer with the media lines of the invitation")
        before = self.described
        told = (answer.fingerprint, answer.ufrag)
        if before is not None and told != (before.fingerprint, before.ufrag):
            raise MediaError("expected the answer of the peer that accepted before; ask anew")
        await self.session.ask(self.handle, "start", {}, ("answer", answer.sdp))
        self.described = answer
        now = frozenset(track for track in self.lines.values() if track is not None)
        earlier, self.carried = self.carried, now
        # To a connection that begins, Janus has key frames sent by itself.
        return now - earlier if self.connected_at is not None else frozenset()

    def _offered(self, reply: Reply, tracks: Sequence[Track]) -> str:
        known = {(track.feed, track.mid): track for track in tracks}
        streams: Sequence[Mapping[str, object]] = reply.data["streams"]
        self.lines = {
            str(one["mid"]): known.get((one.get("feed_id"), one.get("feed_mid")))  # type: ignore[arg-type]  # as Janus names them
            for one in streams
        }
        return _sdp_of(reply)


def _layered(offer: Description) -> str:
    """The offer with its simulcast, of which Janus forwards one layer: the best that comes.

    Without, it would take what Chromium sends again, on streams of its own, for the picture.
    """
    sdp = offer.sdp
    for line in offer.lines:
        if line.layers:
            mid = f"a=mid:{line.mid}\r\n"
            rows = [f"a=rid:{name} send\r\n" for name in line.layers]
            rows.append(f"a=simulcast:send {';'.join(line.layers)}\r\n")
            sdp = sdp.replace(mid, mid + "".join(rows))
    return sdp


def _sdp_of(reply: Reply) -> str:
    if reply.sdp is None:
        raise MediaError("Janus answered without a session description")
    return reply.sdp
