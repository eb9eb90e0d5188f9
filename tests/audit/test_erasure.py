"""People are forgotten, and everything that was proved stays proved."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from tests.audit.conftest import HEALTH, ORIGIN, VISIT, House

from greenroom.adapters.tables import open_tables
from greenroom.audit.archive import unpack
from greenroom.audit.bundles import record_proof
from greenroom.audit.checking import check
from greenroom.audit.ledger import Ledger
from greenroom.audit.log import Log
from greenroom.audit.record_proof import proved_record
from greenroom.audit.residue import residue
from greenroom.audit.verifier import RECORDS, verdict
from greenroom.testing.postgres import PrivatePostgres, find_programs

WORDS = [HEALTH, "peanut", "Alice Liddell"]


def whole(house: House, kept: list[bytes]) -> bool:
    with open_tables(house.url) as tables:
        return check(Log(tables), house.ledger, kept).whole


def erase_everybody(house: House) -> None:
    with house.room() as room:
        room.users.upsert("alice", name="Alice Liddell", custom={"notes": HEALTH})
        room.as_user("thierry").call("default", "visit").query_members()
        room.users.erase("alice")
        for cid in ("visit", "party"):
            room.system("registry").call("default", cid).delete(hard=True)
        room.system("registry").call("livestream", "talk").delete(hard=True)


@pytest.mark.slow
def test_every_proof_from_before_an_erasure_holds_after_it(house: House) -> None:
    bundle = house.bundle(VISIT)
    with open_tables(house.url) as tables:
        single = record_proof(house.ledger, Log(tables), 5)
    kept = [one.note for one in house.ledger.signed()]
    erase_everybody(house)
    key = house.ledger.verifier
    assert whole(house, kept)
    assert verdict(unpack(bundle.archive), key).records == bundle.shown.records
    assert proved_record(single, key)[0].position == 5
    after = house.bundle(VISIT, extends=kept)
    found = verdict(unpack(after.archive), key, kept)
    assert len(found.earlier) == len(kept)
    before = {one.position: one for one in bundle.shown.records}
    assert all(one == before[one.position] for one in found.records if one.position in before)
    assert found.records[-1].name == "call.deleted"


def test_a_bundle_given_away_before_an_erasure_holds_nothing_readable(house: House) -> None:
    files = unpack(house.bundle(VISIT).archive)
    boxes = [
        record["sealed"]["box"]
        for line in files[RECORDS].splitlines()
        if "sealed" in (record := json.loads(line)["record"])
    ]
    assert boxes
    assert residue([HEALTH], house.path.parent / "ledger") == []
    for data in files.values():
        assert HEALTH.encode() not in data


def test_no_word_is_left_anywhere_after_an_erasure(house: House, tmp_path: Path) -> None:
    made = house.bundle(VISIT)
    (tmp_path / "call.zip").write_bytes(made.archive)
    with house.room() as room:
        room.as_user("thierry").call("default", "visit").query_members()
        assert residue(WORDS, house.url) != []  # views say what may be said
        room.close()
    erase_everybody(house)
    house.bundle(VISIT)
    assert residue(WORDS, house.url) == []
    assert residue(WORDS, tmp_path) == []


def test_residue_is_found_wherever_it_is(house: House, tmp_path: Path) -> None:
    erase_everybody(house)
    with closing(sqlite3.connect(house.path)) as file:
        file.execute("CREATE TABLE notes (said TEXT)")
        file.execute("INSERT INTO notes VALUES (?)", (f"about {HEALTH}",))
        file.commit()
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    found = residue(WORDS, house.url)
    assert next((one.place, one.number) for one in found) == (str(house.path), 1)
    with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("inner.txt", "Alice Liddell " * 50)
    (place,) = {one.place for one in residue(["Alice Liddell"], tmp_path / "export.zip")}
    assert place.endswith("export.zip: inner.txt")
    assert HEALTH not in repr(found)
    (tmp_path / "utf16.txt").write_bytes(HEALTH.encode("utf-16-le"))
    assert len(residue(WORDS, tmp_path / "utf16.txt")) == 1 + 1


@pytest.mark.slow
def test_nothing_is_left_in_a_postgresql_database(tmp_path: Path) -> None:
    """Neither in its tables nor in a dump; of the server's own files `docs` say what is so."""
    with PrivatePostgres() as server, server.database() as url:
        house = House(url, tmp_path, Ledger.found(tmp_path / "ledger", ORIGIN))
        with house.room() as room:
            room.as_user("thierry").call("default", "visit").create(custom={"notes": HEALTH})
            room.users.upsert("alice", name="Alice Liddell", custom={"notes": HEALTH})
            room.as_user("thierry").query_calls()
            assert residue(WORDS, url) != []
            kept = house.checkpoint().note
            room.users.erase("alice")
            room.system("registry").call("default", "visit").delete(hard=True)
            room.as_user("thierry").query_calls()
        assert residue(WORDS, url) == []
        dump = tmp_path / "dump.sql"
        subprocess.run([find_programs() / "pg_dump", "--file", dump, url], check=True)
        assert b"member" in dump.read_bytes()
        assert residue(WORDS, dump) == []
        assert whole(house, [kept])
