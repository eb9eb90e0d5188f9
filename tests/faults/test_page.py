"""The page of faults names tests that exist, and says what was counted."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.faults.matrix import ROWS
from tests.faults.page import PAGE, ROOT, listed, page, read_results, take_in
from tests.house.test_semantics_map import names_in


@pytest.mark.slow
def test_every_row_names_tests_that_exist() -> None:
    assert all(row.tests for row in ROWS)
    missing = []
    for test in listed():
        file, _, name = test.partition("::")
        if not (ROOT / file).is_file() or name not in names_in(ROOT / file):
            missing.append(test)
    assert missing == []


def test_every_test_of_faults_is_in_a_row() -> None:
    here = {
        f"tests/faults/{file.name}::{name}"
        for file in (ROOT / "tests" / "faults").glob("test_*.py")
        if file.name != "test_page.py"
        for name in names_in(file)
        if name.startswith("test_")
    }
    assert sorted(here - set(listed())) == []


def test_no_two_rows_are_of_the_same_fault() -> None:
    assert [fault for fault, times in Counter(row.fault for row in ROWS).items() if times > 1] == []


def test_the_page_is_what_the_matrix_and_the_last_run_say() -> None:
    assert PAGE.read_text() == page(read_results()), "run `python -m tests.faults.page`"


def test_a_run_counts_for_a_row_where_all_its_tests_were_in_it() -> None:
    first, *_ = ROWS
    noted = {"passed": 1, "failed": 0, "skipped": 2, "tried": {"sqlite": 3}}
    results: dict[str, dict[str, dict[str, object]]] = {"ci": {}, "large": {}}
    take_in(results, "ci", {first.tests[0]: noted})
    assert results["ci"] == {}
    take_in(results, "ci", dict.fromkeys(first.tests, noted))
    assert results["ci"][first.fault]["tried"] == {"sqlite": 3 * len(first.tests)}
    assert f"passed, {2 * len(first.tests)} skipped" in page(results)
