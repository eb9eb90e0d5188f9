"""Where views can stand: in memory, in a file, on PostgreSQL. What holds for one holds for all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from tests.projections.history import SECRET, History
from tests.projections.places import Refill, Where

from greenroom.projections.columns import metadata
from greenroom.projections.standing import BOOKKEEPING, positions
from greenroom.projections.views import Views
from greenroom.testing.postgres import PrivatePostgres

POSTGRES = pytest.param("postgres", marks=pytest.mark.slow)


def place(kind: str, request: pytest.FixtureRequest) -> Where:
    """Somewhere that nobody has used."""
    if kind == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    where: Path = request.getfixturevalue("tmp_path")
    return where / "calls.views.db" if kind == "file" else None


@pytest.fixture(params=["memory", pytest.param("file", marks=pytest.mark.slow), POSTGRES])
def where(request: pytest.FixtureRequest) -> Where:
    """Of new views, of every kind."""
    return place(request.param, request)


@pytest.fixture(params=["file", POSTGRES])
def durable(request: pytest.FixtureRequest) -> Where:
    """Of views that outlive whoever made them, and that several can open at once."""
    return place(request.param, request)


@pytest.fixture
def history() -> History:
    """A call with ten members, three of whom have left again."""
    made = History()
    made.created()
    for number in range(10):
        made.added(f"member-{number}")
    for number in range(3):
        made.removed(f"member-{number}")
    return made


@pytest.fixture(params=["memory", POSTGRES])
def views(request: pytest.FixtureRequest) -> Iterator[Views]:
    """New views, open."""
    made = Views.open(place(request.param, request), secret=SECRET)
    yield made
    made.close()


@pytest.fixture(scope="session", params=["memory", POSTGRES])
def refilled(request: pytest.FixtureRequest) -> Refill:
    """Empties and fills the same views for each example of a property: it has its statements ready.

    The views are not to be closed.
    """
    if request.param == "memory":
        return _refiller(None)
    return _refiller(request.getfixturevalue("sorted_otherwise"))


@pytest.fixture(scope="session")
def sorted_otherwise(postgres: PrivatePostgres) -> Iterator[str]:
    """The URL of a database that sorts text as people do, where it can: ours is by code point."""
    name = "sorted_otherwise"
    modern = int(postgres.execute("SHOW server_version_num")) >= 150_000
    locale = "LOCALE_PROVIDER icu ICU_LOCALE 'en-u-kn' LOCALE 'C'" if modern else ""
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE template0 {locale}")
    yield postgres.url(name)
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@cache
def _refiller(where: Where) -> Refill:
    return refiller(Views.open(where, secret=SECRET, time_limit=timedelta(seconds=20)))


def refiller(views: Views) -> Refill:
    """Empties and fills `views`."""

    def refill(history: History) -> Views:
        with views._database.write() as connection:
            for table in metadata.sorted_tables:
                if table not in BOOKKEEPING:
                    connection.execute(delete(table))
            connection.execute(update(positions).values(position=0))
        views._known = 0
        views.catch_up(history.feed, until=history.head)
        return views

    return refill
