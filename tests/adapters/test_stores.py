"""The stores sit the exam of their port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from greenroom.adapters.stores import MemoryStore, PostgresStore, SQLiteStore
from greenroom.domain.ports import EventStore
from greenroom.testing.store_contract import EventStoreContract


class TestMemoryStore(EventStoreContract):
    @pytest.fixture
    def store(self) -> Iterator[EventStore]:
        store = MemoryStore()
        yield store
        store.close()


class TestSQLiteStore(EventStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[EventStore]:
        store = SQLiteStore(tmp_path / "calls.db")
        yield store
        store.close()

    @pytest.fixture
    def reopened(self, tmp_path: Path) -> Callable[[], EventStore]:
        return lambda: SQLiteStore(tmp_path / "calls.db", create=False)


class TestPostgresStore(EventStoreContract):
    @pytest.fixture
    def store(self, postgres_url: str) -> Iterator[EventStore]:
        store = PostgresStore(postgres_url)
        yield store
        store.close()

    @pytest.fixture
    def reopened(self, postgres_url: str) -> Callable[[], EventStore]:
        return lambda: PostgresStore(postgres_url, create=False)
