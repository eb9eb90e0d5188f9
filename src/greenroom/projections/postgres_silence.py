"""Connections on which nobody waits for ever for a PostgreSQL server that is frozen, or cut off.

Where the line is gone, TCP notices. Where it stands and the server says nothing, a statement that
takes its time looks the same as one that is never answered: so, once in a while, whoever waits
knocks at the server's door. If nobody opens, the connection counts as lost. Where somebody does, it
may still be that the one process behind a connection stands: commands and queries wait for it
`LONGEST`, what looks after tables (indexes, rebuilds, vacuums) as long as it takes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from math import inf
from time import monotonic
from typing import Any, Final, NoReturn, Self, TypeVar

import psycopg
from psycopg.errors import ConnectionTimeout
from psycopg.rows import TupleRow

T = TypeVar("T")

SILENCE: Final = 30.0
"""Seconds without a word, after which whoever waits for an answer knocks; and again after as many.

Longer than the server lets anybody wait for a lock."""
LONGEST: Final = 300.0
"""Seconds without a word, after which a command or a query is given up though the server is there.

Ten times as long as it lets anybody wait for a lock, and far longer than either ever takes."""


_A_MOMENT: Final = 1.0
"""Seconds for the server to take note that a statement is to be cancelled."""


class Connection(psycopg.Connection[TupleRow]):
    """One of psycopg's that knocks.

    Where nobody opens within `connect_timeout`, or nothing is said for longer than `patience`,
    statements raise OperationalError, and the connection is closed.
    """

    patience: float = inf
    """Seconds without a word that whoever waits puts up with."""

    door: dict[str, Any]
    """Parameters of libpq, under which it was reached."""

    @classmethod
    def open(cls, parameters: dict[str, Any], *, patience: float = inf, **options: Any) -> Self:
        """Connect with these parameters of libpq and those options of psycopg."""
        connection = cls.connect(**parameters, **options)
        connection.door, connection.patience = parameters, patience
        return connection

    def wait(self, gen: Generator[Any, Any, T], *arguments: Any, **options: Any) -> T:
        """As psycopg does it; with an eye on how long the server says nothing."""
        return super().wait(self._listening(gen), *arguments, **options)

    def interrupt(self) -> None:
        """Let the statement fail that another thread waits for here; returns soon.

        If the server says nothing to that either, the thread gives up after `SILENCE` seconds.
        """
        self.patience = min(self.patience, SILENCE)
        if psycopg.capabilities.has_cancel_safe():  # else all of Python would wait for the server
            with suppress(psycopg.Error):  # nobody there: who waits notices as well
                self.cancel_safe(timeout=_A_MOMENT)

    def _listening(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        try:
            wanted = next(gen)
            heard = knocked = monotonic()
            while True:
                ready = yield wanted
                if ready:
                    heard = knocked = monotonic()
                elif monotonic() - heard > self.patience:
                    self._give_up(f"nothing was said for {self.patience:g} s")
                elif monotonic() - knocked > SILENCE:
                    self._knock()
                    knocked = monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            answer: T = end.value
            return answer

    def _knock(self) -> None:
        try:
            psycopg.connect(**self.door).close()
        except ConnectionTimeout as error:
            self._give_up("the server has stopped answering", error)
        except psycopg.Error:
            pass  # somebody is there, and says why not

    def _give_up(self, why: str, cause: Exception | None = None) -> NoReturn:
        self.pgconn.finish()
        raise psycopg.OperationalError(why) from cause


@contextmanager
def bounded(connection: Connection) -> Iterator[None]:
    """Meanwhile it puts up with no silence that is longer than `LONGEST`."""
    connection.patience = LONGEST
    try:
        yield
    finally:
        connection.patience = inf
