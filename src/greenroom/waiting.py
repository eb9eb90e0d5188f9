"""Who waits for news of an entry, on a thread or in a task."""

from __future__ import annotations

import threading
from concurrent.futures import Future

from greenroom.domain.message import EntryId


class Waiting:
    """The futures of those who wait, by entry. From any thread."""

    def __init__(self) -> None:
        self._of_entry: dict[EntryId, set[Future[None]]] = {}
        self._lock = threading.Lock()

    def on(self, entry_id: EntryId) -> Future[None]:
        """Done with the next news of the entry; to be cancelled by who tires of it."""
        due: Future[None] = Future()
        with self._lock:
            others = self._of_entry.get(entry_id, ())
            self._of_entry[entry_id] = {one for one in others if not one.done()} | {due}
        return due

    def wake(self, entry_id: EntryId) -> None:
        """There is news of the entry."""
        with self._lock:
            woken = self._of_entry.pop(entry_id, ())
        for due in woken:
            if due.set_running_or_notify_cancel():
                due.set_result(None)

    def wake_all(self) -> None:
        """There is news of everybody."""
        for entry_id in tuple(self._of_entry):
            self.wake(entry_id)
