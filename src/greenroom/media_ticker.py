"""When media is to look at what was recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from greenroom.media_link import MediaLink

_OTHERS_AFTER: Final = timedelta(milliseconds=100)
"""How soon, while somebody is there, media looks for what other processes have recorded."""


class MediaTicker:
    """Keeps media following the log.

    Args:
        link: what is to follow.
        head: the last position of the log.
        now: the present.
        watched: whether time goes by by itself: then what other processes record is looked for.
    """

    def __init__(
        self,
        link: MediaLink,
        head: Callable[[], int],
        now: Callable[[], datetime],
        *,
        watched: bool,
    ) -> None:
        self._link = link
        self._head = head
        self._now = now
        self._watched = watched

    def next_due(self) -> datetime | None:
        """Now, where something was recorded that media has not followed, or it is to be mended."""
        if self._link.position() < self._head() or self._link.due():
            return self._now()
        return self._now() + _OTHERS_AFTER if self._watched and self._link.busy() else None

    def fire_due(self) -> None:
        """Follow; mend what is not as it should be, from time to time."""
        self._link.follow()
        if self._link.due():
            self._link.look_over()
