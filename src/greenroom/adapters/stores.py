"""The event stores there are, and opening one by its URL."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from greenroom.adapters.event_store import RecorderStore
from greenroom.adapters.memory_recorder import MemoryRecorder
from greenroom.adapters.sqlite_file import Synchronous
from greenroom.adapters.sqlite_recorder import SQLiteRecorder
from greenroom.domain import checks
from greenroom.domain.errors import InvalidInput, StoreError
from greenroom.domain.ports import EventStore

_SCHEMES: Final = ("memory", "sqlite", "postgresql")
_LONGEST: Final = 4096
"""Characters of a URL: no file system has longer paths."""
_EXPECTED: Final = (
    "memory:// or sqlite:///path/to/file.db or postgresql://user:password@host:port/database"
)


class MemoryStore(RecorderStore):
    """An event store that lives as long as its process, or until it is closed."""

    def __init__(self) -> None:
        super().__init__(MemoryRecorder())


class SQLiteStore(RecorderStore):
    """An event store in a file, for any number of threads and processes of one machine.

    Args:
        path: of the file.
        create: whether a missing or empty file becomes a new store.
        synchronous: FULL keeps what was acknowledged through a power cut; NORMAL, which is
            faster, may lose the last of it.
        busy_seconds: how long to wait for another process that is writing.

    Raises:
        StoreError: the file cannot be used, or is missing and not to be made.
        NotOurStore, WrongSchema: it holds something else.
    """

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        synchronous: Synchronous = "FULL",
        busy_seconds: float = 30,
    ) -> None:
        recorder = SQLiteRecorder(
            path, create=create, synchronous=synchronous, busy_seconds=busy_seconds
        )
        super().__init__(recorder)
        self.path = recorder.path
        """Of the file, absolute."""


class PostgresStore(RecorderStore):
    """An event store in a PostgreSQL database, for any number of processes and machines.

    It takes the extra `postgres`. Its tables are in a schema `greenroom` of their own, in whatever
    database: the embedder's, for example. Connections must keep their state from one statement to
    the next: a pooler between has to pool sessions, not transactions.

    Args:
        url: `postgresql://user:password@host:port/database`, with libpq's parameters.
        create: whether a database without a store gets one.

    Raises:
        InvalidInput: no such URL.
        StoreError: the server cannot be used, or there is no store and none is to be made; or
            the extra is not installed.
        NotOurStore, WrongSchema: the schema `greenroom` is something else.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        try:
            from greenroom.adapters.postgres_recorder import PostgresRecorder  # noqa: PLC0415  # needs the extra
        except ImportError as error:
            raise StoreError(
                "PostgreSQL needs the extra: pip install 'greenroom[postgres]'"
            ) from error
        super().__init__(PostgresRecorder(url, create=create))
        self.url = url
        """Of the database; it may hold a password."""


def open_store(url: str, *, create: bool = True) -> MemoryStore | SQLiteStore | PostgresStore:
    """The event store at `url`.

    Args:
        url: `memory://`, `sqlite:///relative.db`, `sqlite:////absolute.db`, `sqlite:///C:/a.db` or
            `postgresql://user:password@host:port/database`.
        create: whether a missing or empty file, or a database without a store, gets a new one.

    Raises:
        InvalidInput: not a URL of a store.
        StoreError: there is no store and none is to be made, or it cannot be used.
        NotOurStore, WrongSchema: the file or the database holds something else.
    """
    url = _checked(url)
    match = re.fullmatch(r"(?:(?P<scheme>[A-Za-z0-9+.-]+):)?(?P<rest>.*)", url, re.DOTALL)
    scheme, rest = (match["scheme"] or "", match["rest"]) if match else ("", url)
    match scheme:
        case "memory" if rest == "//":
            return MemoryStore()
        case "sqlite" if rest.startswith("///") and len(rest) > len("///"):
            return SQLiteStore(Path(rest.removeprefix("///")), create=create)
        case "memory":
            raise InvalidInput("url", "memory://")
        case "sqlite":
            raise InvalidInput("url", "sqlite:///relative.db or sqlite:////absolute.db")
        case "postgresql" | "postgres":
            return PostgresStore(url, create=create)
        case _:
            nearest = get_close_matches(scheme or url, _SCHEMES, 1)
            raise InvalidInput("url", _EXPECTED, f"{nearest[0]}://" if nearest else None)


def _checked(url: object) -> str:
    """`url` as text that can name a file or a server."""
    checked = checks.text(url, "url", _LONGEST)
    if not checked.isprintable():
        raise InvalidInput("url", f"{_EXPECTED}, in printable characters")
    return checked


def beside(store: EventStore) -> tuple[Path | str | None, Path | str | None, Path | str | None]:
    """Where views, outbox and leases of media stand: beside the events.

    The leases have a file of their own: they are renewed every second, and must wait for nobody.
    """
    match store:
        case SQLiteStore(path=path):
            views, leases = (f"{path.stem}.{what}{path.suffix}" for what in ("views", "media"))
            return path.with_name(views), path, path.with_name(leases)
        case PostgresStore(url=url):
            return url, url, url
        case _:
            return None, None, None


def attempts_beside(store: EventStore) -> Path | str | None:
    """Where refused attempts stand: in a file of their own, so that they are in nobody's way."""
    match store:
        case SQLiteStore(path=path):
            return path.with_name(f"{path.stem}.attempts{path.suffix}")
        case PostgresStore(url=url):
            return url
        case _:
            return None
