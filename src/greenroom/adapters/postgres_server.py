"""The server that a store is on: where it is, connecting to it, and what can be wrong with it."""

from __future__ import annotations

import re
from difflib import get_close_matches
from math import inf
from typing import Any, Final
from urllib.parse import parse_qsl

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo
from psycopg.rows import TupleRow

from greenroom.adapters.postgres_arrays import adapters
from greenroom.domain.errors import InvalidInput, StoreError
from greenroom.projections import postgres_silence as silence

EXPECTED: Final = "postgresql://user:password@host:port/database, special characters as %XX"

_DEFAULTS: Final[dict[str, Any]] = {
    "application_name": "greenroom",
    "connect_timeout": 10,
    # A machine that is gone says nothing: notice it within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_OLDEST: Final = 130_000
"""PostgreSQL 13."""


class Server:
    """A database on a server, by its URL. As text it is named without user and password.

    Args:
        url: `postgresql://user:password@host:port/database?...`, as libpq reads it: several hosts,
            its parameters (`sslmode`, `target_session_attrs`, ...), its environment variables
            (`PGPASSWORD`, ...) and its password file.

    Raises:
        InvalidInput: it is no such URL, or names no database.
    """

    def __init__(self, url: str) -> None:
        self._options = _DEFAULTS | _parsed(url)
        self._adapters = adapters()

    def __str__(self) -> str:
        """Where it is, for messages: never with a password."""
        hosts = str(self._options.get("host") or self._options.get("hostaddr") or "")
        ports = str(self._options.get("port") or "")
        place = hosts if not ports else f"{hosts}:{ports}"
        return f"postgresql://{place}/{self._options['dbname']}"

    def connect(self, settings: str = "", *, patience: float = inf) -> Connection[TupleRow]:
        """A connection in which each statement is a transaction; usable from any thread.

        Args:
            settings: statements to begin with.
            patience: seconds without a word, after which it counts as lost though the server is
                there.

        Raises:
            StoreError: the server cannot be reached, or does not let us in; nothing was sent.
        """
        try:
            connection = silence.Connection.open(
                self._options,
                patience=patience,
                autocommit=True,
                client_encoding="utf8",
                context=self._adapters,
            )
        except psycopg.Error as error:
            raise StoreError(f"{self}: {_unreachable(error)}") from error
        try:
            if settings:
                connection.execute(settings.encode())
        except psycopg.Error as error:
            connection.close()
            raise self.error(error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def check(self, connection: Connection[TupleRow]) -> None:
        """Whether a store can be on this server.

        Raises:
            StoreError: it is too old, or its database has another encoding than UTF-8.
        """
        version = connection.info.server_version
        if version < _OLDEST:
            raise StoreError(
                f"{self}: PostgreSQL 13 or later is needed, this is {version // 10000}"
            )
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise StoreError(
                f"{self}: the database has the encoding {encoding};"
                " make one with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
            )

    def error(self, error: psycopg.Error) -> StoreError:
        """What went wrong while a statement ran, and what would help."""
        state = error.sqlstate
        said = error.diag.message_primary or _on_one_line(error) or type(error).__name__
        if state is None:
            return StoreError(f"{self}: the connection was lost ({said})")
        for start, advice in _ADVICE.items():
            if state.startswith(start):
                return StoreError(f"{self}: {advice} ({said}, {state})")
        return StoreError(f"{self}: {said} ({state})")


_ADVICE: Final = {
    "25006": "it is read-only: a standby, or set so; name the primary in the store's URL",
    "42501": "this user lacks a right; grant it, or name another user in the store's URL",
    "42P01": "a table of the store is missing; restore the database from a backup",
    "42883": "a function of the store is missing; restore the database from a backup",
    "3F000": "the schema of the store is missing; restore the database from a backup",
    "53100": "its disk is full; free some space and try again",
    "53200": "it is out of memory; try again later",
    "53300": "it has no connection left; raise its max_connections, or use fewer processes",
    "54": "something is too large for it",
    "55P03": "somebody kept the log locked for too long; try again",
    "57014": "it was told to give up: its statement_timeout is too short, or somebody cancelled it",
    "57P": "it is being shut down or restarted; try again",
    "58": "its disk or its system failed; look into its log",
    "XX": "it reports damage or a fault of its own; look into its log",
}
"""By SQLSTATE, or by how it starts."""

# Before a connection stands there is no SQLSTATE, only what libpq and the server say.
_REFUSALS: Final = {
    r"too many (clients|connections)|connection slots": _ADVICE["53300"],
    r"password authentication failed": "wrong user or password; correct the store's URL",
    r"no password supplied": "it asks for a password; put one into the store's URL or PGPASSWORD",
    r"pg_hba\.conf": "it does not let this user in from here; see its pg_hba.conf",
    r'database ".*" does not exist': "there is no such database; make it with CREATE DATABASE,"
    " or correct the store's URL",
    r'role ".*" does not exist': "there is no such user; make it with CREATE ROLE ... LOGIN,"
    " or correct the store's URL",
    r"starting up|shutting down": "it is being started or shut down; try again in a moment",
    r"Connection refused": "nobody answers there; is the server running, are host and port right?",
    r"timeout": "nobody answers in time; are host and port right, does a firewall stand between?",
    r"(translate|resolve) host|not known|nodename": "there is no such host; correct the URL",
    r"No such file": "no server listens there; is it running, is the host right?",
    r"SSL": "no encrypted connection comes about; see sslmode and the certificates",
}


def _unreachable(error: psycopg.Error) -> str:
    said = _on_one_line(error)
    for pattern, advice in _REFUSALS.items():
        if re.search(pattern, said):
            return f"{advice} ({said})"
    return f"it cannot be reached ({said})"


def _on_one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())


def _parsed(url: str) -> dict[str, Any]:
    """What libpq reads from it. Its own complaints are not passed on: they quote passwords."""
    _check_parameters(url)
    try:
        options = conninfo_to_dict(url)
    except psycopg.Error:
        raise InvalidInput("url", EXPECTED) from None
    if not options.get("dbname"):
        raise InvalidInput("url", f"the name of a database: {EXPECTED}")
    for port in str(options.get("port") or 5432).split(","):
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
            raise InvalidInput("url", f"a port between 1 and 65535: {EXPECTED}")
    return options


def _check_parameters(url: str) -> None:
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True):
        if name not in known and name != "ssl":
            nearest = get_close_matches(name, known, 1)
            raise InvalidInput(
                "url",
                "parameters of libpq after the question mark, e.g. sslmode=require",
                nearest[0] if nearest else None,
            )
