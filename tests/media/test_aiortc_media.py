"""Two, three and four real peers on this machine; colours and tones prove who gets through."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import aioice.ice
import pytest
from tests.media.conftest import EVERYTHING, LOOPBACK, Room, entry_of, sees_and_hears

from greenroom.domain.errors import MediaError
from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.media.aiortc_media import AiortcMedia
from greenroom.media.port import MediaEntry, MediaPort, Source
from greenroom.media.wire import Wire
from greenroom.testing.media import TWO_WAY, Witness, offer_sdp
from greenroom.testing.media_contract import MediaPortContract
from greenroom.testing.peer import Peer, Sign


class TestAiortcMedia(MediaPortContract):
    @pytest.fixture
    def media(self) -> Iterator[MediaPort]:
        media = AiortcMedia(addresses=LOOPBACK)
        yield media
        media.stop()


def test_two_see_and_hear_each_other_and_not_themselves(room: Room) -> None:
    thierry, alice = room.enter("thierry"), room.enter("alice")
    assert sees_and_hears(thierry, "green")
    assert sees_and_hears(alice, "red")
    assert thierry.watch(0.4) == ({"green"}, {"green"})
    assert alice.watch(0.1) == ({"red"}, {"red"})


def test_the_fingerprint_reported_is_the_one_the_peer_offered(room: Room) -> None:
    room.allow("thierry")
    with Peer("red") as thierry:
        offer = thierry.offer()
        thierry.take(room.signal("thierry")(offer))
        assert room.witness.heard(lambda heard: bool(heard.connections))
        [(entry_id, fingerprint)] = room.witness.connections
    assert entry_id == entry_of("thierry")
    assert f"a=fingerprint:{fingerprint}" in offer


def test_three_see_and_hear_both_others(room: Room) -> None:
    thierry = room.enter("thierry", others=2)
    alice = room.enter("alice", others=2)
    charlie = room.enter("charlie", others=2)
    expected: list[tuple[Peer, set[Sign]]] = [
        (thierry, {"green", "blue"}),
        (alice, {"red", "blue"}),
        (charlie, {"red", "green"}),
    ]
    for peer, others in expected:
        assert all(sees_and_hears(peer, sign) for sign in others)
        assert peer.watch(0.4) == (others, others)


def test_who_has_one_pair_of_lines_receives_one_and_more_after_asking(room: Room) -> None:
    thierry = room.enter("thierry")
    room.enter("alice")
    room.enter("charlie")
    assert sees_and_hears(thierry, "green")
    assert thierry.watch(0.4) == ({"green"}, {"green"})
    thierry.ask_for_more(room.signal("thierry"), others=2)
    assert sees_and_hears(thierry, "blue")
    assert thierry.watch(0.4) == ({"green", "blue"}, {"green", "blue"})
    assert len(room.witness.connections) == 3


def test_a_late_joiner_has_a_picture_at_once(room: Room) -> None:
    room.enter("thierry")
    alice = room.enter("alice")
    assert sees_and_hears(alice, "red")
    charlie = room.enter("charlie", others=2, sends=())
    assert charlie.until(lambda: charlie.sees["red"] > 0 and charlie.sees["green"] > 0, timeout=2)


def test_who_leaves_is_gone_for_the_others_and_their_slot_goes_to_the_next(room: Room) -> None:
    thierry, charlie = room.enter("thierry"), room.enter("charlie")
    assert sees_and_hears(thierry, "blue")
    room.enter("alice")
    room.media.close(entry_of("charlie"))
    assert room.media.slots(entry_of("thierry")) == {
        "0": Source(entry_of("alice"), "audio"),
        "1": Source(entry_of("alice"), "video"),
    }
    assert sees_and_hears(thierry, "green")
    assert thierry.watch(0.4) == ({"green"}, {"green"})
    room.media.close(entry_of("alice"))
    assert room.media.slots(entry_of("thierry")) == {"0": None, "1": None}
    thierry.watch(0.3)  # what was on its way
    assert thierry.watch(0.3) == (set(), set())
    assert charlie.state == "closed"
    assert room.witness.losses == []


def test_a_revoked_camera_goes_dark_while_the_voice_goes_on_and_comes_back(room: Room) -> None:
    thierry = room.enter("thierry")
    room.enter("alice")
    assert sees_and_hears(thierry, "green")
    room.allow("alice", "audio")
    thierry.watch(0.3)  # what was on its way
    assert thierry.watch(0.5) == (set(), {"green"})
    room.allow("alice", "audio", "video")
    assert thierry.until(lambda: thierry.sees["green"] > 2)


def test_who_may_send_nothing_still_sees_and_hears(room: Room) -> None:
    room.enter("thierry")
    host = room.peers[0]
    viewer = room.enter("alice", may_send=frozenset())
    assert sees_and_hears(viewer, "red")
    assert host.watch(0.4) == (set(), set())
    assert room.media.slots(entry_of("thierry")) == {"0": None, "1": None}


def test_a_screen_needs_its_own_permission(room: Room) -> None:
    viewer = room.enter("alice", sends=())
    room.enter("thierry", screen=True, may_send=frozenset({"audio", "video"}))
    assert viewer.until(lambda: viewer.hears["red"] > 5)
    assert viewer.watch(0.4) == (set(), {"red"})
    room.allow("thierry", "audio", "screenshare")
    assert viewer.until(lambda: viewer.sees["red"] > 2)
    assert (
        Source(entry_of("thierry"), "screenshare") in room.media.slots(entry_of("alice")).values()
    )


def test_a_picture_survives_a_network_that_loses_one_packet_in_ten(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    losing, send = random.Random(1), Wire.send

    async def lossy(wire: Wire, packet: bytes) -> None:
        if losing.random() > 0.1:
            await send(wire, packet)

    monkeypatch.setattr(Wire, "send", lossy)
    thierry = room.enter("thierry", sends=())
    room.enter("alice")
    assert sees_and_hears(thierry, "green")
    thierry.watch(1.5)
    assert thierry.sees["green"] > 15  # of 22


def test_another_call_is_another_world(room: Room) -> None:
    thierry = room.enter("thierry")
    room.enter("alice", cid="default:2")
    assert thierry.watch(0.5) == (set(), set())


def test_each_slot_is_a_stream_of_its_own_for_browsers_not_to_synchronise_strangers(
    room: Room,
) -> None:
    assert room.enter("thierry", others=2).streams == 4


def test_a_peer_that_closes_without_leaving_is_lost_and_may_come_back(room: Room) -> None:
    thierry, alice = room.enter("thierry"), room.enter("alice")
    assert sees_and_hears(thierry, "green")
    alice.close()
    assert room.lost("alice")
    assert room.media.slots(entry_of("thierry")) == {"0": None, "1": None}
    assert entry_of("alice") in room.media.entries()
    room.connect("alice")
    thierry.watch(0)
    assert sees_and_hears(thierry, "green")
    assert room.witness.losses == [entry_of("alice")]


def test_a_new_connection_of_an_entry_replaces_the_old_one_without_a_loss(room: Room) -> None:
    thierry = room.enter("thierry")
    before = room.enter("alice")
    assert sees_and_hears(thierry, "green")
    after = room.connect("alice")
    thierry.watch(0)
    assert sees_and_hears(thierry, "green")
    assert sees_and_hears(after, "red")
    assert before.state == "closed"
    assert room.witness.losses == []


def test_a_refused_offer_leaves_the_running_connection_alone(room: Room) -> None:
    thierry = room.enter("thierry")
    room.enter("alice")
    with pytest.raises(MediaError):
        room.media.offer(entry_of("alice"), "v=0")
    assert sees_and_hears(thierry, "green")
    assert room.witness.losses == []


def test_who_never_connects_is_lost_at_the_deadline() -> None:
    room = Room(join_deadline=0.3)
    try:
        room.allow("thierry")
        room.media.offer(entry_of("thierry"), offer_sdp(*TWO_WAY))
        assert room.lost("thierry", timeout=3)
        assert entry_of("thierry") in room.media.entries()
    finally:
        room.close()


def test_who_connects_in_time_outlives_the_deadline() -> None:
    room = Room(join_deadline=0.5)
    try:
        room.enter("thierry")
        assert not room.lost("thierry", timeout=0.8)
    finally:
        room.close()


class Closing(Witness):
    """An observer that acts on what it hears, through the port it hears it from, and fails."""

    def __init__(self, media: AiortcMedia) -> None:
        super().__init__()
        self.media = media

    def lost(self, entry_id: EntryId) -> None:
        self.media.close(entry_id)
        super().lost(entry_id)
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


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def running() -> set[str]:
    """Threads by name, without those that encode for a peer."""
    names = {thread.name for thread in threading.enumerate()}
    return {name for name in names if not name.startswith("asyncio_")}


def tasks_of(media: AiortcMedia) -> int:
    assert media._loop is not None
    return len(asyncio.all_tasks(media._loop))


def test_after_stop_no_thread_and_no_socket_is_left() -> None:
    Room().close()  # whatever is opened once for good
    threads, files = running(), open_files()
    room = Room()
    thierry = room.enter("thierry")
    room.enter("alice")
    room.allow("charlie")
    room.media.offer(entry_of("charlie"), offer_sdp(*TWO_WAY))
    assert sees_and_hears(thierry, "green")
    room.media.stop()
    assert not running() & {"greenroom-media", "greenroom-media-news"}
    room.close()
    assert running() == threads
    assert open_files() == files


def test_a_stop_in_the_middle_of_everything_leaves_nothing() -> None:
    Room().close()
    threads, files = running(), open_files()
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
    assert rushing.wait(5)
    media.stop()
    for rusher in rushers:
        rusher.join(15)
    assert media.entries() == frozenset()
    assert running() == threads
    assert open_files() == files


def test_two_offers_at_once_leave_one_connection(room: Room) -> None:
    room.allow("thierry")
    prints = ["sha-256 " + ":".join([byte] * 32) for byte in ("AA", "BB", "CC", "DD")]
    offers = [offer_sdp(*TWO_WAY, fingerprint=fingerprint) for fingerprint in prints]
    offering = [
        threading.Thread(target=room.media.offer, args=(entry_of("thierry"), offer))
        for offer in offers
    ]
    before = open_files()
    for thread in offering:
        thread.start()
    for thread in offering:
        thread.join(10)
    room.media.close(entry_of("thierry"))
    assert room.media.entries() == frozenset()
    assert open_files() == before
    assert room.witness.losses == []


@pytest.mark.slow
def test_a_hundred_come_and_go_and_nothing_grows(room: Room) -> None:
    def come_and_go() -> None:
        peer = room.enter("alice")
        room.media.close(entry_of("alice"))
        peer.close()
        room.peers.remove(peer)

    room.enter("thierry")
    come_and_go()
    threads, files, tasks = running(), open_files(), tasks_of(room.media)
    for _ in range(100):
        come_and_go()
    assert running() == threads
    assert open_files() == files
    assert tasks_of(room.media) == tasks


@pytest.mark.slow
def test_a_peer_that_is_killed_is_lost_when_its_consent_expires(room: Room) -> None:
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
    assert room.lost("alice", timeout=60)
    assert room.media.slots(entry_of("thierry")) == {"0": None, "1": None}


def carry_over(process: subprocess.Popen[str], signal: Callable[[str], str]) -> None:
    """Take the offer from the process, bring it the answer; one JSON string a line."""
    assert process.stdin is not None
    assert process.stdout is not None
    answer = signal(json.loads(process.stdout.readline()))
    process.stdin.write(json.dumps(answer) + "\n")
    process.stdin.flush()
