"""Connections to PostgreSQL through SQLAlchemy, and what its errors mean.

`psycopg` is imported with this module: import it only where a URL names a PostgreSQL server.
"""

from __future__ import annotations

import select
from collections.abc import Mapping
from math import inf
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from greenroom.domain.errors import InvalidInput, StoreError
from greenroom.projections import postgres_silence as silence
from greenroom.projections.forks import connects_anew

ERRORS: Final = (SQLAlchemyError, psycopg.Error)
"""All that using an engine, or the driver under it, raises."""

_PATIENCE: Final = 30
"""Seconds to wait for a lock, or for a connection that other threads are using."""
_DEFAULTS: Final = {
    "application_name": "greenroom",
    "connect_timeout": 10,
    # A machine that is gone says nothing: notice it within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""Where the URL says nothing else."""
_SETTINGS: Final = {
    "lock_timeout": f"{_PATIENCE}s",
    "client_min_messages": "warning",
    "jit": "off",  # compiling takes longer than the longest query may
}


class Server:
    """A database on a PostgreSQL server, by its URL."""

    def __init__(self, url: str, *, what: str) -> None:
        """Say what is kept there, for messages: "the views".

        Raises:
            InvalidInput: not the URL of a database.
        """
        try:
            self._said: Mapping[str, Any] = conninfo_to_dict(url)
        except psycopg.Error:
            # Not the message, nor the error it comes from: they quote the URL, password and all.
            raise InvalidInput("url", "postgresql://user:password@host:port/database") from None
        self._what = what
        said = {name: str(value) for name, value in self._said.items()}
        host, port = said.get("host") or said.get("hostaddr", ""), said.get("port", "")
        self.name: Final = f"postgresql://{host}{port and ':'}{port}/{said.get('dbname', '')}"
        """For people; without user and password."""

    def engine(
        self,
        schema: str,
        size: int,
        settings: Mapping[str, str],
        *,
        autocommit: bool,
        patience: float = inf,
    ) -> Engine:
        """At most `size` connections, opened when needed, whose names mean those of `schema`.

        Broken ones are replaced when they are asked for, and a forked child has its own. None puts
        up with a silence of more than `patience` seconds.
        """
        engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: self.connect(schema, settings, patience=patience),
            isolation_level="AUTOCOMMIT" if autocommit else "READ COMMITTED",
            poolclass=QueuePool,
            pool_size=size,
            max_overflow=0,
            pool_timeout=_PATIENCE,
            pool_use_lifo=True,
            hide_parameters=True,  # they are people's data; tracebacks are not
            use_native_hstore=False,
        )
        event.listen(engine, "checkout", _check)
        connects_anew(engine)
        return engine

    def connect(
        self,
        schema: str,
        settings: Mapping[str, str],
        *,
        autocommit: bool = False,
        patience: float = inf,
    ) -> silence.Connection:
        """A connection whose names mean those of `schema`."""
        said = {"search_path": schema, **_SETTINGS, **settings}
        ours = " ".join(f"-c {name}={value}" for name, value in said.items())
        options = f"{self._said.get('options', '')} {ours}".strip()
        parameters = {**_DEFAULTS, **self._said, "options": options, "client_encoding": "utf8"}
        return silence.Connection.open(parameters, patience=patience, autocommit=autocommit)

    def error(self, error: Exception) -> StoreError:
        """`error` in our words, and what would help."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        state = getattr(cause, "sqlstate", None) or ""
        said = getattr(getattr(cause, "diag", None), "message_primary", None) or str(cause)
        password = self._said.get("password")
        if password:
            said = said.replace(str(password), "***")
        if isinstance(cause, PoolExhausted):
            advice = f"all its connections are in use, and were for {_PATIENCE} s"
        else:
            known = (text for prefix, text in _ADVICE.items() if state.startswith(prefix))
            advice = next(known, "it cannot be used")
        return StoreError(f"{self._what} on {self.name}: {advice} ({said.strip()})")


_ADVICE: Final = {
    "28": "user or password is not accepted",
    "3D": "there is no such database; create it",
    "42501": "the user may not do that; let them own the schema and CREATE in the database",
    "42P01": "a table is missing; open the room again",
    "3F": "the schema is missing; open the room again",
    "25006": "the server is read-only; name the primary one",
    "53100": "the server's disk is full; free some space and try again",
    "53300": "the server has no connection left; raise its max_connections",
    "53": "the server is short of resources; try again",
    "55P03": "another process kept it locked for too long; try again",
    "40P01": "two transactions waited for each other; try again",
    "57P": "the server is stopping or starting; try again",
    "08": "the connection is broken; try again",
}
"""By the beginning of the SQLSTATE; the first that fits."""


def driver(connection: Connection) -> silence.Connection:
    """The driver's own connection underneath."""
    raw = connection.connection.driver_connection
    if not isinstance(raw, silence.Connection):
        raise TypeError(type(raw).__name__)
    return raw


def sqlstate(error: Exception) -> str | None:
    """The server's own code for what went wrong; None where it said none."""
    found: str | None = getattr(getattr(error, "orig", error), "sqlstate", None)
    return found


def refused_row(error: Exception) -> str | None:
    """Why the server, or the driver, does not take a row; None where all others fail as well.

    Never the details: they quote the row.
    """
    cause = error.orig if isinstance(error, StatementError) else error
    if cause is None or isinstance(cause, SQLAlchemyError):
        return None
    if not isinstance(cause, psycopg.Error):
        return str(cause)  # the value could not be made ready
    if cause.sqlstate is None:
        return str(cause) if isinstance(cause, _UNFIT) else None
    if cause.sqlstate.startswith(_ROW_AT_FAULT):
        return cause.diag.message_primary or str(cause)
    return None


_UNFIT: Final = (psycopg.DataError, psycopg.ProgrammingError, psycopg.NotSupportedError)
_ROW_AT_FAULT: Final = ("21", "22", "23", "54", "42804", "P0")
"""SQLSTATEs of rows that do not fit."""


def is_idle(connection: psycopg.Connection[Any]) -> bool:
    """Whether it is open and the server has nothing to say: not that it was closed, above all."""
    try:
        return not connection.closed and not _readable(connection.fileno())
    except (psycopg.Error, OSError, ValueError):
        return False


def _check(raw: psycopg.Connection[Any], entry: ConnectionPoolEntry, fairy: object) -> None:  # noqa: ARG001 - SQLAlchemy's arguments
    # A look at the socket, in place of a question to the server: 2 us, not a round trip.
    if not is_idle(raw):
        raise InvalidatePoolError


def _readable(descriptor: int) -> bool:
    if hasattr(select, "poll"):  # not on Windows
        asked = select.poll()
        asked.register(descriptor, select.POLLIN)
        return bool(asked.poll(0))
    return bool(select.select([descriptor], [], [], 0)[0])
