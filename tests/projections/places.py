"""Where views stand in tests, and what is asked of them there."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from tests.projections.history import CID, SECRET, History

from greenroom.projections.views import Views

Where = Path | str | None
"""A file, the URL of a PostgreSQL database, in memory."""
Refill = Callable[[History], Views]
"""Gives views that have seen that history and nothing else."""


def opened(where: Where, history: History, **options: Any) -> Views:
    """Views at `where` that have seen all of `history`."""
    made = Views.open(where, secret=SECRET, **options)
    made.catch_up(history.feed, until=history.head)
    return made


def digest_of(history: History) -> str:
    """What views say that saw `history` in one go, in memory."""
    made = opened(None, history)
    try:
        return made.digest()
    finally:
        made.close()


def members_of(views: Views) -> int:
    """How many members the call has, as it says itself."""
    found = views.lookups.call(CID)
    assert found is not None
    return found.member_count


def execute(where: Where, statement: str) -> list[tuple[Any, ...]]:
    """Look at the tables, or change them, behind the back of the views."""
    if isinstance(where, str):
        with psycopg.connect(where, options="-c search_path=greenroom_views") as postgres:
            answer = postgres.execute(statement.encode())
            return answer.fetchall() if answer.description else []
    assert where is not None
    with closing(sqlite3.connect(where)) as sqlite, sqlite:
        return sqlite.execute(statement).fetchall()


def together(*jobs: Callable[[], Any]) -> None:
    """Run all jobs at once; the first that fails, fails here."""
    failures: list[BaseException] = []
    ready = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> None:
        try:
            ready.wait()
            job()
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
