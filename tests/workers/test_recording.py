"""Recording where media runs in workers: whoever carries the call writes, and says so."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.media.playing import heard
from tests.workers.conftest import SHORT, Site, eventually
from tests.workers.test_processes import Site as Works

from greenroom import CallHandle
from greenroom.domain.errors import MediaError
from greenroom.domain.message import CallId
from greenroom.media.port import MediaRecording
from greenroom.testing.media import TWO_WAY, offer_sdp

RECORDING = MediaRecording(CallId("default:1"), 1, 1)


def entered(site: Site) -> CallHandle:
    """thierry is in, and a worker carries the call."""
    call = site.room.as_user("thierry").call("default", "1")
    call.join(create=True).offer(offer_sdp(*TWO_WAY))
    return call


@pytest.mark.slow
def test_the_worker_that_carries_the_call_records_it(site: Site) -> None:
    worker, other = site.hire(), site.hire()
    call = entered(site)
    call.start_recording()
    carrier = site.worker_of("default:1")
    assert eventually(lambda: carrier.media.recordings() == {RECORDING})
    assert sum(len(one.media.recordings()) for one in (worker, other)) == 1
    call.stop_recording()
    assert eventually(lambda: carrier.media.recordings() == frozenset())


@pytest.mark.slow
def test_workers_without_a_folder_say_so_before_anything_is_begun(site: Site) -> None:
    worker = site.hire()
    call = entered(site)
    worker.media.obstacle = "no folder here"
    with pytest.raises(MediaError, match="no folder here"):
        call.start_recording()
    assert call.recordings() == []


@pytest.mark.slow
def test_who_takes_a_call_over_goes_on_with_its_recording(site: Site) -> None:
    first = site.hire(SHORT)
    call = entered(site)
    call.start_recording()
    assert eventually(lambda: first.media.recordings() == {RECORDING})
    second = site.hire(SHORT)
    first.fall_silent()
    assert eventually(lambda: second.media.recordings() == {RECORDING})
    assert eventually(lambda: len(call.recordings()[0].resumed_at) == 1)


@pytest.mark.slow
def test_a_recording_survives_the_worker_that_writes_it(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    works = Works(f"sqlite:///{tmp_path}/calls.db", "--recordings", str(folder))
    try:
        works.begin("1")
        call = works.room.as_user("thierry").call("default", "1")
        call.start_recording()
        assert eventually(lambda: len([*folder.rglob("*.part")]) == 4)
        works.peers["1", "thierry"].watch(3)
        os.kill(works.pid("1"), signal.SIGKILL)
        works.connect("1")
        works.peers["1", "thierry"].watch(2)
        call.end()
        assert eventually(lambda: len(call.recordings()[0].tracks) == 8)
        [recording] = call.recordings()
    finally:
        works.close()
    assert len(recording.resumed_at) == 1
    died = [one for one in recording.tracks if "died" in one.file.failure]
    whole = [one for one in recording.tracks if not one.file.failure]
    assert {one.epoch for one in died} == {1}
    assert {one.epoch for one in whole} == {2}
    for tracks in (died, whole):
        assert sorted((one.user_id, str(one.kind)) for one in tracks) == [
            ("alice", "audio"),
            ("alice", "video"),
            ("thierry", "audio"),
            ("thierry", "video"),
        ]
    [before, after] = [
        one.file
        for tracks in (died, whole)
        for one in tracks
        if (one.user_id, one.kind) == ("thierry", "audio")
    ]
    assert after.starts_after > before.starts_after + before.seconds
    assert all(heard(folder / one.name).share("red") > 0.8 for one in (before, after))
