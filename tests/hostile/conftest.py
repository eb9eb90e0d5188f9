"""Where hostile guests are received: in memory, in a file and on PostgreSQL, by the same rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import pytest
from tests.faults.sizes import drawn
from tests.hostile.entry_points import House

from greenroom.testing.postgres import PrivatePostgres

HERE: Final = Path(__file__).parent
OF_MANY: Final = {"point", "name"}
"""Parameters that name one of the many ways in, or of the many things that are refused."""
ONE_IN: Final = 3
"""Of what is tried on every store, so much of a build's tries are on a store that is not memory."""
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In memory all is tried; elsewhere what is drawn, for what is refused never gets there."""
    left = [item for item in items if is_drawn(item)]
    if len(left) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if not is_drawn(item)])
        items[:] = left


def is_drawn(item: pytest.Item) -> bool:
    """Of each store others are drawn; what is not about one of many arguments is always."""
    given = getattr(item, "callspec", None)
    if given is None or item.path.parent != HERE or not OF_MANY & given.params.keys():
        return True
    elsewhere = {"sqlite", "postgres"} & set(map(str, given.params.values()))
    return not elsewhere or drawn(item.nodeid, ONE_IN)
