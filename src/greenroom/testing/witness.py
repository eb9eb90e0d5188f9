"""Somebody who remembers what media reported."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from greenroom.domain.message import EntryId
from greenroom.domain.session_events import MediaStatistics, RecordedFile
from greenroom.media.port import Kind, MediaRecording, RecordedTrack


@dataclass(frozen=True, slots=True)
class News:
    """One thing that media reported."""

    what: Literal[
        "connected",
        "published",
        "unpublished",
        "lost",
        "ended",
        "outdated",
        "recorded",
        "recording_failed",
    ]
    entry_id: EntryId
    epoch: int = 0
    """0 with `outdated`, which is about no connection."""
    fingerprint: str = ""
    """Only with `connected`."""
    kind: Kind | None = None
    """Only with `published` and `unpublished`."""
    statistics: MediaStatistics | None = None
    """Only with `ended`."""
    recording: MediaRecording | None = None
    """With `recorded` and `recording_failed`."""
    file: RecordedFile | None = None
    """Only with `recorded`."""
    because: str = ""
    """Only with `recording_failed`, whose entry is empty."""


@dataclass
class Witness:
    """A MediaObserver that remembers what it heard, and lets a test wait for it."""

    news: list[News] = field(default_factory=list)
    """Everything, in the order it was told."""
    _arrived: threading.Condition = field(default_factory=threading.Condition, repr=False)

    @property
    def connections(self) -> list[tuple[EntryId, str]]:
        """(entry, fingerprint) pairs in the order they were told."""
        return [(one.entry_id, one.fingerprint) for one in self.told("connected")]

    @property
    def losses(self) -> list[EntryId]:
        """Entries in the order they were told."""
        return [one.entry_id for one in self.told("lost")]

    def told(self, what: str, entry_id: EntryId | None = None) -> list[News]:
        """The news of one sort, of everybody or of one entry."""
        return [one for one in self.news if one.what == what and entry_id in (None, one.entry_id)]

    def connected(self, entry_id: EntryId, epoch: int, fingerprint: str) -> None:
        """Remember it."""
        self._hear(News("connected", entry_id, epoch, fingerprint=fingerprint))

    def published(self, entry_id: EntryId, epoch: int, kind: Kind) -> None:
        """Remember it."""
        self._hear(News("published", entry_id, epoch, kind=kind))

    def unpublished(self, entry_id: EntryId, epoch: int, kind: Kind) -> None:
        """Remember it."""
        self._hear(News("unpublished", entry_id, epoch, kind=kind))

    def lost(self, entry_id: EntryId, epoch: int) -> None:
        """Remember it."""
        self._hear(News("lost", entry_id, epoch))

    def ended(self, entry_id: EntryId, epoch: int, statistics: MediaStatistics) -> None:
        """Remember it."""
        self._hear(News("ended", entry_id, epoch, statistics=statistics))

    def outdated(self, entry_id: EntryId) -> None:
        """Remember it."""
        self._hear(News("outdated", entry_id))

    def recorded(self, recording: MediaRecording, track: RecordedTrack, file: RecordedFile) -> bool:
        """Remember it."""
        of = (track.entry_id, track.epoch)
        self._hear(News("recorded", *of, kind=track.kind, recording=recording, file=file))
        return True

    def recording_failed(self, recording: MediaRecording, because: str) -> None:
        """Remember it."""
        self._hear(News("recording_failed", EntryId(""), recording=recording, because=because))

    def heard(self, enough: Callable[[Witness], bool], timeout: float = 60) -> bool:
        """Wait until `enough` says so; False after `timeout` seconds."""
        with self._arrived:
            return self._arrived.wait_for(lambda: enough(self), timeout)

    def _hear(self, news: News) -> None:
        with self._arrived:
            self.news.append(news)
            self._arrived.notify_all()
