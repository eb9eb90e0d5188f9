"""Whatever is done to a bundle, or to a store, is found.

Some dozens while working, 600 in all that is slow, and 10,000 by one command:
`MUTATIONS=10000 pytest -m slow tests/audit/test_mutations.py`.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from tests.audit.conftest import VISIT, House
from tests.audit.mutations import mutated_bundle, mutated_store

from greenroom.adapters.tables import open_tables
from greenroom.audit.archive import unpack
from greenroom.audit.checking import Findings, check
from greenroom.audit.log import Log
from greenroom.audit.trees import Unproven
from greenroom.audit.verifier import verdict
from greenroom.domain.errors import StoreError

MANY = int(os.environ.get("MUTATIONS", "600"))


def found_in(house: House, path: Path) -> Findings | StoreError:
    try:
        with open_tables(f"sqlite:///{path}") as tables:
            return check(Log(tables), house.ledger)
    except StoreError as error:
        return error


def bundles_that_got_away(house: House, times: int, seed: int) -> list[str]:
    whole = house.bundle(VISIT)
    key = house.ledger.verifier
    assert verdict(unpack(whole.archive), key).earlier
    lots, unnoticed, tried = Random(seed), [], Counter[str]()
    for number in range(times):
        done, archive = mutated_bundle(whole.archive, lots)
        tried[done] += 1
        try:
            verdict(unpack(archive), key)
        except Unproven:
            continue
        unnoticed.append(f"{done}, seed {seed}, number {number}")
    assert len(tried) >= min(15, times // 8)
    return unnoticed


def stores_that_got_away(house: House, place: Path, times: int, seed: int) -> list[str]:
    whole = found_in(house, house.path)
    assert isinstance(whole, Findings)
    assert whole.whole
    assert whole.covered == whole.records
    with closing(sqlite3.connect(house.path)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    lots, unnoticed = Random(seed), []
    path = place / "mutated.db"
    for number in range(times):
        for beside in place.glob("mutated.db*"):
            beside.unlink()
        shutil.copy(house.path, path)
        done = mutated_store(path, lots)
        found = found_in(house, path)
        if isinstance(found, Findings) and found.whole:
            unnoticed.append(f"{done}, seed {seed}, number {number}")
    return unnoticed


@pytest.mark.slow
def test_whatever_is_done_to_a_bundle_is_found(house: House) -> None:
    assert bundles_that_got_away(house, times=60, seed=1) == []


@pytest.mark.slow
def test_whatever_is_done_to_a_store_is_found(house: House, tmp_path: Path) -> None:
    house.checkpoint()
    assert stores_that_got_away(house, tmp_path, times=12, seed=2) == []


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_many_more_mutations_of_a_bundle_are_found(house: House) -> None:
    assert bundles_that_got_away(house, times=MANY * 3 // 4, seed=3) == []


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_many_more_mutations_of_a_store_are_found(house: House, tmp_path: Path) -> None:
    house.checkpoint()
    assert stores_that_got_away(house, tmp_path, times=MANY // 4, seed=4) == []
