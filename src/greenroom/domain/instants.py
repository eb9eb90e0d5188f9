"""Instants as text, in the one form that is taken everywhere (RFC 3339), and as numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_HOUR = "([01][0-9]|2[0-3])"
_MINUTE = "[0-5][0-9]"
RFC_3339: Final = re.compile(
    "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    rf"[Tt ]{_HOUR}:{_MINUTE}:{_MINUTE}(\.[0-9]{{1,6}})?"
    rf"([Zz]|[+-]{_HOUR}:{_MINUTE})"
)
"""Its form; there are dates of this form that no calendar has."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def micros_of(text: str) -> int | None:
    """The instant that `text` names, as microseconds since 1970 UTC; None where it names none."""
    if RFC_3339.fullmatch(text) is None:
        return None
    try:
        return (datetime.fromisoformat(text.upper()) - EPOCH) // _MICROSECOND
    except ValueError:
        return None


def micros(at: datetime) -> int:
    """An instant as microseconds since 1970 UTC: exact, and in the same order."""
    return (at - EPOCH) // _MICROSECOND


def micros_or_none(at: datetime | None) -> int | None:
    """The same for an instant that may be missing."""
    return None if at is None else micros(at)


def instant(at: int) -> datetime:
    """The aware UTC instant that `micros` made into a number."""
    return EPOCH + timedelta(0, 0, at)


def instant_or_none(at: int | None) -> datetime | None:
    """The same for an instant that may be missing."""
    return None if at is None else instant(at)
