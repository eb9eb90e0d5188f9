"""What SQLite's errors say: whether a row does not fit, or the file cannot be used."""

from __future__ import annotations

import sqlite3
from typing import Final

from sqlalchemy.exc import SQLAlchemyError, StatementError

_ROW_AT_FAULT: Final = frozenset(
    {
        sqlite3.SQLITE_ERROR,  # malformed JSON under an index, for one
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_RANGE,
    }
)
_UNBOUND: Final = ("Error binding parameter", "Binding ", "string or blob too big")
"""How the driver begins where it cannot hand a value over: it gives no code."""
_NO_SUCH: Final = ("no such table", "no such column", "no such function", "table ")


def refused_row(error: Exception) -> str | None:
    """Why SQLite, or its driver, does not take a row; None where all others fail as well."""
    cause = error.orig if isinstance(error, StatementError) else error
    if cause is None or isinstance(cause, SQLAlchemyError):
        return None
    code = getattr(cause, "sqlite_errorcode", None)
    if isinstance(cause, sqlite3.Error) and code is None:
        return str(cause) if str(cause).startswith(_UNBOUND) else None
    if code == sqlite3.SQLITE_ERROR and str(cause).startswith(_NO_SUCH):
        return None  # tables or columns are missing: nobody's rows would fit
    return str(cause) if code is None or code & 0xFF in _ROW_AT_FAULT else None
