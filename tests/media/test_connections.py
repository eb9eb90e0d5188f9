"""The connections of an entry, one by one: which takes whose place, and what is told of them."""

from __future__ import annotations

import threading

import pytest
from tests.media.conftest import Room, entry_of, sees_and_hears

from greenroom.domain.errors import MediaOverloaded
from greenroom.domain.message import CallId, UserId
from greenroom.media.port import MediaEntry, Source
from greenroom.testing.media import TWO_WAY, offer_sdp

SENDING = (("audio", "sendonly"), ("video", "sendonly"))
RECEIVING = (("audio", "recvonly"), ("video", "recvonly"))
PRINTS = ["sha-256 " + ":".join([byte] * 32) for byte in ("AA", "BB", "CC", "DD")]


def epochs(room: Room, name: str) -> list[int]:
    """Of the connections that an entry has."""
    return [one.epoch for one in room.media._stage._roster.require(entry_of(name)).connections]


@pytest.mark.slow
def test_one_connection_sends_and_another_receives(room: Room) -> None:
    room.allow("alice", "audio", "video")
    sending = room.connect("alice", others=0)
    receiving = room.connect("alice", sends=())
    thierry = room.enter("thierry")
    assert sees_and_hears(thierry, "green")
    assert sees_and_hears(receiving, "red")
    assert sending.comes_to(set(), set())
    assert epochs(room, "alice") == [1, 2]
    assert room.media.slots(entry_of("alice")) == {
        "0": Source(entry_of("thierry"), "audio"),
        "1": Source(entry_of("thierry"), "video"),
    }


@pytest.mark.parametrize(
    ("before", "lines", "after"),
    [
        ([SENDING, RECEIVING], SENDING, [2, 3]),
        ([SENDING, RECEIVING], RECEIVING, [1, 3]),
        ([SENDING, RECEIVING], TWO_WAY, [3]),
        ([TWO_WAY], SENDING, [2]),
        ([TWO_WAY], RECEIVING, [2]),
        ([SENDING], RECEIVING, [1, 2]),
        ([SENDING], (("audio", "inactive"),), [1, 2]),
    ],
)
def test_a_new_connection_takes_the_place_of_those_whose_directions_it_takes(
    room: Room,
    before: list[tuple[tuple[str, str], ...]],
    lines: tuple[tuple[str, str], ...],
    after: list[int],
) -> None:
    room.allow("alice")
    for fingerprint, some in zip(PRINTS, [*before, lines], strict=False):
        room.media.offer(entry_of("alice"), offer_sdp(*some, fingerprint=fingerprint))
    assert epochs(room, "alice") == after
    assert room.witness.news == []  # none of them ever stood


def test_a_renegotiation_that_takes_a_direction_ends_the_other_connection(room: Room) -> None:
    room.allow("alice")
    for fingerprint, lines in zip(PRINTS, [SENDING, RECEIVING], strict=False):
        room.media.offer(entry_of("alice"), offer_sdp(*lines, fingerprint=fingerprint))
    room.media.offer(entry_of("alice"), offer_sdp(*TWO_WAY, fingerprint=PRINTS[1]))
    assert epochs(room, "alice") == [2]


def test_connections_are_numbered_on_from_what_is_on_record(room: Room) -> None:
    entry = MediaEntry(
        entry_of("alice"), CallId("default:1"), 1, UserId("alice"), frozenset(), epoch=7
    )
    room.media.open(entry)
    room.connect("alice")
    [news] = room.witness.told("connected")
    assert (news.entry_id, news.epoch) == (entry_of("alice"), 8)


def told(room: Room, *names: str) -> list[tuple[str, int, str | None]]:
    return [(one.what, one.epoch, one.kind) for one in room.witness.news if one.what in names]


def test_what_is_published_and_what_is_not_any_more_is_told(room: Room) -> None:
    room.enter("alice")
    assert room.witness.heard(lambda heard: len(heard.told("published")) == 2)
    room.allow("alice", "audio")
    assert room.witness.heard(lambda heard: len(heard.told("unpublished")) == 1)
    assert ("unpublished", 1, "video") in told(room, "unpublished")
    room.allow("alice", "audio", "video")
    assert room.witness.heard(lambda heard: len(heard.told("published")) == 3)
    assert told(room, "published")[2] == ("published", 1, "video")


@pytest.mark.slow
def test_what_may_not_be_sent_is_not_published(room: Room) -> None:
    room.enter("alice", may_send=frozenset({"audio"}))
    assert room.witness.heard(lambda heard: bool(heard.told("published")))
    assert not room.witness.heard(lambda heard: len(heard.told("published")) > 1, timeout=0.3)
    assert told(room, "published") == [("published", 1, "audio")]


@pytest.mark.slow
def test_the_end_of_a_connection_is_told_last_with_what_went_through(room: Room) -> None:
    thierry, alice = room.enter("thierry"), room.enter("alice")
    assert sees_and_hears(alice, "red")
    assert sees_and_hears(thierry, "green")
    room.connect("alice")
    [ended] = room.witness.told("ended", entry_of("alice"))
    counts = ended.statistics
    assert counts is not None
    assert ended.epoch == 1
    assert counts.packets_received > 10
    assert counts.packets_sent > 10
    assert counts.bytes_sent > 12 * counts.packets_sent
    assert counts.seconds > 0.1
    assert counts.key_frame_requests >= 1
    room.media.close(entry_of("alice"))
    room.peers[0].close()
    assert room.witness.heard(lambda heard: len(heard.told("ended")) == 3)
    assert [
        (one.what, one.epoch) for one in room.witness.news if one.what in {"ended", "lost"}
    ] == [
        ("ended", 1),  # alice's first
        ("ended", 2),
        ("lost", 1),  # thierry's
        ("ended", 1),
    ]


def test_stopping_tells_every_end(room: Room) -> None:
    room.enter("thierry")
    room.enter("alice")
    room.media.stop()
    assert {one.entry_id for one in room.witness.told("ended")} == {
        entry_of("thierry"),
        entry_of("alice"),
    }


@pytest.mark.slow
def test_a_track_that_is_taken_away_is_gone_and_comes_back(room: Room) -> None:
    thierry = room.enter("thierry")
    room.enter("alice")
    assert sees_and_hears(thierry, "green")
    room.allow("alice", "audio")
    assert thierry.comes_to(set(), {"green"})
    room.allow("alice", "audio", "video")
    assert thierry.until(lambda: thierry.sees["green"] > 2)


@pytest.mark.slow
def test_who_sends_h264_is_seen_by_those_who_take_it(room: Room) -> None:
    thierry = room.enter("thierry", codecs=("H264",))
    alice = room.enter("alice", codecs=("VP8", "H264"))
    assert sees_and_hears(alice, "red")
    assert not thierry.until(lambda: thierry.sees["green"] > 0, timeout=0.5)
    assert thierry.until(lambda: thierry.hears["green"] > 5)
    assert room.media.slots(entry_of("thierry"))["1"] is None
    assert room.media.unseen(entry_of("thierry")) == [Source(entry_of("alice"), "video")]
    assert room.media.unseen(entry_of("alice")) == []
    codecs = {line.codec for line in room.media.lines()[entry_of("alice")] if line.kind == "video"}
    assert codecs == {"VP8", "H264"}


@pytest.mark.slow
def test_what_goes_through_is_counted_by_line_and_by_entry(room: Room) -> None:
    room.enter("thierry")
    alice = room.enter("alice", sends=())
    assert alice.until(lambda: alice.sees["red"] > 15)
    lines = {(line.direction, line.kind): line for line in room.media.lines()[entry_of("alice")]}
    video = lines["out", "video"]
    assert video.source == Source(entry_of("thierry"), "video")
    assert video.codec == "VP8"
    assert video.flowing
    assert video.packets > 15
    assert video.bytes > 1_000
    assert room.media.statistics()[entry_of("alice")].packets_sent >= video.packets
    sending = room.media.lines()[entry_of("thierry")]
    assert {(line.direction, line.kind) for line in sending} == {
        ("in", "audio"),
        ("in", "video"),
        ("out", "audio"),
        ("out", "video"),
    }
    assert alice.until(lambda: room.media.statistics()[entry_of("thierry")].round_trip is not None)
    assert 0 <= room.media.load < 1

    def heard() -> float:
        lines = room.media.lines()[entry_of("thierry")]
        return next(one.bitrate for one in lines if one.codec == "opus" and one.direction == "in")

    assert alice.until(lambda: 1_000 < heard() < 200_000)


def test_who_speaks_is_asked_to_send_what_mends_a_loss(room: Room) -> None:
    room.allow("alice")
    answer = room.media.offer(entry_of("alice"), offer_sdp(*TWO_WAY))
    assert "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 minptime=10;useinbandfec=1\r\n" in answer


@pytest.mark.slow
def test_a_full_thread_refuses_who_is_new_and_serves_who_is_there() -> None:
    room = Room(busy_limit=0.5)
    try:
        room.enter("thierry")
        room.allow("alice")
        room.media._stage.load.stop()  # and say it ourselves
        room.media._stage.load.share = 0.8
        with pytest.raises(MediaOverloaded, match="80%"):
            room.media.offer(entry_of("alice"), offer_sdp(*TWO_WAY))
        room.connect("thierry")
        room.media._stage.load.share = 0.2
        room.connect("alice")
    finally:
        room.close()


@pytest.mark.slow
def test_a_peer_that_says_nothing_any_more_is_lost(room: Room) -> None:
    thierry = room.enter("thierry")
    room.enter("alice")
    assert sees_and_hears(thierry, "green")
    over = threading.Event()
    room.peers[1]._loop.call_soon_threadsafe(over.wait, 60)
    assert room.lost("alice")
    over.set()
    assert room.media.slots(entry_of("thierry")) == {"0": None, "1": None}


@pytest.mark.slow
def test_who_only_listens_to_silence_stays(room: Room) -> None:
    room.enter("alice", sends=())
    assert not room.lost("alice", timeout=6)
