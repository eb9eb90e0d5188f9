"""The leaf of a record: its canonical bytes, one line of JSON.

    {"position":7,"stream":"call-default:123","version":1,"name":"call.created","record":{...}}

`record` is the document as it is stored, to the byte: personal fields stand in it sealed, so the
leaf stays what it is when they are erased. Where the document ends is where the line does.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Final, NamedTuple

from greenroom.audit.trees import Unproven

# What needs no escape stands for itself; whether escapes are as we write them is looked at.
_PLAIN: Final = rb"[ !#-\[\]-\x7f]*"
_QUOTED: Final = rb'"(%b(?:\\.%b)*)"' % (_PLAIN, _PLAIN)
_NUMBER: Final = rb"0|[1-9][0-9]{0,18}"
_HEAD: Final = re.compile(
    rb'\{"position":(%b),"stream":%b,"version":(%b),"name":%b,"record":(?=\{)'
    % (_NUMBER, _QUOTED, _NUMBER, _QUOTED)
)


class Leaf(NamedTuple):
    """A record, as a leaf tells it."""

    position: int
    stream: str
    version: int
    name: str
    document: bytes

    @property
    def record(self) -> dict[str, Any]:
        """The document, read.

        Raises:
            Unproven: it cannot be.
        """
        try:
            said = json.loads(self.document)
        except (ValueError, RecursionError):
            raise Unproven(f"the record at position {self.position} is not JSON") from None
        if not isinstance(said, dict):
            raise Unproven(f"the record at position {self.position} is no JSON object")
        return said


def leaf(position: int, stream: str, version: int, name: str, document: bytes) -> bytes:
    """The leaf of a stored record; no two records have the same.

    Raises:
        TypeError: it is none; whoever can write to a store can write anything there.
    """
    if type(position) is not int or type(version) is not int:  # others would be rounded
        raise TypeError("a position or a version is no whole number")
    said = position, quoted(stream).encode(), version, _name_said(name), document
    return b'{"position":%d,"stream":%b,"version":%d%b%b}' % said


def read_leaf(line: bytes) -> Leaf:
    """The record that a leaf tells.

    Raises:
        Unproven: it is not as `leaf` writes it.
    """
    found = _HEAD.match(line)
    if found is None or not line.endswith(b"}}"):
        raise Unproven("a record does not have its five fields in their order")
    position, stream, version, name = found.groups()
    document = line[found.end() : -1]
    return Leaf(int(position), _unescaped(stream), int(version), _unescaped(name), document)


def chain_of(stream: str) -> str:
    """The chain that the records of a stream belong to: the call's for all its streams."""
    kind, dash, rest = stream.partition("-")
    return f"call-{rest.partition('/')[0]}" if dash and kind in {"session", "member"} else stream


# Looked up, not written anew: there are few names.
@lru_cache(1_000)
def _name_said(name: str) -> bytes:
    return f',"name":{quoted(name)},"record":'.encode()


def _unescaped(text: bytes) -> str:
    """What is written so between quotation marks."""
    if b"\\" not in text:
        return text.decode("ascii")
    try:
        said = str(json.loads(b'"%b"' % text))
    except ValueError:
        raise Unproven("a name in a record is not JSON") from None
    if quoted(said).encode("ascii") != b'"%b"' % text:
        raise Unproven("a name in a record is not as it is written")
    return said
