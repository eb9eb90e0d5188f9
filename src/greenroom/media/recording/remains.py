"""What stands beside a file until it is on record; and finishing what the dead left behind."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import av
from av.container import InputContainer
from av.error import FFmpegError
from msgspec import DecodeError, Struct, ValidationError
from msgspec.json import Decoder, Encoder

from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.domain.session_events import RecordedFile
from greenroom.media.port import Kind, MediaRecording, RecordedTrack
from greenroom.media.recording.files import EXTENSIONS, FORMATS, PART, named, sync

log: Final = logging.getLogger(__name__)

DIED: Final = "the process that wrote it died"
_NOTE: Final = ".json"
_MENDED: Final = ".mended"
_MOST_NAMESAKES: Final = 10_000
_LONGEST_NOTE: Final = 65_536


class Note(Struct, frozen=True, forbid_unknown_fields=True):
    """What a file is: beside it until it is on record."""

    cid: CallId
    session: int
    recording: int
    entry_id: EntryId
    user_id: UserId
    epoch: int
    kind: Kind
    codec: str
    starts_after: float

    @classmethod
    def of(
        cls, recording: MediaRecording, track: RecordedTrack, codec: str, starts_after: float
    ) -> Note:
        """What is to be kept in mind of a file."""
        return cls(
            recording.cid,
            recording.session,
            recording.number,
            track.entry_id,
            track.user_id,
            track.epoch,
            track.kind,
            codec,
            starts_after,
        )

    @property
    def of_recording(self) -> MediaRecording:
        """The recording it belongs to."""
        return MediaRecording(self.cid, self.session, self.recording)

    @property
    def of_track(self) -> RecordedTrack:
        """What stands in it."""
        return RecordedTrack(self.entry_id, self.user_id, self.epoch, self.kind)

    @property
    def place(self) -> str:
        """Where it is to be, below the folder of recordings, without what tells it from namesakes.

        Nothing that anybody chose leads out of there: ids are escaped, and stand within names.
        """
        halves = quote(self.cid, safe=":").replace(".", "%2E")
        name = f"{quote(self.entry_id, safe='')}-{self.kind}-{self.epoch}"
        return f"{halves.replace(':', '.')}/{self.session}/{self.recording}/{name}"


class Claim:
    """A name that a file is to have, kept free for this process as long as it lives."""

    def __init__(self, folder: Path, name: str, descriptor: int) -> None:
        self.name: Final = name
        """Below the folder of recordings."""
        self.path: Final = folder / name
        self._descriptor = descriptor

    @classmethod
    def made(cls, folder: Path, note: Note) -> Claim:
        """A name that nothing has yet, with the note beside it.

        Raises:
            OSError: it cannot be written.
        """
        place = folder / note.place
        place.parent.mkdir(parents=True, exist_ok=True)
        for number in range(1, _MOST_NAMESAKES):
            suffix = "" if number == 1 else f"-{number}"
            name = f"{note.place}{suffix}.{EXTENSIONS[note.codec]}"
            path = folder / name
            if path.exists():
                continue
            try:
                beside = path.with_name(path.name + _NOTE)
                descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            except FileExistsError:
                continue
            claim = cls(folder, name, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                os.write(descriptor, Encoder().encode(note))
            except OSError:
                claim.settle()
                raise
            return claim
        raise FileExistsError(f"{place} and {_MOST_NAMESAKES} more like it")

    def taken(self) -> Note | None:
        """The note, if whoever wrote it is gone and it is one; from now on it is this process's."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return Decoder(Note).decode(os.read(self._descriptor, _LONGEST_NOTE))
        except BlockingIOError:
            return None
        except (DecodeError, ValidationError):
            log.warning("what stands beside %s is not a note of ours", self.path)
            return None

    def settle(self) -> None:
        """It is on record: the note is not needed any more."""
        self.path.with_name(self.path.name + _NOTE).unlink(missing_ok=True)
        self.leave()

    def leave(self) -> None:
        """Not on record: whoever looks next finds the note."""
        os.close(self._descriptor)


def left_behind(folder: Path) -> Iterator[tuple[Note, RecordedFile, Claim]]:
    """Files that no living process has, finished as far as that is possible, and not on record."""
    for beside in sorted(folder.glob(f"*/*/*/*{_NOTE}")):
        try:
            found = _finished(folder, beside)
        except (OSError, FFmpegError):
            log.exception("what stands at %s cannot be finished now", beside)
            continue
        if found is not None:
            yield found


def _finished(folder: Path, beside: Path) -> tuple[Note, RecordedFile, Claim] | None:
    path = beside.with_name(beside.name.removesuffix(_NOTE))
    name = path.relative_to(folder).as_posix()
    claim = Claim(folder, name, os.open(beside, os.O_RDWR))
    try:
        note = claim.taken()
        file = None if note is None else _file(note, path, name)
    except BaseException:
        claim.leave()
        raise
    if note is None:
        claim.leave()
        return None
    if file is None:
        claim.settle()
        return None
    return note, file, claim


def _file(note: Note, path: Path, name: str) -> RecordedFile | None:
    """What there is of a file; None where there is nothing of it."""
    part, failure = path.with_name(path.name + PART), ""
    if part.exists():
        failure = DIED
        try:
            mended = _mended(part, FORMATS[note.codec])
        except FFmpegError as error:
            failure = f"{DIED}, and it cannot be mended: {error}"
        else:
            mended.rename(part)
    if part.exists():
        if not part.stat().st_size:
            part.unlink()
            return None
        size, digest = named(part, path)
    elif path.exists():
        path.rename(part)
        size, digest = named(part, path)
    else:
        return None
    return RecordedFile(
        name=name,
        codec=note.codec,
        starts_after=note.starts_after,
        seconds=_seconds(path),
        bytes=size,
        sha256=digest,
        failure=failure,
    )


def _mended(part: Path, form: str) -> Path:
    """The same frames in a file that ends as it should.

    Raises:
        FFmpegError: nothing can be read of it.
    """
    target = part.with_name(part.name + _MENDED)
    with (
        av.open(part, format=form) as source,
        av.open(target, "w", format=form) as whole,
    ):
        assert isinstance(source, InputContainer)  # noqa: S101 - for the type checker
        stream = whole.add_stream_from_template(source.streams[0])
        with suppress(FFmpegError):  # it ends in the middle of something
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = stream
                    whole.mux(packet)
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    sync(target.parent)
    return target


def _seconds(path: Path) -> float:
    try:
        with av.open(path) as file:
            return (file.duration or 0) / av.time_base
    except FFmpegError:
        return 0.0
