"""The leaf of a record: its canonical bytes, one line of JSON.

    {"position":7,"stream":"call-default:123","version":1,"name":"call.created","record":{...}}

`record` is the document as it is stored, to the byte: personal fields stand in it sealed, so the
leaf stays what it is when they are erased. Where the document ends is where the line does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from greenroom.audit.trees import Unproven

_FIELDS: Final = ("position", "stream", "version", "name", "record")
_MANY: Final = 10_000


@dataclass(frozen=True)
class Leaf:
    """A record, as a leaf tells it."""

    position: int
    stream: str
    version: int
    name: str
    record: dict[str, Any]


def leaf(position: int, stream: str, version: int, name: str, document: bytes) -> bytes:
    """The leaf of a stored record; no two records have the same."""
    head = b'{"position":%d,"stream":%b,"version":%d,"name":%b,"record":'
    return head % (position, quoted(stream), version, quoted(name)) + document + b"}"


def read_leaf(line: bytes) -> Leaf:
    """The record that a leaf tells.

    Raises:
        Unproven: it is not as `leaf` writes it.
    """
    try:
        said = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Unproven("a record is not JSON") from None
    if not isinstance(said, dict) or tuple(said) != _FIELDS:
        raise Unproven("a record does not have its five fields in their order")
    found = Leaf(**said)
    numbers = (found.position, found.version)
    texts = (found.stream, found.name)
    if not (
        all(type(one) is int for one in numbers)
        and all(type(one) is str for one in texts)
        and type(found.record) is dict
    ):
        raise Unproven("a field of a record is of the wrong kind")
    return found


def chain_of(stream: str) -> str:
    """The chain that the records of a stream belong to: the call's for all its streams."""
    kind, dash, rest = stream.partition("-")
    return f"call-{rest.partition('/')[0]}" if dash and kind in {"session", "member"} else stream


@lru_cache(_MANY)
def quoted(text: str) -> bytes:
    """`text` as JSON has it, in ASCII."""
    return json.dumps(text).encode("ascii")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which nothing is said twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unproven("a record says something twice")
    return found
