"""Two, three and four real peers on this machine; colours and tones prove who gets through."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.media.conftest import LOOPBACK, Room, entry_of, sees_and_hears

from greenroom.domain.errors import MediaError
from greenroom.domain.message import EntryId
from greenroom.media.aiortc_media import AiortcMedia
from greenroom.media.port import MediaPort, Source
from greenroom.media.sealing import Forward, Write, forwarder, writer
from greenroom.testing.media_contract import MediaPortContract, MediaReportsContract
from greenroom.testing.peer import Peer
from greenroom.testing.signs import Sign


class TestAiortcMedia(MediaPortContract):
    @pytest.fixture
    def media(self) -> Iterator[MediaPort]:
        media = AiortcMedia(addresses=LOOPBACK)
        yield media
        media.stop()


class TestReportsOfAiortcMedia(MediaReportsContract):
    @pytest.fixture
    def media(self) -> Iterator[MediaPort]:
        media = AiortcMedia(addresses=LOOPBACK)
        self.peers: list[Peer] = []
        yield media
        for peer in self.peers:
            peer.close()
        media.stop()

    def connect(self, media: MediaPort, entry_id: EntryId) -> Callable[[], None]:
        peer = Peer("red")
        self.peers.append(peer)
        peer.join(lambda offer: media.offer(entry_id, offer))
        return peer.close


@pytest.mark.slow
def test_two_see_and_hear_each_other_and_not_themselves(room: Room) -> None:
    thierry, alice = room.enter("thierry"), room.enter("alice")
    assert sees_and_hears(thierry, "green")
    assert sees_and_hears(alice, "red")
    assert thierry.comes_to({"green"}, {"green"})
    assert alice.comes_to({"red"}, {"red"})


def test_the_fingerprint_reported_is_the_one_the_peer_offered(room: Room) -> None:
    room.allow("thierry")
    with Peer("red") as thierry:
        offer = thierry.offer()
        thierry.take(room.signal("thierry")(offer))
        assert room.witness.heard(lambda heard: bool(heard.connections))
        [(entry_id, fingerprint)] = room.witness.connections
    assert entry_id == entry_of("thierry")
    assert f"a=fingerprint:{fingerprint}" in offer


@pytest.mark.slow
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
        assert peer.comes_to(others, others)


@pytest.mark.slow
def test_who_has_one_pair_of_lines_receives_one_and_more_after_asking(room: Room) -> None:
    thierry = room.enter("thierry")
    room.enter("alice")
    room.enter("charlie")
    assert sees_and_hears(thierry, "green")
    assert thierry.comes_to({"green"}, {"green"})
    thierry.ask_for_more(room.signal("thierry"), others=2)
    assert sees_and_hears(thierry, "blue")
    assert thierry.comes_to({"green", "blue"}, {"green", "blue"})
    assert len(room.witness.connections) == 3


@pytest.mark.slow
def test_a_late_joiner_has_a_picture_at_once(room: Room) -> None:
    room.enter("thierry")
    alice = room.enter("alice")
    assert sees_and_hears(alice, "red")
    charlie = room.enter("charlie", others=2, sends=())
    assert charlie.until(lambda: charlie.sees["red"] > 0 and charlie.sees["green"] > 0)


@pytest.mark.slow
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
    assert thierry.comes_to({"green"}, {"green"})
    room.media.close(entry_of("alice"))
    assert room.media.slots(entry_of("thierry")) == {"0": None, "1": None}
    assert thierry.comes_to(set(), set())
    assert charlie.state == "closed"
    assert room.witness.losses == []


@pytest.mark.slow
def test_a_revoked_camera_goes_dark_while_the_voice_goes_on_and_comes_back(room: Room) -> None:
    thierry = room.enter("thierry")
    room.enter("alice")
    assert sees_and_hears(thierry, "green")
    room.allow("alice", "audio")
    assert thierry.comes_to(set(), {"green"})
    room.allow("alice", "audio", "video")
    assert thierry.until(lambda: thierry.sees["green"] > 2)


@pytest.mark.slow
def test_who_may_send_nothing_still_sees_and_hears(room: Room) -> None:
    room.enter("thierry")
    host = room.peers[0]
    viewer = room.enter("alice", may_send=frozenset())
    assert sees_and_hears(viewer, "red")
    assert host.comes_to(set(), set())
    assert room.media.slots(entry_of("thierry")) == {"0": None, "1": None}


@pytest.mark.slow
def test_a_screen_needs_its_own_permission(room: Room) -> None:
    viewer = room.enter("alice", sends=())
    room.enter("thierry", screen=True, may_send=frozenset({"audio", "video"}))
    assert viewer.until(lambda: viewer.hears["red"] > 5)
    assert viewer.comes_to(set(), {"red"})
    room.allow("thierry", "audio", "screenshare")
    assert viewer.until(lambda: viewer.sees["red"] > 2)
    assert (
        Source(entry_of("thierry"), "screenshare") in room.media.slots(entry_of("alice")).values()
    )


@pytest.mark.slow
def test_a_picture_survives_a_network_that_loses_one_packet_in_ten(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    losing = random.Random(1)

    def lossy_writer(*parts: Any) -> Write:
        write = writer(*parts)
        return lambda packet: write(packet) if losing.random() > 0.1 else None

    def lossy_forwarder(*parts: Any) -> Forward:
        forward = forwarder(*parts)
        return lambda *packet: forward(*packet) if losing.random() > 0.1 else None

    monkeypatch.setattr("greenroom.media.wire.writer", lossy_writer)
    monkeypatch.setattr("greenroom.media.wire.forwarder", lossy_forwarder)
    thierry = room.enter("thierry", sends=())
    room.enter("alice")
    assert sees_and_hears(thierry, "green")
    thierry.watch(0)
    assert thierry.until(lambda: thierry.sees["green"] > 15)
    assert thierry.hears["green"] < 150, "meanwhile 3 of 10 pictures came, or fewer"


@pytest.mark.slow
def test_another_call_is_another_world(room: Room) -> None:
    thierry = room.enter("thierry")
    room.enter("alice", cid="default:2")
    assert thierry.comes_to(set(), set())


def test_each_slot_is_a_stream_of_its_own_for_browsers_not_to_synchronise_strangers(
    room: Room,
) -> None:
    assert room.enter("thierry", others=2).streams == 4


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_refused_offer_leaves_the_running_connection_alone(room: Room) -> None:
    thierry = room.enter("thierry")
    room.enter("alice")
    with pytest.raises(MediaError):
        room.media.offer(entry_of("alice"), "v=0")
    assert sees_and_hears(thierry, "green")
    assert room.witness.losses == []
