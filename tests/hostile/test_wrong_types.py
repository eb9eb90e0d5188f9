"""Any value as any argument of any public method: taken for what it is, or refused by its path."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest
from tests.hostile.entry_points import ENTRY_POINTS, NOT_HERE, EntryPoint, House, public_methods
from tests.hostile.evil import NEVER, STRANGE

from greenroom import (
    Backstage,
    CallHandle,
    Entry,
    Greenroom,
    Member,
    PastRoom,
    UserHandle,
)
from greenroom.adapters.outbox import Outbox
from greenroom.domain.errors import GreenroomError, InvalidInput
from greenroom.past_policy import PastCallTypes, PastUsers
from greenroom.policy import CallTypes, Users
from greenroom.projections.query import SortKey

Way = Callable[[Any], object]

INSIDE: Final[Mapping[str, Sequence[Way]]] = {
    "members": [
        lambda evil: [evil],
        lambda evil: [Member(evil)],
        lambda evil: [Member("charlie", role=evil)],
        lambda evil: [Member("charlie", custom=evil)],
        lambda evil: [Member("charlie", custom={"a": [evil]})],
    ],
    "member_ids": [lambda evil: [evil], lambda evil: ("alice", evil)],
    "user_ids": [lambda evil: [evil]],
    "permissions": [lambda evil: [evil]],
    "teams": [lambda evil: [evil]],
    "custom": [lambda evil: {"a": [evil]}, lambda evil: {evil: 1}],
    "settings": [lambda evil: {"limits": {"max_duration_seconds": evil}}],
    "indexed_custom": [lambda evil: {"members": {"color": evil}}, lambda evil: {"calls": evil}],
    "backstage": [
        lambda evil: Backstage(enabled=evil),
        lambda evil: Backstage(join_ahead_time_seconds=evil),
    ],
    "filters": [
        lambda evil: {"custom.a": evil},
        lambda evil: {"$or": [evil]},
        lambda evil: {"$and": evil},
        lambda evil: {"role": {"$in": evil}},
        lambda evil: {"role": {"$in": [evil]}},
        lambda evil: {evil: "host"},
    ],
    "sort": [lambda evil: [evil], lambda evil: [SortKey(evil)]],
}
"""Ways of hiding a value inside an argument."""

NUMBERS: Final = {"a negative integer", "one and a half"}
"""Wrong as any argument, and yet JSON."""
CALLABLE: Final = {"a class", "an object of which everything fails"}
"""All that can be known of a function before it is called."""


PATHS: Final = {"call_type": "type"}
"""Where a fault is said to be, if not at the name of the argument."""


def _as_it_is(evil: object) -> object:
    return evil


@dataclass
class Attempt:
    """What became of one value as one argument."""

    point: EntryPoint
    argument: str
    house: House
    value: Callable[[], object]
    way: Way = _as_it_is
    error: BaseException | None = None

    def make(self) -> Attempt:
        """Try; whatever is refused must have recorded nothing, and be answered at once."""
        value = self.value()
        try:
            wrapped = self.way(value)
        except Exception as error:  # noqa: BLE001 - no dict takes such a key: it never gets to us
            self.error = InvalidInput(self.argument, f"({error!r})")
            return self
        before, began = self.house.room.position, time.thread_time()
        try:
            self.point(self.house, **{self.argument: wrapped})
        except Exception as error:  # noqa: BLE001 - that is the question
            self.error = error
            assert self.house.room.position == before, self.described()
        assert time.thread_time() - began < 5, self.described()
        return self

    def described(self) -> str:
        return f"{self.point.method}({self.argument}): {self.error!r}"


@pytest.fixture(autouse=True)
def nothing_collected() -> Iterator[None]:
    """What is timed does not pay for the heap that other tests have left."""
    gc.disable()
    yield
    gc.enable()


POINTS: Final = [pytest.param(point, id=point.method) for point in ENTRY_POINTS if point.good]


@pytest.mark.parametrize("point", POINTS)
def test_what_no_argument_means_is_refused_by_its_path(point: EntryPoint, house: House) -> None:
    for argument in point.good:
        for name, value in NEVER.items():
            if argument in {"listener", "progress"} and name in CALLABLE:
                continue
            tried = Attempt(point, argument, house, value).make()
            assert isinstance(tried.error, InvalidInput), f"{tried.described()} for {name}"
            assert tried.error.path.startswith((argument, PATHS.get(argument, argument)))
            for way in INSIDE.get(argument, ()):
                tried = Attempt(point, argument, house, value, way).make()
                if argument in {"custom", "filters", "members"} and name in NUMBERS:
                    assert tried.error is None or isinstance(tried.error, GreenroomError)
                else:
                    assert isinstance(tried.error, InvalidInput), f"{tried.described()} for {name}"
                    assert tried.error.path.startswith(argument), tried.described()


@pytest.mark.parametrize("point", POINTS)
def test_what_looks_strange_is_taken_for_what_it_is_or_refused(
    point: EntryPoint, house: House
) -> None:
    for argument in point.good.keys() - {"progress"}:  # what a caller's function raises is theirs
        for value in STRANGE.values():
            for way in (_as_it_is, *INSIDE.get(argument, ())):
                tried = Attempt(point, argument, house, value, way).make()
                assert tried.error is None or isinstance(tried.error, GreenroomError), (
                    tried.described()
                )


def test_every_public_method_is_tried() -> None:
    now = (Greenroom, UserHandle, CallHandle, Entry, CallTypes, Users, Outbox)
    classes = (*now, PastRoom, PastCallTypes, PastUsers)
    tried = {point.method for point in ENTRY_POINTS}
    assert tried | set(NOT_HERE) == public_methods(*classes)
