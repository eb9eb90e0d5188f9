"""What `proof.json` says in a bundle, read as by somebody who trusts nothing of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from greenroom.audit.call_map import Place, name_hash
from greenroom.audit.notes import from_base64
from greenroom.audit.trees import DIGEST, NO_HASH, Unproven

PROOF: Final = "proof.json"
FORMAT: Final = 1
"""Of bundles."""


@dataclass(frozen=True)
class Proof:
    """What `proof.json` says."""

    call: str
    leaves: list[bytes]
    others: list[bytes]
    chains: list[tuple[str, int, bytes, Place]]
    earlier: list[tuple[int, list[bytes]]]


def read_proof(data: bytes) -> Proof:
    """The proof that is written so.

    Raises:
        Unproven: none is.
    """
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        raise Unproven(f"{PROOF} is not JSON") from None
    _fields(said, "format", "call", "chains", "leaves", "others", "earlier")
    if said["format"] != FORMAT:
        raise Unproven(f"the bundle has the format {said['format']!r}, this reads {FORMAT}")
    return Proof(
        call=_a(str, said["call"]),
        leaves=_hashes(said["leaves"]),
        others=_hashes(said["others"]),
        chains=[_chain(one) for one in _a(list, said["chains"])],
        earlier=[_earlier(one) for one in _a(list, said["earlier"])],
    )


def _chain(said: Any) -> tuple[str, int, bytes, Place]:
    _fields(said, "name", "length", "head", "others", "found")
    name, length = _a(str, said["name"]), _length(said["length"])
    head = _hash(said["head"])
    place = Place(_hashes(said["others"]), (name_hash(name), (length, head)) if length else None)
    if not length and said["found"] is not None:
        found = said["found"]
        _fields(found, "name", "length", "head")
        place.found = (_hash(found["name"]), (_length(found["length"]), _hash(found["head"])))
    elif said["found"] is not None or (not length and head != NO_HASH):
        raise Unproven(f"{PROOF} says too much of {name}")
    return name, length, head, place


def _earlier(said: Any) -> tuple[int, list[bytes]]:
    _fields(said, "size", "others")
    return _length(said["size"]), _hashes(said["others"])


def _fields(said: Any, *names: str) -> None:
    if type(said) is not dict or set(said) != set(names):
        raise Unproven(f"{PROOF} does not have the fields {', '.join(names)}")


def _a(kind: Any, value: Any) -> Any:
    if type(value) is not kind:
        raise Unproven(f"{PROOF} holds something of the wrong kind")
    return value


def _length(value: Any) -> int:
    found: int = _a(int, value)
    if not 0 <= found < 2**63:
        raise Unproven(f"{PROOF} holds a number out of range")
    return found


def _hash(value: Any) -> bytes:
    found = from_base64(_a(str, value), "a hash")
    if len(found) != DIGEST:
        raise Unproven("a hash does not have 32 bytes")
    return found


def _hashes(value: Any) -> list[bytes]:
    return [_hash(one) for one in _a(list, value)]
