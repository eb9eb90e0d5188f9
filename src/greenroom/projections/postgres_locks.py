"""Advisory locks of PostgreSQL sessions: with the session, or its process, they end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, TextClause, text

from greenroom.projections.postgres_engine import ERRORS

TRY: Final = text("SELECT pg_try_advisory_lock(:key)")
"""Whether the session has it now; others keep it."""
UNLOCK: Final = text("SELECT pg_advisory_unlock(:key)")


@contextmanager
def released(connection: Connection, unlock: TextClause, key: int) -> Iterator[None]:
    """Give a lock of the session up at the end."""
    try:
        yield
    finally:
        try:
            connection.execute(unlock, {"key": key})
        except ERRORS:
            connection.invalidate()  # with the connection goes the lock


def lock_key(what: str) -> int:
    """The number of an advisory lock, the same in every process."""
    digest = hashlib.sha256(f"greenroom {what}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
