"""What the package offers is listed, sorted and explained, and nothing heavy comes with it."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from types import ModuleType

import pytest

FRONTS = [
    name
    for name in ("greenroom", "greenroom.aio", "greenroom.http", "greenroom.testing")
    if find_spec(name)
]


@pytest.fixture(params=FRONTS)
def front(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def _offered(module: ModuleType) -> set[str]:
    """The names of ours that stand in a module without an underscore; no bare submodules."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and str(getattr(value, "__module__", "")).startswith("greenroom")
    }


def test_all_names_every_public_name_in_order(front: ModuleType) -> None:
    assert list(front.__all__) == sorted(front.__all__)
    assert _offered(front) <= set(front.__all__)
    assert set(front.__all__) <= set(dir(front))


def test_every_name_listed_is_there(front: ModuleType) -> None:
    missing = [name for name in front.__all__ if not hasattr(front, name)]
    assert missing == []


def _undocumented(front: ModuleType) -> Iterator[str]:
    for name in front.__all__:
        value = getattr(front, name)
        if inspect.ismodule(value) or inspect.isfunction(value):
            if not value.__doc__:
                yield name
        elif inspect.isclass(value) and value.__module__.startswith("greenroom"):
            doc = vars(value).get("__doc__") or f"{name}("
            if doc.startswith(f"{name}("):  # what a dataclass writes by itself
                yield name
            yield from (
                f"{name}.{member}"
                for member, function in inspect.getmembers(value, inspect.isfunction)
                if function.__module__.startswith("greenroom")
                and not member.startswith(("_", "test_"))
                and not function.__doc__
            )


def test_every_public_name_says_what_it_is(front: ModuleType) -> None:
    assert front.__doc__
    assert list(_undocumented(front)) == []


def test_importing_the_package_loads_no_media_library_no_framework_and_no_command_line() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, greenroom; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert "greenroom" in loaded
    heavy = {"aiortc", "av", "fastapi", "hypothesis", "numpy", "psycopg", "pytest", "rich"}
    assert (heavy | {"starlette", "typer", "uvicorn"}) & set(loaded) == set()


def test_what_a_contract_asserts_explains_itself_where_it_fails() -> None:
    contracts = ("store_contract", "store_contract_life", "store_contract_log", "clock_contract")
    for name in contracts:
        module = importlib.import_module(f"greenroom.testing.{name}")
        assert "@pytest_ar" in vars(module), f"pytest did not rewrite the asserts of {name}"


def test_a_clock_for_tests_needs_no_pytest() -> None:
    asked = "import sys, greenroom.testing as t; t.VirtualClock; print('pytest' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True)
    assert told.stdout == "False\n"
