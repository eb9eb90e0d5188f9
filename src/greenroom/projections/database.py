"""The views database: transactions, and one kind of error for all that can go wrong with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from greenroom.domain.errors import GreenroomError, InvalidInput, StoreClosed, StoreError
from greenroom.projections.bulk import Bulk
from greenroom.projections.dialect import Dialect
from greenroom.projections.leading import Lead

SCHEMA_VERSION = 2
"""Of the bookkeeping tables; projections have versions of their own."""


class Database(ABC):
    """Where views stand. Safe for many threads, and for several processes."""

    dialect: Dialect
    _errors: tuple[type[Exception], ...]
    """All that using it raises."""

    def __init__(self, limit: timedelta) -> None:
        self.limit: Final = limit
        self._closed = False

    @abstractmethod
    def write(self) -> AbstractContextManager[Connection]:
        """A transaction that no other writer interferes with; committed on a normal exit.

        Raises:
            StoreError: the database cannot be written; nothing was.
        """

    @abstractmethod
    def read(self) -> AbstractContextManager[Connection]:
        """A connection for one statement to read with.

        Raises:
            StoreError: the database cannot be read.
        """

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[Connection]:
        """The same for several statements that see one state."""

    @abstractmethod
    def fetch(
        self, sql: str, arguments: Sequence[Any], *, steady: bool = False
    ) -> list[tuple[Any, ...]]:
        """The rows of a query that others thought up.

        Args:
            sql: compiled for `dialect.driver`.
            arguments: of its parameters, in their order.
            steady: whether one plan is the best for all arguments: an index gives the rows one by
                one, in their order.

        Raises:
            QueryTooSlow: reading took longer than `limit`.
            StoreError: the database cannot be read.
        """

    @abstractmethod
    def bulk(self, connection: Connection) -> Bulk:
        """What reads and writes many rows at once, in the transaction that is open."""

    @abstractmethod
    def founding(self) -> AbstractContextManager[Connection]:
        """`write`, for a look at what stands there and making the tables.

        Raises:
            NotOurStore: what stands there is somebody else's; nothing was touched.
            StoreError: it cannot be used.
        """

    @abstractmethod
    def version(self, connection: Connection) -> int:
        """Of the bookkeeping tables that stand there, which are ours; 0 for none."""

    @abstractmethod
    def clear(self, connection: Connection) -> None:
        """Remove all tables, and note that what is made now is of `SCHEMA_VERSION`."""

    @abstractmethod
    def beside(self) -> AbstractContextManager[Beside]:
        """Room for a second set of tables, with what an interrupted rebuild has left there.

        Afterwards nothing of it stays, unless it ends by an exception: then the next goes on.
        """

    @abstractmethod
    def sweep(self) -> None:
        """Remove what interrupted rebuilds have left."""

    @abstractmethod
    def forget(self, tables: Collection[str]) -> bool:
        """Keep no trace of what was deleted from these tables; False: ask again later.

        How far that goes is for each kind of database to say. Readers may be in the way.
        """

    @abstractmethod
    def lasting(self, connection: Connection) -> Callable[[], bool]:
        """Says, asked later, whether what was committed by now is there for certain."""

    @abstractmethod
    def lead(self) -> Lead | None:
        """The role of who follows the log, not taken yet; None in memory, where nobody does."""

    @abstractmethod
    def led(self) -> bool:
        """Whether somebody has it, in this process or another.

        Raises:
            StoreError: it cannot be told.
        """

    @abstractmethod
    def look_over(self, tables: Collection[str]) -> None:
        """Take note of how large these tables are by now, where plans depend on it.

        Raises:
            StoreError: the database cannot be used.
        """

    @abstractmethod
    def index_changes(self, connection: Connection) -> Sequence[str]:
        """The statements that bring the indexes of declared fields in step; none where they are."""

    @abstractmethod
    def reindex(self) -> bool:
        """Make the indexes of declared fields that are missing, drop those left over.

        Readers go on meanwhile. Each is made once, however many processes are at it.

        Returns:
            Whether all is as declared; False where another process is at it.

        Raises:
            StoreError: it could not be done; nothing half made is left in use.
        """

    @abstractmethod
    def interrupt_reindexing(self) -> None:
        """Let `reindex`, if it runs in another thread, fail."""

    @abstractmethod
    def close(self) -> None:
        """Release every connection. Twice is fine."""

    @abstractmethod
    def _refused(self, error: Exception) -> str | None:
        """The same as `refusal`, for what the driver or SQLAlchemy raised."""

    def refusal(self, error: Exception) -> str | None:
        """What was wrong with the rows that were being written, as `error` says it.

        None where it is the database that cannot be used: other rows would fare no better.
        """
        if isinstance(error, GreenroomError | MemoryError):
            return None
        if not isinstance(error, self._errors):
            return str(error)
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return None
        return self._refused(error)

    @abstractmethod
    def _named(self, error: Exception) -> StoreError:
        """`error` in our words, and what would help."""

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Whatever goes wrong with the database is a StoreError."""
        self._check_open()
        try:
            yield
        except self._errors as error:
            raise self._named(error) from error

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("the views are closed; open the room again")


class Beside(Protocol):
    """A second set of tables, beside those in use."""

    @property
    def database(self) -> Database:
        """Where it is made."""
        ...

    @property
    def apart(self) -> bool:
        """Whether it can be written while somebody is asked if they agreed."""
        ...

    def spoil(self) -> None:
        """What stands there is of no use to anybody: let nothing of it stay."""
        ...

    def put_in_place(self, tables: Sequence[Table], agreed: Callable[[Connection], bool]) -> bool:
        """Let it be the one in use; not if `agreed`, asked while nobody writes, says no.

        Readers see the one or the other, each complete.

        Args:
            tables: all there are; those of both sets have the same columns.
            agreed: given a connection to the tables in use.
        """
        ...


def query_limited(length: object) -> timedelta:
    """What one query may take, as somebody has asked for it.

    Raises:
        InvalidInput: it is no length of time, or none that makes sense.
    """
    if type(length) is timedelta and timedelta(milliseconds=1) <= length <= timedelta(hours=1):
        return length
    raise InvalidInput("query_limit", "a timedelta from a millisecond to an hour")
