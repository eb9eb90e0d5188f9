from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import pytest

from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.media.aiortc_media import AiortcMedia
from greenroom.media.port import Kind, MediaEntry
from greenroom.testing.media import Witness
from greenroom.testing.peer import Peer
from greenroom.testing.signs import Sign

LOOPBACK = ("127.0.0.1",)
EVERYTHING: frozenset[Kind] = frozenset({"audio", "video", "screenshare"})
SIGNS: dict[str, Sign] = {
    "thierry": "red",
    "alice": "green",
    "charlie": "blue",
    "jaewoong": "yellow",
}


def entry_of(name: str) -> EntryId:
    return EntryId(f"entry-{name}")


class Room:
    """Real media with real peers; thierry is red, alice green, charlie blue, jaewoong yellow."""

    def __init__(
        self,
        join_deadline: float = 30,
        busy_limit: float = 2,
        recordings: Path | None = None,
    ) -> None:
        self.media = AiortcMedia(
            addresses=LOOPBACK,
            join_deadline=join_deadline,
            busy_limit=busy_limit,
            recordings=recordings,
        )
        self.witness = Witness()
        self.media.start(self.witness)
        self.peers: list[Peer] = []

    def allow(self, name: str, *may_send: Kind, cid: str = "default:1") -> None:
        self.media.open(
            MediaEntry(entry_of(name), CallId(cid), 1, UserId(name), frozenset(may_send))
        )

    def enter(
        self,
        name: str,
        *,
        others: int = 1,
        sends: Sequence[Literal["audio", "video"]] = ("audio", "video"),
        screen: bool = False,
        may_send: frozenset[Kind] = EVERYTHING,
        cid: str = "default:1",
        codecs: Sequence[Literal["VP8", "H264"]] = ("VP8",),
    ) -> Peer:
        """Open an entry, have its peer join, wait until it is connected."""
        self.allow(name, *may_send, cid=cid)
        return self.connect(name, others=others, sends=sends, screen=screen, codecs=codecs)

    def connect(
        self,
        name: str,
        *,
        others: int = 1,
        sends: Sequence[Literal["audio", "video"]] = ("audio", "video"),
        screen: bool = False,
        codecs: Sequence[Literal["VP8", "H264"]] = ("VP8",),
    ) -> Peer:
        """Have another peer join on an open entry, wait until it is connected."""
        before = len(self.witness.connections)
        peer = Peer(SIGNS[name], codecs=codecs)
        self.peers.append(peer)
        peer.join(self.signal(name), others=others, sends=sends, screen=screen)
        assert self.witness.heard(lambda heard: len(heard.connections) > before)
        return peer

    def signal(self, name: str) -> Signal:
        return Signal(self.media, entry_of(name))

    def lost(self, name: str, timeout: float = 60) -> bool:
        return self.witness.heard(lambda heard: entry_of(name) in heard.losses, timeout)

    def close(self) -> None:
        for peer in self.peers:
            peer.close()
        self.media.stop()


class Signal:
    """The way of an offer to the server and of the answer back."""

    def __init__(self, media: AiortcMedia, entry_id: EntryId) -> None:
        self.media, self.entry_id = media, entry_id

    def __call__(self, offer: str) -> str:
        return self.media.offer(self.entry_id, offer)


def eventually(true: Callable[[], bool]) -> bool:
    """Wait until it is so; False where it did not come about in a minute."""
    ends = time.monotonic() + 60
    while not true():
        if time.monotonic() > ends:
            return False
        time.sleep(0.01)
    return True


def sees_and_hears(peer: Peer, sign: Sign, timeout: float = 60) -> bool:
    """Whether enough of somebody comes through to be sure of them."""
    return peer.until(lambda: peer.sees[sign] > 2 and peer.hears[sign] > 5, timeout)


@pytest.fixture
def room() -> Iterator[Room]:
    room = Room()
    yield room
    room.close()
