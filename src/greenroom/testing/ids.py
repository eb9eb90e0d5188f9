"""Ids that are the same on every run."""

from __future__ import annotations

from collections import defaultdict
from itertools import count

from greenroom.adapters.ids import Ids


class SequentialIds(Ids):
    """`event-000001`, `event-000002`, `request-000001` ...: one count for each kind of id.

    Unique within one instance only: never use it with a store that another one has written to.
    """

    def __init__(self) -> None:
        self._counts = defaultdict[str, "count[int]"](lambda: count(1))

    def _new(self, kind: str) -> str:
        return f"{kind}-{next(self._counts[kind]):06}"
