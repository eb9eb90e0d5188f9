"""The exam for recordings that every media port has to pass, one that cannot record included."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from greenroom.domain.errors import MediaError
from greenroom.domain.message import CallId
from greenroom.media.port import MediaPort, MediaRecording
from greenroom.testing.witness import Witness

RECORDING = MediaRecording(CallId("default:exam"), session=1, number=1)


class RecordsNothingContract:
    """What is asked of a port that cannot record. Derive, and give a fixture `media`."""

    def test_whoever_wants_a_recording_is_told_what_to_do(self, media: MediaPort) -> None:
        media.start(Witness())
        assert "recordings=" in media.recording_obstacle()
        with pytest.raises(MediaError, match="recordings="):
            media.record(RECORDING)
        assert media.recordings() == frozenset()

    def test_there_is_nothing_to_stop(self, media: MediaPort) -> None:
        media.start(Witness())
        media.stop_recording(RECORDING)


class RecordsContract:
    """What is asked of a port that records. Derive, and give a fixture `media`.

    It yields a port that was not started, and stops it afterwards.
    """

    others: ClassVar = (
        replace(RECORDING, cid=CallId("default:other")),
        replace(RECORDING, session=2),
    )

    def test_nothing_stands_in_the_way(self, media: MediaPort) -> None:
        media.start(Witness())
        assert media.recording_obstacle() == ""

    def test_what_was_begun_and_not_stopped_goes_on(self, media: MediaPort) -> None:
        media.start(Witness())
        for one in (RECORDING, *self.others):
            media.record(one)
        assert media.recordings() == {RECORDING, *self.others}
        media.stop_recording(RECORDING)
        assert media.recordings() == {*self.others}

    def test_beginning_and_stopping_twice_is_fine_and_stopping_the_unknown_too(
        self, media: MediaPort
    ) -> None:
        media.start(Witness())
        for _ in range(2):
            media.record(RECORDING)
            media.record(replace(RECORDING, elapsed=60))
        assert media.recordings() == {RECORDING}
        for _ in range(2):
            media.stop_recording(RECORDING)
            media.stop_recording(self.others[0])
        assert media.recordings() == frozenset()

    def test_another_recording_of_a_session_takes_the_place_of_the_one_before(
        self, media: MediaPort
    ) -> None:
        media.start(Witness())
        second = replace(RECORDING, number=2)
        for one in (RECORDING, second):
            media.record(one)
        assert media.recordings() == {second}
        media.stop_recording(RECORDING)
        assert media.recordings() == {second}

    def test_nothing_is_recorded_before_the_start_or_after_the_stop(self, media: MediaPort) -> None:
        with pytest.raises(MediaError):
            media.record(RECORDING)
        media.start(Witness())
        media.record(RECORDING)
        media.stop()
        assert media.recordings() == frozenset()
        with pytest.raises(MediaError):
            media.record(RECORDING)
        media.stop_recording(RECORDING)

    def test_a_recording_of_nobody_ends_without_a_file(self, media: MediaPort) -> None:
        witness = Witness()
        media.start(witness)
        media.record(RECORDING)
        media.stop_recording(RECORDING)
        media.stop()
        assert witness.told("recorded") == witness.told("recording_failed") == []
