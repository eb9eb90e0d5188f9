"""Connections to PostgreSQL for queries that others thought up: stopped past a limit, and lent."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import psycopg

from greenroom.domain.errors import QueryTooSlow
from greenroom.projections import postgres_silence as silence
from greenroom.projections.forks import connects_anew
from greenroom.projections.lending import Lender
from greenroom.projections.postgres_engine import Server, is_idle

EACH: Final = {"plan_cache_mode": "force_custom_plan"}
"""Planned once for all values, a query may take a hundred times as long."""
ONCE: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""Where one plan is the best it walks along an index, even if made while tables were small."""
STALE: Final = 60.0
"""Seconds until what was planned once is planned again: tables may have grown meanwhile."""


class Readers:
    """Lends its connections for one statement each. Safe for many threads."""

    def __init__(self, server: Server, schema: str, limit: timedelta, size: int) -> None:
        """Connect to nothing yet.

        Args:
            server: where the tables are.
            schema: in which they are.
            limit: what one statement may take.
            size: connections at most of those that plan each time, and of those that plan once.
        """
        # 0 would be none.
        timeout = str(max(1, round(limit / timedelta(milliseconds=1))))

        def connected(settings: Mapping[str, str]) -> _Reader:
            patience = limit.total_seconds() + silence.LONGEST
            return _Reader(server.connect(schema, settings, autocommit=True, patience=patience))

        def lender(settings: Mapping[str, str]) -> Lender[_Reader]:
            said = {**settings, "statement_timeout": timeout}
            made = Lender(lambda: connected(said), size)
            connects_anew(made)
            return made

        self._limit = limit
        self.each: Final = lender(EACH)
        self.once: Final = lender(ONCE)

    def fetch(self, sql: str, arguments: Sequence[Any], *, steady: bool) -> list[tuple[Any, ...]]:
        """See `Database`; raises what the driver does."""
        begun = time.monotonic()
        lender = self.once if steady else self.each
        # One that is whole, as far as can be told without asking the server.
        while not is_idle((reader := lender.take()).connection):
            lender.drop(reader)
        try:
            if steady:
                return reader.planned_once(sql, arguments, begun)
            return reader.connection.execute(sql.encode(), arguments).fetchall()
        except psycopg.errors.QueryCanceled as error:
            if timedelta(seconds=time.monotonic() - begun) < self._limit:
                raise
            raise QueryTooSlow("filters", "a query answered in time") from error
        finally:
            lender.give_back(reader)

    def close(self) -> None:
        """Close them all, those that are lent when they come back."""
        self.each.close()
        self.once.close()


class _Reader:
    """A connection, and when it last planned what it plans once."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection: Final = connection
        self._planned = time.monotonic()

    def planned_once(self, sql: str, arguments: Sequence[Any], now: float) -> list[tuple[Any, ...]]:
        """All rows of a statement that one plan is the best for."""
        if now - self._planned > STALE:
            self.connection.execute("DISCARD PLANS")
            self._planned = now
        return self.connection.execute(sql.encode(), arguments, prepare=True).fetchall()

    def close(self) -> None:
        """Release it."""
        self.connection.close()
