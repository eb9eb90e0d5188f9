"""How hard the properties are tried: `HYPOTHESIS_PROFILE=fast` (default), `ci` or `deep`.

`repeat` is as hard as `ci`, with other examples in each run.

And a PostgreSQL server: one a test process, started for the first test that asks for it.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from tests.house.longest import LONGEST

from greenroom import telemetry
from greenroom.adapters import postgres_writing
from greenroom.projections import as_of, views
from greenroom.projections.database import Database
from greenroom.projections.founding import database_at
from greenroom.testing.postgres import PrivatePostgres

PATIENT = timedelta(minutes=1)
"""Longer than any machine stalls."""

settings.register_profile("fast", max_examples=10, deadline=None)
settings.register_profile(
    "ci",
    max_examples=100,
    deadline=None,
    derandomize=True,  # a build fails for what was changed, never for its luck
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # nor for a busy machine
)
settings.register_profile(
    "repeat",
    max_examples=100,
    deadline=None,
    database=None,  # no run begins with what another has found
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "deep",
    max_examples=2_000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "mutants",
    max_examples=30,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # that it is found will do: nobody reads it
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so starts what a shell puts behind it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def a_stall_is_no_verdict() -> Iterator[None]:
    """What is given up after a short while in production is waited for on a busy machine."""

    def patient(where: Path | str | None, limit: timedelta) -> Database:
        return database_at(where, PATIENT if limit == views.TIME_LIMIT else limit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "database_at", patient)
        patch.setattr(as_of, "TIME_LIMIT", PATIENT)
        patch.setattr(telemetry, "SLOW", PATIENT.total_seconds())
        patch.setattr(postgres_writing, "_PATIENCE", PATIENT.total_seconds())
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A server that tests share; whoever kills one, or measures, starts one of their own.

    Where PostgreSQL is not installed they fail and say so: nothing is skipped in silence.
    """
    with PrivatePostgres(fsync=False) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PrivatePostgres) -> Iterator[str]:
    """Of an empty database that one test has for itself."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """Says how often a fault was made to happen: `tried("sqlite", 40)`, for the page of faults."""
    return lambda store, times: record_property("tried", (store, times))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever starts a server is slow (who asks for it by a parameter says so); the longest begin.

    Stable: whoever has shuffled them finds the rest in their order.
    """
    for item in items:
        if "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
    places = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


def pytest_collection_finish() -> None:
    """Thousands of tests, and all they import, stay to the end: nobody looks through them again."""
    gc.collect()
    gc.freeze()
