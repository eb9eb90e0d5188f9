"""Recorded files of whoever was erased: found, and taken away where this process has them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable
from urllib.parse import quote, unquote

from greenroom.domain.call_events import CallDeleted
from greenroom.domain.call_state import Call, Existence
from greenroom.domain.message import CallId, Event, UserId
from greenroom.domain.session_events import TrackRecorded
from greenroom.domain.streams import ERASING, call_stream
from greenroom.domain.user import UserErased
from greenroom.history import HistoryReader, wanted
from greenroom.recordings import RECORDING, recordings

if TYPE_CHECKING:
    from greenroom.live import LiveCore

_log = logging.getLogger(__name__)
_MARK: Final = ".erased"
"""A file in the folder: up to which position of the log it has been seen to."""
MAY_ERASE: Final = ERASING | {TrackRecorded.name}
"""Stored names of the events after which files may have to go."""


@runtime_checkable
class KeepsFiles(Protocol):
    """Media that writes recordings to a folder of this machine."""

    @property
    def recordings_folder(self) -> Path | None:
        """Where; None where it records nothing."""
        ...


class ErasedFiles:
    """Takes the recorded files of erased users and calls from a folder.

    Of a call that is deleted for good, all of them. Of an erased user, those that had begun by
    then, wherever they took part; what somebody records who has come back is theirs anew.

    Everything may be done twice, by several processes, and again after a crash: how far the log
    has been seen to is noted in the folder only after a second look, a while after the first, so
    that what was just being written is found as well.

    Args:
        folder: of recordings, of this store alone.
        core: of the room.
    """

    def __init__(self, folder: Path, core: LiveCore) -> None:
        self._folder = folder
        self._core = core
        self._seen = self._noted()

    def settle(self, *, again: bool = False) -> None:
        """Take away what is due by now; `again`: a while after the last time."""
        head = self._seen
        try:
            for position, event in self._told():
                head = position
                for path in self._due(event):
                    _remove(path)
            if again and head > self._seen:
                self._note(head)
                self._seen = head
        except OSError:  # tried again at the next look
            _log.exception("recordings of who was erased cannot be taken from %s", self._folder)

    def left(self) -> Iterator[Path]:
        """All files that should be gone, by everything that is on record."""
        for cid in self._calls():
            if _is_erased(self._core, cid):
                yield from (
                    one for one in sorted(_folder_of(self._folder, cid).rglob("*")) if one.is_file()
                )
            else:
                yield from self._begun_before_erasures(cid)

    def _told(self) -> Iterator[tuple[int, Event]]:
        """Records that may have somebody's files taken away, with their positions."""
        places = [one.position for one in self._core.heads(self._seen) if one.name in MAY_ERASE]
        yield from zip(places, self._core.picked(places), strict=True)

    def _due(self, event: Event) -> Iterator[Path]:
        match event:
            case CallDeleted(hard=True, cid=cid):
                yield from self._of_call(cid)
            case UserErased(user_id=user_id):
                for cid in self._calls():
                    yield from self._begun_before_erasures(cid, user_id)
            case TrackRecorded(cid=cid, user_id=user_id):
                if _is_erased(self._core, cid):
                    yield from self._of_call(cid)
                else:
                    yield from self._begun_before_erasures(cid, user_id)
            case _:
                pass

    def _of_call(self, cid: CallId) -> Iterator[Path]:
        """Its folder, finished or not."""
        folder = _folder_of(self._folder, cid)
        if folder.exists():
            yield folder

    def _begun_before_erasures(self, cid: CallId, only: UserId | None = None) -> Iterator[Path]:
        """Files of a call that had begun when their user was erased."""
        erased_at: dict[UserId, datetime | None] = {}
        reader = HistoryReader(cid, wanted(kinds=RECORDING))
        for recording in recordings(self._core.records(reader)):
            for track in recording.tracks:
                user_id = track.user_id
                if only is not None and user_id != only:
                    continue
                if user_id not in erased_at:
                    erased_at[user_id] = self._core.erased_at(user_id)
                erased = erased_at[user_id]
                began = recording.started_at + timedelta(seconds=track.file.starts_after)
                path = self._folder / track.file.name
                if erased is not None and began <= erased and path.is_file():
                    yield path

    def _calls(self) -> Iterator[CallId]:
        """Those that have files here."""
        for one in sorted(self._folder.glob("*.*")):
            if one.is_dir():
                yield CallId(unquote(one.name).replace(".", ":", 1))

    def _noted(self) -> int:
        """From where on the log is to be looked at: from its end, where nothing was recorded."""
        with suppress(OSError, ValueError):
            return int((self._folder / _MARK).read_text())
        return 0 if next(self._calls(), None) is not None else self._core.position()

    def _note(self, position: int) -> None:
        new = self._folder / f"{_MARK}.new"
        with suppress(FileNotFoundError):  # nothing was ever recorded
            new.write_text(str(position))
            new.replace(self._folder / _MARK)


def erased_files(media: object, core: LiveCore) -> ErasedFiles | None:
    """What sees to the files of `media`; None where it has none."""
    folder = media.recordings_folder if isinstance(media, KeepsFiles) else None
    return None if folder is None else ErasedFiles(folder, core)


def _is_erased(core: LiveCore, cid: CallId) -> bool:
    call: Call = core.load(call_stream(cid)).state
    return call.existence is Existence.ERASED


def _folder_of(folder: Path, cid: CallId) -> Path:
    return folder / quote(cid.replace(":", "."), safe="")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, onerror=_unless_gone)
    else:
        path.unlink(missing_ok=True)


def _unless_gone(_: object, __: str, told: tuple[object, BaseException, object]) -> None:
    """Somebody else may be at it, or may just have given a file its name."""
    if not isinstance(told[1], FileNotFoundError):
        raise told[1]
