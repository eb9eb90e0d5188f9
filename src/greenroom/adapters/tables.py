"""The tables of a store as they stand, without its rules: to look at, to check, to copy.

What is asked of them is written once for both kinds of databases: `?` stands for a parameter,
`event_position` for the column that holds a record's position, `BYTEWISE` for the order of text
by its bytes, `ALONE` for a row that nobody else may change meanwhile.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from greenroom.domain.errors import InvalidInput, NotOurStore, StoreError, WrongSchema

TableRow = tuple[Any, ...]
EXPECTED: Final = (
    "the URL of a store that outlives a process:"
    " sqlite:///path/to/file.db or postgresql://user:password@host:port/database"
)
COPY_MARK: Final = "copy_under_way"
"""A table of one row, in a store that another one is being copied into."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A transaction that holds others up, or may: it is for its owner to end it."""

    pid: int | None
    """The server's process; None for a prepared transaction, which has none."""
    application_name: str | None
    """Of a prepared transaction its identifier."""
    user: str | None
    client: str | None
    """The address it comes from; None on the server's own machine, or where it is not told."""
    state: str | None
    """As the server says: `active`, `idle in transaction` ...; or `prepared`."""
    since: datetime | None
    """When the transaction began."""
    why: tuple[str, ...]
    """`append lock`: nobody else appends meanwhile. `waits to append`: it is being held up itself.
    `locks <table>`. `old snapshot`: what was erased since then cannot be vacuumed away.
    `idle in transaction`."""
    waiting: int
    """How many others wait for it."""


class Tables(ABC):
    """A connection that looks at the tables of one store. For one thread; a context manager.

    Nothing is made, moved up to date or locked by it. Everything raises StoreError where the
    database cannot be used.
    """

    kind: ClassVar[str]
    supported: ClassVar[int]
    """The schema that this greenroom writes."""
    words: ClassVar[Mapping[str, str]]
    """How this kind of database says what questions leave open."""
    name: str
    """Where it is, for messages: never with a password."""

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    @property
    @abstractmethod
    def views_at(self) -> Path | str:
        """Where a room keeps the views of this store."""

    @property
    @abstractmethod
    def attempts_at(self) -> Path | str:
        """Where refused attempts stand, once there are any."""

    @abstractmethod
    def has_attempts(self) -> bool:
        """Whether any were ever noted."""

    @abstractmethod
    def schema(self) -> int:
        """Which schema the store has; 0 where there is none.

        Raises:
            NotOurStore: something else stands there, or a copy that is not finished.
        """

    @abstractmethod
    def copied_into(self) -> bool:
        """Whether a store is being copied into it, and that is not finished."""

    @abstractmethod
    def has(self, table: str) -> bool:
        """Whether there is such a table."""

    @abstractmethod
    def ask(self, question: str, *parameters: object) -> list[TableRow]:
        """All rows that one statement answers."""

    @abstractmethod
    def damage(self) -> Sequence[str]:
        """The first things that the database itself finds wrong with its pages or indexes."""

    @abstractmethod
    def size(self) -> int:
        """Bytes on disk, without the views."""

    @abstractmethod
    def views_size(self) -> int:
        """Bytes that the views take on disk."""

    @abstractmethod
    def views_positions(self) -> Sequence[tuple[str, int, int]]:
        """Projection, version and position of each; none where there are no views."""

    @abstractmethod
    def views_parked(self) -> Mapping[str, int]:
        """How much is parked, by projection; nothing where there are no views."""

    def holders(self, patience: timedelta) -> Sequence[Holder]:
        """Transactions that hold others up, or have been open for longer than `patience`.

        None on stores that cannot tell.
        """
        del patience
        return ()

    @abstractmethod
    def close(self) -> None:
        """Release the connection. Twice is fine."""

    def number(self, question: str, *parameters: object) -> int:
        """The one number that is asked for; 0 where it is null."""
        ((found,),) = self.ask(question, *parameters)
        return int(found or 0)

    def must_be_store(self) -> int:
        """The schema of the store, which must be there, and whole.

        Raises:
            NotOurStore: something else stands there, or a copy that is not finished.
            StoreError: nothing does.
        """
        found = self.schema()
        if found == 0:
            raise StoreError(f"there is no store at {self.name}")
        return found

    def must_be_current(self) -> None:
        """The store must be there, whole, and as this greenroom writes it.

        Raises:
            WrongSchema: it is older or newer.
            NotOurStore, StoreError: there is none.
        """
        found = self.must_be_store()
        if found != self.supported:
            raise WrongSchema(found, self.supported)

    def position(self) -> int:
        """Of the last record; 0 while there is none."""
        return self.number("SELECT max(event_position) FROM stored_events")

    def spelled(self, question: str) -> str:
        """The question in the words of this database."""
        for word, own in self.words.items():
            question = question.replace(word, own)
        return question


def unfinished(place: object) -> NotOurStore:
    """What is to be said of a store that another one is being copied into."""
    return NotOurStore(
        f"a store is being copied to {place}, and that is not finished;"
        " run the same `greenroom copy` again to go on with it"
    )


def open_tables(url: str) -> Tables:
    """The tables of the store at `url`, to look at.

    Args:
        url: `sqlite:///...` or `postgresql://...`, as for a room.

    Raises:
        InvalidInput: not the URL of a store that outlives a process.
        StoreError: there is no such file, or it or the server cannot be used.
    """
    scheme, _, rest = url.partition(":")
    match scheme:
        case "sqlite" if rest.startswith("///") and len(rest) > len("///"):
            from greenroom.adapters.sqlite_tables import SQLiteTables  # noqa: PLC0415 - it knows us

            return SQLiteTables(Path(rest.removeprefix("///")))
        case "postgresql" | "postgres":
            try:
                from greenroom.adapters.postgres_tables import PostgresTables  # noqa: PLC0415 - an extra
            except ImportError as error:
                raise StoreError(NEEDS_THE_EXTRA) from error
            return PostgresTables(url)
        case _:
            raise InvalidInput("url", EXPECTED)


NEEDS_THE_EXTRA: Final = "PostgreSQL needs the extra: pip install 'greenroom[postgres]'"
