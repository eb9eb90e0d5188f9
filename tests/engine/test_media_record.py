"""What media reports becomes record, and what is recorded becomes media; no packet is sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from greenroom import CallHandle, Greenroom
from greenroom.domain.errors import EntryNotFound, NotAllowed, StoreError
from greenroom.domain.session_events import MediaStatistics
from greenroom.media_link import MediaLink
from greenroom.testing import FakeMedia, VirtualClock
from greenroom.testing.media import TWO_WAY, offer_sdp

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STATISTICS = MediaStatistics(
    seconds=60, packets_received=3000, bytes_received=10**6, round_trip=0.02
)


class Lounge:
    """A call on media that opens nothing, and a clock that goes as it is told."""

    def __init__(self, url: str = "memory://", **options: Any) -> None:
        self.media = FakeMedia()
        self.clock = VirtualClock(NOW)
        self.room = Greenroom.open(url, media=self.media, clock=self.clock, **options)

    @property
    def link(self) -> MediaLink:
        link = self.room._core.media
        assert isinstance(link, MediaLink)
        return link

    def call(self, user: str = "thierry", id: str = "lounge") -> CallHandle:
        return self.room.as_user(user).call("default", id)

    def names(self, id: str = "lounge") -> list[str]:
        events = self.room.system("auditor").call("default", id).history()
        return [event.name.partition(".")[2] for event in events if event.name in TOLD]

    def close(self) -> None:
        self.room.close()


TOLD = {
    f"session.{name}"
    for name in ("connected", "published", "unpublished", "lost", "measured", "left")
}


@pytest.fixture
def lounge() -> Iterator[Lounge]:
    lounge = Lounge()
    yield lounge
    lounge.close()


def test_what_media_reports_is_on_record_in_its_order(lounge: Lounge) -> None:
    entry = lounge.call().join(create=True)
    media, alice = lounge.media, entry.entry_id
    media.connect(alice)
    media.publish(alice, "audio")
    media.measure(alice, STATISTICS)
    media.unpublish(alice, "audio")
    media.publish(alice, "video")
    media.lose(alice)
    assert lounge.names() == [
        "connected",
        "published",
        "unpublished",
        "published",
        "unpublished",
        "lost",
        "measured",
    ]
    [measured] = [e for e in lounge.call().history() if e.name == "session.measured"]
    assert measured.event["statistics"]["packets_received"] == 3000
    assert measured.by == "system:media"


def test_participants_show_what_flows_and_what_is_muted(lounge: Lounge) -> None:
    entry = lounge.call().join(create=True)
    lounge.media.connect(entry.entry_id)
    lounge.media.publish(entry.entry_id, "video")
    lounge.room.system("moderation").call("default", "lounge").mute(["thierry"], audio=True)
    [shown] = lounge.call().query_participants().items
    assert (shown.connected, shown.published, shown.muted) == (True, ("video",), ("audio",))
    before = lounge.room.position
    lounge.media.lose(entry.entry_id)
    [now] = lounge.call().query_participants().items
    [then] = (
        lounge.room.at(before)
        .as_user("thierry")
        .call("default", "lounge")
        .query_participants()
        .items
    )
    assert (now.connected, now.published, now.muted) == (False, (), ("audio",))
    assert then == shown


def test_who_is_lost_and_connects_again_in_time_stays(lounge: Lounge) -> None:
    entry = lounge.call().join(create=True)
    lounge.media.connect(entry.entry_id)
    lounge.media.lose(entry.entry_id)
    lounge.clock.advance(seconds=14)
    assert lounge.media.connect(entry.entry_id) == 2
    lounge.clock.advance(seconds=3600)
    assert entry.entry_id in lounge.media.entries()
    lounge.media.lose(entry.entry_id)
    lounge.clock.advance(seconds=15)
    assert lounge.names()[-2:] == ["measured", "left"]
    assert lounge.media.entries() == frozenset()


def test_who_is_put_out_is_measured_still(lounge: Lounge) -> None:
    entry = lounge.call().join(create=True)
    lounge.media.connect(entry.entry_id)
    lounge.media.measure(entry.entry_id, STATISTICS)
    lounge.call().end()
    assert lounge.names() == ["connected", "left", "measured"]
    assert not lounge.link._places, "nothing is remembered of who has left"


def test_what_flows_in_a_call_is_told_by_entry_and_together(lounge: Lounge) -> None:
    entries = [lounge.call(user).join(create=True).entry_id for user in ("thierry", "alice")]
    elsewhere = lounge.call(id="studio").join(create=True).entry_id
    for entry_id in (*entries, elsewhere):
        lounge.media.connect(entry_id)
        lounge.media.measure(entry_id, STATISTICS)
    found = lounge.call().media_stats()
    assert found is not None
    assert found.entries == dict.fromkeys(entries, STATISTICS)
    assert found.room.packets_received == 6000
    assert (found.room.seconds, found.room.round_trip, found.room.jitter) == (60, 0.02, None)
    lounge.media.lose(entries[0])
    again = lounge.call().media_stats()
    assert again is not None
    assert list(again.entries) == entries[1:]


def test_there_are_no_figures_where_there_is_no_media_and_for_who_may_not_read(
    lounge: Lounge,
) -> None:
    lounge.call().create()
    past = lounge.room.at(lounge.room.position).as_user("thierry").call("default", "lounge")
    assert past.media_stats() is None
    with pytest.raises(NotAllowed):
        lounge.room.as_user("nobody", role="none").call("default", "lounge").media_stats()
    with Greenroom.open("memory://") as room:
        call = room.as_user("thierry").call("default", "1")
        call.create()
        assert call.media_stats() is None


def test_the_sound_of_a_screen_is_muted_by_itself_and_goes_with_the_screen(
    lounge: Lounge,
) -> None:
    lounge.call().create(settings={"screensharing": {"enabled": True}})
    entry = lounge.call().join()
    moderation = lounge.room.system("moderation").call("default", "lounge")
    moderation.mute(["thierry"], screenshare_audio=True)
    assert lounge.media.entry(entry.entry_id).may_send == {"audio", "video", "screenshare"}
    entry.unmute(screenshare_audio=True)
    assert "screenshare_audio" in lounge.media.entry(entry.entry_id).may_send
    moderation.revoke_permissions("thierry", ["screenshare"])
    assert lounge.media.entry(entry.entry_id).may_send == {"audio", "video"}


def test_a_mute_holds_on_a_connection_more_and_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"
    lounge = Lounge(url)
    entry = lounge.call().join(create=True)
    lounge.room.system("moderation").call("default", "lounge").mute(["thierry"], audio=True)
    lounge.media.connect(entry.entry_id)
    assert lounge.media.entry(entry.entry_id).may_send == {
        "video",
        "screenshare",
        "screenshare_audio",
    }
    lounge.close()
    lounge = Lounge(url)
    assert lounge.media.entry(entry.entry_id).may_send == {
        "video",
        "screenshare",
        "screenshare_audio",
    }
    lounge.close()


@pytest.mark.slow
def test_the_next_process_counts_connections_on_and_tells_each_loss_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"
    first = Lounge(url)
    entry = first.call().join(create=True)
    for _ in range(2):  # one that sends, one that receives
        first.media.connect(entry.entry_id)
    first.room._core.stop_recording()  # it is killed: what it would say is not heard
    first.close()
    for _ in range(2):
        lounge = Lounge(url)
        assert lounge.names() == ["connected", "connected", "lost", "lost"]
        assert lounge.media.entry(entry.entry_id).epoch == 2
        lounge.room._core.stop_recording()
        lounge.close()
    last = Lounge(url)
    assert last.media.connect(entry.entry_id) == 3
    last.clock.advance(seconds=3600)
    assert last.names()[-1] == "connected"
    last.close()


def test_what_media_has_too_much_or_too_little_is_mended(lounge: Lounge) -> None:
    entry = lounge.call().join(create=True)
    link = lounge.link
    lounge.media.close(entry.entry_id)  # behind everybody's back
    link.look_over()
    assert lounge.media.entries() == {entry.entry_id}
    known = lounge.media.entry(entry.entry_id)
    entry.leave()
    lounge.media.open(known)
    link.look_over()
    assert lounge.media.entries() == frozenset()


def test_what_could_not_be_recorded_is_recorded_later_in_its_order(
    lounge: Lounge, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = lounge.call().join(create=True)
    core, link = lounge.room._core, lounge.link

    def refuse(*_: object, **__: object) -> None:
        raise StoreError("on purpose")

    with monkeypatch.context() as failing:
        failing.setattr(core, "ask", refuse)
        lounge.media.connect(entry.entry_id)
        lounge.media.publish(entry.entry_id, "audio")
        assert lounge.names() == []
    link.look_over()
    assert lounge.names() == ["connected", "published"]


def test_an_entry_that_left_signals_no_more_though_its_media_is_not_measured(
    lounge: Lounge,
) -> None:
    entry = lounge.call().join(create=True)
    lounge.media.connect(entry.entry_id)
    lounge.media.fail(entry.entry_id)  # so that closing takes longer
    entry.leave()
    with pytest.raises(EntryNotFound):
        entry.offer(offer_sdp(*TWO_WAY))


def eventually(condition: Callable[[], bool]) -> bool:
    ends = time.monotonic() + 60
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.002)
    return True


@pytest.fixture
def hall() -> Iterator[tuple[Greenroom, FakeMedia]]:
    """A room in real time."""
    media = FakeMedia()
    with Greenroom.open("memory://", media=media) as room:
        yield room, media


@pytest.mark.slow
def test_whatever_is_decided_takes_effect_in_real_time_too(
    hall: tuple[Greenroom, FakeMedia],
) -> None:
    room, media = hall
    host = room.as_user("thierry").call("livestream", "show")
    host.create(members=[])
    host.go_live()
    entry = room.as_user("alice").call("livestream", "show").join()
    alice = entry.entry_id
    assert eventually(lambda: alice in media.entries())

    def sends(*kinds: str) -> bool:
        return media.entry(alice).may_send == set(kinds)

    steps: list[tuple[Callable[[], object], Callable[[], bool]]] = [
        (lambda: host.grant_permissions("alice", ["send-audio"]), lambda: sends("audio")),
        (lambda: host.mute(["alice"], audio=True), sends),
        (lambda: entry.unmute(audio=True), lambda: sends("audio")),
        (lambda: host.revoke_permissions("alice", ["send-audio"]), sends),
        (host.stop_live, lambda: alice not in media.entries()),
    ]
    for decide, done in steps:
        decide()
        assert eventually(done)


@pytest.mark.slow
def test_what_another_process_decides_takes_effect_as_well(tmp_path: Path) -> None:
    url, media = f"sqlite:///{tmp_path}/calls.db", FakeMedia()
    with (
        Greenroom.open(url, media=media) as room,
        Greenroom.open(url, timers=False) as other,
    ):
        entry = room.as_user("alice").call("default", "1").join(create=True)
        assert eventually(lambda: entry.entry_id in media.entries())
        other.system("moderation").call("default", "1").mute(["alice"], audio=True)
        assert eventually(lambda: "audio" not in media.entry(entry.entry_id).may_send)


def test_reports_from_many_threads_are_all_recorded(hall: tuple[Greenroom, FakeMedia]) -> None:
    room, media = hall
    entries = [
        room.as_user(f"user-{n}").call("default", "1").join(create=True).entry_id for n in range(6)
    ]
    assert eventually(lambda: media.entries() == frozenset(entries))
    threads = [threading.Thread(target=media.connect, args=(one,)) for one in entries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    call = room.as_user("user-0").call("default", "1")
    assert eventually(lambda: all(one.connected for one in call.query_participants().items))
