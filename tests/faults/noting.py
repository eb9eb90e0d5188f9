"""A plugin of pytest that notes what a run has tried, for the page: `-p tests.faults.noting`.

A test says `tried("sqlite", 40)`; of one that says nothing each case counts once, on the store that
it names.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

NOTES: Final = "FAULTS_NOTES"
"""Names the file for them."""
STORES: Final = ("memory", "sqlite", "postgresql")


@dataclass
class Noted:
    """Of one test, all its cases together."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    tried: Counter[str] = field(default_factory=Counter)


noted: Final[dict[str, Noted]] = {}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Told to whoever runs the test: a server that it asks for is what it is about."""
    if "postgres" in getattr(item, "fixturenames", ()):
        item.user_properties.append(("store", "postgresql"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Told to the process that began the run, whichever worker ran the test."""
    test, _, case = report.nodeid.partition("[")
    one = noted.setdefault(test, Noted())
    if report.failed:
        one.failed += 1
    elif report.skipped:
        one.skipped += 1
    elif report.when == "call":
        one.passed += 1
        said: list[Any] = [value for name, value in report.user_properties if name == "tried"]
        for store, times in said or [(_store_of(case, report), 1)]:
            one.tried[store] += times


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write them down, where somebody has asked for it and no worker does."""
    place = os.environ.get(NOTES)
    if place and not hasattr(session.config, "workerinput"):
        told = {
            test: {
                "passed": one.passed,
                "failed": one.failed,
                "skipped": one.skipped,
                "tried": dict(one.tried),
            }
            for test, one in noted.items()
        }
        Path(place).write_text(json.dumps(told, indent=1))


def _store_of(case: str, report: pytest.TestReport) -> str:
    if "postgres" in case or ("store", "postgresql") in map(tuple, report.user_properties):
        return "postgresql"
    return "memory" if "memory" in case else "sqlite"
