"""The rooms depend one way, and the domain is pure; beyond what import-linter's contracts say."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from pathlib import Path

import grimp
import pytest

SRC = Path(__file__).parents[2] / "src" / "greenroom"
ROOMS = {"domain", "projections", "adapters", "media", "audit"}
DOMAIN_STANDS_ON = {
    "__future__",
    "bisect",
    "collections",
    "contextlib",
    "dataclasses",
    "datetime",
    "difflib",
    "enum",
    "fractions",
    "functools",
    "greenroom",
    "heapq",
    "immutables",
    "itertools",
    "json",
    "math",
    "operator",
    "msgspec",
    "pydantic",
    "re",
    "string",
    "types",
    "typing",
}
COME_WITH_OTHERS = {"av", "pydantic_core", "typing_extensions"}
"""Declared by aiortc and pydantic, whose own interfaces show them."""
DOMAIN_FILES = sorted((SRC / "domain").rglob("*.py"))


@cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("greenroom", include_external_packages=True, cache_dir=None)


def modules_in(room: str) -> list[str]:
    return [m for m in imports().modules if f"{m}.".startswith(f"greenroom.{room}.")]


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_no_room_knows_what_stands_above_the_rooms(room: str) -> None:
    above = {
        module
        for module in imports().modules
        if module.split(".")[0] == "greenroom" and ([*module.split("."), ""])[1] not in ROOMS
    }
    known = {
        (module, imported)
        for module in modules_in(room)
        for imported in imports().find_modules_directly_imported_by(module)
        if imported in above
    }
    assert known == set()


@pytest.mark.parametrize("file", DOMAIN_FILES, ids=lambda file: file.name)
def test_the_domain_stands_on_little(file: Path) -> None:
    roots = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            roots.add((node.module or "").partition(".")[0])
    assert roots <= DOMAIN_STANDS_ON


@pytest.mark.parametrize("file", DOMAIN_FILES, ids=lambda file: file.name)
def test_the_domain_never_looks_at_a_clock_or_a_file(file: Path) -> None:
    called = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
    }
    looks = {call for call in called if call.rpartition(".")[2] in {"now", "utcnow", "today"}}
    assert looks | (called & {"open", "input", "print", "eval", "exec"}) == set()


def test_there_are_files_to_look_at() -> None:
    assert {"call.py", "errors.py"} <= {file.name for file in DOMAIN_FILES}
    assert all(len(modules_in(room)) > 1 for room in ROOMS)


def test_every_dependency_is_used_and_everything_used_is_declared() -> None:
    project = tomllib.loads((SRC.parents[1] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = {
        re.split(r"[\[<>=]", requirement)[0].replace("-", "_")
        for requirement in [
            *project["dependencies"],
            *extras["http"],
            *extras["janus"],
            *extras["media"],
            *extras["metrics"],
            *extras["otel"],
            *extras["parquet"],
            *extras["postgres"],
            *extras["test"],
            *extras["workers"],
        ]
    }
    used = {
        imported
        for module in imports().modules
        if module.startswith("greenroom")
        for imported in imports().find_modules_directly_imported_by(module)
        if not imported.startswith("greenroom") and imported not in sys.stdlib_module_names
    }
    imported_as = {"opentelemetry_api": "opentelemetry"}
    assert used - COME_WITH_OTHERS == {imported_as.get(name, name) for name in declared}
