"""The map from every chain to its length and head, and what is proved with it.

A binary trie over the hashes of the chains' names: a bit of the hash says left or right. A part of
it that holds nothing is `NO_HASH`, one that holds a single entry is that entry's hash. So a name
has one place where it can stand, whoever made the map, and what stands there says that it is in it
or that it is not.

Chains have the names of streams: `call-default:123` for a call with its sessions and members,
`type-default` for a call type, `user-alice` for a user.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from greenroom.audit.trees import DIGEST, NO_HASH, Unproven

_BITS: Final = 8 * DIGEST
_LENGTH: Final = 8
"""Bytes of a chain's length."""
_OVER: Final = sha256(b"\x04")

Entry = tuple[int, bytes]
"""How many records a chain has, and its head."""


@dataclass
class Place:
    """Where a chain stands in the map, or would."""

    others: list[bytes] = field(default_factory=list)
    """The roots beside it, from the map's root down."""
    found: tuple[bytes, Entry] | None = None
    """The hashed name and the entry that stand there: its own, or the only one as far as the
    names agree; None where nothing stands."""


def name_hash(chain: str) -> bytes:
    """The hash of a chain's name."""
    return sha256(chain.encode("utf-8", "surrogatepass")).digest()


def map_root(entries: Mapping[bytes, Entry]) -> bytes:
    """The root of the map with these entries, by hashed names."""
    return places(entries, ())[0]


def places(
    entries: Mapping[bytes, Entry], names: Collection[bytes]
) -> tuple[bytes, dict[bytes, Place]]:
    """The root of the map, and where these hashed names stand in it, or would."""
    hashed = sorted(entries)
    making = _Making(hashed, [_entry_hash(name, entries[name]) for name in hashed])
    found = {name: Place() for name in names}
    root = making.walk(0, len(hashed), 0, found)
    for place in found.values():
        place.others.reverse()
    for name, at in making.ends.items():
        found[name].found = (hashed[at], entries[hashed[at]])
    return root, found


def must_be_in(root: bytes, chain: str, entry: Entry, place: Place) -> None:
    """The map with this root says `entry` of `chain`.

    Raises:
        Unproven: it does not, or this does not show it.
    """
    if place.found != (name_hash(chain), entry):
        raise Unproven(f"the map says something else of {chain}")
    _must_lead(root, name_hash(chain), place)


def must_be_absent(root: bytes, chain: str, place: Place) -> None:
    """The map with this root holds no `chain`.

    Raises:
        Unproven: it does, or this does not show it.
    """
    wanted = name_hash(chain)
    if place.found is not None:
        there, depth = place.found[0], _depth(place)
        if there == wanted or _first_bits(there, depth) != _first_bits(wanted, depth):
            raise Unproven(f"this does not show that there is no {chain}")
    _must_lead(root, wanted, place)


def _must_lead(root: bytes, wanted: bytes, place: Place) -> None:
    """What stands in the place of a name leads to the root."""
    depth = _depth(place)
    hashed = NO_HASH if place.found is None else _entry_hash(*place.found)
    bits = int.from_bytes(wanted, "big")
    for level in reversed(range(depth)):
        other = place.others[level]
        hashed = _over(other, hashed) if bits >> (_BITS - 1 - level) & 1 else _over(hashed, other)
    if hashed != root:
        raise Unproven("the proof does not lead to the root of the chains")


def _depth(place: Place) -> int:
    """How many bits of its name lead to a place."""
    if len(place.others) > _BITS:
        raise Unproven("the proof of the map is too long")
    return len(place.others)


def _first_bits(name: bytes, count: int) -> int:
    return int.from_bytes(name, "big") >> (_BITS - count)


def _entry_hash(name: bytes, entry: Entry) -> bytes:
    length, head = entry
    return sha256(b"\x03" + name + length.to_bytes(_LENGTH, "big") + head).digest()


def _over(left: bytes, right: bytes) -> bytes:
    hashing = _OVER.copy()
    hashing.update(left + right)
    return hashing.digest()


class _Making:
    """The trie over sorted names, made once; notes what lies beside wanted names on the way."""

    def __init__(self, names: Sequence[bytes], hashes: Sequence[bytes]) -> None:
        self._names = names
        self._hashes = hashes
        self.ends: dict[bytes, int] = {}
        """Wanted names, and the number of the entry that stands in their place."""

    def walk(self, begin: int, end: int, level: int, wanted: Mapping[bytes, Place]) -> bytes:
        """The root over the entries `begin` to `end`, which agree in `level` bits."""
        if end - begin < 2:  # noqa: PLR2004 - nothing, or a single one
            if begin == end:
                return NO_HASH
            for name in wanted:
                self.ends[name] = begin
            return self._hashes[begin]
        names = self._names
        at, bit = level >> 3, 0x80 >> (level & 7)
        shared = names[begin]
        border = shared[:at] + bytes([shared[at] & (0xFF00 >> (level & 7)) & 0xFF | bit])
        middle = bisect_left(names, border, begin, end)
        if not wanted:
            left = self.walk(begin, middle, level + 1, _NOBODY)
            right = self.walk(middle, end, level + 1, _NOBODY)
            return _over(left, right)
        to_the_right = {name: place for name, place in wanted.items() if name[at] & bit}
        to_the_left = {name: place for name, place in wanted.items() if not name[at] & bit}
        left = self.walk(begin, middle, level + 1, to_the_left)
        right = self.walk(middle, end, level + 1, to_the_right)
        for place in to_the_left.values():
            place.others.append(right)
        for place in to_the_right.values():
            place.others.append(left)
        return _over(left, right)


_NOBODY: Final[Mapping[bytes, Place]] = {}
