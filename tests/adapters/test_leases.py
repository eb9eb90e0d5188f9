"""Leases in memory, in a file and on a server pass the same exam."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from greenroom.adapters.beside import Beside
from greenroom.adapters.leases import SqlLeases, terms
from greenroom.domain.errors import StoreError, WrongSchema
from greenroom.media.leases import Leases
from greenroom.testing.lease_contract import LeasesContract


class TestLeasesInMemory(LeasesContract):
    @pytest.fixture
    def opened(self) -> Callable[[], Leases]:
        leases = SqlLeases.open(None)
        return lambda: leases


class TestLeasesInAFile(LeasesContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Callable[[], Leases]:
        return lambda: SqlLeases.open(tmp_path / "calls.media.db")


@pytest.mark.slow
class TestLeasesOnPostgres(LeasesContract):
    @pytest.fixture
    def opened(self, store_url: str) -> Callable[[], Leases]:
        return lambda: SqlLeases.open(store_url)

    @pytest.fixture
    def store_url(self, postgres_url: str) -> str:
        from greenroom.adapters.stores import PostgresStore  # noqa: PLC0415 - an extra

        PostgresStore(postgres_url).close()  # makes the schema
        return postgres_url


def test_tables_of_a_later_greenroom_are_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "calls.media.db"
    SqlLeases.open(file).close()
    database = Beside.at(file, what="the media leases")
    with database.writing() as connection:
        connection.execute(update(terms).values(schema=99))
    database.close()
    with pytest.raises(WrongSchema):
        SqlLeases.open(file)


def test_a_file_that_is_something_else_is_a_store_error(tmp_path: Path) -> None:
    file = tmp_path / "calls.media.db"
    file.write_text("thierry's shopping list\n" * 100)
    with pytest.raises(StoreError, match="media leases"):
        SqlLeases.open(file)
