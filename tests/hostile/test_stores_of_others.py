"""Opening what is no store of ours, or not of this version: refused, and left as it was."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from tests.hostile.evil import NEVER

from greenroom import Greenroom, errors
from greenroom.domain.errors import GreenroomError


def made(path: Path, *statements: str) -> Path:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


def own(path: Path) -> Path:
    with Greenroom.open(f"sqlite:///{path}") as room:
        room.as_user("thierry").call("default", "1").create()
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def directory(path: Path) -> Path:
    path.mkdir()
    return path


def damaged(path: Path) -> Path:
    content = bytearray(own(path).read_bytes())
    content[4096:8192] = bytes(range(256)) * 16
    return written(path, bytes(content))


FOREIGN: Final[dict[str, tuple[Callable[[Path], Path], type[GreenroomError]]]] = {
    "a text": (lambda path: written(path, b"hello " * 500), errors.NotOurStore),
    "the beginning of a database": (
        lambda path: written(path, b"SQLite format 3\0" + b"\xff" * 4080),
        errors.NotOurStore,
    ),
    "somebody's database": (
        lambda path: made(path, "CREATE TABLE stored_events (a INTEGER)"),
        errors.NotOurStore,
    ),
    "an application's file": (
        lambda path: made(path, "PRAGMA application_id=252006675", "CREATE TABLE a (b)"),
        errors.NotOurStore,
    ),
    "a store of a newer version": (
        lambda path: made(own(path), "PRAGMA user_version=99"),
        errors.WrongSchema,
    ),
    "a store of an older version": (
        lambda path: made(own(path), "PRAGMA user_version=0"),
        errors.WrongSchema,
    ),
    "a damaged store": (damaged, errors.StoreError),
    "a directory": (directory, errors.StoreError),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_is_refused_and_left_as_it_was(what: str, tmp_path: Path) -> None:
    make, error = FOREIGN[what]
    path = make(tmp_path / "calls.db")
    before = path.is_file() and hashlib.sha256(path.read_bytes()).digest()
    with pytest.raises(error) as refusal:
        Greenroom.open(f"sqlite:///{path}")
    assert "calls.db" in str(refusal.value) or isinstance(refusal.value, errors.WrongSchema)
    assert (path.is_file() and hashlib.sha256(path.read_bytes()).digest()) == before


def test_a_newer_store_says_which_versions_are_meant(tmp_path: Path) -> None:
    path = made(own(tmp_path / "calls.db"), "PRAGMA user_version=7")
    with pytest.raises(errors.WrongSchema, match="upgrade greenroom") as refusal:
        Greenroom.open(f"sqlite:///{path}")
    assert (refusal.value.found, refusal.value.supported) == (7, 2)


URLS: Final = {
    "": None,
    "calls.db": None,
    "memory": "memory://",
    "memory://somewhere": None,
    "memroy://": "memory://",
    "sqlite://calls.db": None,
    "sqlite:///": None,
    "sqllite:///calls.db": "sqlite://",
    "postgresql:here/calls": None,
    "sqlite:///a\0b.db": None,
    "sqlite:///a\ud800b.db": None,
    "sqlite:///a\nb.db": None,
    "sqlite:///" + "a" * 5_000: None,
}


@pytest.mark.parametrize("url", URLS, ids=ascii)
def test_what_is_no_url_of_a_store_is_refused(url: str) -> None:
    with pytest.raises(errors.InvalidInput) as refusal:
        Greenroom.open(url)
    assert refusal.value.path == "url"
    assert refusal.value.nearest == URLS[url]


@pytest.mark.parametrize("value", NEVER)
def test_nor_is_anything_else_a_url(value: str) -> None:
    with pytest.raises(errors.InvalidInput) as refusal:
        Greenroom.open(NEVER[value]())  # type: ignore[arg-type]  # that is the point
    assert refusal.value.path == "url"


@pytest.mark.parametrize("argument", ["timers", "create", "cache"])
@pytest.mark.parametrize("value", NEVER)
def test_nor_does_it_open_a_room_in_any_other_way(value: str, argument: str) -> None:
    with pytest.raises(errors.InvalidInput) as refusal:
        Greenroom.open("memory://", **{argument: NEVER[value]()})  # type: ignore[arg-type]  # that is the point
    assert refusal.value.path == argument


@pytest.mark.parametrize("name", ["nowhere/calls.db", "a" * 300 + ".db", "calls.db/inside.db"])
def test_a_place_that_cannot_be_is_a_store_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "calls.db").write_bytes(b"")
    with pytest.raises(errors.StoreError):
        Greenroom.open(f"sqlite:///{tmp_path / name}")


def test_a_store_that_must_exist_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(errors.StoreError, match="there is no store"):
        Greenroom.open(f"sqlite:///{tmp_path / 'calls.db'}", create=False)
    assert list(tmp_path.iterdir()) == []


def test_views_of_another_store_are_not_believed(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "calls.db", tmp_path / "other.db"
    own(ours)
    with Greenroom.open(f"sqlite:///{theirs}") as room:
        room.as_user("alice").call("default", "2").create()
    (tmp_path / "other.views.db").replace(tmp_path / "calls.views.db")
    with Greenroom.open(f"sqlite:///{ours}") as room:
        page = room.system("admin").query_calls()
        assert [call.cid for call in page.items] == ["default:1"]


@pytest.mark.parametrize("content", [b"", b"not a database" * 400])
def test_views_that_were_spoilt_cost_no_more_than_deleting_them(
    content: bytes, tmp_path: Path
) -> None:
    path = own(tmp_path / "calls.db")
    (tmp_path / "calls.views.db").write_bytes(content)
    found: list[str] = []
    with contextlib.suppress(errors.StoreError), Greenroom.open(f"sqlite:///{path}") as room:
        found = [call.cid for call in room.system("admin").query_calls().items]
    assert found == ([] if content else ["default:1"])
    (tmp_path / "calls.views.db").unlink()
    with Greenroom.open(f"sqlite:///{path}") as room:
        assert [call.cid for call in room.system("admin").query_calls().items] == ["default:1"]
