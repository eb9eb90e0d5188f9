"""Recorded files go with whoever they are of, and with nobody else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from greenroom import CallHandle, Greenroom
from greenroom.cli.app import app
from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.domain.session_events import RecordedFile
from greenroom.media.port import MediaRecording, RecordedTrack
from greenroom.media_erasing import ErasedFiles
from greenroom.media_link import MediaLink
from greenroom.testing import FakeMedia, VirtualClock


class FilingMedia(FakeMedia):
    """Media that leaves files, empty of sound, in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.recordings_folder = folder

    def file(self, recording: MediaRecording, user: str, starts_after: float = 0) -> Path:
        """A file of that user is written, and reported."""
        place = f"{recording.cid.replace(':', '.')}/{recording.session}/{recording.number}"
        path = self.recordings_folder / place / f"{user}-{starts_after:.0f}.opus"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"sound")
        said = RecordedFile(
            name=path.relative_to(self.recordings_folder).as_posix(),
            codec="opus",
            starts_after=starts_after,
            seconds=1.0,
            bytes=5,
            sha256="00" * 32,
        )
        track = RecordedTrack(EntryId(f"of-{user}"), UserId(user), 1, "audio")
        observer = self._observer
        assert observer is not None
        observer.recorded(recording, track, said)
        return path


class Studio:
    """Calls that are recorded, and what becomes of their files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "recordings"
        self.url = f"sqlite:///{folder}/calls.db"
        self.clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.open()

    def open(self, *, files: bool = True) -> None:
        self.media = FilingMedia(self.folder) if files else FakeMedia()
        self.room = Greenroom.open(self.url, media=self.media, clock=self.clock)

    @property
    def filing(self) -> FilingMedia:
        assert isinstance(self.media, FilingMedia)
        return self.media

    def recorded(self, id: str, *users: str) -> tuple[MediaRecording, dict[str, Path]]:
        """A call that is being recorded, with a finished file of each user."""
        call = self.room.as_user("thierry").call("default", id)
        call.join(create=True)
        call.start_recording()
        (going,) = (one for one in self.media.recordings() if one.cid == CallId(f"default:{id}"))
        self.clock.advance(seconds=10)
        return going, {user: self.filing.file(going, user) for user in users}

    def call(self, id: str) -> CallHandle:
        return self.room.system("registry").call("default", id)

    def look_over(self) -> None:
        link = self.room._core.media
        assert isinstance(link, MediaLink)
        link.look_over()

    def left(self) -> list[Path]:
        return list(ErasedFiles(self.folder, self.room._core).left())


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def test_of_a_call_that_is_deleted_for_good_no_file_stays(studio: Studio) -> None:
    _, one = studio.recorded("one", "alice", "tommaso")
    _, other = studio.recorded("other", "alice")
    studio.call("one").delete()
    assert one["alice"].exists(), "it may be restored"
    studio.call("one").delete(hard=True)
    assert not (studio.folder / "default.one").exists()
    assert other["alice"].exists()
    studio.room.close()


@pytest.mark.slow
def test_of_a_user_who_is_erased_no_file_stays_in_any_call(studio: Studio) -> None:
    _, one = studio.recorded("one", "alice", "tommaso")
    _, other = studio.recorded("other", "alice")
    studio.room.users.erase("alice")
    assert not one["alice"].exists()
    assert not other["alice"].exists()
    assert one["tommaso"].exists()
    studio.room.close()


def test_a_file_that_was_being_written_goes_when_it_is_finished(studio: Studio) -> None:
    going, _ = studio.recorded("one")
    studio.room.users.erase("alice")
    before = studio.filing.file(going, "alice", starts_after=5)
    assert not before.exists()
    studio.clock.advance(seconds=10)
    anew = studio.filing.file(going, "alice", starts_after=15)
    assert anew.exists(), "alice came back, and knows that it is recorded"
    studio.look_over()
    assert anew.exists()
    studio.room.close()


def test_what_is_written_into_a_call_while_it_is_deleted_goes_a_little_later(
    studio: Studio,
) -> None:
    _, files = studio.recorded("one", "alice")
    studio.call("one").delete(hard=True)
    files["alice"].parent.mkdir(parents=True)
    files["alice"].write_bytes(b"the last second")
    studio.look_over()
    assert not (studio.folder / "default.one").exists()
    studio.room.close()


@pytest.mark.slow
def test_whoever_has_the_folder_does_it_when_it_begins_again(studio: Studio) -> None:
    _, one = studio.recorded("one", "alice", "tommaso")
    _, other = studio.recorded("other", "tommaso")
    studio.room.close()
    studio.open(files=False)  # a process without the folder, or one that died before it came to it
    studio.room.users.erase("alice")
    studio.call("other").delete(hard=True)
    assert one["alice"].exists()
    assert studio.left() == [one["alice"], other["tommaso"]]
    studio.room.close()
    for _ in "twice":
        studio.open()
        assert not one["alice"].exists()
        assert not (studio.folder / "default.other").exists()
        assert one["tommaso"].exists()
        assert studio.left() == []
        studio.look_over()
        studio.room.close()


def test_what_cannot_be_taken_away_is_tried_again(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, files = studio.recorded("one", "alice")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError("not yours")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused)
        studio.room.users.erase("alice")
        studio.look_over()
        assert files["alice"].exists()
    studio.look_over()
    assert not files["alice"].exists()
    studio.room.close()


@pytest.mark.slow
def test_the_command_line_names_what_is_left(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, files = studio.recorded("one", "alice", "tommaso")
    studio.room.close()
    studio.open(files=False)
    studio.room.users.erase("alice")
    studio.room.close()
    words = tmp_path / "words.txt"
    words.write_text("nobody says this\n")
    monkeypatch.setenv("COLUMNS", "300")
    asked = ["audit", "residue", "--words", str(words), "--store", studio.url]
    left = CliRunner().invoke(app, [*asked, "--recordings", str(studio.folder)])
    assert left.exit_code == 1
    assert str(files["alice"]) in left.stdout
    assert str(files["tommaso"]) not in left.stdout
    files["alice"].unlink()
    assert CliRunner().invoke(app, [*asked, "--recordings", str(studio.folder)]).exit_code == 0
