"""What several did at once must be as if they had done it one after another.

Each operation takes effect at one instant between its begin and its end (linearizability). The
checker looks for such an order, operation by operation, and lets the model say what would have
come of it: Wing and Gong's search, which tries no state twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from greenroom.testing.history import Wish
from greenroom.testing.model import CallModel, Outcome
from greenroom.testing.telling import numbered, sentence


@dataclass(frozen=True)
class Did:
    """An operation of a history, and what came of it."""

    wish: Wish
    begin: int
    """Nanoseconds of the machine's monotonic clock, which all its processes share."""
    end: int
    outcome: Outcome
    seen: Mapping[str, Any] | None = None
    """What was read, by the names that `CallModel.seen` has; None where nothing was."""


def order(model: CallModel, history: Sequence[Did]) -> list[Did] | None:
    """An order in which the history could have happened one by one; None where there is none.

    Args:
        model: as everything was before it.
        history: of one call; in any order.
    """
    return _search(model, frozenset(range(len(history))), history, set())


def _search(
    model: CallModel, left: frozenset[int], history: Sequence[Did], tried: set[object]
) -> list[Did] | None:
    if not left:
        return []
    place = left, model.digest()
    if place in tried:
        return None
    tried.add(place)
    first_end = min(history[n].end for n in left)
    for n in sorted(left, key=lambda n: history[n].begin):
        if history[n].begin > first_end:
            break  # something was over before this began
        after = _after(model, history[n])
        rest = None if after is None else _search(after, left - {n}, history, tried)
        if rest is not None:
            return [history[n], *rest]
    return None


def _after(model: CallModel, did: Did) -> CallModel | None:
    """The model after this, or None if it would have come out otherwise."""
    if did.seen is not None:
        should = model.seen()
        return model if all(should.get(name) == one for name, one in did.seen.items()) else None
    other = model.clone()
    return other if other.tell(did.wish) == did.outcome else None


def told(history: Sequence[Did]) -> str:
    """A history in sentences, with when each began and ended in microseconds."""
    first = min((one.begin for one in history), default=0)

    def line(one: Did) -> str:
        came = one.seen if one.seen is not None else one.outcome.code or one.outcome.recorded
        when = f"{(one.begin - first) // 1000}-{(one.end - first) // 1000}"
        return f"[{when}] {sentence(one.wish)}: {came}"

    return numbered(line(one) for one in sorted(history, key=lambda one: one.begin))
