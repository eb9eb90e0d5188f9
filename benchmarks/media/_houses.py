"""Who forwards, each in a process of its own, and how peers come to it."""

from __future__ import annotations

import asyncio
from typing import Protocol, Self

from benchmarks.media._clients import Peer
from benchmarks.media._server import Server, Usage, usage_of

from greenroom.media.janus.session import JanusSession, Message, Way
from greenroom.testing.janus import PrivateJanus

PATIENCE = 20.0
"""Seconds that an answer of Janus may take."""


class House(Protocol):
    """What forwards packets, and is measured."""

    name: str

    @classmethod
    async def open(cls) -> Self:
        """Start it."""
        ...

    async def send(self, name: str, peer: Peer) -> None:
        """Connect a peer that only sends."""
        ...

    async def receive(self, name: str, peer: Peer) -> None:
        """Connect a peer that only receives: what all send but for the one of the same name."""
        ...

    async def leave(self, name: str, peer: Peer) -> None:
        """Disconnect a peer that receives."""
        ...

    def usage(self) -> Usage:
        """What its process has used so far."""
        ...

    async def stop(self) -> None:
        """End it."""
        ...


class Greenroom:
    """Ours: peers offer, it answers."""

    name = "greenroom"

    def __init__(self) -> None:
        self._server = Server("greenroom")

    @classmethod
    async def open(cls) -> Self:
        """Start it."""
        return cls()

    async def send(self, name: str, peer: Peer) -> None:
        """Connect a peer that only sends."""
        await peer.join(self._server.signal(name))

    async def receive(self, name: str, peer: Peer) -> None:
        """Connect a peer that only receives."""
        await peer.join(self._server.signal(name))

    async def leave(self, name: str, peer: Peer) -> None:
        """Disconnect a peer that receives."""
        await self._server.ask("close", name)
        await peer.close()

    def usage(self) -> Usage:
        """What its process has used so far."""
        return self._server.usage()

    async def stop(self) -> None:
        """End it."""
        await self._server.stop()


class Janus:
    """A Janus VideoRoom with one event loop: it answers who sends, and offers to who receives."""

    name = "Janus"

    def __init__(self, janus: PrivateJanus) -> None:
        self._janus = janus
        way = Way(janus.url, "janus-protocol", {"apisecret": janus.secret}, PATIENCE)
        self._session = JanusSession(way, self._heard, lambda _: None)
        self._up: dict[int, asyncio.Event] = {}
        """By handle: whether Janus sees the connection of a publisher stand as well."""
        self._room = 0
        self._feeds: dict[str, int] = {}
        self._handles: dict[Peer, int] = {}

    @classmethod
    async def open(cls) -> Self:
        """Start it, and make the room."""
        janus = await asyncio.to_thread(PrivateJanus().__enter__)
        house = cls(janus)
        await house._session.begin()
        control = await house._session.attach("control")
        said = {"publishers": 1_000, "bitrate": 0, "audiocodec": "opus", "videocodec": "vp8"}
        reply = await house._session.ask(control, "create", said)
        house._room = int(reply.data["room"])
        return house

    async def send(self, name: str, peer: Peer) -> None:
        """Connect a peer that only sends."""
        handle = await self._session.attach(name)
        up = self._up[handle] = asyncio.Event()
        said = {"ptype": "publisher", "room": self._room}
        reply = await self._session.ask(handle, "join", said)
        self._feeds[name] = int(reply.data["id"])

        async def configure(offer: str) -> str:
            reply = await self._session.ask(handle, "configure", {}, ("offer", offer))
            return reply.sdp or ""

        await peer.join(configure)
        await asyncio.wait_for(up.wait(), PATIENCE)

    async def receive(self, name: str, peer: Peer) -> None:
        """Connect a peer that only receives."""
        self._handles[peer] = handle = await self._session.attach(name)
        streams = [{"feed": feed} for sender, feed in self._feeds.items() if sender != name]
        said = {"ptype": "subscriber", "room": self._room, "streams": streams}
        reply = await self._session.ask(handle, "join", said)
        answer = await peer.answer(reply.sdp or "")
        await self._session.ask(handle, "start", {}, ("answer", answer))
        await peer.stand()

    async def leave(self, name: str, peer: Peer) -> None:
        """Disconnect a peer that receives."""
        del name
        await self._session.detach(self._handles.pop(peer))
        await peer.close()

    def usage(self) -> Usage:
        """What its process has used so far."""
        assert self._janus.process is not None, "it was started"
        return usage_of(self._janus.process)

    async def stop(self) -> None:
        """End it."""
        await self._session.close()
        await asyncio.to_thread(self._janus.__exit__)

    def _heard(self, handle: int, message: Message) -> None:
        if message["janus"] == "webrtcup" and handle in self._up:
            self._up[handle].set()
