"""Real peers at a real Janus; colours and tones prove who gets through."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.media.conftest import EVERYTHING, SIGNS, entry_of, eventually, sees_and_hears

from greenroom.domain.errors import MediaError
from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.media.janus import JanusMedia
from greenroom.media.port import Kind, MediaEntry, Source
from greenroom.testing.janus import PrivateJanus
from greenroom.testing.media import Witness
from greenroom.testing.peer import Peer

pytestmark = pytest.mark.slow  # starts a program, which has to be installed


class Hall:
    """One call at a Janus; everybody sends from one connection, and is invited to another."""

    def __init__(self, janus: PrivateJanus) -> None:
        self.janus = janus
        self.media = JanusMedia(
            janus.url,
            secret=janus.secret,
            admin_url=janus.admin_url,
            admin_secret=janus.admin_secret,
        )
        self.witness = Witness()
        self.media.start(self.witness)
        self.peers: list[Peer] = []
        self.accepted: dict[str, int] = {}

    def allow(self, name: str, may_send: frozenset[Kind] = EVERYTHING) -> None:
        self.media.open(MediaEntry(entry_of(name), CallId("default:1"), 1, UserId(name), may_send))

    def peer(self, name: str) -> Peer:
        peer = Peer(SIGNS[name], addresses=None)
        self.peers.append(peer)
        return peer

    def send(self, name: str, may_send: frozenset[Kind] = EVERYTHING) -> Peer:
        """Have somebody publish, and wait until all of it arrives that is allowed."""
        self.allow(name, may_send)
        peer, before = self.peer(name), len(self.witness.told("published", entry_of(name)))
        wanted = before + len(may_send & {"audio", "video"})
        peer.join(lambda offer: self.media.offer(entry_of(name), offer), others=0)
        assert self.witness.heard(
            lambda heard: len(heard.told("published", entry_of(name))) >= wanted
        )
        return peer

    def watch(self, name: str, peer: Peer | None = None) -> Peer:
        """Have somebody take the invitation to a new connection."""
        self.allow(name)
        peer = peer or self.peer(name)
        invitation = self.media.invite(entry_of(name))
        assert invitation is not None
        self.media.accept(entry_of(name), invitation.number, peer.answer(invitation.sdp))
        self.accepted[name] = invitation.number
        return peer

    def look_again(self, name: str, peer: Peer) -> None:
        """Have somebody take the next invitation, once told to."""
        times = len(self.accepted)
        assert self.witness.heard(lambda heard: bool(heard.told("outdated", entry_of(name)))), times
        invitation = self.media.invite(entry_of(name), self.accepted[name])
        assert invitation is not None
        assert invitation.number > self.accepted[name]
        self.media.accept(entry_of(name), invitation.number, peer.answer(invitation.sdp))
        self.accepted[name] = invitation.number
        self.witness.news = [one for one in self.witness.news if one.what != "outdated"]

    def sources(self, name: str) -> list[Source | None]:
        return list(self.media.slots(entry_of(name)).values())

    def close(self) -> None:
        for peer in self.peers:
            peer.close()
        self.media.stop()


@pytest.fixture(scope="module")
def janus() -> Iterator[PrivateJanus]:
    with PrivateJanus() as janus:
        yield janus


@pytest.fixture
def hall(janus: PrivateJanus) -> Iterator[Hall]:
    hall = Hall(janus)
    yield hall
    hall.close()


def both(name: str) -> list[Source | None]:
    return [Source(entry_of(name), "audio"), Source(entry_of(name), "video")]


def test_who_is_invited_sees_and_hears_who_sends(hall: Hall) -> None:
    hall.send("thierry")
    alice = hall.watch("alice")
    assert sees_and_hears(alice, "red")
    assert hall.sources("alice") == both("thierry")
    assert hall.media.invite(entry_of("alice"), hall.accepted["alice"]) is None


def test_people_come_and_go_and_lines_are_used_again(hall: Hall) -> None:
    hall.send("thierry")
    alice = hall.watch("alice")
    hall.send("charlie")
    hall.look_again("alice", alice)
    assert sees_and_hears(alice, "red")
    assert sees_and_hears(alice, "blue")
    hall.media.close(entry_of("thierry"))
    assert hall.sources("alice") == [None, None, *both("charlie")]
    hall.look_again("alice", alice)
    assert alice.comes_to({"blue"}, {"blue"})
    hall.send("jaewoong")
    hall.look_again("alice", alice)
    assert hall.sources("alice") == [*both("jaewoong"), *both("charlie")]
    assert sees_and_hears(alice, "yellow")
    assert hall.witness.losses == []
    assert len(hall.witness.told("connected", entry_of("alice"))) == 1


def test_who_sends_is_invited_to_the_others_and_not_to_themselves(hall: Hall) -> None:
    hall.send("thierry")
    assert hall.media.invite(entry_of("thierry")) is None
    hall.send("alice")
    assert hall.witness.heard(lambda heard: bool(heard.told("outdated", entry_of("thierry"))))
    thierry = hall.watch("thierry")
    assert sees_and_hears(thierry, "green")
    assert thierry.comes_to({"green"}, {"green"})
    epochs = [one.epoch for one in hall.witness.told("connected", entry_of("thierry"))]
    assert epochs == [1, 2]
    assert hall.witness.told("ended") == []


def test_what_may_no_longer_be_sent_stops_at_once_and_comes_back_when_granted(hall: Hall) -> None:
    hall.send("thierry")
    alice = hall.watch("alice")
    assert sees_and_hears(alice, "red")
    hall.allow("thierry", frozenset({"video"}))
    assert alice.comes_to({"red"}, set())
    assert hall.witness.heard(
        lambda heard: [one.kind for one in heard.told("unpublished")] == ["audio"]
    )
    hall.allow("thierry")
    alice.watch(0)
    assert sees_and_hears(alice, "red")


def test_sending_anew_does_not_undo_it(hall: Hall) -> None:
    hall.send("thierry")
    hall.allow("thierry", frozenset({"video"}))
    hall.send("thierry", frozenset({"video"}))
    alice = hall.watch("alice")
    assert hall.sources("alice") == [Source(entry_of("thierry"), "video")]
    assert alice.until(lambda: alice.sees["red"] > 2)
    assert alice.comes_to({"red"}, set())
    assert [one.epoch for one in hall.witness.told("ended", entry_of("thierry"))] == [1]


def test_who_is_closed_is_disconnected_and_seen_no_more(hall: Hall) -> None:
    sending, alice = hall.send("thierry"), hall.watch("alice")
    assert sees_and_hears(alice, "red")
    for name in ("thierry", "alice"):
        hall.media.close(entry_of(name))
    assert alice.comes_to(set(), set())
    assert eventually(lambda: sending.state == "closed")
    assert hall.witness.losses == []


def test_another_invitation_takes_the_place_of_the_first_connection(hall: Hall) -> None:
    hall.send("thierry")
    hall.watch("alice")
    assert hall.witness.heard(lambda heard: bool(heard.told("connected", entry_of("alice"))))
    again = hall.watch("alice")
    assert sees_and_hears(again, "red")
    assert hall.witness.heard(
        lambda heard: [one.epoch for one in heard.told("ended", entry_of("alice"))] == [1]
    )
    assert hall.witness.losses == []


def test_an_answer_to_something_else_is_refused_and_the_right_one_taken(hall: Hall) -> None:
    hall.send("thierry")
    hall.allow("alice")
    alice, other = hall.peer("alice"), hall.peer("charlie")
    first = hall.media.invite(entry_of("alice"))
    assert first is not None
    right = alice.answer(first.sdp)
    with pytest.raises(MediaError):
        hall.media.accept(entry_of("alice"), first.number, other.offer())
    with pytest.raises(MediaError, match="lines of the invitation"):
        hall.media.accept(entry_of("alice"), first.number, right.partition("m=video")[0])
    with pytest.raises(MediaError, match="another"):
        hall.media.accept(entry_of("alice"), first.number + 1, right)
    hall.media.accept(entry_of("alice"), first.number, right)
    hall.media.accept(entry_of("alice"), first.number, right)
    assert sees_and_hears(alice, "red")


def test_a_peer_that_is_closed_is_lost_and_its_tracks_are_withdrawn(hall: Hall) -> None:
    sending, alice = hall.send("thierry"), hall.watch("alice")
    assert sees_and_hears(alice, "red")
    sending.close()
    assert hall.witness.heard(lambda heard: entry_of("thierry") in heard.losses)
    assert hall.sources("alice") == [None, None]
    hall.send("thierry")
    hall.look_again("alice", alice)
    alice.watch(0)
    assert sees_and_hears(alice, "red")


def test_a_peer_that_never_comes_is_lost(janus: PrivateJanus) -> None:
    media, witness = JanusMedia(janus.url, secret=janus.secret, join_deadline=0.2), Witness()
    media.start(witness)
    media.open(MediaEntry(entry_of("alice"), CallId("default:1"), 1, UserId("alice"), EVERYTHING))
    with Peer("green", addresses=None) as peer:
        media.offer(entry_of("alice"), peer.offer(others=0))  # the answer never arrives
        assert witness.heard(lambda heard: heard.losses == [entry_of("alice")])
    media.stop()
    assert witness.told("ended") == []


def test_what_goes_through_is_counted(hall: Hall) -> None:
    hall.send("thierry")
    alice = hall.watch("alice")
    assert sees_and_hears(alice, "red")
    now = hall.media.statistics()
    assert now[entry_of("thierry")].packets_received > 10
    assert now[entry_of("alice")].packets_sent > 10
    assert now[entry_of("alice")].bytes_sent > 100
    hall.media.close(entry_of("alice"))
    assert hall.witness.heard(lambda heard: bool(heard.told("ended", entry_of("alice"))))
    [ended] = hall.witness.told("ended", entry_of("alice"))
    assert ended.statistics is not None
    assert ended.statistics.packets_sent >= now[entry_of("alice")].packets_sent
    assert 0 < ended.statistics.seconds < 60


def test_a_janus_that_is_gone_loses_everybody_once_and_serves_again_when_it_is_back() -> None:
    with PrivateJanus() as janus:
        hall = Hall(janus)
        hall.send("thierry")
        alice = hall.watch("alice")
        assert sees_and_hears(alice, "red")
        janus.stop()
        assert hall.witness.heard(lambda heard: len(heard.told("ended")) == 2)
        assert sorted(hall.witness.losses) == [entry_of("alice"), entry_of("thierry")]
        with pytest.raises(MediaError, match="reached"):
            hall.media.offer(entry_of("thierry"), hall.peer("thierry").offer(others=0))
        hall.allow("thierry", frozenset({"audio"}))
        assert hall.media.entries() == {entry_of("alice"), entry_of("thierry")}
        assert hall.media.statistics() == {}
        janus.start()
        hall.send("thierry")
        assert sees_and_hears(hall.watch("alice"), "red")
        assert len(hall.witness.losses) == 2
        hall.close()


def test_many_come_and_go_and_nothing_is_left_at_janus(hall: Hall) -> None:
    hall.send("thierry")
    for _ in range(10):
        hall.watch("alice").close()
        hall.media.close(entry_of("alice"))
    hall.media.close(entry_of("thierry"))
    stage = hall.media._stage
    assert stage._handles == {}
    assert stage._rooms._rooms == {}
    assert stage._roster.everybody() == ()
    assert stage._roster._rooms == {}
    session = stage._rooms.session
    assert session is not None


def test_nobody_enters_a_room_without_what_only_we_know(hall: Hall) -> None:
    hall.send("thierry")
    stage = hall.media._stage
    [room] = stage._rooms._rooms.values()

    async def intrude() -> None:
        handle = await room.session.attach("intruder")
        said = {"ptype": "publisher", "room": room.number, "pin": "guessed"}
        await room.session.ask(handle, "join", said)

    with pytest.raises(MediaError, match="Unauthorized"):
        hall.media._thread.run(intrude())
    assert room.pin not in repr(room)
    assert room.secret not in repr(room)
    assert EntryId("entry-thierry") in hall.media.entries()
