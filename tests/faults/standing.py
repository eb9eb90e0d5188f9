"""Single processes of a PostgreSQL server that stand still."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg


@contextmanager
def stopped(url: str) -> Iterator[None]:
    """Meanwhile every process of the server that somebody is connected to now stands still."""
    with psycopg.connect(url, autocommit=True) as administrator:
        found = administrator.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'greenroom'"
        ).fetchall()
    assert found
    try:
        for (process,) in found:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for (process,) in found:
            os.kill(process, signal.SIGCONT)
