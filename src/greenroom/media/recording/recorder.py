"""The thread that writes recordings, and the belt that brings it what to write."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from greenroom.domain.session_events import RecordedFile
from greenroom.media.port import MediaRecording
from greenroom.media.recording.remains import Claim, left_behind
from greenroom.media.recording.track import Outcomes, TrackWriter, Whose
from greenroom.media.relay import Relay

log: Final = logging.getLogger(__name__)

MOST_WAITING: Final = 8_192
"""Bursts of packets that wait to be written, about 30 MB of pictures; whoever has a slower disk
misses what comes until half of them are."""
PAUSE: Final = 0.1
"""Seconds between two looks at the belt: nobody is woken by a packet."""
BREATH: Final = 16
"""Bursts after which others get to compute: the media loop waits for about a millisecond."""
PATIENCE: Final = 30.0
"""Seconds that a stop waits for the disk."""

Work = tuple[Callable[..., None], tuple[Any, ...]]


class Belt:
    """What waits to be done by the thread that writes. Adding to it costs next to nothing."""

    def __init__(self) -> None:
        self.work: deque[Work] = deque()
        self.full = False
        """Whether packets are dropped: until half of what waits is done."""

    def bring(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have that done, after everything brought before."""
        self.work.append((function, arguments))


class Recorder:
    """Writes to a folder what taps bring, and tells of it.

    Args:
        folder: where files go; made if it is not there.
        relay: is told of files, and of failures.
    """

    def __init__(self, folder: Path, relay: Relay) -> None:
        self.belt: Final = Belt()
        self._folder = folder
        self._relay = relay
        self._open: set[TrackWriter] = set()
        self._failed: set[MediaRecording] = set()
        self._awake = threading.Event()
        self._stopped = False
        self._threads: list[threading.Thread] = []

    def obstacle(self) -> str:
        """What keeps it from writing; empty where nothing does."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return f"the folder of recordings cannot be made: {error}"
        if not os.access(self._folder, os.W_OK | os.X_OK):
            return f"the folder of recordings cannot be written to: {self._folder}"
        return ""

    def start(self) -> None:
        """Begin, with what earlier processes have left behind."""
        for name, life in (("files", self._live), ("remains", self._finish_remains)):
            thread = threading.Thread(target=life, name=f"greenroom-recording-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def open(self, whose: Whose, codec: str, *, want_key_frame: Callable[[], None]) -> TrackWriter:
        """What is to take the packets of a track, on the belt."""
        outcomes = Outcomes(self._finished, self._give_up, want_key_frame)
        writer = TrackWriter(whose, codec, self._folder, outcomes)
        self.belt.bring(self._open.add, writer)
        self._awake.set()
        return writer

    def close(self, writer: TrackWriter) -> None:
        """There is no more of a track."""
        self.belt.bring(self._close, writer)
        self._awake.set()

    def stop(self) -> None:
        """Write what was brought, and end. Twice is fine."""
        self._stopped = True
        self._awake.set()
        for thread in self._threads:
            thread.join(PATIENCE)
            if thread.is_alive():
                log.error("%s is not done %s s after the stop", thread.name, PATIENCE)

    def _live(self) -> None:
        while self.belt.work or not self._stopped:
            self._awake.wait(PAUSE if self._open else None)
            self._awake.clear()
            self._work_off()
            now = time.monotonic()
            for writer in tuple(self._open):
                writer.look(now)

    def _work_off(self) -> None:
        work = self.belt.work
        done = 0
        while work:
            function, arguments = work.popleft()
            try:
                function(*arguments)
            except Exception:
                log.exception("something of a recording went wrong")
            done += 1
            if done % BREATH == 0:
                time.sleep(0)

    def _close(self, writer: TrackWriter) -> None:
        self._open.discard(writer)
        writer.close()

    def _finished(self, whose: Whose, file: RecordedFile, claim: Claim) -> None:
        self._relay.recorded(whose.recording, whose.track, file, then=claim.settle)

    def _give_up(self, whose: Whose, because: str) -> None:
        if whose.recording not in self._failed:
            self._failed.add(whose.recording)
            self._relay.recording_failed(whose.recording, because)

    def _finish_remains(self) -> None:
        try:
            for note, file, claim in left_behind(self._folder):
                self._relay.recorded(note.of_recording, note.of_track, file, then=claim.settle)
                if self._stopped:
                    return
        except Exception:
            log.exception("what earlier processes recorded is not all finished")
