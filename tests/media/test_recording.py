"""Real peers publish, and what they sent is found in files."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import av
import av.error
import pytest
from tests.media.conftest import EVERYTHING, LOOPBACK, Room, entry_of, eventually
from tests.media.playing import heard, seen

from greenroom import Greenroom, Member, RecordingEnd
from greenroom.domain.errors import MediaError
from greenroom.domain.message import CallId
from greenroom.domain.session_events import RecordedFile
from greenroom.media.aiortc_media import AiortcMedia
from greenroom.media.incoming import Incoming
from greenroom.media.packets import Packet
from greenroom.media.port import MediaPort, MediaRecording
from greenroom.testing.media import Witness
from greenroom.testing.peer import Peer
from greenroom.testing.recording_contract import RecordsContract, RecordsNothingContract
from greenroom.testing.signs import Sign

RECORDING = MediaRecording(CallId("default:1"), 1, 1)
LATE = 0.75
"""Seconds that peers may be late with what they send, on a machine that is busy."""
SETTING_OUT = 2.0
"""The same for their first packets, while another peer sets out as well."""


class TestRecordingsOfAiortcMedia(RecordsContract):
    @pytest.fixture
    def media(self, tmp_path: Path) -> Iterator[MediaPort]:
        media = AiortcMedia(addresses=LOOPBACK, recordings=tmp_path / "recordings")
        yield media
        media.stop()


class TestAiortcMediaWithoutAFolder(RecordsNothingContract):
    @pytest.fixture
    def media(self) -> Iterator[MediaPort]:
        media = AiortcMedia(addresses=LOOPBACK)
        yield media
        media.stop()


class Studio(Room):
    """A room that is recorded from the beginning."""

    def __init__(self, folder: Path) -> None:
        super().__init__(recordings=folder)
        self.folder = folder
        self.media.record(RECORDING)
        self._began = time.monotonic()

    @property
    def now(self) -> float:
        """Seconds since the recording began."""
        return time.monotonic() - self._began

    def let_pass(self, seconds: float) -> None:
        """Return when so much time has passed, and all that is to be recorded of it has come."""
        time.sleep(seconds)
        caught_up(self.peers)

    def finish(self, files: int) -> dict[tuple[str, str], RecordedFile]:
        """Stop recording; each file by user and kind."""
        self.media.stop_recording(RECORDING)
        assert self.witness.heard(lambda heard: len(heard.told("recorded")) >= files)
        told = [(one, one.file) for one in self.witness.told("recorded")]
        assert len(told) == files
        return {
            (one.entry_id.removeprefix("entry-"), str(one.kind)): file
            for one, file in told
            if file is not None
        }

    def path(self, file: RecordedFile) -> Path:
        return self.folder / file.name


def caught_up(peers: Sequence[Peer]) -> None:
    """Wait until nobody is late with what they send: this machine may have stalled."""
    assert eventually(lambda: all(peer.behind < 0.1 for peer in peers))


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = Studio(tmp_path / "recordings")
    yield studio
    studio.close()


def test_a_folder_that_cannot_be_made_is_told_of_before_anything_is_begun(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    media = AiortcMedia(recordings=tmp_path / "file" / "recordings")
    media.start(Witness())
    with pytest.raises(MediaError, match="cannot be made"):
        media.record(RECORDING)
    media.stop()


@pytest.mark.slow
def test_two_publishers_are_each_heard_and_seen_in_files_of_their_own(studio: Studio) -> None:
    studio.enter("thierry")
    studio.let_pass(1)
    studio.enter("alice")
    studio.let_pass(4)
    ended = studio.now
    files = studio.finish(4)
    signs: dict[str, Sign] = {"thierry": "red", "alice": "green"}
    for name, sign in signs.items():
        sound, picture = files[name, "audio"], files[name, "video"]
        played = heard(studio.path(sound))
        assert played.share(sign) > 0.95
        watched = seen(studio.path(picture))
        assert watched.signs[sign] > 0.95 * watched.signs.total()
        assert watched.signs.total() > 0.9 * 15 * watched.seconds
        steps = [after - before for before, after in pairwise(watched.bars)]
        assert sum(6 <= step <= 10 for step in steps) > 0.9 * len(steps), "the bar moves on"
        for file, seconds in ((sound, played.seconds), (picture, watched.seconds)):
            assert file.seconds == pytest.approx(seconds, rel=0.05)
            there = ended - file.starts_after
            assert file.seconds == pytest.approx(there, rel=0.05, abs=SETTING_OUT)
            assert (file.packets_lost, file.packets_dropped, file.failure) == (0, 0, "")
            data = studio.path(file).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (file.bytes, file.sha256)
    later = files["alice", "audio"].starts_after - files["thierry", "audio"].starts_after
    assert later > 0.9
    left = [path for path in studio.folder.rglob("*") if path.suffix in {".part", ".json"}]
    assert left == [], "what is on record has no note any more"


@pytest.mark.slow
def test_what_was_muted_is_missing_and_what_comes_after_has_its_place(studio: Studio) -> None:
    studio.enter("thierry", others=0)
    studio.let_pass(2)
    studio.allow("thierry")
    muted = studio.now
    studio.let_pass(2)
    unmuted = studio.now
    studio.allow("thierry", *EVERYTHING)
    studio.let_pass(2)
    ended = studio.now
    files = studio.finish(2)
    file = files["thierry", "audio"]
    sound, begins = heard(studio.path(file)), file.starts_after
    assert sound.seconds == pytest.approx(ended - begins, rel=0.05, abs=LATE)
    assert sound.share("red", 0.1, muted - begins - LATE) > 0.95
    assert sound.share("red", muted - begins + 0.2, unmuted - begins - LATE) == 0
    assert sound.share("red", unmuted - begins + 0.2, ended - begins - LATE) > 0.95
    assert file.packets_lost == 0, "what may not be heard was not lost"
    file = files["thierry", "video"]
    picture = seen(studio.path(file))
    [(last, first)] = [pair for pair in pairwise(picture.times) if pair[1] - pair[0] > 1]
    assert last + file.starts_after == pytest.approx(muted, abs=LATE)
    assert first + file.starts_after == pytest.approx(unmuted, abs=LATE)


@pytest.mark.slow
def test_one_packet_of_twenty_lost_leaves_it_whole_but_for_what_is_made_up_for(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    lots, take = random.Random(5), Incoming.take

    def lossy(incoming: Incoming, packet: Packet) -> None:
        if lots.random() >= 0.05:
            take(incoming, packet)

    monkeypatch.setattr(Incoming, "take", lossy)
    studio.enter("thierry", others=0)
    studio.let_pass(6)
    ended = studio.now
    files = studio.finish(2)
    file = files["thierry", "audio"]
    sound = heard(studio.path(file))
    assert file.packets_lost > 0, "sound is not sent again"
    assert sound.seconds == pytest.approx(ended - file.starts_after, rel=0.05, abs=LATE)
    assert set(sound.signs) <= {"red", None}
    assert sound.share("red") > 0.6  # a gap takes its neighbours along: their pitch is not clear
    file = files["thierry", "video"]
    picture = seen(studio.path(file))
    assert picture.seconds == pytest.approx(ended - file.starts_after, rel=0.05, abs=LATE)
    assert picture.signs["red"] > 0.8 * 15 * picture.seconds


@pytest.mark.slow
def test_h264_goes_to_matroska(studio: Studio) -> None:
    studio.enter("thierry", others=0, codecs=["H264"])
    studio.let_pass(3)
    files = studio.finish(2)
    file = files["thierry", "video"]
    assert (file.codec, Path(file.name).suffix) == ("H264", ".mkv")
    watched = seen(studio.path(file))
    assert watched.signs["red"] > 0.9 * 15 * watched.seconds
    assert watched.seconds == pytest.approx(file.seconds, rel=0.05)


@pytest.mark.slow
def test_who_comes_back_through_another_connection_has_further_files(studio: Studio) -> None:
    studio.enter("thierry", others=0)
    studio.let_pass(1.5)
    studio.connect("thierry", others=0)
    studio.let_pass(1.5)
    studio.media.stop_recording(RECORDING)
    assert studio.witness.heard(lambda heard: len(heard.told("recorded")) == 4)
    told = studio.witness.told("recorded")
    assert sorted((one.epoch, str(one.kind)) for one in told) == [
        (1, "audio"),
        (1, "video"),
        (2, "audio"),
        (2, "video"),
    ]
    for one in told:
        assert one.file is not None
        assert one.file.seconds > 1


@pytest.mark.slow
def test_a_host_records_a_call_and_finds_the_files_in_the_list(tmp_path: Path) -> None:
    media = AiortcMedia(addresses=LOOPBACK, recordings=tmp_path)
    with Greenroom.open(f"sqlite:///{tmp_path}/calls.db", media=media) as room:
        call = room.as_user("thierry").call("default", "1")
        call.create(members=[Member("alice")])
        entry = call.join()
        call.start_recording()
        with Peer("red") as peer:
            peer.join(entry.offer, others=0)
            time.sleep(2)
            caught_up([peer])
            call.end()
        assert eventually(lambda: len(call.recordings()[0].tracks) == 2)
        [recording] = call.recordings()
    assert recording.reason is RecordingEnd.ENDED
    assert {track.user_id for track in recording.tracks} == {"thierry"}
    [sound] = [track.file for track in recording.tracks if track.kind == "audio"]
    assert heard(tmp_path / sound.name).share("red") > 0.9


@pytest.mark.slow
def test_what_a_room_records_that_is_closed_is_on_record_and_goes_on_in_the_next(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"
    media = AiortcMedia(addresses=LOOPBACK, recordings=tmp_path)
    with Greenroom.open(url, media=media) as room, Peer("red") as peer:
        call = room.as_user("thierry").call("default", "1")
        entry = call.join(create=True)
        peer.join(entry.offer, others=0)
        published = {"session.published"}
        while len(call.history(kinds=published)) < 2:
            time.sleep(0.05)
        began = time.monotonic()
        call.start_recording()  # in the midst of it
        time.sleep(2)
        caught_up([peer])
    took = time.monotonic() - began
    with Greenroom.open(url, media=AiortcMedia(recordings=tmp_path)) as room:
        [recording] = room.as_user("thierry").call("default", "1").recordings()
        assert len(recording.resumed_at) == 1
        assert recording.stopped_at is None
    assert {str(track.kind) for track in recording.tracks} == {"audio", "video"}
    for track in recording.tracks:
        assert track.file.failure == ""
        assert track.file.seconds > 1
        assert track.file.starts_after + track.file.seconds < took + LATE


def recording_process(folder: Path, *, largest: int = 0) -> subprocess.Popen[str]:
    """A process that records a peer of its own, until it is killed."""
    script = Path(__file__).with_name("lone_recorder.py")
    return subprocess.Popen(
        [sys.executable, script, str(folder), str(largest)],
        stdout=subprocess.PIPE,
        text=True,
    )


def _seconds(part: Path) -> float:
    """How much can be played of a file that is being written: half a file plays, too."""
    try:
        with av.open(part, "r") as half:
            of_video = part.stem.partition("-video")[1]
            frames = half.decode(video=0) if of_video else half.decode(audio=0)
            return max((one.time or 0 for one in frames), default=0)
    except av.error.FFmpegError:  # it has hardly begun
        return 0


@pytest.mark.slow
def test_what_a_killed_process_had_written_is_finished_by_the_next(tmp_path: Path) -> None:
    dying = recording_process(tmp_path)
    assert dying.stdout is not None
    assert dying.stdout.readline().strip() == "connected"
    assert eventually(lambda: [_seconds(one) > 4 for one in tmp_path.rglob("*.part")] == [True] * 2)
    other = Witness()
    beside = AiortcMedia(recordings=tmp_path)
    beside.start(other)
    assert not other.heard(lambda heard: bool(heard.told("recorded")), timeout=1)
    beside.stop()
    dying.send_signal(signal.SIGKILL)
    dying.wait()
    witness = Witness()
    media = AiortcMedia(recordings=tmp_path)
    media.start(witness)
    assert witness.heard(lambda heard: len(heard.told("recorded")) == 2)
    media.stop()
    for one in witness.told("recorded"):
        file = one.file
        assert file is not None
        assert one.recording == RECORDING
        assert one.entry_id == entry_of("thierry")
        assert "died" in file.failure
        assert file.seconds > 3.5
        path = tmp_path / file.name
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
        if one.kind == "audio":
            assert heard(path).share("red") > 0.95
            assert heard(path).seconds == pytest.approx(file.seconds, rel=0.05)
        else:
            watched = seen(path)
            assert watched.signs["red"] > 0.95 * watched.signs.total()
            assert watched.seconds == pytest.approx(file.seconds, rel=0.05)
    third = AiortcMedia(recordings=tmp_path)
    again = Witness()
    third.start(again)
    assert not again.heard(lambda heard: bool(heard.told("recorded")), timeout=0.5)
    third.stop()


@pytest.mark.slow
def test_a_full_disk_ends_the_recording_loudly_and_not_the_call(tmp_path: Path) -> None:
    process = recording_process(tmp_path, largest=30_000)
    assert process.stdout is not None
    told = [json.loads(line) for line in process.stdout if line.startswith("{")]
    assert process.wait() == 0
    [failed] = [one for one in told if one["what"] == "recording_failed"]
    assert "File too large" in failed["because"]
    files = [one for one in told if one["what"] == "recorded"]
    assert any("File too large" in one["failure"] for one in files)
    for one in files:
        assert one["seconds"] > 0.5
        with av.open(str(tmp_path / one["name"]), "r") as file:
            assert sum(1 for _ in file.decode(file.streams[0])) > 5
    assert [one for one in told if one["what"] == "still"] == [{"what": "still", "hears": True}]
