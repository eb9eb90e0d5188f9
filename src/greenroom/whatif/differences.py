"""What comes out otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

from greenroom.domain.reasons import Reason

SHOWN: Final = 1000
"""Differences that are told one by one, unless more are asked for; all are counted."""


class Kind(StrEnum):
    """How a decision comes out otherwise."""

    NEWLY_REFUSED = "newly_refused"
    NEWLY_ADMITTED = "newly_admitted"
    OTHERWISE = "otherwise"
    """Allowed as before, and something else is recorded; only where the state evolves."""


class Mode(StrEnum):
    """What each decision is made on."""

    PINNED = "pinned"
    """On its recorded facts: nothing follows from what comes out otherwise."""
    CASCADING = "cascading"
    """On what would have become of the call by then."""


class Difference(BaseModel):
    """One decision that comes out otherwise."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    cid: str
    user_id: str
    operation: str
    position: int
    """Of the first event it recorded; for an attempt that had been refused, of the log then."""
    at: datetime
    code: str | None = None
    """Of the refusal: the new one, or the one there had been."""
    message: str = ""
    reason: Reason | None = None
    """The rule that refuses, with what it sees; of who is admitted, the rule that had refused, and
    what it sees now. None where something else is recorded."""
    would_record: tuple[str, ...] = ()
    """Stored names, where it is allowed."""


class Counted(NamedTuple):
    """The same where it is counted and no more."""

    kind: Kind
    cid: str
    user_id: str
    code: str | None


class Comparison(BaseModel):
    """All recorded decisions against the same under a change."""

    model_config = ConfigDict(frozen=True)

    mode: Mode
    decided: int = 0
    """Decisions made again."""
    position: int = 0
    """Of the log, up to which it was read."""
    counts: Mapping[Kind, int] = Field(default_factory=dict)
    by_call: Mapping[str, int] = Field(default_factory=dict)
    """How many came out otherwise, by cid; the calls with most of them first, at most 1000."""
    by_user: Mapping[str, int] = Field(default_factory=dict)
    """The same by user id."""
    by_code: Mapping[str, int] = Field(default_factory=dict)
    """The same by the code of the refusal."""
    differences: tuple[Difference, ...] = ()
    """The first of them, in the order of the log."""

    @property
    def same(self) -> bool:
        """Whether everything came out as it was."""
        return not self.counts


class Tally:
    """Counts differences as they come, and keeps the first."""

    def __init__(self, shown: int = SHOWN) -> None:
        self.decided = 0
        self.counts: Counter[Kind] = Counter()
        self.by_call: Counter[str] = Counter()
        self.by_user: Counter[str] = Counter()
        self.by_code: Counter[str] = Counter()
        self.first: list[Difference] = []
        self._shown = shown

    @property
    def tells(self) -> bool:
        """Whether the next difference is told, and not only counted."""
        return len(self.first) < self._shown

    def add(self, one: Difference | Counted) -> None:
        """One more."""
        self.counts[one.kind] += 1
        self.by_call[one.cid] += 1
        self.by_user[one.user_id] += 1
        if one.code is not None:
            self.by_code[one.code] += 1
        if isinstance(one, Difference) and self.tells:
            self.first.append(one)

    def merge(self, others: Iterable[Tally]) -> Self:
        """With what others have counted elsewhere."""
        for other in others:
            self.decided += other.decided
            self.counts += other.counts
            self.by_call += other.by_call
            self.by_user += other.by_user
            self.by_code += other.by_code
            self.first += other.first
        self.first = sorted(self.first, key=lambda one: one.position)[: self._shown]
        return self

    def compared(self, mode: Mode, position: int) -> Comparison:
        """What came of it."""
        return Comparison(
            mode=mode,
            decided=self.decided,
            position=position,
            counts=dict(sorted(self.counts.items())),
            by_call=dict(self.by_call.most_common(SHOWN)),
            by_user=dict(self.by_user.most_common(SHOWN)),
            by_code=dict(self.by_code.most_common()),
            differences=tuple(self.first),
        )
