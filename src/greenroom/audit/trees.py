"""The tree over the log (RFC 6962), and what is proved with it.

A tree is never built: it is told by its leaves' hashes, or by somebody who answers the root of any
stretch of them. Ranges are of leaf numbers from 0; the record at position 1 is leaf 0.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Final

DIGEST: Final = 32
"""Bytes of a hash."""
NO_HASH: Final = bytes(DIGEST)
"""Before the first record of a chain, and where a map is empty."""
EMPTY_ROOT: Final = sha256().digest()
"""Of a tree without leaves."""

Stretch = tuple[int, int]
"""Leaves from the first up to, and without, the second."""
RootOf = Callable[[int, int], bytes]
"""The root over a stretch."""


class Unproven(ValueError):  # noqa: N818 - the fact that it is
    """Something does not prove what it should; the message says what and why."""


# Copying what has seen the first byte takes half the time of beginning anew.
_LEAF: Final = sha256(b"\x00")
_NODE: Final = sha256(b"\x01")
_LINK: Final = sha256(b"\x02")


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of one leaf."""
    hashing = _LEAF.copy()
    hashing.update(leaf)
    return hashing.digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of what is over two others."""
    hashing = _NODE.copy()
    hashing.update(left + right)
    return hashing.digest()


def link(head: bytes, *leaves: bytes) -> bytes:
    """The head of a chain, from an earlier one and the hashes of the leaves that are added."""
    for leaf in leaves:
        hashing = _LINK.copy()
        hashing.update(head + leaf)
        head = hashing.digest()
    return head


def root(hashes: Sequence[bytes]) -> bytes:
    """The root over leaves with these hashes."""
    if not hashes:
        return EMPTY_ROOT
    level = hashes
    while len(level) > 1:
        above = [*map(node_hash, level[::2], level[1::2])]
        if len(level) % 2:
            above.append(level[-1])
        level = above
    return level[0]


def split(width: int) -> int:
    """How many of `width` leaves, at least two, stand left: the largest power of two below."""
    return 1 << (width - 1).bit_length() - 1


def besides(leaves: Sequence[int], size: int) -> list[Stretch]:
    """The stretches whose roots lead from `leaves` to the root over `size`, from left to right.

    Args:
        leaves: their numbers, rising; with one, what RFC 6962 calls its audit path, by place.
        size: of the tree.
    """

    def walk(begin: int, end: int, low: int, high: int) -> Iterator[Stretch]:
        if low == high:
            yield begin, end
        elif high - low < end - begin:
            middle = begin + split(end - begin)
            cut = bisect_left(leaves, middle, low, high)
            yield from walk(begin, middle, low, cut)
            yield from walk(middle, end, cut, high)

    return list(walk(0, size, 0, len(leaves))) if size else []


def root_from(
    leaves: Sequence[int], hashes: Sequence[bytes], size: int, others: Sequence[bytes]
) -> bytes:
    """The root over `size` leaves, from some of them and the roots of the stretches `besides`.

    Args:
        leaves: their numbers, rising and below `size`.
        hashes: theirs.
        size: of the tree.
        others: the roots, in their order.

    Raises:
        Unproven: there are too many of them, or too few.
    """
    if not size:
        return EMPTY_ROOT
    rest = iter(others)

    def walk(begin: int, end: int, low: int, high: int) -> bytes:
        if low == high:
            return _next(rest)
        if high - low == end - begin:
            return root(hashes[low:high])
        middle = begin + split(end - begin)
        cut = bisect_left(leaves, middle, low, high)
        left = walk(begin, middle, low, cut)
        return node_hash(left, walk(middle, end, cut, high))

    found = walk(0, size, 0, len(leaves))
    _exhaust(rest)
    return found


def path(leaf: int, size: int) -> list[Stretch]:
    """The stretches whose roots lead from one leaf up to the root, in the order of RFC 6962."""
    begin, end, found = 0, size, list[Stretch]()
    while end - begin > 1:
        middle = begin + split(end - begin)
        if leaf < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((begin, middle))
            begin = middle
    return found[::-1]


def root_over(leaf: int, hashed: bytes, size: int, others: Sequence[bytes]) -> bytes:
    """The root that a leaf's hash and its `path` lead to.

    Raises:
        Unproven: the path is not as long as it must be, or the tree has no such leaf.
    """
    stretches = path(leaf, size) if 0 <= leaf < size else None
    if stretches is None or len(stretches) != len(others):
        raise Unproven("the proof does not have the length that the tree's size asks for")
    for (begin, _), other in zip(stretches, others, strict=True):
        hashed = node_hash(other, hashed) if begin < leaf else node_hash(hashed, other)
    return hashed


def between(old: int, new: int) -> list[Stretch]:
    """The stretches whose roots show that a tree of `old` leaves became one of `new`.

    In the order of RFC 6962, section 2.1.2; none where `old` is 0, or as large as `new`.
    """

    def walk(begin: int, end: int, *, whole: bool) -> Iterator[Stretch]:
        if old == end:
            if not whole:
                yield begin, end
            return
        middle = begin + split(end - begin)
        if old <= middle:
            yield from walk(begin, middle, whole=whole)
            yield middle, end
        else:
            yield from walk(middle, end, whole=False)
            yield begin, middle

    return list(walk(0, new, whole=True)) if 0 < old < new else []


def must_extend(
    old: int, old_root: bytes, new: int, new_root: bytes, others: Sequence[bytes]
) -> None:
    """The tree of `new` leaves begins with all of the tree of `old` ones.

    Args:
        old: how many leaves it had.
        old_root: their root.
        new: how many it has.
        new_root: their root.
        others: the roots of the stretches `between` the two.

    Raises:
        Unproven: it does not, or this does not show it.
    """
    if old > new:
        raise Unproven("the later tree is smaller")
    if old in (0, new):
        if others or old_root != (EMPTY_ROOT if not old else new_root):
            raise Unproven("two trees of one size differ")
        return
    rest = iter(others)

    def walk(begin: int, end: int, *, whole: bool) -> tuple[bytes, bytes]:
        if old == end:
            found = old_root if whole else _next(rest)
            return found, found
        middle = begin + split(end - begin)
        if old <= middle:
            before, after = walk(begin, middle, whole=whole)
            return before, node_hash(after, _next(rest))
        before, after = walk(middle, end, whole=False)
        left = _next(rest)
        return node_hash(left, before), node_hash(left, after)

    before, after = walk(0, new, whole=True)
    _exhaust(rest)
    if before != old_root or after != new_root:
        raise Unproven("the later tree does not begin with the earlier one")


def _next(hashes: Iterator[bytes]) -> bytes:
    found = next(hashes, None)
    if found is None:
        raise Unproven("the proof is too short")
    return found


def _exhaust(hashes: Iterator[bytes]) -> None:
    if next(hashes, None) is not None:
        raise Unproven("the proof is too long")
