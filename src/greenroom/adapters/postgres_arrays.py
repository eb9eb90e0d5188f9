"""Lists as PostgreSQL takes them: one binary array a parameter, always of the same type.

psycopg sends lists as well, but says what is in them by looking: the type of a parameter changes
with the size of the numbers or where a list is empty, and each combination of types is a statement
to be prepared anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct, pack
from typing import Final

import psycopg
from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format

_EMPTY: Final = Struct("!iiI").pack
_HEAD: Final = Struct("!iiIii").pack
_LENGTH: Final = Struct("!i").pack
_NULL: Final = _LENGTH(-1)
_BIGINT: Final = Struct("!iq").pack


class Texts(tuple[str, ...]):
    """A parameter of type `text[]`."""

    __slots__ = ()


class Blobs(tuple[bytes, ...]):
    """A parameter of type `bytea[]`."""

    __slots__ = ()


class Integers(tuple[int | None, ...]):
    """A parameter of type `bigint[]`."""

    __slots__ = ()


def adapters() -> AdaptersMap:
    """What psycopg knows of types, and these."""
    known = AdaptersMap(psycopg.adapters)
    known.register_dumper(Texts, _TextsDumper)
    known.register_dumper(Blobs, _BlobsDumper)
    known.register_dumper(Integers, _IntegersDumper)
    return known


class _TextsDumper(Dumper):
    format = Format.BINARY
    oid = 1009

    def dump(self, obj: Texts) -> bytes:
        return _array(25, [text.encode() for text in obj])


class _BlobsDumper(Dumper):
    format = Format.BINARY
    oid = 1001

    def dump(self, obj: Blobs) -> bytes:
        return _array(17, obj)


class _IntegersDumper(Dumper):
    format = Format.BINARY
    oid = 1016

    def dump(self, obj: Integers) -> bytes:
        if None not in obj:  # in one go: most are versions
            pairs = [part for number in obj for part in (8, number)]
            return _head(20, len(obj)) + pack("!" + "iq" * len(obj), *pairs)
        items = [_NULL if number is None else _BIGINT(8, number) for number in obj]
        return _head(20, len(obj), nulls=True) + b"".join(items)


def _array(element: int, items: Sequence[bytes]) -> bytes:
    parts = [_head(element, len(items))]
    for item in items:
        parts.append(_LENGTH(len(item)))
        parts.append(item)
    return b"".join(parts)


def _head(element: int, length: int, *, nulls: bool = False) -> bytes:
    """Dimensions, whether there are nulls, type of the elements; how many, counted from 1."""
    return _HEAD(1, nulls, element, length, 1) if length else _EMPTY(0, 0, element)
