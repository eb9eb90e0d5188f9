"""The tables of a store that another one is being copied into."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from greenroom.adapters.tables import EXPECTED, NEEDS_THE_EXTRA, TableRow, Tables
from greenroom.domain.errors import InvalidInput, StoreError


class Target(Tables):
    """A connection that fills the tables of a store."""

    @abstractmethod
    def found(self) -> None:
        """Make an empty store, unless there is one, or one that is being copied into.

        Raises:
            NotOurStore, WrongSchema: something else stands there.
        """

    @abstractmethod
    def writing(self) -> AbstractContextManager[None]:
        """A transaction, durable on leaving; what is raised undoes it."""

    @abstractmethod
    def insert(self, table: str, columns: Sequence[str], rows: Iterable[TableRow]) -> None:
        """Add rows, within `writing`."""

    @abstractmethod
    def disown(self) -> None:
        """Let no room be opened on it, within `writing`; nobody appends meanwhile."""

    @abstractmethod
    def own(self) -> None:
        """Let rooms be opened on it again, within `writing`."""

    @abstractmethod
    def found_outbox(self) -> None:
        """Make the tables of the outbox, unless there are some."""

    @abstractmethod
    def settle(self) -> None:
        """Do what helps a database in which everything is new, and leave no traces."""


def open_target(url: str) -> Target:
    """The tables of the store at `url`, to be filled; a missing file is made.

    Raises:
        InvalidInput: not the URL of a store that outlives a process.
        StoreError: the file or the server cannot be used.
    """
    scheme, _, rest = url.partition(":")
    match scheme:
        case "sqlite" if rest.startswith("///") and len(rest) > len("///"):
            from greenroom.adapters.sqlite_target import SQLiteTarget  # noqa: PLC0415 - it knows us

            return SQLiteTarget(Path(rest.removeprefix("///")))
        case "postgresql" | "postgres":
            try:
                from greenroom.adapters.postgres_target import PostgresTarget  # noqa: PLC0415 - an extra
            except ImportError as error:
                raise StoreError(NEEDS_THE_EXTRA) from error
            return PostgresTarget(url)
        case _:
            raise InvalidInput("url", EXPECTED)
