"""Values that nobody means well with, and a few that merely look strange."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import count, repeat
from typing import Any, Final, NoReturn

SPOILT: Final = RuntimeError("a stranger's method ran")


def _spoil(*_: object, **__: object) -> NoReturn:
    raise SPOILT


_METHODS: Final = (
    *("__str__", "__repr__", "__format__", "__bool__", "__len__", "__hash__", "__eq__", "__ne__"),
    *(
        "__lt__",
        "__le__",
        "__gt__",
        "__ge__",
        "__iter__",
        "__next__",
        "__getitem__",
        "__contains__",
    ),
    *(
        "__int__",
        "__index__",
        "__float__",
        "__pos__",
        "__add__",
        "__sub__",
        "__call__",
        "__reversed__",
    ),
    *("encode", "items", "keys", "values", "get", "isoformat", "utcoffset", "astimezone", "lower"),
    *("startswith", "partition", "strip", "__getattr__", "__fspath__"),
)


def spoilt(*bases: type) -> type:
    """A class of which every method that anybody might call raises."""
    namespace: dict[str, Any] = dict.fromkeys(_METHODS, _spoil)
    namespace["__class__"] = property(_spoil)
    return type("Spoilt", bases, namespace)


def liar(pretends: type) -> object:
    """An object that says it is a `pretends`, and is not."""
    return type("Liar", (), {"__class__": property(lambda _: pretends)})()


class Endless(Mapping[str, object]):
    """A mapping without an end."""

    def __getitem__(self, key: str) -> object:
        return key

    def __len__(self) -> int:
        return sys.maxsize

    def __iter__(self) -> Iterator[str]:
        return (f"key{n}" for n in count())


class EndlessDict(dict[str, object]):
    """A dict that says it has no end; what it really holds is harmless."""

    def items(self) -> Any:
        return ((f"key{n}", n) for n in count())

    def __iter__(self) -> Iterator[str]:
        return (f"key{n}" for n in count())


class BadZone(tzinfo):
    """A time zone that fails, or is out of its mind."""

    def __init__(self, offset: Callable[[], timedelta | None]) -> None:
        self._offset = offset

    def utcoffset(self, _: datetime | None) -> timedelta | None:
        return self._offset()

    def tzname(self, _: datetime | None) -> str:
        return "nowhere"

    def dst(self, _: datetime | None) -> timedelta | None:
        return self._offset()


def _failing() -> Iterator[object]:
    yield "alice"
    raise SPOILT


def _recursing() -> Iterator[object]:
    yield from _recursing()


def _inside_itself(kind: type) -> object:
    if kind is list:
        endless: list[object] = []
        endless.append(endless)
        return endless
    around: dict[str, object] = {}
    around["self"] = around
    return around


def _deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = {"a": value}
    return value


_LONG: Final = "a" * 5_000_000
_HUGE: Final = 10**5000
_DEEP: Final = _deep(10_000)
_NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)

NEVER: Final[Mapping[str, Callable[[], object]]] = {
    "an object": object,
    "a class": lambda: dict,
    "Ellipsis": lambda: ...,
    "NotImplemented": lambda: NotImplemented,
    "bytes": lambda: b"alice",
    "a bytearray": lambda: bytearray(b"alice"),
    "a memoryview": lambda: memoryview(b"alice"),
    "a complex number": lambda: 1j,
    "an integer of 400 digits": lambda: 10**400,
    "an integer that cannot be printed": lambda: _HUGE,
    "a negative integer": lambda: -1,
    "not a number": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "one and a half": lambda: 1.5,
    "NUL": lambda: "ali\0ce",
    "a lone surrogate": lambda: "ali\ud800ce",
    "megabytes of text": lambda: _LONG,
    "an object of which everything fails": spoilt(),
    "a liar about text": lambda: liar(str),
    "a liar about numbers": lambda: liar(int),
    "a liar about flags": lambda: liar(bool),
    "a liar about dicts": lambda: liar(dict),
    "a liar about lists": lambda: liar(list),
    "a liar about datetimes": lambda: liar(datetime),
    "all numbers": count,
    "alice for ever": lambda: repeat(object()),
    "an iterator that fails": _failing,
    "an iterator that calls itself": _recursing,
    "a list in itself": lambda: _inside_itself(list),
    "a dict in itself": lambda: _inside_itself(dict),
    "ten thousand levels": lambda: _DEEP,
    "a mapping without an end": Endless,
    "a naive datetime": lambda: datetime(2026, 1, 1, 12),  # noqa: DTZ001 - that is the point
    "the first datetime": lambda: datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
    "the last datetime": lambda: datetime.max.replace(tzinfo=timezone(-timedelta(hours=12))),
    "a time zone that fails": lambda: _NOON.replace(tzinfo=BadZone(_spoil)),
    "a time zone that knows nothing": lambda: _NOON.replace(tzinfo=BadZone(lambda: None)),
    "a time zone of two days": lambda: _NOON.replace(tzinfo=BadZone(lambda: timedelta(days=2))),
}
"""What no argument of anything means."""

STRANGE: Final[Mapping[str, Callable[[], object]]] = {
    "None": lambda: None,
    "True": lambda: True,
    "seven": lambda: 7,
    "nothing": lambda: "",
    "alice": lambda: "alice",
    "text of which everything fails": lambda: spoilt(str)("alice"),
    "a number of which everything fails": lambda: spoilt(int)(7),
    "a float of which everything fails": lambda: spoilt(float)(1.5),
    "a list of which everything fails": spoilt(list),
    "a dict of which everything fails": lambda: spoilt(dict)(color="red"),
    "a datetime of which everything fails": lambda: spoilt(datetime)(2026, 1, 1, tzinfo=UTC),
    "a dict that says it has no end": lambda: EndlessDict(color="red"),
    "an empty generator": lambda: iter(()),
    "a set": lambda: {"alice"},
    "an empty dict": dict,
    "an empty list": list,
}
"""What some argument may mean: then it is taken for what it really is."""
