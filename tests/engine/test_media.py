"""What the rules decide takes effect on media that runs: two and three real peers in a room."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest

from greenroom import CallHandle, Entry, Greenroom, errors
from greenroom.domain.message import EntryId
from greenroom.media.aiortc_media import AiortcMedia
from greenroom.media.port import MediaEntry
from greenroom.testing.peer import Peer
from greenroom.testing.signs import Sign

pytestmark = pytest.mark.slow  # real peers: about a second each

SIGNS: dict[str, Sign] = {"thierry": "red", "alice": "green", "charlie": "blue"}


class Meeting:
    """A call on real media; thierry, its creator, is red, alice green, charlie blue."""

    def __init__(self, reconnection_seconds: int = 60) -> None:
        self.room = Greenroom.open("memory://", media=AiortcMedia(addresses=("127.0.0.1",)))
        self.entries: dict[str, Entry] = {}
        self.peers: dict[str, Peer] = {}
        self.call("thierry").create(
            member_ids=["alice", "charlie"],
            settings={"session": {"reconnection_timeout_seconds": reconnection_seconds}},
        )

    def call(self, user: str) -> CallHandle:
        return self.room.as_user(user).call("default", "meeting")

    def enter(self, *users: str) -> list[Peer]:
        """Join, connect, and wait until everybody sees and hears everybody."""
        for user in users:
            self.entries[user] = self.call(user).join()
            self.peers[user] = Peer(SIGNS[user])
        for user in users:
            self.peers[user].join(self.entries[user].offer, others=len(users) - 1)
        for user in users:
            others: set[Sign] = {SIGNS[other] for other in users if other != user}
            assert self.peers[user].until(partial(_all, self.peers[user], others)), (
                f"{user} misses somebody"
            )
        return [self.peers[user] for user in users]

    def left(self) -> list[tuple[str, str]]:
        """(user, reason) of everybody who left."""
        return [
            (event.event["user_id"], event.event["reason"])
            for event in self.room.system("auditor").call("default", "meeting").history()
            if event.name == "session.left"
        ]

    def close(self) -> None:
        for peer in self.peers.values():
            peer.close()
        self.room.close()


def _all(peer: Peer, others: set[Sign]) -> bool:
    return all(peer.sees[other] > 2 and peer.hears[other] > 2 for other in others)


def eventually(condition: Callable[[], bool], timeout: float = 60) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def meeting() -> Iterator[Meeting]:
    meeting = Meeting()
    yield meeting
    meeting.close()


def test_three_see_and_hear_each_other_and_their_connections_are_on_record(
    meeting: Meeting,
) -> None:
    meeting.enter("thierry", "alice", "charlie")
    connected = [
        event for event in meeting.call("thierry").history() if event.name == "session.connected"
    ]
    assert {event.event["entry_id"] for event in connected} == {
        entry.entry_id for entry in meeting.entries.values()
    }
    assert all(event.event["fingerprint"].startswith("sha-256 ") for event in connected)
    assert all(one.connected for one in meeting.call("thierry").query_participants().items)
    sources = {source.entry_id for source in meeting.entries["thierry"].slots().values() if source}
    assert sources == {meeting.entries["alice"].entry_id, meeting.entries["charlie"].entry_id}


@pytest.mark.parametrize(
    ("put_out", "reason"),
    [
        (lambda meeting: meeting.entries["alice"].leave(), "left"),
        (lambda meeting: meeting.call("thierry").kick("alice"), "kicked"),
        (lambda meeting: meeting.call("thierry").block("alice"), "blocked"),
    ],
    ids=["leave", "kick", "block"],
)
def test_who_is_out_is_seen_and_heard_no_more(
    meeting: Meeting, put_out: Callable[[Meeting], object], reason: str
) -> None:
    thierry, alice = meeting.enter("thierry", "alice")
    put_out(meeting)
    assert eventually(lambda: alice.state == "closed")
    assert thierry.comes_to([], [])
    assert meeting.left() == [("alice", reason)]
    with pytest.raises(errors.EntryNotFound):
        meeting.entries["alice"].offer("v=0")


def test_the_end_of_the_call_is_the_end_of_its_media(meeting: Meeting) -> None:
    thierry, alice = meeting.enter("thierry", "alice")
    meeting.call("thierry").end()
    assert eventually(lambda: (thierry.state, alice.state) == ("closed", "closed"))
    assert sorted(meeting.left()) == [("alice", "ended"), ("thierry", "ended")]


def test_a_revoked_voice_falls_silent_and_comes_back_when_granted(meeting: Meeting) -> None:
    thierry, _ = meeting.enter("thierry", "alice")
    meeting.call("thierry").revoke_permissions("alice", ["send-audio"])
    assert thierry.comes_to({"green"}, [])
    meeting.call("thierry").grant_permissions("alice", ["send-audio"])
    heard = thierry.hears["green"]
    assert thierry.until(lambda: thierry.hears["green"] > heard)


def test_a_grant_of_the_type_that_is_taken_back_takes_effect_on_all_of_its_calls(
    meeting: Meeting,
) -> None:
    thierry, _ = meeting.enter("thierry", "alice")
    for role in ("user", "call_member"):
        meeting.room.call_types.revoke("default", role=role, capability="send-video")
    assert thierry.comes_to([], {"green"})


def test_a_peer_that_goes_without_a_word_is_recorded_as_lost() -> None:
    with closing(Meeting(reconnection_seconds=1)) as meeting:
        _, alice = meeting.enter("thierry", "alice")
        alice.close()
        assert eventually(lambda: meeting.left() == [("alice", "lost")])
        names = [event.name for event in meeting.call("thierry").history()]
        assert [name for name in names if name in {"session.lost", "session.left"}] == [
            "session.lost",
            "session.left",
        ]
        present = meeting.call("thierry").query_participants().items
        assert [one.user_id for one in present] == ["thierry"]


def test_who_comes_back_in_time_is_the_same_entry_seen_and_heard_again(meeting: Meeting) -> None:
    thierry, alice = meeting.enter("thierry", "alice")
    alice.close()
    again = meeting.peers["alice"] = Peer(SIGNS["alice"])
    again.join(meeting.entries["alice"].offer, others=1)
    seen = thierry.sees["green"]
    assert again.until(partial(_all, again, {"red"}))
    assert thierry.until(lambda: thierry.sees["green"] > seen + 2)
    assert meeting.left() == []
    alices = [
        event.event["epoch"]
        for event in meeting.call("thierry").history()
        if event.name == "session.connected"
        and event.event["entry_id"] == meeting.entries["alice"].entry_id
    ]
    assert alices == [1, 2]


def test_a_muted_voice_stays_silent_whatever_is_sent_until_its_owner_unmutes(
    meeting: Meeting,
) -> None:
    thierry, _ = meeting.enter("thierry", "alice")
    meeting.call("thierry").mute(["alice"], audio=True)
    assert thierry.comes_to({"green"}, [])
    meeting.entries["alice"].unmute(audio=True)
    heard = thierry.hears["green"]
    assert thierry.until(lambda: thierry.hears["green"] > heard)


class Noting(AiortcMedia):
    """Real media that notes what it has done: who may send what from then on."""

    def __init__(self) -> None:
        super().__init__(addresses=("127.0.0.1",))
        self.done: list[tuple[str, frozenset[str]]] = []

    def open(self, entry: MediaEntry) -> None:
        super().open(entry)
        self.done.append((entry.entry_id, entry.may_send))

    def close(self, entry_id: EntryId) -> None:
        super().close(entry_id)
        self.done.append((entry_id, frozenset()))


def test_what_is_decided_takes_effect_on_real_media_one_after_the_other() -> None:
    media = Noting()
    with Greenroom.open("memory://", media=media) as room, Peer("red") as peer:
        host = room.as_user("thierry").call("default", "1")
        entry = host.join(create=True)
        peer.join(entry.offer, others=0)
        moderation = room.system("moderation").call("default", "1")
        steps: list[tuple[Callable[[], object], set[str]]] = [
            (lambda: moderation.mute(["thierry"], audio=True), {"video"}),
            (lambda: entry.unmute(audio=True), {"audio", "video"}),
            (lambda: moderation.revoke_permissions("thierry", ["send-video"]), {"audio"}),
            (
                lambda: moderation.grant_permissions("thierry", ["send-video"]),
                {"audio", "video"},
            ),
            (lambda: moderation.kick("thierry"), set()),
        ]
        for decide, may_send in steps:
            media.done.clear()
            decide()
            assert eventually(lambda: bool(media.done))
            about, sends = media.done[-1]
            assert about == entry.entry_id
            assert sends & {"audio", "video"} == may_send


def test_what_was_sent_and_received_is_on_record(meeting: Meeting) -> None:
    meeting.enter("thierry", "alice")
    alice, call = meeting.entries["alice"], meeting.call("thierry")

    def sent_by_alice() -> set[str]:
        shown = {one.entry_id: one for one in call.query_participants().items}
        return {*shown[alice.entry_id].published}

    assert eventually(lambda: sent_by_alice() == {"audio", "video"})
    flowing = call.media_stats()
    assert flowing is not None
    assert flowing.entries[alice.entry_id].packets_received > 0
    assert flowing.room.packets_sent > 0
    call.mute(["alice"], audio=True)
    assert eventually(lambda: sent_by_alice() == {"video"})
    alice.leave()
    assert eventually(lambda: call.history()[-1].name == "session.measured")
    measured = call.history()[-1].event
    assert measured["entry_id"] == alice.entry_id
    assert measured["statistics"]["packets_received"] > 0
    assert measured["statistics"]["seconds"] > 0
