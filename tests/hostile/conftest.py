"""Where hostile guests are received: in memory, in a file and on PostgreSQL, by the same rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import pytest
from tests.hostile.entry_points import House

from greenroom.testing.postgres import PrivatePostgres

NewStore = Callable[[], AbstractContextManager[str]]
"""The URL of a store that was not there before."""

POSTGRES: Final = pytest.param("postgres", marks=pytest.mark.slow)


def new_stores(request: pytest.FixtureRequest) -> NewStore:
    """Stores of the kind that the fixture's parameter names."""
    directory = request.getfixturevalue("tmp_path_factory").mktemp("hostile")
    server: PrivatePostgres | None = None
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
    built = 0

    @contextmanager
    def new_store() -> Iterator[str]:
        nonlocal built
        built += 1
        if server is not None:
            with server.database() as url:
                yield url
        elif request.param == "sqlite":
            yield f"sqlite:///{directory / f'calls-{built}.db'}"
        else:
            yield "memory://"

    return new_store


@pytest.fixture(
    scope="module", params=["memory", pytest.param("sqlite", marks=pytest.mark.slow), POSTGRES]
)
def new_store(request: pytest.FixtureRequest) -> NewStore:
    return new_stores(request)


@pytest.fixture
def house(new_store: NewStore) -> Iterator[House]:
    """A house that is the guest's alone."""
    with new_store() as url, House.build(url) as built:
        yield built
