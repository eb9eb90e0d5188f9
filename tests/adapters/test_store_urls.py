"""A store is opened by its URL, or the URL is refused with what was meant."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from greenroom.adapters.stores import MemoryStore, PostgresStore, SQLiteStore, open_store
from greenroom.domain.errors import InvalidInput, StoreError


def test_memory_is_a_store_of_its_own_each_time() -> None:
    with closing(open_store("memory://")) as one, closing(open_store("memory://")) as other:
        assert isinstance(one, MemoryStore)
        assert one.secret != other.secret


def test_three_slashes_are_a_relative_path_and_four_an_absolute_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite:///calls.db", f"sqlite:///{tmp_path}/calls.db"):
        with closing(open_store(url)) as store:
            assert isinstance(store, SQLiteStore)
            assert store.path == tmp_path / "calls.db"


@pytest.mark.parametrize("name", ["my calls.db", "50%.db", "a?b#c.db", "ü.db"])
@pytest.mark.skipif(os.name == "nt", reason="not all of these are file names there")
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    open_store(f"sqlite:///{tmp_path}/{name}").close()
    assert (tmp_path / name).is_file()
    with closing(open_store(f"sqlite:///{tmp_path}/{name}", create=False)) as store:
        assert store.position() == 0


def test_a_store_that_must_exist_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no store at .*calls\.db"):
        open_store(f"sqlite:///{tmp_path}/calls.db", create=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "expected", "nearest"),
    [
        ("sqllite:///calls.db", "memory:// or sqlite://", "sqlite://"),
        ("memroy://", "memory:// or sqlite://", "memory://"),
        ("calls.db", "memory:// or sqlite://", None),
        ("", "memory:// or sqlite://", None),
        ("mysql://localhost/calls", "or postgresql://user:password@host", None),
        ("memory://calls", "memory://", None),
        ("sqlite://", "sqlite:///relative.db", None),
        ("sqlite:///", "sqlite:///relative.db", None),
        ("sqlite://calls.db", "sqlite:///relative.db", None),
        ("postgresql:", "postgresql://user:password@host:port/database", None),
        ("postgresq://localhost/calls", "postgresql://user", "postgresql://"),
    ],
)
def test_what_is_no_url_of_a_store_is_refused(url: str, expected: str, nearest: str | None) -> None:
    with pytest.raises(InvalidInput) as refused:
        open_store(url)
    assert expected in refused.value.expected
    assert (refused.value.path, refused.value.nearest) == ("url", nearest)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_database_on_a_server_becomes_a_store(postgres_url: str, scheme: str) -> None:
    url = f"{scheme}://{postgres_url.partition('://')[2]}?application_name=a%20clinic"
    with closing(open_store(url)) as store:
        assert isinstance(store, PostgresStore)
        assert store.url == url
        assert store.position() == 0
    with closing(open_store(url, create=False)) as again:
        assert again.position() == 0


def test_without_its_extra_a_server_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("greenroom.adapters.postgres")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install 'greenroom\[postgres\]'"):
        open_store("postgresql://localhost/calls")


@pytest.mark.slow
def test_a_server_is_asked_for_only_where_its_url_is_used() -> None:
    program = "import greenroom, sys; assert 'psycopg' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
