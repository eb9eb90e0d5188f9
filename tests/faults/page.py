"""Writes `docs/reference/faults.md`: the matrix, and what was counted when it was last run.

`python -m tests.faults.page NOTES SIZE` takes a run's notes in first (`tests/faults/noting.py`);
`--tests` lists the tests instead.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.faults.matrix import ROWS
from tests.faults.noting import STORES

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reference" / "faults.md"
RESULTS: Final = Path(__file__).with_name("results.json")
SIZES: Final = ("ci", "large")

Results = dict[str, dict[str, dict[str, Any]]]
"""Size, row, and what was counted: `tried` by store, `failed`, `on` which day."""

_BEGIN: Final = "<!-- What follows is written by `nox -s faults`. -->\n"


def main(arguments: list[str]) -> None:
    """Take notes in, where there are any, and write the page."""
    results = read_results()
    if arguments == ["--tests"]:
        print("\n".join(listed()))  # noqa: T201 - what nox reads
        return
    if arguments:
        notes, size = arguments
        take_in(results, size, json.loads(Path(notes).read_text()))
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(page(results))


def read_results() -> Results:
    """What was counted last, of each row and size."""
    found: Results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return {size: found.get(size, {}) for size in SIZES}


def take_in(results: Results, size: str, notes: Mapping[str, Mapping[str, Any]]) -> None:
    """Put in what a run has noted of those rows of which all tests were run."""
    for row in ROWS:
        if set(row.tests) <= notes.keys():
            tried: Counter[str] = Counter()
            for test in row.tests:
                tried.update(notes[test]["tried"])
            results[size][row.fault] = {
                "tried": {store: tried[store] for store in STORES if tried[store]},
                "failed": sum(notes[test]["failed"] for test in row.tests),
                "skipped": sum(notes[test]["skipped"] for test in row.tests),
                "on": datetime.now(UTC).date().isoformat(),
            }


def page(results: Results) -> str:
    """The page as it should be: what people wrote, and then what was counted."""
    said, begin, _ = PAGE.read_text().partition(_BEGIN)
    return said + begin + "\n" + "\n".join(_lines(results)) + "\n"


def _lines(results: Results) -> Iterator[str]:
    yield "| Fault | How it is made | Store | Each build | Large | What is checked besides | Last |"
    yield "|---|---|---|---:|---:|---|---|"
    for row in ROWS:
        told = [results[size].get(row.fault) for size in SIZES]
        stores = [
            one for one in STORES if any(one in told_of["tried"] for told_of in told if told_of)
        ]
        counts = ["<br>".join(_count(one, store) for store in stores) for one in told]
        last = "<br>".join(_last(*one) for one in zip(SIZES, told, strict=True) if one[1])
        cells = (row.fault, row.made, "<br>".join(stores), *counts, row.checked, last)
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "## The tests"
    yield ""
    for row in ROWS:
        yield f"- **{row.fault}**: {', '.join(f'`{test}`' for test in row.tests)}"


def _count(told: Mapping[str, Any] | None, store: str) -> str:
    return f"{told['tried'].get(store, 0):,}" if told else ""


def _last(size: str, told: Mapping[str, Any] | None) -> str:
    if told is None:
        return ""
    verdict = f"**{told['failed']} failed**" if told["failed"] else "passed"
    skipped = f", {told['skipped']} skipped" if told.get("skipped") else ""
    return f"{size} {told['on']} {verdict}{skipped}"


def listed() -> list[str]:
    """Every test that is named, once."""
    return list(dict.fromkeys(test for row in ROWS for test in row.tests))


if __name__ == "__main__":
    main(sys.argv[1:])
