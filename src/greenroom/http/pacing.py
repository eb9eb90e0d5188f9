"""How often an entry may ask: a connection costs more than a request for it."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

from greenroom.domain.message import EntryId
from greenroom.http.refusing import Problem

_MANY: Final = 1024
"""Entries remembered, above which those that have been quiet are forgotten."""


class Pace:
    """Lets each entry ask some times at once, and then every now and again.

    Args:
        at_once: requests of one entry that are let through without a pause.
        every: seconds after which there is one more.
        now: seconds of a clock that never goes back.
    """

    def __init__(
        self, *, at_once: int = 20, every: float = 0.5, now: Callable[[], float] = monotonic
    ) -> None:
        self._span: Final = at_once * every
        self._every: Final = every
        self._now = now
        self._used_up: dict[EntryId, float] = {}
        """When all that an entry has asked for will have been made up for."""

    def __len__(self) -> int:
        """Entries remembered."""
        return len(self._used_up)

    def take(self, entry_id: EntryId) -> None:
        """One request.

        Raises:
            Problem: the entry asks too often; it says when it may ask again.
        """
        now = self._now()
        used_up = max(self._used_up.get(entry_id, now), now) + self._every
        if used_up > now + self._span:
            wait = str(int(used_up - now - self._span) + 1)
            detail = "too many requests of this entry"
            raise Problem(429, "too_many_requests", detail, {"Retry-After": wait})
        if len(self._used_up) >= _MANY:
            self._used_up = {one: until for one, until in self._used_up.items() if until > now}
        self._used_up[entry_id] = used_up
