"""Where a moment stands in the log."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from greenroom.domain import checks
from greenroom.domain.errors import InvalidInput

if TYPE_CHECKING:
    from greenroom.domain.ports import EventStore
    from greenroom.live import LiveCore


def moment_of(moment: datetime | int, core: LiveCore, store: EventStore) -> tuple[int, datetime]:
    """The position up to which everything counts at a moment, and its instant.

    Args:
        moment: an instant, or a position of the log.
        core: tells the present, and where instants stand.
        store: whose log it is.

    Raises:
        InvalidInput: neither, or later than the log.
    """
    if checks.is_instant(moment):
        at = checks.instant(moment, "moment")
        if at > core.now():
            raise InvalidInput("moment", "an instant that has come")
        return _last_until(at, core, store), at
    position = checks.integer(moment, "moment", 0, store.position())
    found = store.feed(position - 1, until=position) if position else ()
    last = next(iter(found), None)
    return position, core.now() if last is None else last[1].at


def _last_until(at: datetime, core: LiveCore, store: EventStore) -> int:
    """The position of the last record decided at `at` or before; 0 where all are later."""
    among = core.index().stretch_until(at)
    if among is None:
        return 0
    records = store.feed(among.start - 1, until=among.stop - 1)
    return max((position for position, record in records if record.at <= at), default=0)
