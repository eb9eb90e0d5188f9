"""Many things, some at a time: what a database is asked at once has an end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`, the last maybe shorter: Python 3.12 has its own."""
    remaining = iter(items)
    while some := list(islice(remaining, size)):
        yield some
