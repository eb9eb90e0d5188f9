"""Key stores sit the exam of their port, and leave no byte of what they have destroyed."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from greenroom.adapters import key_store
from greenroom.adapters.key_store import SqlKeys, open_keys
from greenroom.domain.errors import InvalidInput, KeysUnavailable, WrongSchema
from greenroom.domain.keys import KeyStore
from greenroom.testing.key_store_contract import KeyStoreContract
from greenroom.testing.postgres import PrivatePostgres


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


class TestKeysInAFile(KeyStoreContract):
    @pytest.fixture
    def opened(self, path: Path) -> Callable[[], KeyStore]:
        return lambda: SqlKeys.open(path)

    @pytest.fixture
    def away(self, path: Path) -> Callable[[], AbstractContextManager[None]]:
        return lambda: moved_away(path)


class TestKeysOnPostgres(KeyStoreContract):
    @pytest.fixture
    def opened(self, postgres_url: str) -> Callable[[], KeyStore]:
        return lambda: open_keys(postgres_url)

    @pytest.fixture
    def away(self, postgres_url: str) -> Callable[[], AbstractContextManager[None]]:
        return lambda: nobody_let_in(postgres_url)


@contextmanager
def moved_away(path: Path) -> Iterator[None]:
    elsewhere = path.with_name("elsewhere.db")
    path.rename(elsewhere)
    yield
    elsewhere.rename(path)


@contextmanager
def nobody_let_in(url: str) -> Iterator[None]:
    """The database of `url` throws everybody out, and lets nobody in."""
    database = conninfo.conninfo_to_dict(url)["dbname"]
    master = conninfo.make_conninfo(url, dbname="postgres")
    with psycopg.connect(master, autocommit=True) as server:
        name = sql.Identifier(str(database))
        lets_in = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        server.execute(lets_in.format(name, sql.SQL("false")))
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database]
        )
        yield
        server.execute(lets_in.format(name, sql.SQL("true")))


def on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


@pytest.mark.slow
def test_a_destroyed_secret_leaves_no_byte_in_any_file(path: Path) -> None:
    """Enough that pages were split and balanced with secrets in them."""
    kept = {secrets.randbits(53): secrets.token_bytes(32) for _ in range(600)}
    with closing(SqlKeys.open(path)) as keys:
        for number, secret in kept.items():
            keys.keep({number: secret})
        found = on_disk(path)
        assert all(secret in found for secret in kept.values())
        gone = [*kept][::3]
        keys.destroy(gone)
        found = on_disk(path)
        for number, secret in kept.items():
            assert (secret in found) == (number not in gone)


def test_a_reader_of_an_older_state_is_told_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_store, "BUSY_SECONDS", 0.1)
    with closing(SqlKeys.open(path)) as keys:
        keys._database.place.engine.dispose()
        keys.keep({1: secrets.token_bytes(32)})
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM greenroom_keys").fetchone()
            with keys._database.reading() as connection:
                connection.exec_driver_sql("PRAGMA busy_timeout = 100")
            with pytest.raises(KeysUnavailable, match="erase again"):
                keys.destroy([1])
            assert keys.find([1]) == {}
        keys.destroy([1])


def test_a_file_put_in_place_of_ours_is_ours_or_is_refused(path: Path, tmp_path: Path) -> None:
    with closing(SqlKeys.open(path)) as keys:
        keys.keep({1: b"1" * 32})
        backup = tmp_path / "backup.db"
        with closing(sqlite3.connect(path)) as here, closing(sqlite3.connect(backup)) as there:
            here.backup(there)
        keys.keep({2: b"2" * 32})
        for file in tmp_path.glob("keys.db*"):
            file.unlink()
        SqlKeys.open(path).close()
        with pytest.raises(KeysUnavailable, match="another key store"):
            keys.find([1])
        for file in tmp_path.glob("keys.db*"):
            file.unlink()
        backup.rename(path)
        assert keys.find([1, 2]) == {1: b"1" * 32}


def test_a_missing_one_is_not_made_unless_that_is_wanted(path: Path) -> None:
    with pytest.raises(KeysUnavailable, match="there is no key store at"):
        open_keys(f"sqlite:///{path}", create=False)
    assert not path.exists()
    sqlite3.connect(path).close()
    with pytest.raises(KeysUnavailable, match="no key store"):
        open_keys(f"sqlite:///{path}", create=False)


@pytest.mark.parametrize("url", ["", "memory://", "sqlite:///", "keys.db", "sqlite://keys.db"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"keys\.db"):
        open_keys(url)


def test_one_of_a_later_greenroom_is_refused(path: Path) -> None:
    open_keys(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE greenroom_keys_format SET schema = 99")
        file.commit()
    with pytest.raises(WrongSchema):
        open_keys(f"sqlite:///{path}")


@pytest.mark.slow
def test_a_server_that_is_gone_is_told_of_without_its_password() -> None:
    with PrivatePostgres() as server, server.database() as url, closing(open_keys(url)) as keys:
        keys.keep({1: b"1" * 32})
        server.kill()
        with pytest.raises(KeysUnavailable, match="the key store on postgresql://"):
            keys.find([1])
        server.start()
        assert keys.find([1]) == {1: b"1" * 32}
