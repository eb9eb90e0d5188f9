"""A notifier that remembers."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from greenroom.domain.message import UserId
from greenroom.domain.ports import Notification


class RecordingNotifier:
    """Keeps what it is given to deliver; fails when told to. Safe for many threads.

    Example:
        >>> notifier = RecordingNotifier()
        >>> notifier.fail(times=2)          # the next two attempts raise
        >>> notifier.kinds_for("alice")     # what alice has heard
        []
    """

    def __init__(self) -> None:
        self.sent: list[Notification] = []
        """What was delivered, in order."""
        self.failed: list[Notification] = []
        """The attempts that were made to fail, in order."""
        self._lock = threading.Lock()
        self._failures = 0
        self._error: Exception = ConnectionError("the push service is down")

    def fail(self, times: int, error: Exception | None = None) -> None:
        """Raise on the next `times` attempts: `error`, or a ConnectionError."""
        with self._lock:
            self._failures = times
            self._error = error or self._error

    def notify(self, notification: Notification) -> None:
        """Remember it, or fail."""
        with self._lock:
            if self._failures > 0:
                self._failures -= 1
                self.failed.append(notification)
                raise self._error.with_traceback(None)  # the same one, without its last journey
            self.sent.append(notification)

    def kinds_for(self, user_id: UserId | str) -> Sequence[str]:
        """What was delivered to this user, in order."""
        with self._lock:
            return [sent.kind for sent in self.sent if sent.user_id == user_id]
