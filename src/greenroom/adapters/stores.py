"""The event stores there are, and opening one by its URL."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Final, cast

from greenroom.adapters.event_store import RecorderStore
from greenroom.adapters.key_store import open_keys
from greenroom.adapters.keyring import is_bound, keyring
from greenroom.adapters.memory_recorder import MemoryRecorder
from greenroom.adapters.recorder import LogRecorder
from greenroom.adapters.sqlite_file import Synchronous
from greenroom.adapters.sqlite_recorder import SQLiteRecorder
from greenroom.domain import checks
from greenroom.domain.errors import InvalidInput, StoreError
from greenroom.domain.keys import KeyStore
from greenroom.domain.ports import EventStore

_SCHEMES: Final = ("memory", "sqlite", "postgresql")
_LONGEST: Final = 4096
"""Characters of a URL: no file system has longer paths."""
_EXPECTED: Final = (
    "memory:// or sqlite:///path/to/file.db or postgresql://user:password@host:port/database"
)


Keys = KeyStore | str | None
"""Where the keys of personal data are: a key store, the URL of one, or None for within the store.

One that is named by its URL is closed with the store, and made with a new one."""


class LogStore(RecorderStore):
    """An event store over a log, with its keys."""

    def __init__(self, recorder: LogRecorder, keys: Keys, *, create: bool = True) -> None:
        self.keys_at = keys if isinstance(keys, str) else None
        """The URL of the key store, for other processes; it may hold a password."""
        self.keys_named = keys is not None
        """Whether its keys are elsewhere."""
        opened = None
        try:
            if isinstance(keys, str):
                opened = keys = open_keys(keys, create=create and not is_bound(recorder))
            ring = keyring(recorder, keys, owned=opened is not None)
        except BaseException:
            recorder.close()
            if opened is not None:
                opened.close()
            raise
        super().__init__(recorder, ring)


class MemoryStore(LogStore):
    """An event store that lives as long as its process, or until it is closed."""

    def __init__(self, *, keys: Keys = None) -> None:
        super().__init__(MemoryRecorder(), keys)


class SQLiteStore(LogStore):
    """An event store in a file, for any number of threads and processes of one machine.

    Args:
        path: of the file.
        create: whether a missing or empty file becomes a new store.
        synchronous: FULL keeps what was acknowledged through a power cut; NORMAL, which is
            faster, may lose the last of it.
        busy_seconds: how long to wait for another process that is writing.
        keys: where the keys of personal data are; None for in the same file.

    Raises:
        KeysUnavailable: the keys are elsewhere, and cannot be asked for there.
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
        keys: Keys = None,
    ) -> None:
        recorder = SQLiteRecorder(
            path, create=create, synchronous=synchronous, busy_seconds=busy_seconds
        )
        super().__init__(recorder, keys, create=create)
        self.path = recorder.path
        """Of the file, absolute."""


class PostgresStore(LogStore):
    """An event store in a PostgreSQL database, for any number of processes and machines.

    It takes the extra `postgres`. Its tables are in a schema `greenroom` of their own, in whatever
    database: the embedder's, for example. Connections must keep their state from one statement to
    the next: a pooler between has to pool sessions, not transactions.

    Args:
        url: `postgresql://user:password@host:port/database`, with libpq's parameters.
        create: whether a database without a store gets one.
        keys: where the keys of personal data are; None for in the same database.

    Raises:
        InvalidInput: no such URL.
        KeysUnavailable: the keys are elsewhere, and cannot be asked for there.
        StoreError: the server cannot be used, or there is no store and none is to be made; or
            the extra is not installed.
        NotOurStore, WrongSchema: the schema `greenroom` is something else.
    """

    def __init__(self, url: str, *, create: bool = True, keys: Keys = None) -> None:
        try:
            from greenroom.adapters.postgres_recorder import PostgresRecorder  # noqa: PLC0415  # needs the extra
        except ImportError as error:
            raise StoreError(
                "PostgreSQL needs the extra: pip install 'greenroom[postgres]'"
            ) from error
        super().__init__(PostgresRecorder(url, create=create), keys, create=create)
        self.url = url
        """Of the database; it may hold a password."""


def open_store(
    url: str, *, create: bool = True, keys: Keys = None
) -> MemoryStore | SQLiteStore | PostgresStore:
    """The event store at `url`.

    Args:
        url: `memory://`, `sqlite:///relative.db`, `sqlite:////absolute.db`, `sqlite:///C:/a.db` or
            `postgresql://user:password@host:port/database`.
        create: whether a missing or empty file, or a database without a store, gets a new one.
        keys: where the keys of personal data are: a `KeyStore`, or the URL of one,
            `sqlite:///keys.db` or `postgresql://...`; None for in the store itself.

    Raises:
        InvalidInput: not a URL of a store, or of keys.
        KeysUnavailable: the keys are elsewhere, and cannot be asked for there.
        StoreError: there is no store and none is to be made, or it cannot be used.
        NotOurStore, WrongSchema: the file or the database holds something else.
    """
    url = _checked(url)
    keys = _keys_checked(keys, url)
    match = re.fullmatch(r"(?:(?P<scheme>[A-Za-z0-9+.-]+):)?(?P<rest>.*)", url, re.DOTALL)
    scheme, rest = (match["scheme"] or "", match["rest"]) if match else ("", url)
    match scheme:
        case "memory" if rest == "//":
            return MemoryStore(keys=keys)
        case "sqlite" if rest.startswith("///") and len(rest) > len("///"):
            return SQLiteStore(Path(rest.removeprefix("///")), create=create, keys=keys)
        case "memory":
            raise InvalidInput("url", "memory://")
        case "sqlite":
            raise InvalidInput("url", "sqlite:///relative.db or sqlite:////absolute.db")
        case "postgresql" | "postgres":
            return PostgresStore(url, create=create, keys=keys)
        case _:
            nearest = get_close_matches(scheme or url, _SCHEMES, 1)
            raise InvalidInput("url", _EXPECTED, f"{nearest[0]}://" if nearest else None)


def _checked(url: object) -> str:
    """`url` as text that can name a file or a server."""
    checked = checks.text(url, "url", _LONGEST)
    if not checked.isprintable():
        raise InvalidInput("url", f"{_EXPECTED}, in printable characters")
    return checked


def _keys_checked(keys: object, url: str) -> Keys:
    """`keys` as something that can have keys, and that is not the store."""
    if keys is None or isinstance(keys, str):
        if keys == url:
            raise InvalidInput("keys", "another place than the store's own")
        return None if keys is None else checks.text(keys, "keys", _LONGEST)
    if all(callable(getattr(keys, name, None)) for name in ("keep", "find", "destroy")):
        return cast("KeyStore", keys)
    raise InvalidInput("keys", "a KeyStore, or the URL of one: sqlite:///keys.db")


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
