"""The same on PostgreSQL: an advisory lock of a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import psycopg
from sqlalchemy import text

from greenroom.domain.errors import StoreError
from greenroom.projections.forks import survives_forks
from greenroom.projections.postgres_engine import is_idle


class PostgresLead:
    """A lock that the server takes from a session which ends, or whose process died."""

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        key: int,
        named: Callable[[Exception], StoreError],
    ) -> None:
        """Ask nothing yet.

        Args:
            connect: opens the session that is kept, autocommitting.
            key: of the lock.
            named: an error of the driver in our words.
        """
        self._connect = connect
        self._key = key
        self._named = named
        self._session: psycopg.Connection[Any] | None = None
        self._held = False
        self._of_the_parent: list[object] = []
        survives_forks(self)

    def taken(self) -> bool:
        """See `Lead`."""
        try:
            if self._session is None or not is_idle(self._session):
                self.give_up()
                self._session = self._connect()
            if not self._held:
                found = self._session.execute(_TRY, [self._key]).fetchone()
                self._held = found == (True,)
        except psycopg.Error as error:
            raise self._named(error) from error
        return self._held

    def give_up(self) -> None:
        """See `Lead`."""
        session, self._session, self._held = self._session, None, False
        if session is not None:
            session.close()

    def after_fork_in_child(self) -> None:
        """Leave it to the parent, unclosed: goodbyes would be said in its name."""
        self._of_the_parent.append(self._session)
        self._session, self._held = None, False


_TRY: Final = b"SELECT pg_try_advisory_lock(%s)"
COULD_LEAD: Final = text("SELECT pg_try_advisory_xact_lock_shared(:key)")
"""Whether nobody has it: shared, so that many may ask, and given back as it is answered."""
