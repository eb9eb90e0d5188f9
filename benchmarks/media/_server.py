"""The server that is measured, in a process of its own, so that its processor time is its own."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import socket
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from time import clock_gettime, process_time
from typing import Any, Literal, NamedTuple

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from benchmarks.media._clients import own_address
from pylibsrtp import Policy, Session

from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.media.aiortc_media import AiortcMedia
from greenroom.media.packets import HEADER
from greenroom.media.port import Kind as MediaKind
from greenroom.media.port import MediaEntry
from greenroom.media.wire import use_addresses
from greenroom.testing.media import Witness

Kind = Literal["greenroom", "relay", "bare"]
ANYTHING: frozenset[MediaKind] = frozenset({"audio", "video"})


class Usage(NamedTuple):
    """What a server has used, and done with it."""

    seconds: float
    """Of the processor."""
    kilobytes: int
    """In memory."""


def usage_of(process: int) -> Usage:
    """What a process has used so far, in all its threads."""
    clock = ~process << 3 | 2  # that of another process's processor time, as Linux numbers them
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return Usage(clock_gettime(clock), pages * 4)


class Greenroom:
    """Forwards packets."""

    def __init__(self) -> None:
        self._media = AiortcMedia(addresses=[own_address()], busy_limit=2)
        self._media.start(Witness())

    def offer(self, name: str, sdp: str) -> str:
        self._media.open(MediaEntry(EntryId(name), CallId("default:1"), 1, UserId(name), ANYTHING))
        return self._media.offer(EntryId(name), sdp)

    def close(self, name: str) -> None:
        self._media.close(EntryId(name))

    def stop(self) -> None:
        self._media.stop()


class Relay:
    """The stock way: what one sends is decoded, and encoded again for each viewer."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._relay = MediaRelay()
        self._tracks: list[Any] = []
        self._peers: dict[str, RTCPeerConnection] = {}

    def offer(self, name: str, sdp: str) -> str:
        answer = self._answer(name, sdp)
        return asyncio.run_coroutine_threadsafe(answer, self._loop).result(30)

    async def _answer(self, name: str, sdp: str) -> str:
        peer = self._peers[name] = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.on("track", self._tracks.append)
        if "a=recvonly" in sdp:
            for track in self._tracks:
                peer.addTrack(self._relay.subscribe(track))
        else:
            for media in ("audio", "video"):
                peer.addTransceiver(media, direction="recvonly")
        use_addresses(peer, [own_address()])
        await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await peer.setLocalDescription()
        return peer.localDescription.sdp

    def close(self, name: str) -> None:
        closing = self._peers.pop(name).close()
        asyncio.run_coroutine_threadsafe(closing, self._loop).result(30)

    def stop(self) -> None:
        for name in tuple(self._peers):
            self.close(name)


class Bare:
    """Encrypts each packet that comes for so many, and sends it, and does nothing else."""

    def __init__(self) -> None:
        self._inlet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._inlet.bind(("127.0.0.1", 0))

    def inlet(self) -> tuple[str, int]:
        """Where to send the payloads."""
        address: tuple[str, int] = self._inlet.getsockname()
        return address

    def forward(self, addresses: Sequence[tuple[str, int]]) -> tuple[float, int]:
        """Seconds of the processor, and packets sent, until a packet with nothing in it comes."""
        policy = Policy(
            key=os.urandom(44),
            ssrc_type=Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
        )
        senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in addresses]
        ways = [
            (Session(policy).protect, sender.sendto, address)
            for sender, address in zip(senders, addresses, strict=True)
        ]
        sent, used = 0, process_time()
        while payload := self._inlet.recv(2_048):
            packet = HEADER.pack(0x80, 97, sent & 0xFFFF, 0, 7) + payload
            for protect, send_to, address in ways:
                send_to(protect(packet), address)
            sent += 1
        used = process_time() - used
        for sender in senders:
            sender.close()
        return used, sent * len(addresses)

    def stop(self) -> None:
        """Nothing is left."""
        self._inlet.close()


KINDS: dict[Kind, type[Any]] = {"greenroom": Greenroom, "relay": Relay, "bare": Bare}


def serve(kind: Kind, pipe: Pipe) -> None:
    """Do what comes through the pipe: a name of a method and its arguments."""
    server = KINDS[kind]()
    gc.collect()
    gc.freeze()
    while True:
        what, *arguments = pipe.recv()
        if what == "stop":
            server.stop()
            pipe.send(None)
            return
        try:
            pipe.send(getattr(server, what)(*arguments))
        except Exception as error:  # noqa: BLE001 - the other process decides what it means
            pipe.send(error)


class Server:
    """A server's handle in this process."""

    def __init__(self, kind: Kind) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=serve, args=(kind, theirs), daemon=True)
        self._process.start()
        self._turn = asyncio.Lock()

    async def ask(self, *what: Any) -> Any:
        """What the server answers."""
        async with self._turn:
            self._pipe.send(what)
            answer = await asyncio.get_running_loop().run_in_executor(None, self._pipe.recv)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def signal(self, name: str) -> Any:
        """The way of an offer to it, and of the answer back."""

        async def signal(sdp: str) -> str:
            return str(await self.ask("offer", name, sdp))

        return signal

    def usage(self) -> Usage:
        """What it has used so far."""
        assert self._process.pid is not None, "it was started"
        return usage_of(self._process.pid)

    async def stop(self) -> None:
        """End it."""
        await self.ask("stop")
        self._process.join(10)
