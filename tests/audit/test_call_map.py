"""The map says of every chain what it is, and of every other that there is none."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.audit.call_map import (
    Entry,
    Place,
    map_root,
    must_be_absent,
    must_be_in,
    name_hash,
    places,
)
from greenroom.audit.trees import DIGEST, NO_HASH, Unproven

chains = st.integers(0, 300).map(lambda number: f"call-default:{number}")
entries = st.tuples(st.integers(1, 5), st.binary(min_size=DIGEST, max_size=DIGEST))


def hashed(named: dict[str, Entry]) -> dict[bytes, Entry]:
    return {name_hash(name): entry for name, entry in named.items()}


def test_the_map_of_nothing_says_that_there_is_nothing() -> None:
    root, found = places({}, [name_hash("call-default:1")])
    assert root == NO_HASH
    must_be_absent(root, "call-default:1", found[name_hash("call-default:1")])


@given(st.dictionaries(chains, entries, max_size=60), chains)
def test_what_is_in_is_shown_and_so_is_what_is_not(named: dict[str, Entry], chain: str) -> None:
    root, found = places(hashed(named), [name_hash(chain)])
    place = found[name_hash(chain)]
    assert root == map_root(hashed(named))
    if chain in named:
        must_be_in(root, chain, named[chain], place)
        with pytest.raises(Unproven):
            must_be_absent(root, chain, place)
        length, head = named[chain]
        for wrong in ((length + 1, head), (length, bytes(one ^ 1 for one in head))):
            with pytest.raises(Unproven):
                must_be_in(root, chain, wrong, Place(place.others, (name_hash(chain), wrong)))
        for lie in (Place(place.others, None), Place(place.others[:-1], None)):
            with pytest.raises(Unproven):
                must_be_absent(root, chain, lie)
    else:
        must_be_absent(root, chain, place)
        with pytest.raises(Unproven):
            must_be_in(root, chain, (1, NO_HASH), place)
        forged = Place(place.others, (name_hash(chain), (1, NO_HASH)))
        with pytest.raises(Unproven):
            must_be_in(root, chain, (1, NO_HASH), forged)


@given(st.dictionaries(chains, entries, min_size=1, max_size=60), st.data())
def test_nobody_is_shown_to_be_absent_by_anothers_place(
    named: dict[str, Entry], data: st.DataObject
) -> None:
    """Neither by the place of any other chain, nor by one of all possible depths."""
    there = data.draw(st.sampled_from(sorted(named)))
    root, found = places(hashed(named), hashed(named).keys())
    for place in found.values():
        for depth in range(len(place.others) + 1):
            with pytest.raises(Unproven):
                must_be_absent(root, there, Place(place.others[:depth], place.found))
            with pytest.raises(Unproven):
                must_be_absent(root, there, Place(place.others[:depth], None))


@pytest.mark.parametrize("found", [None, (name_hash("call-default:party"), (1, NO_HASH))])
def test_a_path_longer_than_a_name_shows_nothing(found: tuple[bytes, Entry] | None) -> None:
    place = Place([NO_HASH] * (8 * DIGEST + 1), found)
    with pytest.raises(Unproven, match="too long"):
        must_be_absent(NO_HASH, "call-default:visit", place)


@given(st.dictionaries(chains, entries, min_size=1, max_size=60), st.data())
def test_any_change_of_the_map_is_another_root(
    named: dict[str, Entry], data: st.DataObject
) -> None:
    changed = dict(named)
    name = data.draw(st.sampled_from(sorted(named)))
    kind = data.draw(st.sampled_from(["drop", "change", "add"]))
    if kind == "drop":
        del changed[name]
    elif kind == "change":
        changed[name] = (changed[name][0] + 1, changed[name][1])
    else:
        changed["call-default:new"] = (1, NO_HASH)
    assert map_root(hashed(changed)) != map_root(hashed(named))


@pytest.mark.slow
def test_a_map_of_100_000_calls_proves_an_absence() -> None:
    lots = random.Random(6)
    named = {lots.randbytes(DIGEST): (number, lots.randbytes(DIGEST)) for number in range(100_000)}
    root, found = places(named, [name_hash("call-default:none")])
    must_be_absent(root, "call-default:none", found[name_hash("call-default:none")])
