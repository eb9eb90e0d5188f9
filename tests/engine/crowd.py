"""A crowd at the door of one call: what everybody was told, held against what is in the log."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.engine.clerk import Fault

from greenroom.answers import HistoryEvent
from greenroom.domain.errors import StoreClosed, StoreError
from greenroom.domain.ports import Append

LIMIT = 3
PEOPLE = ("tommaso", "alice", "charlie", "jaewoong", "eve", "bob")
UNSETTLED = (StoreError, RuntimeError)
"""What a store that fails at random makes of a command: to be asked again."""


def at_random(seed: int, share: float = 0.3) -> Callable[[Sequence[Append]], Fault]:
    """Faults for a share of all batches."""
    lot = Random(seed)
    drawing = threading.Lock()
    faults = (Fault.ERROR, Fault.BUG, Fault.LOST, Fault.LOST_ANSWER)

    def draw(_: Sequence[Append]) -> Fault:
        with drawing:
            return lot.choice(faults) if lot.random() < share else Fault.NONE

    return draw


def settles(error: Exception) -> bool:
    """Whether there is nothing more to find out by asking again."""
    return isinstance(error, StoreClosed) or not isinstance(error, UNSETTLED)


@dataclass
class Crowd:
    """What everybody was told. Safe for many threads: lists are."""

    joined: list[tuple[str, str]] = field(default_factory=list)
    """(user, entry) of each admission."""
    left: list[str] = field(default_factory=list)
    """The entry of each leaving."""
    full: list[tuple[int, int]] = field(default_factory=list)
    """The log's position before and after somebody was told that the call is full."""

    def check(self, history: Sequence[HistoryEvent]) -> None:
        """Everybody was told the truth."""
        assert [event.seq for event in history] == list(range(1, len(history) + 1))
        versions: Counter[str] = Counter()
        for one in history:
            versions[one.stream] += 1
            assert one.version == versions[one.stream], one
        entered = [
            (one.event["user_id"], one.event["entry_id"])
            for one in history
            if one.name == "session.joined"
        ]
        assert sorted(entered) == sorted(self.joined), "each once, and nobody else"
        gone = [one.event["entry_id"] for one in history if one.name == "session.left"]
        assert sorted(gone) == sorted(self.left)
        self._check_places(history)

    def _check_places(self, history: Sequence[HistoryEvent]) -> None:
        present: dict[str, str] = {}
        taken = [(0, 0)]
        """(position, users present from there on)."""
        for one in history:
            match one.name:
                case "session.joined":
                    present[one.event["entry_id"]] = one.event["user_id"]
                case "session.left":
                    del present[one.event["entry_id"]]
            taken.append((one.position, len({*present.values()})))
        assert max(count for _, count in taken) <= LIMIT
        for before, after in self.full:
            first = max(n for n, (position, _) in enumerate(taken) if position <= before)
            meanwhile = [count for position, count in taken[first:] if position <= after]
            assert LIMIT in meanwhile, "turned away, and there was a place all the time"
