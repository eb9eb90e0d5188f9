"""Connections on which nobody waits for ever for a PostgreSQL server that is frozen, or cut off.

Where the line is gone, TCP notices. Where it stands and the server says nothing, a statement that
takes its time looks the same as one that is never answered: so, once in a while, whoever waits
knocks at the server's door. If nobody opens, the connection counts as lost.
"""

from __future__ import annotations

from collections.abc import Generator
from time import monotonic
from typing import Any, Final, Self, TypeVar

import psycopg
from psycopg.errors import ConnectionTimeout
from psycopg.rows import TupleRow

T = TypeVar("T")

SILENCE: Final = 30.0
"""Seconds without a word, after which whoever waits for an answer knocks; and again after as many.

Longer than the server lets anybody wait for a lock."""


class Connection(psycopg.Connection[TupleRow]):
    """One of psycopg's that knocks.

    Where nobody opens within `connect_timeout`, statements raise OperationalError, and the
    connection is closed.
    """

    door: dict[str, Any]
    """Parameters of libpq, under which it was reached."""

    @classmethod
    def open(cls, parameters: dict[str, Any], **options: Any) -> Self:
        """Connect with these parameters of libpq and those options of psycopg."""
        connection = cls.connect(**parameters, **options)
        connection.door = parameters
        return connection

    def wait(self, gen: Generator[Any, Any, T], *arguments: Any, **options: Any) -> T:
        """As psycopg does it; with an eye on how long the server says nothing."""
        return super().wait(self._listening(gen), *arguments, **options)

    def _listening(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        try:
            wanted = next(gen)
            heard = monotonic()
            while True:
                ready = yield wanted
                if ready:
                    heard = monotonic()
                elif monotonic() - heard > SILENCE:
                    self._knock()
                    heard = monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            answer: T = end.value
            return answer

    def _knock(self) -> None:
        try:
            psycopg.connect(**self.door).close()
        except ConnectionTimeout as error:
            self.pgconn.finish()
            raise psycopg.OperationalError("the server has stopped answering") from error
        except psycopg.Error:
            pass  # somebody is there, and says why not
