"""What media means to the record: connections by epoch, tracks, mutes, and time to come back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.domain.story import SYSTEM, Story, at, names

from greenroom.domain.call_events import SessionEnded
from greenroom.domain.errors import EntryNotFound, InvalidInput, NotAllowed
from greenroom.domain.message import EntryId, Event
from greenroom.domain.operations import life, media, people
from greenroom.domain.session_events import (
    Left,
    LeftReason,
    MediaEvent,
    MediaLost,
    MediaMeasured,
    MediaStatistics,
    Track,
    UserUnmuted,
)
from greenroom.domain.session_media import Media

PRINT = "sha-256 AB:CD"
STATISTICS = MediaStatistics(seconds=60, packets_received=3000, bytes_sent=10**6, round_trip=0.02)


class Studio(Story):
    """A call of which media reports; entries and epochs by number."""

    def connect(self, entry: EntryId, epoch: int, *, at: float | None = None) -> list[str]:
        return self.told(media.connected(entry, epoch, PRINT), at)

    def publish(self, entry: EntryId, epoch: int, kind: Track) -> list[str]:
        return self.told(media.published(entry, epoch, kind))

    def unpublish(self, entry: EntryId, epoch: int, kind: Track) -> list[str]:
        return self.told(media.unpublished(entry, epoch, kind))

    def lose(self, entry: EntryId, epoch: int, *, at: float | None = None) -> list[str]:
        return self.told(media.lost(entry, epoch), at)

    def measure(self, entry: EntryId, epoch: int, *, at: float | None = None) -> list[str]:
        return self.told(media.measured(entry, 1, epoch, STATISTICS), at)

    def told(self, operation: object, at: float | None = None) -> list[str]:
        return names(self.ask(operation, by=SYSTEM, at=at))  # type: ignore[arg-type]  # any of the above

    def media(self, entry: EntryId) -> Media:
        return self.session.entries[entry].media


def studio(seconds: int | None = None) -> Studio:
    """A call that thierry has created, with so much time to come back."""
    told = Studio("default:123")
    patch = {"session": {"reconnection_timeout_seconds": seconds, "inactivity_timeout_seconds": 0}}
    told.create(settings=patch)
    return told


# Connections


def test_a_connection_is_recorded_once() -> None:
    told = studio()
    entry = told.join("alice")
    assert told.connect(entry, 1) == ["session.connected"]
    assert told.connect(entry, 1) == []
    assert told.connect(told.entry(), 1) == []


def test_one_that_sends_and_one_that_receives_stand_together_in_whatever_order_they_come() -> None:
    told = studio()
    entry = told.join("alice")
    assert told.connect(entry, 2) == ["session.connected"]
    assert told.connect(entry, 1) == ["session.connected"]
    assert told.media(entry).standing == (2, 1)


def test_the_loss_of_one_of_two_costs_no_time() -> None:
    told = studio()
    entry = told.join("alice")
    told.connect(entry, 1)
    told.connect(entry, 2)
    assert told.lose(entry, 1) == ["session.lost"]
    assert told.last(MediaLost).connected
    assert told.last(MediaLost).leaves_at is None
    assert told.settle(at=100) == ()


def test_what_comes_late_of_a_connection_that_is_over_is_no_news() -> None:
    told = studio()
    entry = told.join("alice")
    told.connect(entry, 1)
    told.lose(entry, 1)
    told.connect(entry, 2)
    assert told.lose(entry, 1) == []
    assert told.connect(entry, 1) == []
    assert told.publish(entry, 1, Track.AUDIO) == []
    assert told.media(entry).standing == (2,)


def test_what_ended_without_a_word_does_not_stand_again() -> None:
    told = studio()
    entry = told.join("alice")
    told.connect(entry, 1)
    told.measure(entry, 1)
    assert told.connect(entry, 1) == told.lose(entry, 1) == []


def test_whatever_is_told_of_an_entry_names_its_call_and_its_session() -> None:
    told = studio()
    entry = told.join("alice")
    told.connect(entry, 1)
    told.publish(entry, 1, Track.AUDIO)
    told.lose(entry, 1)
    events = [step.event for step in told.steps if isinstance(step.event, MediaEvent)]
    assert len(events) == 4
    assert {(event.cid, event.session) for event in events} == {("default:123", 1)}


# Time to come back


def test_who_is_lost_and_does_not_come_back_is_out_after_fifteen_seconds() -> None:
    told = studio()
    entry = told.join("alice")
    told.connect(entry, 1)
    assert told.lose(entry, 1, at=10) == ["session.lost"]
    assert told.last(MediaLost).leaves_at == at(25)
    assert told.settle(at=24) == ()
    assert names(told.settle(at=25)) == ["session.left", "session.ended"]
    assert told.left() == [("alice", LeftReason.LOST)]
    assert told.last(SessionEnded).at == at(25)


def test_who_leaves_meanwhile_is_awaited_no_more() -> None:
    told = studio()
    entry, other = told.join("alice"), told.join("charlie")
    told.lose(entry, 1, at=10)
    told.leave("alice")
    assert told.last(Left).awaited is True
    told.leave("charlie", other)
    assert told.last(Left).awaited is False
    assert told.settle(at=100) == ()


def test_who_comes_back_in_time_is_the_same_entry() -> None:
    told = studio()
    entry = told.join("alice")
    told.connect(entry, 1)
    told.lose(entry, 1, at=10)
    told.connect(entry, 2, at=24)
    assert told.settle(at=1000) == ()
    assert list(told.session.entries) == [entry]


def test_a_vain_attempt_to_come_back_grants_no_more_time() -> None:
    told = studio()
    entry = told.join("alice")
    told.connect(entry, 1)
    told.lose(entry, 1, at=10)
    assert told.lose(entry, 2, at=20) == ["session.lost"]
    assert told.last(MediaLost).leaves_at == at(25)
    assert names(told.settle(at=25))[0] == "session.left"


def test_who_never_connects_has_the_same_time() -> None:
    told = studio(seconds=5)
    entry = told.join("alice")
    assert told.lose(entry, 1, at=10) == ["session.lost"]
    assert told.lose(entry, 1, at=11) == []
    assert told.settle(at=14) == ()
    assert names(told.settle(at=15))[0] == "session.left"


def test_with_no_time_to_come_back_who_is_lost_leaves_at_once_and_is_lost_once() -> None:
    told = studio(seconds=0)
    entry = told.join("alice")
    told.connect(entry, 1)
    assert told.lose(entry, 1) == ["session.lost", "session.left", "session.ended"]
    assert told.lose(entry, 1) == []
    assert told.left() == [("alice", LeftReason.LOST)]


def test_everybody_has_their_own_time() -> None:
    told = studio()
    alice, charlie = told.join("alice"), told.join("charlie")
    told.lose(alice, 1, at=10)
    told.lose(charlie, 1, at=20)
    told.settle(at=25)
    assert told.present == ["charlie"]
    told.settle(at=35)
    assert told.present == []


def test_a_connection_that_ends_without_a_word_starts_the_time_as_a_loss_does() -> None:
    told = studio()
    entry = told.join("alice")
    told.connect(entry, 1)
    assert told.measure(entry, 1, at=10) == ["session.measured"]
    assert told.last(MediaMeasured).leaves_at == at(25)
    told.connect(entry, 2, at=11)
    assert told.settle(at=100) == ()


# What is published


def test_what_is_published_is_recorded_once_and_goes_with_its_connection() -> None:
    told = studio()
    entry = told.join("alice")
    told.connect(entry, 1)
    assert told.publish(entry, 1, Track.VIDEO) == ["session.published"]
    assert told.publish(entry, 1, Track.VIDEO) == []
    assert told.publish(entry, 1, Track.AUDIO) == ["session.published"]
    assert told.media(entry).tracks == (Track.AUDIO, Track.VIDEO)
    assert told.unpublish(entry, 1, Track.AUDIO) == ["session.unpublished"]
    assert told.media(entry).tracks == (Track.VIDEO,)
    assert told.unpublish(entry, 1, Track.AUDIO) == []
    assert told.lose(entry, 1) == ["session.unpublished", "session.lost"]
    assert told.media(entry).tracks == ()


def test_a_new_connection_takes_a_track_over_and_the_end_of_the_old_one_leaves_it() -> None:
    told = studio()
    entry = told.join("alice")
    told.connect(entry, 1)
    told.publish(entry, 1, Track.VIDEO)
    told.connect(entry, 2)
    assert told.publish(entry, 2, Track.VIDEO) == ["session.published"]
    assert told.unpublish(entry, 1, Track.VIDEO) == []
    assert told.measure(entry, 1) == ["session.measured"]
    measured = told.last(MediaMeasured)
    assert (measured.connected, measured.leaves_at) == (True, None)
    assert told.media(entry).tracks == (Track.VIDEO,)


def test_nothing_is_published_without_a_connection() -> None:
    told = studio()
    assert told.publish(told.join("alice"), 1, Track.AUDIO) == []


# Statistics


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "ended"])
def test_what_went_through_a_connection_is_recorded_once_when_it_is_over(*, lost: bool) -> None:
    told = studio()
    entry = told.join("alice")
    told.connect(entry, 1)
    if lost:
        told.lose(entry, 1)
    assert told.measure(entry, 1) == ["session.measured"]
    assert told.last(MediaMeasured).statistics == STATISTICS
    assert told.measure(entry, 1) == []


def test_who_has_left_is_measured_still_even_when_the_session_is_over() -> None:
    told = studio()
    entry = told.join("alice")
    told.connect(entry, 1)
    told.ask(life.end(), by="thierry")
    told.join("thierry", at=10)
    assert told.call.session == 2
    assert told.measure(entry, 1) == ["session.measured"]
    assert told.last(MediaMeasured).leaves_at is None
    assert told.measure(entry, 1) == []
    assert told.measure(entry, 2) == []


def test_who_has_left_is_awaited_by_nobody_when_their_connection_is_measured() -> None:
    told = studio()
    entry = told.join("alice")
    told.join("charlie")
    told.connect(entry, 1)
    told.leave("alice", entry)
    assert told.measure(entry, 1) == ["session.measured"]
    assert told.last(MediaMeasured).leaves_at is None


def test_figures_that_are_none_stop_no_report_and_never_reach_the_log() -> None:
    told = studio()
    entry = told.join("alice")
    told.connect(entry, 1)
    odd = MediaStatistics(
        seconds=math.inf, packets_lost=-3, bytes_sent=2**80, round_trip=math.nan, jitter=-1.0
    )
    told.told(media.measured(entry, 1, 1, odd))
    assert told.last(MediaMeasured).statistics == MediaStatistics(bytes_sent=2**63 - 1)


def test_what_never_stood_is_not_measured() -> None:
    told = studio()
    entry = told.join("alice")
    assert told.measure(entry, 1) == []


def test_nothing_is_measured_in_a_call_that_was_erased() -> None:
    told = studio()
    entry = told.join("alice")
    told.connect(entry, 1)
    told.ask(life.delete(hard=True), by=SYSTEM)
    assert told.measure(entry, 1) == []


# Muting


def test_who_was_muted_stays_so_through_a_new_connection_and_on_another_device() -> None:
    told = studio()
    phone = told.join("alice")
    told.ask(people.mute(["alice"], audio=True), by="thierry")
    told.connect(phone, 1)
    laptop = told.join("alice")
    assert told.media(phone).muted == told.media(laptop).muted == (Track.AUDIO,)


def test_who_comes_anew_is_not_muted() -> None:
    told = studio()
    told.join("thierry")
    told.join("alice")
    told.ask(people.mute(["alice"], audio=True), by="thierry")
    told.leave("alice")
    assert told.media(told.join("alice")).muted == ()


def test_unmuting_is_for_all_of_ones_devices_and_for_what_was_muted_alone() -> None:
    told = studio()
    phone, laptop = told.join("alice"), told.join("alice")
    told.ask(people.mute(["alice"], audio=True, screenshare=True), by="thierry")
    told.ask(people.unmute(phone, audio=True, video=True), by="alice")
    unmuted = told.last(UserUnmuted)
    assert (unmuted.tracks, unmuted.entry_ids) == ((Track.AUDIO,), (phone, laptop))
    assert told.media(laptop).muted == (Track.SCREENSHARE,)
    assert told.ask(people.unmute(phone, audio=True), by="alice") == ()


def test_unmuting_is_ones_own_affair_and_the_systems() -> None:
    told = studio()
    entry = told.join("alice")
    told.ask(people.mute(["alice"], audio=True), by="thierry")
    told.refused(EntryNotFound, people.unmute(entry, audio=True), by="thierry")
    told.refused(EntryNotFound, people.unmute(told.entry(), audio=True), by="alice")
    assert told.told(people.unmute(entry, audio=True)) == ["session.unmuted"]


def test_who_may_not_send_may_not_unmute() -> None:
    told = studio()
    entry = told.join("alice")
    told.ask(people.mute(["alice"], audio=True, video=True), by="thierry")
    told.ask(people.revoke_permissions("alice", ["send-audio"]), by="thierry")
    refusal = told.refused(NotAllowed, people.unmute(entry, audio=True), by="alice")
    assert refusal.capability == "send-audio"
    assert told.told(people.unmute(entry, video=True)) == ["session.unmuted"]


def test_unmuting_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least one of audio"):
        people.unmute(EntryId("entry-1"))


# Whatever comes

REPORTS = st.lists(
    st.tuples(
        st.sampled_from(["connect", "lose", "measure", "publish", "unpublish"]),
        st.integers(1, 5),
        st.sampled_from([Track.AUDIO, Track.VIDEO]),
    ),
    max_size=25,
)


def heard(told: Studio, entry: EntryId, reports: Sequence[tuple[str, int, Track]]) -> list[Event]:
    """Everything recorded of these reports, each of them told twice."""
    before = len(told.steps)
    for what, epoch, kind in reports:
        tell = getattr(told, what)
        said = (entry, epoch, kind) if what.endswith("publish") else (entry, epoch)
        tell(*said)
        assert tell(*said) == []
    return [step.event for step in told.steps[before:]]


@given(REPORTS)
def test_whatever_media_reports_each_connection_stands_once_and_is_over_once(
    reports: list[tuple[str, int, Track]],
) -> None:
    told = studio()
    entry = told.join("alice")
    events = heard(told, entry, reports)
    for epoch in range(1, 6):
        said = [
            event.name
            for event in events
            if getattr(event, "epoch", None) == epoch and "publish" not in event.name
        ]
        assert said in (
            [],
            ["session.lost"],
            ["session.connected"],
            ["session.connected", "session.lost"],
            ["session.connected", "session.measured"],
            ["session.connected", "session.lost", "session.measured"],
        )


@given(REPORTS)
def test_an_entry_is_awaited_exactly_while_it_was_lost_and_has_no_connection(
    reports: list[tuple[str, int, Track]],
) -> None:
    told = studio()
    entry = told.join("alice")
    events = heard(told, entry, reports)
    known = told.media(entry)
    over = any(event.name in {"session.lost", "session.measured"} for event in events)
    assert (known.leaves_at is not None) == (over and not known.standing)
    assert {epoch for _, epoch in known.published} <= {*known.standing}
    assert told.replayed(told.steps[-1].stream) == told.session if events else True
