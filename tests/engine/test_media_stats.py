"""What an operator sees of all media of a room."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.laws import times

from greenroom import Entry, Greenroom, MediaStatistics, RoomMediaStats
from greenroom.domain.message import EntryId
from greenroom.media.lines import LineStatistics
from greenroom.media.port import Source
from greenroom.testing import FakeMedia, VirtualClock

START = datetime(2026, 1, 1, tzinfo=UTC)
SOME = MediaStatistics(
    seconds=10.0,
    packets_received=100,
    bytes_received=1_000,
    packets_sent=200,
    bytes_sent=2_000,
    packets_lost=5,
    key_frame_requests=2,
    round_trip=0.05,
    jitter=0.001,
)


class Lounge:
    """A room with fake media."""

    def __init__(self, room: Greenroom, media: FakeMedia) -> None:
        self.room = room
        self.media = media

    def enter(self, user: str, call_id: str = "1") -> Entry:
        """Join, and connect."""
        entry = self.room.as_user(user).call("default", call_id).join(create=True)
        self.media.connect(entry.entry_id)
        return entry

    def counts(self, entry: Entry, statistics: MediaStatistics = SOME) -> None:
        self.media.measure(entry.entry_id, statistics)

    def stats(self) -> RoomMediaStats:
        found = self.room.media_stats()
        assert found is not None
        return found


@pytest.fixture
def lounge() -> Iterator[Lounge]:
    media, clock = FakeMedia(), VirtualClock(START)
    with Greenroom.open("memory://", media=media, clock=clock) as room:
        yield Lounge(room, media)


def test_every_call_and_entry_is_counted_and_all_together(lounge: Lounge) -> None:
    thierry, alice = lounge.enter("thierry"), lounge.enter("alice", "2")
    lounge.counts(thierry)
    lounge.counts(alice)
    found = lounge.stats()
    assert (found.counted.packets_received, found.counted.bytes_sent) == (200, 4_000)
    assert set(found.calls) == {"default:1", "default:2"}
    call = found.calls[thierry.state.cid]
    assert call.counted == SOME
    assert call.entries[thierry.entry_id].user_id == "thierry"
    assert call.entries[thierry.entry_id].counted == SOME


def test_who_has_not_connected_is_there_without_counters(lounge: Lounge) -> None:
    entry = lounge.room.as_user("thierry").call("default", "1").join(create=True)
    found = lounge.stats().calls[entry.state.cid]
    assert found.entries[entry.entry_id].counted is None
    assert found.counted == MediaStatistics()


def test_what_went_through_a_connection_that_is_over_still_counts(lounge: Lounge) -> None:
    thierry, alice = lounge.enter("thierry"), lounge.enter("alice")
    lounge.counts(thierry)
    lounge.counts(alice)
    alice.leave()
    found = lounge.stats()
    assert found.calls[thierry.state.cid].counted.packets_sent == 400
    assert list(found.calls[thierry.state.cid].entries) == [thierry.entry_id]
    assert found.counted.packets_sent == 400


def test_times_are_of_those_who_are_connected(lounge: Lounge) -> None:
    thierry, alice = lounge.enter("thierry"), lounge.enter("alice")
    lounge.counts(alice)
    alice.leave()
    found = lounge.stats().calls[thierry.state.cid].counted
    assert (found.seconds, found.round_trip, found.jitter) == (0.0, None, None)


def test_a_call_that_is_over_is_forgotten_and_counts_in_the_sum(lounge: Lounge) -> None:
    thierry = lounge.enter("thierry")
    lounge.counts(thierry)
    thierry.leave()
    assert lounge.stats().calls == {}
    assert lounge.stats().counted.packets_received == 100
    again = lounge.enter("thierry")
    assert lounge.stats().calls[again.state.cid].counted.packets_received == 0
    assert lounge.stats().counted.packets_received == 100


def test_a_counter_does_not_fall_when_a_lost_packet_turns_up(lounge: Lounge) -> None:
    thierry = lounge.enter("thierry")
    lounge.counts(thierry, MediaStatistics(packets_lost=5))
    assert lounge.stats().counted.packets_lost == 5
    lounge.counts(thierry, MediaStatistics(packets_lost=3))
    found = lounge.stats()
    assert found.counted.packets_lost == found.calls[thierry.state.cid].counted.packets_lost == 5


USERS = ("thierry", "alice", "tommaso")
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(("enter", "leave", "lose", "count", "correct")),
        st.sampled_from(USERS),
        st.integers(0, 100),
    ),
    max_size=40,
)


@settings(max_examples=times(25))
@given(DEEDS)
def test_whatever_happens_no_counter_of_the_room_falls(
    deeds: list[tuple[str, str, int]],
) -> None:
    media, clock = FakeMedia(), VirtualClock(START)
    with Greenroom.open("memory://", media=media, clock=clock) as room:
        lounge, entries, before = Lounge(room, media), dict[str, Entry](), MediaStatistics()
        counted: dict[EntryId, int] = {}
        for deed, user, number in deeds:
            entry = entries.get(user)
            if deed == "enter":
                entries[user] = lounge.enter(user)
                counted[entries[user].entry_id] = 0
            elif entry is None or entry.entry_id not in media.statistics():
                continue
            elif deed == "leave":
                entries.pop(user).leave()
            elif deed == "lose":
                media.lose(entry.entry_id)
            else:
                packets = counted[entry.entry_id] + (number if deed == "count" else 0)
                counted[entry.entry_id] = packets
                lost = number % 7 if deed == "correct" else packets // 10
                lounge.counts(entry, MediaStatistics(packets_sent=packets, packets_lost=lost))
            now = lounge.stats().counted
            assert now.packets_sent >= before.packets_sent
            assert now.packets_lost >= before.packets_lost
            before = now


def test_what_the_adapter_says_of_lines_and_load_is_passed_on() -> None:
    class Talkative(FakeMedia):
        load = 0.25

        def lines(self) -> dict[EntryId, list[LineStatistics]]:
            return {entry_id: [_line(entry_id)] for entry_id in self.entries()}

    media = Talkative()
    with Greenroom.open("memory://", media=media, clock=VirtualClock(START)) as room:
        lounge = Lounge(room, media)
        entry = lounge.enter("thierry")
        found = lounge.stats()
        assert found.load == 0.25
        assert found.calls[entry.state.cid].entries[entry.entry_id].lines == (
            _line(entry.entry_id),
        )


def test_where_no_media_has_begun_there_is_nothing_to_tell() -> None:
    with Greenroom.open("memory://") as room:
        assert room.media_stats() is None


def _line(entry_id: EntryId) -> LineStatistics:
    return LineStatistics(
        epoch=1,
        mid="0",
        kind="audio",
        direction="in",
        codec="opus",
        source=Source(entry_id, "audio"),
        flowing=True,
        packets=1,
        bytes=112,
        bitrate=800.0,
        lost=0,
        refused=0,
        resent=0,
        key_frame_requests=0,
        jitter=0.0,
        round_trip=None,
    )
