"""The page on testing names every contract with the tests it has, and every fixture there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Final

import pytest
from tests.testing.machines import EXAMPLES

import greenroom.testing
from greenroom.testing import plugin
from greenroom.testing.faults import Fault

PAGE: Final = (Path(__file__).parents[2] / "docs" / "reference" / "testing.md").read_text()
CONTRACTS: Final = sorted(name for name in greenroom.testing.__all__ if name.endswith("Contract"))


def count_of(name: str) -> int:
    members = inspect.getmembers(getattr(greenroom.testing, name), inspect.isfunction)
    return sum(1 for member, _ in members if member.startswith("test_"))


def rows(heading: str) -> dict[str, str]:
    """The first cell of each row of the table under a heading, and its last."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if "| `" in line]
    return {cells[0].strip("`"): cells[-1] for cells in lines}


@pytest.mark.parametrize("name", CONTRACTS)
def test_each_contract_says_how_many_tests_it_has(name: str) -> None:
    assert count_of(name) > 0
    assert rows("Contracts")[name] == str(count_of(name))


def test_no_other_contract_is_named() -> None:
    assert sorted(rows("Contracts")) == CONTRACTS


def test_each_fixture_is_named() -> None:
    source = inspect.getsource(plugin)
    fixtures = re.findall(r"@pytest\.fixture(?:\(.*\))?\ndef (\w+)\(", source)
    assert len(fixtures) > 5
    assert sorted(rows("Fixtures")) == sorted(fixtures)


def test_each_fault_is_named() -> None:
    assert sorted(rows("Faults")) == sorted(fault.name for fault in Fault)


def test_each_driver_is_told_with_the_histories_that_are_tried() -> None:
    for what, (in_a_build, deep) in EXAMPLES.items():
        assert re.search(rf"^\| {what} \| .* \| {in_a_build} \| {deep} \|$", PAGE, re.MULTILINE), (
            what
        )
