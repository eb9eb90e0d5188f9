"""News of media on their way to the observer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from operator import methodcaller

from greenroom.domain.errors import MediaError
from greenroom.domain.message import EntryId
from greenroom.domain.session_events import MediaStatistics, RecordedFile
from greenroom.media.dispatch import Dispatcher
from greenroom.media.port import Kind, MediaObserver, MediaRecording, RecordedTrack


class Relay:
    """The MediaObserver that tells another one, in order and on a thread that may block.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._dispatcher = Dispatcher(name)
        self._observer: MediaObserver | None = None
        self._stopped = False
        self._life = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether there is somebody to tell."""
        return self._observer is not None and not self._stopped

    def start(self, observer: MediaObserver) -> None:
        """Tell this one from now on; once."""
        with self._life:
            if self._observer is not None or self._stopped:
                raise MediaError("media starts once in its life")
            self._observer = observer
            self._dispatcher.start()

    def stop(self) -> None:
        """Wait until everything told before has been heard. Twice is fine."""
        with self._life:
            self._stopped = True
        if self._observer is not None:
            self._dispatcher.stop()

    def connected(self, entry_id: EntryId, epoch: int, fingerprint: str) -> None:
        """Audio and video can flow."""
        self._tell(methodcaller("connected", entry_id, epoch, fingerprint))

    def published(self, entry_id: EntryId, epoch: int, kind: Kind) -> None:
        """Something of this kind arrives."""
        self._tell(methodcaller("published", entry_id, epoch, kind))

    def unpublished(self, entry_id: EntryId, epoch: int, kind: Kind) -> None:
        """Nothing of this kind arrives any more."""
        self._tell(methodcaller("unpublished", entry_id, epoch, kind))

    def lost(self, entry_id: EntryId, epoch: int) -> None:
        """The peer is gone without having left."""
        self._tell(methodcaller("lost", entry_id, epoch))

    def ended(self, entry_id: EntryId, epoch: int, statistics: MediaStatistics) -> None:
        """A connection that had stood is over."""
        self._tell(methodcaller("ended", entry_id, epoch, statistics))

    def outdated(self, entry_id: EntryId) -> None:
        """Who was invited should ask again."""
        self._tell(methodcaller("outdated", entry_id))

    def recorded(
        self,
        recording: MediaRecording,
        track: RecordedTrack,
        file: RecordedFile,
        *,
        then: Callable[[], None] = lambda: None,
    ) -> bool:
        """A file is finished; `then` is done when that is on record."""

        def tell(observer: MediaObserver) -> None:
            if observer.recorded(recording, track, file):
                then()

        self._tell(tell)
        return False

    def recording_failed(self, recording: MediaRecording, because: str) -> None:
        """Nothing can be written any more."""
        self._tell(methodcaller("recording_failed", recording, because))

    def _tell(self, news: Callable[[MediaObserver], None]) -> None:
        observer = self._observer
        if observer is not None:
            self._dispatcher.tell(lambda: news(observer))


def report_published(
    observer: MediaObserver,
    entry_id: EntryId,
    epoch: int,
    before: frozenset[Kind],
    now: frozenset[Kind],
) -> None:
    """Tell what has come to be published, and what has ceased to be."""
    for kind in sorted(before - now):
        observer.unpublished(entry_id, epoch, kind)
    for kind in sorted(now - before):
        observer.published(entry_id, epoch, kind)
