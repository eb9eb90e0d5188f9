"""Real peers that the server invites: colours and tones prove who gets through."""

from __future__ import annotations

import pytest
from tests.media.conftest import SIGNS, Room, entry_of, eventually, sees_and_hears

from greenroom.domain.errors import MediaError
from greenroom.media.port import Source
from greenroom.testing.peer import Peer

pytestmark = pytest.mark.slow  # real peers: about a second each


class Invitee:
    """A participant that receives by invitation."""

    def __init__(self, room: Room, name: str) -> None:
        self.room, self.name = room, name
        self.peer = Peer(SIGNS[name])
        room.peers.append(self.peer)
        self.number = 0

    def take(self) -> bool:
        """Take the next invitation, if there is one."""
        invitation = self.room.media.invite(entry_of(self.name), self.number)
        if invitation is None:
            return False
        answer = self.peer.answer(invitation.sdp)
        self.room.media.accept(entry_of(self.name), invitation.number, answer)
        self.number = invitation.number
        return True

    def told(self, times: int) -> bool:
        """Whether it is told so many times in all to ask again."""
        return self.room.witness.heard(
            lambda heard: len(heard.told("outdated", entry_of(self.name))) == times
        )

    def sources(self) -> list[Source | None]:
        return list(self.room.media.slots(entry_of(self.name)).values())


def both(name: str) -> list[Source | None]:
    return [Source(entry_of(name), "audio"), Source(entry_of(name), "video")]


def invited(room: Room, name: str) -> Invitee:
    room.allow(name, "audio", "video")
    invitee = Invitee(room, name)
    before = len(room.witness.told("connected", entry_of(name)))
    assert invitee.take()
    assert room.witness.heard(lambda heard: len(heard.told("connected", entry_of(name))) > before)
    return invitee


def test_who_is_invited_sees_and_hears_who_sends(room: Room) -> None:
    room.enter("thierry", others=0)
    alice = invited(room, "alice")
    assert sees_and_hears(alice.peer, "red")
    assert alice.sources() == both("thierry")
    assert not alice.take()


def test_who_comes_makes_another_invitation_and_who_goes_makes_room_for_the_next(
    room: Room,
) -> None:
    room.enter("thierry", others=0)
    alice = invited(room, "alice")
    room.enter("charlie", others=0)
    assert alice.told(1)
    assert alice.take()
    assert sees_and_hears(alice.peer, "red")
    assert sees_and_hears(alice.peer, "blue")
    room.media.close(entry_of("thierry"))
    room.enter("jaewoong", others=0)
    assert sees_and_hears(alice.peer, "yellow")
    assert alice.told(1)
    assert not alice.take()
    assert len(room.witness.told("connected", entry_of("alice"))) == 1


def test_who_was_alone_is_told_when_somebody_comes(room: Room) -> None:
    room.allow("alice")
    alice = Invitee(room, "alice")
    assert not alice.take()
    room.enter("thierry", others=0)
    assert alice.told(1)
    assert alice.take()
    assert sees_and_hears(alice.peer, "red")


def test_an_invited_connection_stands_beside_the_one_that_sends(room: Room) -> None:
    room.enter("thierry", others=0)
    room.enter("alice", others=0)
    alice = invited(room, "alice")
    assert sees_and_hears(alice.peer, "red")
    assert [one.epoch for one in room.witness.told("connected", entry_of("alice"))] == [1, 2]
    assert room.witness.told("ended") == []


def test_it_takes_the_place_of_one_that_received_and_gives_it_to_the_next(room: Room) -> None:
    room.enter("thierry", others=0)
    room.enter("alice", others=1, sends=())
    alice = invited(room, "alice")
    assert sees_and_hears(alice.peer, "red")
    again = invited(room, "alice")
    assert sees_and_hears(again.peer, "red")
    assert room.witness.heard(
        lambda heard: [one.epoch for one in heard.told("ended", entry_of("alice"))] == [1, 2]
    )
    assert room.witness.losses == []
    assert eventually(lambda: alice.peer.state == "closed")
    with pytest.raises(MediaError, match="new one"):
        alice.take()


def test_what_may_not_be_sent_is_not_received(room: Room) -> None:
    room.enter("thierry", others=0)
    alice = invited(room, "alice")
    assert sees_and_hears(alice.peer, "red")
    room.allow("thierry", "video")
    assert alice.peer.comes_to({"red"}, set())
    assert alice.sources() == [None, Source(entry_of("thierry"), "video")]
    room.allow("thierry", "audio", "video")
    alice.peer.watch(0)
    assert sees_and_hears(alice.peer, "red")


def test_an_invited_peer_that_is_closed_is_lost_and_may_be_invited_anew(room: Room) -> None:
    room.enter("thierry", others=0)
    alice = invited(room, "alice")
    assert sees_and_hears(alice.peer, "red")
    alice.peer.close()
    assert room.lost("alice")
    assert sees_and_hears(invited(room, "alice").peer, "red")


def test_an_answer_to_something_else_is_refused_and_the_right_one_taken(room: Room) -> None:
    room.enter("thierry", others=0)
    room.allow("alice")
    alice, other = Invitee(room, "alice"), Peer("blue")
    room.peers.append(other)
    invitation = room.media.invite(entry_of("alice"))
    assert invitation is not None
    right = alice.peer.answer(invitation.sdp)
    for wrong in (
        other.offer(),
        right.partition("m=video")[0],
        right.replace("a=recvonly", "a=sendrecv"),
        right.replace("a=mid:1", "a=mid:7"),
    ):
        with pytest.raises(MediaError):
            room.media.accept(entry_of("alice"), invitation.number, wrong)
    for _ in range(2):
        room.media.accept(entry_of("alice"), invitation.number, right)
    assert sees_and_hears(alice.peer, "red")


def test_invitations_that_nobody_accepts_leave_nothing_open(room: Room) -> None:
    room.enter("thierry", others=0)
    room.allow("alice")
    for _ in range(5):
        assert room.media.invite(entry_of("alice")) is not None
    room.media.close(entry_of("alice"))
    assert room.media.entries() == {entry_of("thierry")}
    assert room.witness.told("ended") == []
    assert room.witness.losses == []
