"""Why something is allowed or refused, as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that a rule looked at."""

    says: str
    favours: bool
    """Whether it speaks for passing. They stand in the order they weigh: the last decides."""
    event: str | None = None
    """Stored name of the event that made it so; None where nothing on record did: it was so from
    the beginning, was said by whoever asked, or falls due with this very command."""
    position: int | None = None
    """Of that event, in the log."""
    stream: str | None = None
    """In which it stands."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that was asked, what it said, and what it saw."""

    rule: str
    passed: bool
    because: str
    facts: tuple[Fact, ...] = ()
    """What it looked at."""
    code: str | None = None
    """Of the refusal, where it did not pass."""


def refusal_in(reasons: Iterable[Reason]) -> str | None:
    """The code of the refusal that follows from these facts alone; None where it is allowed."""
    for reason in reasons:
        if not reason.facts[-1].favours:
            return reason.code
    return None
