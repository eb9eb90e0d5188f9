"""Trees are those of RFC 6962, and proofs show what is so, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.audit.trees import (
    EMPTY_ROOT,
    Unproven,
    besides,
    between,
    leaf_hash,
    must_extend,
    node_hash,
    path,
    root,
    root_from,
    root_over,
)

LEAVES = [
    bytes.fromhex(one)
    for one in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
# What the implementations of Certificate Transparency agree on for these leaves.
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

# The proofs of Certificate Transparency's test data for the same leaves: (leaf, size, path) ...
PATHS = [
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
]
# ... and (old size, new size, consistency proof).
STEPS = [
    (1, 1, []),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]

hashes = st.lists(st.integers(0, 5).map(lambda one: leaf_hash(bytes([one]))), max_size=80)


def by_definition(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY_ROOT
    k = max(2**n for n in range(len(leaves).bit_length()) if 2**n < len(leaves))
    return node_hash(by_definition(leaves[:k]), by_definition(leaves[k:]))


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_roots_are_those_that_others_find(size: int) -> None:
    assert root([leaf_hash(one) for one in LEAVES[:size]]).hex() == ROOTS[size]


@pytest.mark.parametrize(("at", "size", "others"), PATHS)
def test_paths_are_those_that_others_give(at: int, size: int, others: list[str]) -> None:
    leaves = [leaf_hash(one) for one in LEAVES]
    assert [root(leaves[begin:end]).hex() for begin, end in path(at, size)] == others
    assert root_over(at, leaves[at], size, [*map(bytes.fromhex, others)]).hex() == ROOTS[size]


@pytest.mark.parametrize(("old", "new", "others"), STEPS)
def test_consistency_proofs_are_those_that_others_give(
    old: int, new: int, others: list[str]
) -> None:
    leaves = [leaf_hash(one) for one in LEAVES]
    assert [root(leaves[begin:end]).hex() for begin, end in between(old, new)] == others
    given_to = bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new])
    must_extend(old, *given_to, [*map(bytes.fromhex, others)])


@given(hashes)
def test_roots_are_those_of_the_definition(leaves: list[bytes]) -> None:
    assert root(leaves) == by_definition(leaves)


@given(hashes, st.data())
def test_a_leafs_path_leads_to_the_root_and_another_leaf_does_not(
    leaves: list[bytes], data: st.DataObject
) -> None:
    leaves = [*leaves, leaf_hash(b"one more")]
    at = data.draw(st.integers(0, len(leaves) - 1))
    others = [by_definition(leaves[begin:end]) for begin, end in path(at, len(leaves))]
    assert root_over(at, leaves[at], len(leaves), others) == by_definition(leaves)
    assert root_over(at, leaf_hash(b"forged"), len(leaves), others) != by_definition(leaves)
    with pytest.raises(Unproven):
        root_over(at, leaves[at], len(leaves), [*others, leaves[0]])
    with pytest.raises(Unproven):
        root_over(len(leaves), leaves[at], len(leaves), others)


@given(hashes, st.data())
def test_some_leaves_and_what_stands_beside_them_lead_to_the_root(
    leaves: list[bytes], data: st.DataObject
) -> None:
    size = len(leaves)
    some = sorted(data.draw(st.sets(st.sampled_from(range(size)))) if size else ())
    others = [by_definition(leaves[begin:end]) for begin, end in besides(some, size)]
    chosen = [leaves[at] for at in some]
    assert root_from(some, chosen, size, others) == by_definition(leaves)
    if some:
        forged = [*chosen[:-1], leaf_hash(b"forged")]
        assert root_from(some, forged, size, others) != by_definition(leaves)
    if others:
        with pytest.raises(Unproven, match="too short"):
            root_from(some, chosen, size, others[:-1])
    if size:
        with pytest.raises(Unproven, match="too long"):
            root_from(some, chosen, size, [*others, leaf_hash(b"one more")])


@given(hashes, st.data())
def test_a_tree_extends_those_it_began_with_and_no_others(
    leaves: list[bytes], data: st.DataObject
) -> None:
    size = len(leaves)
    old = data.draw(st.integers(0, size))
    others = [by_definition(leaves[begin:end]) for begin, end in between(old, size)]
    before, after = by_definition(leaves[:old]), by_definition(leaves)
    must_extend(old, before, size, after, others)
    forged = leaf_hash(b"forged")
    for wrong in (
        (old, forged, size, after, others),
        (old, before, size, forged, others),
        (old, before, size, after, [*others, forged]),
        (size + 1, before, size, after, others),
    ):
        if old == 0 and wrong[1] == before and wrong[4] == others and wrong[0] == 0:
            continue  # anything extends nothing
        with pytest.raises(Unproven):
            must_extend(*wrong)
    if others:
        with pytest.raises(Unproven):
            must_extend(old, before, size, after, others[1:])
