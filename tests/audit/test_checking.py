"""A store is compared with what its checkpoints say, and the first record that differs is named."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing

import pytest
from tests.audit.conftest import House

from greenroom.adapters.tables import open_tables
from greenroom.audit.checking import Findings, check
from greenroom.audit.keys import SigningKey
from greenroom.audit.log import Log
from greenroom.domain.errors import InvalidInput


def checked(house: House, kept: Sequence[bytes] = ()) -> Findings:
    with open_tables(house.url) as tables:
        return check(Log(tables), house.ledger, kept)


def change(house: House, statement: str, *parameters: object) -> None:
    with closing(sqlite3.connect(house.path)) as file:
        file.execute(statement, parameters)
        file.commit()


def test_a_store_that_nobody_touched_is_whole(house: House) -> None:
    first = checked(house)
    assert first.whole
    assert first.checkpoints == 1
    assert 0 < first.covered < first.records
    house.checkpoint()
    second = checked(house)
    assert second.whole
    assert second.covered == second.records
    assert second.checkpoints == 2


def test_what_comes_after_the_last_checkpoint_is_not_spoken_of(house: House) -> None:
    change(house, "DELETE FROM stored_events WHERE rowid = (SELECT max(rowid) FROM stored_events)")
    assert checked(house).whole
    house.checkpoint()
    change(house, "DELETE FROM stored_events WHERE rowid = (SELECT max(rowid) FROM stored_events)")
    assert not checked(house).whole


def test_the_first_record_that_differs_is_named(house: House) -> None:
    change(house, "UPDATE stored_events SET topic = 'call.ended' WHERE rowid IN (4, 7)")
    named, *others = checked(house).faults
    assert named.startswith("the record at position 4 is not what it was: it says version")
    covered = checked(house).covered
    said = f"the first {covered} records are not those that their checkpoint was signed for"
    assert others == [said]


def test_a_record_that_is_gone_is_named(house: House) -> None:
    change(house, "DELETE FROM stored_events WHERE rowid = 5")
    assert "the record at position 5 is gone" in checked(house).faults
    assert "nothing stands at position 5" in checked(house).faults


def test_a_log_that_was_cut_off_is_named(house: House) -> None:
    covered = checked(house).covered
    change(house, "DELETE FROM stored_events WHERE rowid > 3")
    assert f"the log ends at position 3 instead of {covered}" in checked(house).faults


def test_without_tiles_it_is_found_all_the_same(house: House) -> None:
    change(house, "UPDATE stored_events SET topic = 'call.ended' WHERE rowid = 4")
    shutil.rmtree(house.ledger.directory / "tile")
    found = checked(house)
    assert not found.whole
    assert "cannot be told" in found.faults[0]


def test_a_checkpoint_that_was_kept_elsewhere_convicts_a_new_ledger(house: House) -> None:
    """Whoever holds the key and the store writes all anew; the copy does not fit."""
    kept = house.checkpoint().note
    for name in ("checkpoints", "tile"):
        shutil.rmtree(house.ledger.directory / name)
    (house.ledger.directory / "heads").unlink()
    change(house, "UPDATE stored_events SET topic = 'call.ended' WHERE rowid = 4")
    house.checkpoint()
    assert checked(house).whole
    assert not checked(house, [kept]).whole
    with pytest.raises(InvalidInput):
        checked(house, [SigningKey.new("example.org/clinic").signed(kept.decode())])


def test_a_map_that_was_signed_wrongly_is_found(house: House) -> None:
    """The tree may be right and the chains not, where somebody bent the ledger's own files."""
    house.checkpoint()
    seen = checked(house)
    (path,) = (house.ledger.directory / "checkpoints").glob(f"*{seen.covered}")
    key = SigningKey.read(house.ledger.directory / "key")
    text = path.read_text().partition("\n\n")[0] + "\n"
    lines = text.splitlines(keepends=True)
    root_of_another = house.ledger.signed()[0].checkpoint.text.splitlines()[3].rpartition(" ")[2]
    lines[3] = f"{lines[3].rpartition(' ')[0]} {root_of_another}\n"
    path.write_bytes(key.signed("".join(lines)))
    assert not checked(house).whole
