"""No media: for those whose audio and video go another way, or nowhere."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from greenroom.domain.errors import MediaError
from greenroom.domain.message import EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.port import Invitation, MediaEntry, MediaObserver, Source
from greenroom.media.unrecorded import RecordsNothing


class NullMedia(RecordsNothing):
    """The MediaPort that lets everybody in and answers no offer; aiortc is never loaded."""

    def __init__(self) -> None:
        self._entries: set[EntryId] = set()
        self._running = False
        self._stopped = False
        self._lock = threading.Lock()

    def start(self, observer: MediaObserver) -> None:
        """Get ready; nothing will be reported."""
        del observer
        self._running = not self._stopped

    def open(self, entry: MediaEntry) -> None:
        """Take note of the participant."""
        with self._lock:
            if not self._running:
                raise MediaError("media is not running; start it first")
            self._entries.add(entry.entry_id)

    def close(self, entry_id: EntryId) -> None:
        """Take note that they are gone."""
        with self._lock:
            self._entries.discard(entry_id)

    def offer(self, entry_id: EntryId, sdp: str) -> str:
        """Refused: there is nothing to connect to.

        Raises:
            MediaError: always.
        """
        del sdp
        raise self._nothing(entry_id)

    def invite(self, entry_id: EntryId, after: int = 0) -> Invitation | None:
        """Refused: there is nothing to receive.

        Raises:
            MediaError: always.
        """
        del after
        raise self._nothing(entry_id)

    def accept(self, entry_id: EntryId, number: int, sdp: str) -> None:
        """Refused: nobody was invited.

        Raises:
            MediaError: always.
        """
        del number, sdp
        raise self._nothing(entry_id)

    def candidates(self, entry_id: EntryId, fragment: str) -> None:
        """Refused: there is no connection.

        Raises:
            MediaError: always.
        """
        del fragment
        raise self._nothing(entry_id)

    def hang_up(self, entry_id: EntryId, ufrag: str) -> bool:
        """There is no connection, and there is no other."""
        del entry_id, ufrag
        return False

    def slots(self, entry_id: EntryId) -> Mapping[str, Source | None]:
        """None: nobody receives anything.

        Raises:
            MediaError: no such entry is open.
        """
        if entry_id not in self.entries():
            raise self._nothing(entry_id)
        return {}

    def statistics(self) -> Mapping[EntryId, MediaStatistics]:
        """Of nobody."""
        return {}

    def entries(self) -> frozenset[EntryId]:
        """Those open now."""
        with self._lock:
            return frozenset(self._entries)

    def stop(self) -> None:
        """Forget everybody."""
        with self._lock:
            self._running, self._stopped = False, True
            self._entries.clear()

    def _nothing(self, entry_id: EntryId) -> MediaError:
        if entry_id in self.entries():
            return MediaError(f"no media runs in this room, which {entry_id} is in")
        return MediaError(f"entry {entry_id} is not open; join first")
