"""Keys of personal data in a database of their own, so that backups of the log are without them."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    delete,
    insert,
    select,
)

from greenroom.adapters.beside import Beside, Founding
from greenroom.adapters.sqlite_file import empty_log
from greenroom.adapters.sqlite_tables import BUSY_SECONDS
from greenroom.domain.errors import (
    InvalidInput,
    KeysUnavailable,
    NotOurStore,
    StoreClosed,
    StoreError,
    WrongSchema,
)
from greenroom.domain.keys import KeyStore
from greenroom.projections import forks
from greenroom.projections.batches import batched

SCHEMA: Final = 1
"""Version of the tables."""
_WHAT: Final = "the key store"
_IDENTITY_BYTES: Final = 32
_AT_ONCE: Final = 500
"""Numbers in one statement: SQLite takes no more than some thousand parameters."""
_EXPECTED: Final = "sqlite:///path/to/keys.db or postgresql://user:password@host:port/database"
_NO_STATISTICS: Final = "ALTER TABLE greenroom_keys ALTER COLUMN secret SET STATISTICS 0"
"""They quote values, also of rows that are gone."""
_TOLD_AS_THEY_ARE: Final = (KeysUnavailable, NotOurStore, StoreClosed, WrongSchema)

metadata: Final = MetaData()
"""All tables of the keys."""

formats: Final = Table(
    "greenroom_keys_format",
    metadata,
    Column("schema", Integer, nullable=False),
    Column("identity", LargeBinary, nullable=False),
)
"""One row."""

keys: Final = Table(
    "greenroom_keys",
    metadata,
    Column(
        "number",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("secret", LargeBinary, nullable=False),
)
"""One row a key. Whose it is, the log says."""


class SqlKeys:
    """The `KeyStore` of a file, of a PostgreSQL database, or of memory."""

    def __init__(self, database: Beside, path: Path | None) -> None:
        """Use that database, which has the tables; `SqlKeys.open` is the way in."""
        self._database = database
        self._path = path
        self._file = _file_at(path)
        """Which file it is: a connection would go on with one that was deleted or replaced."""
        self._looking = forks.lock()
        self._identity = self._read_identity()

    @classmethod
    def open(cls, where: Path | str | None, *, create: bool = True) -> SqlKeys:
        """The keys in that file, or that PostgreSQL database; in memory for None.

        Args:
            where: a path, or a URL.
            create: whether a missing file, or a database without keys, gets an empty key store.

        Raises:
            InvalidInput: it is text, and not the URL of a database.
            KeysUnavailable: the database cannot be used, or has no keys and none are to be made.
            WrongSchema: a later greenroom made the tables.
        """
        path = where.absolute() if isinstance(where, Path) else None
        if path is not None and not create and not path.exists():
            raise KeysUnavailable(f"there is no key store at {path}")
        with _asking():
            database = Beside.at(path or where, what=_WHAT, wipes=True)
            try:
                _found(database, create=create)
                return cls(database, path)
            except BaseException:
                database.close()
                raise

    @property
    def identity(self) -> bytes:
        """32 random bytes, made with it."""
        return self._identity

    def keep(self, secrets: Mapping[int, bytes]) -> None:
        """Keep these, by number: durable on return."""
        with self._standing(), self._database.writing() as connection:
            there = _found_of(connection, secrets)
            if any(secrets[number] != secret for number, secret in there.items()):
                raise ValueError("a number of these has another secret")
            new = [
                {"number": number, "secret": secret}
                for number, secret in secrets.items()
                if number not in there
            ]
            if new:
                connection.execute(insert(keys), new)

    def find(self, numbers: Collection[int]) -> Mapping[int, bytes]:
        """The secrets that are kept of these numbers."""
        with self._standing(), self._database.reading() as connection:
            return _found_of(connection, numbers)

    def destroy(self, numbers: Collection[int]) -> None:
        """Let nobody ever find them again.

        On PostgreSQL bytes of them may stay in the files of the server until it overwrites them,
        and in its write-ahead log, archive and backups as long as whoever runs it keeps those.
        """
        if not numbers:
            return
        with self._standing(), self._database.writing() as connection:
            for some in batched(numbers, _AT_ONCE):
                connection.execute(delete(keys).where(keys.c.number.in_(some)))
        with self._standing(), self._database.reading() as connection:
            _wipe(connection)

    def close(self) -> None:
        """Release the connection. Twice is fine."""
        self._database.close()

    @contextmanager
    def _standing(self) -> Iterator[None]:
        """It is where it was, and what goes wrong is told as KeysUnavailable."""
        with _asking():
            self._look_at_the_file()
            yield

    def _look_at_the_file(self) -> None:
        """Connect anew where another file stands in place of ours, if it is the same store.

        Raises:
            KeysUnavailable: none stands there, or another one.
        """
        if self._path is None or _file_at(self._path) == self._file:
            return
        with self._looking:
            there = _file_at(self._path)
            if there is None:
                raise KeysUnavailable(f"there is no key store at {self._path} any more")
            self._database.place.engine.dispose()
            if self._read_identity() != self._identity:
                raise KeysUnavailable(f"another key store stands at {self._path} now")
            self._file = there

    def _read_identity(self) -> bytes:
        with self._database.reading() as connection:
            schema, identity = connection.execute(select(formats)).one()
        if schema != SCHEMA:
            raise WrongSchema(schema, SCHEMA)
        return bytes(identity)


def open_keys(url: str, *, create: bool = True) -> SqlKeys:
    """The key store at `url`.

    Args:
        url: `sqlite:///keys.db`, `sqlite:////absolute/keys.db`, or
            `postgresql://user:password@host:port/database`.
        create: whether a missing file, or a database without keys, gets an empty one.

    Raises:
        InvalidInput: no such URL.
        KeysUnavailable: it cannot be used, or is not there and not to be made.
        WrongSchema: a later greenroom made it.
    """
    scheme, _, rest = url.partition(":")
    match scheme:
        case "sqlite" if rest.startswith("///") and len(rest) > len("///"):
            return SqlKeys.open(Path(rest.removeprefix("///")), create=create)
        case "postgresql" | "postgres":
            return SqlKeys.open(url, create=create)
        case _:
            raise InvalidInput("keys", _EXPECTED)


@contextmanager
def opened_keys(named: KeyStore | str | None, *, create: bool) -> Iterator[KeyStore | None]:
    """The key store that is named; closed in the end where it is by its URL. None for none.

    Raises:
        As `open_keys`.
    """
    if not isinstance(named, str):
        yield named
        return
    with closing(open_keys(named, create=create)) as opened:
        yield opened


def _found(database: Beside, *, create: bool) -> None:
    """Make the tables, where they are missing and that is wanted."""
    with database.reading() as connection:
        there = connection.dialect.has_table(connection, formats.name)
        if there:
            return
        if not create:
            raise KeysUnavailable("there is no key store in that database")
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS greenroom")
    database.found(Founding(formats, SCHEMA), identity=secrets.token_bytes(_IDENTITY_BYTES))
    with database.reading() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(_NO_STATISTICS)


def _file_at(path: Path | None) -> tuple[int, int] | None:
    """Which file stands there; None where none does."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _found_of(connection: Connection, numbers: Iterable[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for some in batched(numbers, _AT_ONCE):
        rows = connection.execute(select(keys).where(keys.c.number.in_(some)))
        found |= {number: bytes(secret) for number, secret in rows}
    return found


def _wipe(connection: Connection) -> None:
    """Leave no byte of what was deleted, as far as that is in our hands."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("VACUUM (ANALYZE, SKIP_LOCKED) greenroom_keys (secret)")
        return
    if not empty_log(connection.exec_driver_sql, BUSY_SECONDS):
        raise KeysUnavailable(
            "somebody is reading an older state of the key store, in which the keys still are;"
            " they are destroyed, but erase again to be rid of every byte"
        )


@contextmanager
def _asking() -> Iterator[None]:
    """Whatever is wrong with the database is KeysUnavailable."""
    try:
        yield
    except _TOLD_AS_THEY_ARE:
        raise
    except StoreError as error:
        raise KeysUnavailable(str(error)) from error
