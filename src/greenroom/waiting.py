"""Who waits for news of an entry, on a thread or in a task."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from greenroom.domain.message import EntryId

Listener = Callable[[EntryId], None]


class Waiting:
    """The futures of those who wait, by entry. From any thread."""

    def __init__(self) -> None:
        self._of_entry: dict[EntryId, set[Future[None]]] = {}
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()

    @contextmanager
    def watched(self, listener: Listener) -> Iterator[None]:
        """Let `listener` hear of each entry there is news of, on the thread that tells."""
        with self._lock:
            self._listeners.add(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.discard(listener)

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
            woken, listeners = self._of_entry.pop(entry_id, ()), tuple(self._listeners)
        for listener in listeners:
            listener(entry_id)
        for due in woken:
            if due.set_running_or_notify_cancel():
                due.set_result(None)

    def wake_all(self) -> None:
        """There is news of everybody."""
        for entry_id in tuple(self._of_entry):
            self.wake(entry_id)
