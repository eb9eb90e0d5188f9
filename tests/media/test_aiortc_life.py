"""How real media begins and ends: deadlines, observers that block or fail, what is left over."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import aioice.ice
import pytest
from tests.media.conftest import EVERYTHING, LOOPBACK, Room, entry_of, sees_and_hears
from tests.open_files import open_files

from greenroom.domain.errors import MediaError
from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.media.aiortc_media import AiortcMedia
from greenroom.media.port import MediaEntry
from greenroom.media.reception import KEPT
from greenroom.testing.media import TWO_WAY, Witness, offer_sdp


@pytest.mark.slow
def test_who_never_connects_is_lost_at_the_deadline() -> None:
    room = Room(join_deadline=0.3)
    try:
        room.allow("thierry")
        room.media.offer(entry_of("thierry"), offer_sdp(*TWO_WAY))
        assert room.lost("thierry")
        assert entry_of("thierry") in room.media.entries()
    finally:
        room.close()


@pytest.mark.slow
def test_who_connects_in_time_outlives_the_deadline() -> None:
    room = Room(join_deadline=4)
    try:
        room.enter("thierry")
        assert not room.lost("thierry", timeout=4.5)
    finally:
        room.close()


class Closing(Witness):
    """An observer that acts on what it hears, through the port it hears it from, and fails."""

    def __init__(self, media: AiortcMedia) -> None:
        super().__init__()
        self.media = media

    def lost(self, entry_id: EntryId, epoch: int) -> None:
        self.media.close(entry_id)
        super().lost(entry_id, epoch)
        raise RuntimeError("on purpose")


def test_an_observer_may_call_back_and_may_fail() -> None:
    media = AiortcMedia(addresses=LOOPBACK, join_deadline=0.1)
    observer = Closing(media)
    media.start(observer)
    try:
        for name in ("thierry", "alice"):
            entry_id = entry_of(name)
            media.open(MediaEntry(entry_id, CallId("default:1"), 1, UserId(name), EVERYTHING))
            media.offer(entry_id, offer_sdp(*TWO_WAY))
        assert observer.heard(lambda heard: len(heard.losses) == 2)
        assert media.entries() == frozenset()
    finally:
        media.stop()


def test_a_machine_without_an_address_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: [])
    media = AiortcMedia()
    media.start(Witness())
    try:
        media.open(MediaEntry(EntryId("e"), CallId("default:1"), 1, UserId("alice"), EVERYTHING))
        with pytest.raises(MediaError, match="addresses="):
            media.offer(EntryId("e"), offer_sdp(*TWO_WAY))
    finally:
        media.stop()


def test_without_chosen_addresses_those_of_the_machine_are_offered() -> None:
    found = aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=True)
    if not found:
        pytest.skip("this machine has no address but loopback")
    media = AiortcMedia()
    media.start(Witness())
    try:
        media.open(MediaEntry(EntryId("e"), CallId("default:1"), 1, UserId("alice"), EVERYTHING))
        answer = media.offer(EntryId("e"), offer_sdp(*TWO_WAY))
        assert all(f" {address} " in answer for address in found)
    finally:
        media.stop()


def running() -> set[threading.Thread]:
    """Threads, without those that encode for a peer."""
    return {one for one in threading.enumerate() if not one.name.startswith("asyncio_")}


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """What is begun within has ended; what other tests began may end meanwhile."""
    threads, files = running(), open_files()
    yield
    assert running() <= threads
    assert open_files() <= files


def tasks_of(media: AiortcMedia) -> int:
    assert media._thread._loop is not None
    return len(asyncio.all_tasks(media._thread._loop))


@pytest.mark.slow
def test_after_stop_no_thread_and_no_socket_is_left() -> None:
    Room().close()  # whatever is opened once for good
    with nothing_left():
        room = Room()
        thierry = room.enter("thierry")
        room.enter("alice")
        room.allow("charlie")
        room.media.offer(entry_of("charlie"), offer_sdp(*TWO_WAY))
        assert sees_and_hears(thierry, "green")
        room.media.stop()
        names = {one.name for one in running()}
        assert not names & {"greenroom-media", "greenroom-media-news"}
        room.close()


def test_a_stop_in_the_middle_of_everything_leaves_nothing() -> None:
    Room().close()
    with nothing_left():
        media, rushing = AiortcMedia(addresses=LOOPBACK), threading.Event()
        media.start(Witness())

        def rush(name: str) -> None:
            entry = MediaEntry(entry_of(name), CallId("default:1"), 1, UserId(name), EVERYTHING)
            with contextlib.suppress(MediaError):
                while True:
                    media.open(entry)
                    media.offer(entry.entry_id, offer_sdp(*TWO_WAY))
                    rushing.set()
                    media.close(entry.entry_id)

        rushers = [threading.Thread(target=rush, args=(f"u{n}",)) for n in range(6)]
        for rusher in rushers:
            rusher.start()
        assert rushing.wait(60)
        media.stop()
        for rusher in rushers:
            rusher.join(60)
        assert media.entries() == frozenset()


def test_two_offers_at_once_leave_one_connection(room: Room) -> None:
    room.allow("thierry")
    prints = ["sha-256 " + ":".join([byte] * 32) for byte in ("AA", "BB", "CC", "DD")]
    offers = [offer_sdp(*TWO_WAY, fingerprint=fingerprint) for fingerprint in prints]
    offering = [
        threading.Thread(target=room.media.offer, args=(entry_of("thierry"), offer))
        for offer in offers
    ]
    with nothing_left():
        for thread in offering:
            thread.start()
        for thread in offering:
            thread.join(60)
        room.media.close(entry_of("thierry"))
    assert room.media.entries() == frozenset()
    assert room.witness.losses == []


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_a_thousand_come_and_go_and_nothing_grows(room: Room) -> None:
    def come_and_go(times: int) -> Counter[str]:
        """Objects that there are afterwards, by type; packets kept for resending are bounded."""
        for _ in range(times):
            peer = room.enter("alice", sends=())
            room.media.close(entry_of("alice"))
            peer.close()
            room.peers.remove(peer)
            room.witness.news.clear()
        gc.collect()
        objects = Counter(type(one).__qualname__ for one in gc.get_objects())
        assert objects.pop("Kept") <= 2 * KEPT
        return objects

    room.enter("thierry")
    objects = come_and_go(50)
    tasks = tasks_of(room.media)
    with nothing_left():
        grown = come_and_go(1_000) - objects
    assert tasks_of(room.media) == tasks
    assert grown.total() < 1_000, grown  # not one each


@pytest.mark.slow
def test_a_peer_that_is_killed_is_lost(room: Room) -> None:
    thierry = room.enter("thierry")
    room.allow("alice", "audio", "video")
    program = Path(__file__).with_name("lone_peer.py")
    with subprocess.Popen(
        [sys.executable, str(program), "green"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            carry_over(process, room.signal("alice"))
            assert sees_and_hears(thierry, "green")
        finally:
            process.kill()
    assert room.lost("alice")
    assert room.media.slots(entry_of("thierry")) == {"0": None, "1": None}


def carry_over(process: subprocess.Popen[str], signal: Callable[[str], str]) -> None:
    """Take the offer from the process, bring it the answer; one JSON string a line."""
    assert process.stdin is not None
    assert process.stdout is not None
    answer = signal(json.loads(process.stdout.readline()))
    process.stdin.write(json.dumps(answer) + "\n")
    process.stdin.flush()
