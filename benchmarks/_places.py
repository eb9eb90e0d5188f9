"""Where contenders record: for each of them a fresh store of its own, on the same disk or server.

Everything is durable: SQLite with WAL and synchronous=FULL, PostgreSQL with fsync.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

from benchmarks._raw import Log, PostgresLog, SQLiteLog

from greenroom.testing.postgres import PrivatePostgres

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
BOTH: Final = (SQLITE, POSTGRESQL)


class Place(ABC):
    """A kind of store, and room for any number of them."""

    def __init__(self, name: str, durable: str = "") -> None:
        self.name: Final = name
        """What it is."""
        self.title: Final = name + durable
        """As tables of what is written call it."""

    @abstractmethod
    def url(self) -> str:
        """Of a fresh store of greenroom's."""

    @abstractmethod
    def stock(self) -> Mapping[str, str]:
        """What a stock application of the eventsourcing library needs to record somewhere fresh."""

    @abstractmethod
    def log(self) -> Log:
        """A fresh table, through the bare driver."""


class SQLitePlace(Place):
    """Files in a directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__("SQLite", ", synchronous=FULL")
        self._paths = (directory / f"{number}.db" for number in count(1))

    def url(self) -> str:
        return f"sqlite:///{next(self._paths)}"

    def stock(self) -> Mapping[str, str]:
        path = str(next(self._paths))
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": path}

    def log(self) -> Log:
        return SQLiteLog(next(self._paths))


class PostgresPlace(Place):
    """Databases of a private server."""

    def __init__(self, server: PrivatePostgres, databases: ExitStack) -> None:
        self.version: Final = server.execute("SHOW server_version").split()[0]
        super().__init__(f"PostgreSQL {self.version}")
        self._server = server
        self._databases = databases

    def url(self) -> str:
        return self._databases.enter_context(self._server.database())

    def stock(self) -> Mapping[str, str]:
        url = urlsplit(self.url())
        return {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": url.path.removeprefix("/"),
            "POSTGRES_HOST": url.hostname or "",
            "POSTGRES_PORT": str(url.port),
            "POSTGRES_USER": url.username or "",
            "POSTGRES_PASSWORD": url.password or "",
            "POSTGRES_POOL_SIZE": "8",  # a connection for every thread, made beforehand
        }

    def log(self) -> Log:
        return PostgresLog(self.url())


@contextmanager
def places(kinds: Collection[str] = BOTH) -> Iterator[list[Place]]:
    """The places of these kinds; everything in them is gone afterwards."""
    with ExitStack() as stack:
        found: list[Place] = []
        if SQLITE in kinds:
            directory = stack.enter_context(TemporaryDirectory(prefix="greenroom-benchmark-"))
            found.append(SQLitePlace(Path(directory)))
        if POSTGRESQL in kinds:
            server = stack.enter_context(PrivatePostgres())
            found.append(PostgresPlace(server, stack.enter_context(ExitStack())))
        yield found
