"""Checkpoints follow the log, each extends the one before, and nothing else is ever signed."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.audit.conftest import ORIGIN, VISIT, House

from greenroom.adapters.copying import copy
from greenroom.adapters.tables import open_tables
from greenroom.audit.call_map import map_root, name_hash
from greenroom.audit.checking import check
from greenroom.audit.heads import read_heads, write_heads
from greenroom.audit.leaves import chain_of, leaf, read_leaf
from greenroom.audit.ledger import KEY_FILE, Ledger
from greenroom.audit.log import Log, leaf_of
from greenroom.audit.tiles import Tiles
from greenroom.audit.trees import (
    NO_HASH,
    Unproven,
    between,
    leaf_hash,
    link,
    must_extend,
    root,
)
from greenroom.domain.errors import InvalidInput, LogRewritten, StoreError


def leaves_of(house: House) -> list[bytes]:
    with open_tables(house.url) as tables:
        log = Log(tables)
        return [leaf_of(row) for rows in log.pages(0, log.position()) for row in rows]


def more(house: House, call_id: str = "more") -> None:
    with house.room() as room:
        room.as_user("thierry").call("default", call_id).create()


def change(house: House, statement: str, *parameters: object) -> None:
    with closing(sqlite3.connect(house.path)) as file:
        file.execute(statement, parameters)
        file.commit()


def test_a_checkpoint_says_what_the_records_say(house: House) -> None:
    signed = house.checkpoint().checkpoint
    lines = leaves_of(house)
    heads: dict[str, tuple[int, bytes]] = {}
    for line in lines:
        chain = chain_of(read_leaf(line).stream)
        length, head = heads.get(chain, (0, NO_HASH))
        heads[chain] = length + 1, link(head, leaf_hash(line))
    assert signed.origin == ORIGIN
    assert signed.size == len(lines)
    assert signed.root == root([leaf_hash(line) for line in lines])
    assert signed.chains == len(heads)
    assert signed.chains_root == map_root({name_hash(one): heads[one] for one in heads})
    assert {f"call-{VISIT}", "user-alice"} <= heads.keys()


def test_nothing_new_is_nothing_to_sign(house: House) -> None:
    assert house.checkpoint() == house.checkpoint()
    assert len(house.ledger.signed()) == 2


def test_each_checkpoint_extends_the_one_before(house: House) -> None:
    for number in range(3):
        more(house, f"more-{number}")
        house.checkpoint()
    *earlier, last = [one.checkpoint for one in house.ledger.signed()]
    tiles = Tiles(house.ledger.directory, last.size)
    for one in earlier:
        others = tiles.roots(between(one.size, last.size))
        must_extend(one.size, one.root, last.size, last.root, others)


def test_growing_step_by_step_or_at_once_is_the_same(house: House, tmp_path: Path) -> None:
    house.checkpoint()
    more(house)
    slowly = house.checkpoint().checkpoint
    shutil.copytree(house.ledger.directory, tmp_path / "anew")
    for name in ("checkpoint", "heads"):
        (tmp_path / "anew" / name).unlink()
    for name in ("checkpoints", "tile"):
        shutil.rmtree(tmp_path / "anew" / name)
    with open_tables(house.url) as tables:
        assert Ledger(tmp_path / "anew").checkpoint(Log(tables)).checkpoint == slowly


@pytest.mark.parametrize("damage", ["tiles", "a tile", "heads", "both"])
def test_what_follows_from_the_log_is_made_anew(house: House, damage: str) -> None:
    before = house.checkpoint()
    directory = house.ledger.directory
    if damage in {"tiles", "both"}:
        shutil.rmtree(directory / "tile")
    if damage == "a tile":
        (tile,) = (directory / "tile" / "0" / "000.p").glob(str(before.checkpoint.size))
        tile.write_bytes(bytes(tile.stat().st_size))
    if damage in {"heads", "both"}:
        (directory / "heads").write_bytes(b"x" * 300)
    assert house.checkpoint() == before
    heads = read_heads(directory / "heads")
    assert sum(length for length, _ in heads.values()) == before.checkpoint.size
    more(house)
    assert house.checkpoint().checkpoint.size > before.checkpoint.size


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM stored_events WHERE rowid > 4",
        "UPDATE stored_events SET state = CAST(replace(state, 'ry', 'ri') AS BLOB)",
        "UPDATE stored_events SET topic = 'call.ended' WHERE rowid = 2",
        "DELETE FROM stored_events WHERE rowid = 3",
        "UPDATE stored_events SET state = 'no record' WHERE rowid = 3",
    ],
)
@pytest.mark.parametrize("tiles", ["there", "gone"])
def test_a_log_that_was_changed_is_refused_loudly(house: House, statement: str, tiles: str) -> None:
    last = house.checkpoint()
    if tiles == "gone":
        shutil.rmtree(house.ledger.directory / "tile")
    change(house, statement)
    with pytest.raises(StoreError) as refused:
        house.checkpoint()
    assert isinstance(refused.value, LogRewritten) or "no record" in str(refused.value)
    assert house.ledger.last() == last


def test_a_store_restored_from_an_older_backup_is_refused(house: House, tmp_path: Path) -> None:
    shutil.copy(house.path, tmp_path / "backup.db")
    more(house, "lost")
    house.checkpoint()
    for file in house.path.parent.glob("calls.*"):
        file.unlink()
    shutil.copy(tmp_path / "backup.db", house.path)
    with pytest.raises(LogRewritten, match="the log ends at position"):
        house.checkpoint()
    more(house, "another-way")
    more(house, "and-on")
    with pytest.raises(LogRewritten):
        house.checkpoint()


def test_damaged_checkpoints_are_never_built_upon(house: House) -> None:
    house.checkpoint()
    path = max((house.ledger.directory / "checkpoints").iterdir())
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"chains", b"chainz"))
    with pytest.raises(StoreError, match="no checkpoint of this ledger"):
        house.checkpoint()
    path.unlink()
    path.with_name("00000000000000009999").write_bytes(whole)
    with pytest.raises(StoreError, match="is a checkpoint of"):
        house.checkpoint()


def test_one_at_a_time_signs(house: House) -> None:
    with house.ledger.alone(), pytest.raises(StoreError, match="another process"):
        house.checkpoint()
    house.checkpoint()


def test_a_ledger_has_one_key(tmp_path: Path) -> None:
    ledger = Ledger.found(tmp_path / "ledger", ORIGIN)
    assert ledger.last() is None
    assert (tmp_path / "ledger" / KEY_FILE).stat().st_mode & 0o077 == 0
    with pytest.raises(StoreError, match="exists"):
        Ledger.found(tmp_path / "ledger", ORIGIN)
    with pytest.raises(InvalidInput):
        Ledger.found(tmp_path / "other", "with space")
    with pytest.raises(StoreError, match="no ledger"):
        _ = Ledger(tmp_path / "other").verifier


def test_an_empty_log_can_be_signed_and_grown(tmp_path: Path) -> None:
    ledger = Ledger.found(tmp_path / "ledger", ORIGIN)
    house = House(f"sqlite:///{tmp_path / 'calls.db'}", tmp_path / "calls.db", ledger)
    with house.room():
        pass
    first = house.checkpoint().checkpoint
    more(house)
    assert house.checkpoint().checkpoint.size > first.size


@given(st.lists(st.integers(1, 300), max_size=4))
def test_tiles_tell_every_root_however_they_grew(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int]
) -> None:
    tiles = Tiles(tmp_path_factory.mktemp("tiles"), 0)
    hashes: list[bytes] = []
    for number, step in enumerate(steps):
        new = [leaf_hash(b"%d/%d" % (number, one)) for one in range(step)]
        tiles.extend(new)
        hashes += new
        size = len(hashes)
        assert tiles.root(0, size) == root(hashes)
        assert tiles.leaves(0, size) == hashes
        old = size // 3
        assert tiles.root(0, old) == root(hashes[:old])
        for begin, end in between(old, size):
            assert tiles.root(begin, end) == root(hashes[begin:end])
    with pytest.raises(Unproven):
        Tiles(tmp_path_factory.mktemp("none"), 1).root(0, 1)


@pytest.mark.slow
def test_tiles_of_a_large_tree_lie_where_the_standard_says(tmp_path: Path) -> None:
    tiles = Tiles(tmp_path, 0)
    tiles.extend([leaf_hash(b"%d" % number) for number in range(70_000)])
    files = {
        path.relative_to(tmp_path).as_posix(): path.stat().st_size
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert files["tile/0/000"] == 8192
    assert files["tile/0/272"] == 8192
    assert files["tile/0/273.p/112"] == 112 * 32
    assert files["tile/1/000"] == 8192
    assert files["tile/1/001.p/17"] == 17 * 32
    assert files["tile/2/000.p/1"] == 32
    assert len(files) == 273 + 1 + 1 + 1 + 1
    assert tiles._path(0, 1_234_067, 256).as_posix().endswith("tile/0/x001/x234/067")


@given(
    st.dictionaries(
        st.binary(min_size=32, max_size=32),
        st.tuples(st.integers(1, 2**40), st.binary(min_size=32, max_size=32)),
        max_size=20,
    )
)
def test_heads_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[bytes, tuple[int, bytes]]
) -> None:
    path = tmp_path_factory.mktemp("heads") / "heads"
    write_heads(path, entries)
    assert read_heads(path) == entries
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Unproven):
        read_heads(path)


texts = st.text(max_size=20)


@given(texts, texts, st.integers(1, 99), st.integers(1, 99))
def test_a_leaf_tells_its_record(stream: str, name: str, position: int, version: int) -> None:
    line = leaf(position, stream, version, name, b'{"event":{"at":1}}')
    found = read_leaf(line)
    assert (found.position, found.stream, found.version, found.name) == (
        position,
        stream,
        version,
        name,
    )
    assert found.record == {"event": {"at": 1}}
    assert b"\n" not in line


@given(st.binary(max_size=60))
def test_anything_else_is_no_leaf(line: bytes) -> None:
    with pytest.raises(Unproven):
        read_leaf(line)


@pytest.mark.parametrize(
    ("stream", "chain"),
    [
        ("call-default:1", "call-default:1"),
        ("session-default:1/7", "call-default:1"),
        ("member-default:1/alice", "call-default:1"),
        ("member-default:1/a/b-c", "call-default:1"),
        ("type-default", "type-default"),
        ("user-alice", "user-alice"),
        ("session", "session"),
    ],
)
def test_a_calls_streams_are_one_chain(stream: str, chain: str) -> None:
    assert chain_of(stream) == chain


@pytest.mark.slow
def test_a_store_on_postgresql_is_proved_alike(postgres_url: str, tmp_path: Path) -> None:
    ledger = Ledger.found(tmp_path / "ledger", ORIGIN)
    house = House(postgres_url, tmp_path, ledger)
    more(house)
    first = house.checkpoint().checkpoint
    more(house, "again")
    made = house.bundle("default:again")
    assert made.shown.checkpoint.size > first.size
    assert made.shown.records[-1].stream == "call-default:again"


@pytest.mark.slow
def test_a_store_that_moved_to_postgresql_keeps_its_proofs(house: House, postgres_url: str) -> None:
    before = house.checkpoint()
    copy(house.url, postgres_url)
    moved = House(postgres_url, house.path, house.ledger)
    assert moved.checkpoint() == before
    more(moved)
    assert moved.checkpoint().checkpoint.size > before.checkpoint.size
    with open_tables(postgres_url) as tables:
        assert check(Log(tables), house.ledger, [before.note]).whole
