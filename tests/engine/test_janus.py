"""A call whose audio and video go through a Janus: two real peers, from the join to the kick."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from greenroom import CallHandle, Entry, Greenroom, errors
from greenroom.media.janus import JanusMedia
from greenroom.testing.janus import PrivateJanus
from greenroom.testing.peer import Peer
from greenroom.testing.signs import Sign

pytestmark = pytest.mark.slow  # starts a program, which has to be installed


class Meeting:
    """Thierry, its creator, is red, alice green; each sends and receives on connections apart."""

    def __init__(self, janus: PrivateJanus) -> None:
        media = JanusMedia(
            janus.url,
            secret=janus.secret,
            admin_url=janus.admin_url,
            admin_secret=janus.admin_secret,
        )
        self.room = Greenroom.open("memory://", media=media)
        self.peers: list[Peer] = []
        self.call("thierry").create(member_ids=["alice"])

    def call(self, user: str) -> CallHandle:
        return self.room.as_user(user).call("default", "meeting")

    def publish(self, user: str, sign: Sign) -> tuple[Entry, Peer]:
        entry, peer = self.call(user).join(), Peer(sign, addresses=None)
        self.peers.append(peer)
        peer.join(entry.offer, others=0)
        return entry, peer

    def watch(self, entry: Entry, sign: Sign, *others: Sign) -> tuple[Peer, int]:
        """Take invitations until all of the others are there; the number of the last."""
        peer, number = Peer(sign, addresses=None), 0
        self.peers.append(peer)
        while True:
            invitation = entry.next_invitation(after=number, seconds=5)
            assert invitation is not None, "nobody invites"
            number = invitation.number
            entry.accept(number, peer.answer(invitation.sdp))
            if sum(one is not None for one in entry.slots().values()) == 2 * len(others):
                break
        assert peer.until(lambda: all(peer.sees[one] > 2 and peer.hears[one] > 2 for one in others))
        return peer, number

    def recorded(self, name: str) -> list[dict[str, object]]:
        history = self.room.system("auditor").call("default", "meeting").history()
        return [dict(one.event) for one in history if one.name == name]

    def close(self) -> None:
        for peer in self.peers:
            peer.close()
        self.room.close()


@pytest.fixture(scope="module")
def janus() -> Iterator[PrivateJanus]:
    with PrivateJanus() as janus:
        yield janus


@pytest.fixture
def meeting(janus: PrivateJanus) -> Iterator[Meeting]:
    meeting = Meeting(janus)
    yield meeting
    meeting.close()


def eventually(condition: Callable[[], bool], timeout: float = 60) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_two_meet_and_one_is_put_out(meeting: Meeting) -> None:
    thierry, _ = meeting.publish("thierry", "red")
    alice, sending = meeting.publish("alice", "green")
    watching, number = meeting.watch(alice, "green", "red")
    at_thierrys, seen = meeting.watch(thierry, "red", "green")
    assert eventually(lambda: len(meeting.recorded("session.published")) == 4)
    assert all(one.connected for one in meeting.call("thierry").query_participants().items)
    meeting.call("thierry").kick("alice")
    assert eventually(lambda: (sending.state, watching.state) == ("closed", "closed"))
    after = thierry.next_invitation(after=seen, seconds=60)
    assert after is not None
    thierry.accept(after.number, at_thierrys.answer(after.sdp))
    assert at_thierrys.comes_to([], [])
    with pytest.raises(errors.EntryNotFound):
        alice.invite(after=number)
    assert eventually(lambda: len(meeting.recorded("session.measured")) == 2)
    measured = {str(one["entry_id"]): one for one in meeting.recorded("session.measured")}
    assert set(measured) == {alice.entry_id}
    assert meeting.recorded("session.lost") == []


def test_who_is_muted_is_silent_at_once_and_speaks_again_after_asking(meeting: Meeting) -> None:
    meeting.publish("thierry", "red")
    alice, _ = meeting.publish("alice", "green")
    thierry = meeting.call("thierry").join()
    watching, number = meeting.watch(thierry, "red", "green", "red")
    meeting.room.system("moderation").call("default", "meeting").mute(["alice"], audio=True)
    assert watching.comes_to({"green", "red"}, {"red"})
    alice.unmute(audio=True)
    watching.watch(0)
    again = thierry.next_invitation(after=number, seconds=1)
    if again is not None:
        thierry.accept(again.number, watching.answer(again.sdp))
    assert watching.until(lambda: watching.hears["green"] > 5)


def test_an_offer_to_receive_says_what_to_do_instead(meeting: Meeting) -> None:
    entry = meeting.call("thierry").join()
    with Peer("red", addresses=None) as peer, pytest.raises(errors.MediaError, match="invite"):
        entry.offer(peer.offer(others=1))
