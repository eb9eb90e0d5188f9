"""A store copied to another place, so that nobody who uses it notices the difference.

Positions stay as they are: answers, causes and requests cite them. Requests, keys, the store's
secret, the outbox and refused attempts go along: repeats are answered, cursors hold, erased stays
erased, nobody hears anything twice. Snapshots do not, and views are made anew. Keys that are apart
stay where they are, and serve the copy as well.

Records come first, page by page, each with the mark of how far the copy is: killed at any point,
it goes on from there. Then everything that changes, keys last. In the end every row of both sides
is read and compared; what is written to the source on the way is noticed, and copied as well. Until
then no room can be opened on the target.

No transaction stays open on the source: in a file it would keep those waiting who erase.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Final

from msgspec import msgpack

from greenroom.adapters.copying_attempts import copy_attempts
from greenroom.adapters.moving_keys import KEPT, MovingKeys
from greenroom.adapters.outbox_tables import SCHEMA as OUTBOX_SCHEMA
from greenroom.adapters.outbox_tables import entries, follower, rings
from greenroom.adapters.tables import COPY_MARK, TableRow, Tables, open_tables
from greenroom.adapters.targets import Target, open_target
from greenroom.domain.errors import NotOurStore, StoreError, WrongSchema
from greenroom.domain.instants import micros
from greenroom.domain.keys import KeyStore
from greenroom.projections.batches import batched
from greenroom.projections.views import Views

PAGE: Final = 1_000
"""Rows that are written in one transaction."""
_MOST_ROUNDS: Final = 5
"""How often the source may have changed once everything was copied."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is, and how much there is."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is copied."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    """Columns that tell its rows apart, in an order that is the same on all databases."""
    collation: str = ""
    """Of the first of them, where the database does not say."""

    def pages(self, tables: Tables) -> Iterator[list[TableRow]]:
        """All rows, page by page, in the order of the key."""
        key = f"{self.key[0]}{self.collation}", *self.key[1:]
        places = [self.columns.index(column) for column in self.key]
        marks = ", ".join("?" * len(key))
        columns, order = ", ".join(self.columns), ", ".join(key)
        after: list[object] = []
        while True:
            past = f" WHERE ({order}) > ({marks})" if after else ""
            question = f"SELECT {columns} FROM {self.name}{past} ORDER BY {order} LIMIT ?"
            rows = tables.ask(question, *after, PAGE)
            if not rows:
                return
            yield rows
            after = [rows[-1][place] for place in places]


EVENTS: Final = Table(
    "stored_events",
    ("event_position", "originator_id", "originator_version", "topic", "state"),
    ("event_position",),
)
_REQUESTS: Final = Table(
    "requests",
    ("request_id", "fingerprint", "answer", "position", "recorded_at"),
    ("request_id",),
)
_OUTBOX: Final = (
    Table(follower.name, tuple(follower.c.keys()), ("position",)),
    Table(entries.name, tuple(entries.c.keys()), ("id",)),
    Table(rings.name, tuple(rings.c.keys()), ("cid", "ring"), " COLLATE BYTEWISE"),
)
_SECRET: Final = Table("store_secret", ("secret",), ("secret",))
_KEYS: Final = Table("subject_keys", ("key_id", "subject", "secret"), ("subject",))


@dataclass(slots=True)
class Copied:
    """What was copied, and is the same on both sides."""

    source: str
    target: str
    """Where they are; never with a password."""
    position: int = 0
    """Of the last record."""
    began_after: int = 0
    """The position up to which an earlier attempt had come."""
    rows: dict[str, int] = field(default_factory=dict)
    """By table."""
    digest: str = ""
    """SHA-256 over all rows, of all tables, in order, each as MessagePack."""


def copy(
    source_url: str,
    target_url: str,
    progress: Progress = lambda *_: None,
    *,
    to_keys: KeyStore | None = None,
) -> Copied:
    """Copy a store to an empty place, or go on with such a copy.

    The source stays as it is. It should not be written meanwhile: what is written is copied as
    well, as long as it comes to rest in the end; what is written later is not in the copy.

    Args:
        source_url: of a store that outlives a process.
        target_url: of a missing or empty file, or of a database without a store.
        progress: told how far it is, after every page.
        to_keys: where the copy is to have its keys, apart from it; None for as the source has
            them.

    Raises:
        InvalidInput: no such URLs.
        KeysUnavailable: `to_keys` cannot be asked.
        WrongSchema: the source is not of this greenroom; migrate it first.
        NotOurStore: there is no whole store at the source; or the target holds something else:
            another program's data, a store, a copy of another store.
        StoreError: a database cannot be used, the source does not come to rest, somebody else
            writes to the target, or the two differ in the end. Copying again goes on with it.
    """
    with open_tables(source_url) as source:
        source.must_be_current()
        with open_target(target_url) as target:
            return _Copying(source, target, progress, to_keys).done()


class _Copying:
    """One attempt to copy all that is still missing."""

    def __init__(
        self, source: Tables, target: Target, progress: Progress, to_keys: KeyStore | None
    ) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._with_outbox = source.has(follower.name)
        outbox = _OUTBOX if self._with_outbox else ()
        self._changing: Sequence[Table] = (_REQUESTS, *outbox, _SECRET, _KEYS)
        self._moving = None
        if to_keys is not None:
            self._moving = MovingKeys(source, target, to_keys, self._turn)
        self._keys_at = None if to_keys is None else to_keys.identity
        self._reached = 0
        """Up to which position the target has the records."""

    def done(self) -> Copied:
        """Copy until both sides are the same; what was copied."""
        self._begin()
        copied = Copied(self._source.name, self._target.name, began_after=self._reached)
        self._copy_records(self._source.position())
        for _ in range(_MOST_ROUNDS):
            stamp = self._stamp()
            self._copy_records(self._source.position())
            self._copy_changing()
            if self._compared(stamp, copied):
                break
        else:
            raise StoreError(
                f"{self._source.name} is being written all the time: stop whoever does so,"
                " and copy again, which goes on from here"
            )
        noted = self._source.attempts_at if self._source.has_attempts() else None
        copied.rows |= copy_attempts(noted, self._target.attempts_at, self._progress)
        self._finish()
        copied.position = self._reached
        return copied

    def _begin(self) -> None:
        """Mark the target, or find the mark of an earlier attempt."""
        if self._with_outbox:
            found = self._source.number(f"SELECT schema FROM {follower.name}")
            if found != OUTBOX_SCHEMA:
                raise WrongSchema(found, OUTBOX_SCHEMA)
        secret = self._secret(self._source)
        self._target.found()
        if self._target.copied_into():
            self._find_mark(secret)
        else:
            self._mark(secret)
        if self._with_outbox:
            self._target.found_outbox()
        # Views that stand there have seen another log, or this one when it went another way.
        Views.open(self._target.views_at, secret=secret, head=0).close()

    def _mark(self, secret: bytes) -> None:
        """Take an empty store for the copy."""
        target = self._target
        with target.writing():
            target.disown()
            if any(target.number(f"SELECT count(*) FROM {table}") for table in _EMPTY):
                own = self._secret(target) == secret
                raise NotOurStore(
                    f"{target.name} holds {'this very store' if own else 'another store'}, up to"
                    f" position {target.position()}; nothing was changed: copy to an empty place"
                )
            target.ask(
                f"CREATE TABLE {COPY_MARK} (store bytea NOT NULL, source text NOT NULL,"
                " position bigint NOT NULL, until bigint NOT NULL, begun_at bigint NOT NULL,"
                " keys bytea)"
            )
            target.ask(f"CREATE TABLE {KEPT} (number bigint PRIMARY KEY)")
            columns = ("store", "source", "position", "until", "begun_at", "keys")
            until, now = self._source.position(), micros(datetime.now(UTC))
            row = (_identity(secret), self._source.name, 0, until, now, self._keys_at)
            target.insert(COPY_MARK, columns, [row])

    def _find_mark(self, secret: bytes) -> None:
        """Go on where an earlier attempt ended."""
        ((store, source, position, keys),) = self._target.ask(
            f"SELECT store, source, position, keys FROM {COPY_MARK}"
        )
        if store != _identity(secret):
            raise NotOurStore(
                f"{self._target.name} holds an unfinished copy of another store, {source};"
                " finish that, or empty the place"
            )
        if keys != self._keys_at:
            raise NotOurStore(
                f"{self._target.name} holds an unfinished copy whose keys go"
                f" {'elsewhere' if keys else 'with it'}: finish it as it was begun,"
                " or empty the place, and delete the keys that came elsewhere"
            )
        self._reached = position

    def _copy_records(self, until: int) -> None:
        """All records that the target lacks, up to a position; some of them may be there."""
        while rows := self._source.ask(_RECORDS, self._reached, until, PAGE):
            last: int = rows[-1][0]
            with self._turn():
                mark = f"UPDATE {COPY_MARK} SET position = ?, until = ?"
                self._target.ask(mark, last, until)
                self._target.insert(EVENTS.name, EVENTS.columns, rows)
            self._reached = last
            self._progress("records", last, until)

    def _copy_changing(self) -> None:
        """Whatever changes, in place of what is there of it."""
        for table in self._changing:
            with self._turn():
                self._target.ask(f"DELETE FROM {table.name}")
            done, of = 0, self._source.number(f"SELECT count(*) FROM {table.name}")
            self._progress(table.name, done, of)
            for rows in self._pages(table):
                with self._turn():
                    self._target.insert(table.name, table.columns, rows)
                done += len(rows)
                self._progress(table.name, done, of)

    def _pages(self, table: Table) -> Iterator[list[TableRow]]:
        """What the target is to have of a table: all of the source, keys apart where they go."""
        pages = table.pages(self._source)
        if table is not _KEYS or self._moving is None:
            return pages
        return batched(self._moving.rows(pages), PAGE)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """A transaction of the target, in which only this attempt writes."""
        with self._target.writing():
            if not self._is_ours():
                raise StoreError(
                    f"somebody else writes to {self._target.name}: stop whoever does so, and copy"
                    " again; or empty it, and begin anew"
                )
            yield

    def _is_ours(self) -> bool:
        """Whether the target is as this attempt has left it; nobody else changes it meanwhile."""
        if not self._target.has(COPY_MARK):
            return False
        ((marked, found),) = self._target.ask(
            "SELECT position, (SELECT coalesce(max(event_position), 0) FROM stored_events)"
            f" FROM {COPY_MARK} ALONE"
        )
        return bool(marked == found == self._reached)

    def _compared(self, stamp: Stamp, copied: Copied) -> bool:
        """Whether both sides are the same; False where the source is not what it was then.

        Raises:
            StoreError: they differ.
        """
        if self._stamp() != stamp:
            return False  # or all would be read for nothing
        tables = (EVENTS, *self._changing)
        total = sum(self._source.number(f"SELECT count(*) FROM {table.name}") for table in tables)
        ours, theirs = _Sum(), _Sum()
        for table in tables:
            before = ours.rows
            sides = zip_longest(self._pages(table), table.pages(self._target))
            for mine, its in ((one or [], other or []) for one, other in sides):
                if ours.add(mine) != theirs.add(its):
                    if self._stamp() != stamp:
                        return False
                    raise StoreError(self._difference(table, mine, its))
                self._progress("comparing", ours.rows, total)
            copied.rows[table.name] = ours.rows - before
        copied.digest = ours.digest
        return self._stamp() == stamp

    def _difference(self, table: Table, mine: Sequence[TableRow], its: Sequence[TableRow]) -> str:
        pairs = zip_longest(mine, its)
        ours, theirs = next((ours, theirs) for ours, theirs in pairs if ours != theirs)
        row = ours or theirs
        what = f"position {row[0]}" if table is EVENTS else f"a row of {table.name}"
        return (
            f"{self._target.name} differs from {self._source.name} in {what}:"
            " somebody else has written there; empty it, and copy again"
        )

    def _stamp(self) -> Stamp:
        """Changes with whatever is written to the source."""
        stamp = [*self._source.ask(_STAMP)[0]]
        if self._with_outbox:
            stamp += self._source.ask(_OUTBOX_STAMP)[0]
        return stamp

    def _finish(self) -> None:
        """Let rooms be opened on the target."""
        self._target.settle()
        with self._turn():
            self._target.ask(f"DROP TABLE {COPY_MARK}")
            self._target.ask(f"DROP TABLE {KEPT}")
            self._target.own()

    @staticmethod
    def _secret(tables: Tables) -> bytes:
        ((secret,),) = tables.ask("SELECT secret FROM store_secret")
        return bytes(secret)


Stamp = list[object]

_EMPTY: Final = (EVENTS.name, _REQUESTS.name, "subject_keys")
"""Tables that a store has rows in as soon as anybody uses it."""
_RECORDS: Final = (
    f"SELECT {', '.join(EVENTS.columns)} FROM stored_events"
    " WHERE event_position > ? AND event_position <= ? ORDER BY event_position LIMIT ?"
)
_STAMP: Final = (
    "SELECT (SELECT max(event_position) FROM stored_events),"
    " (SELECT count(*) FROM requests), (SELECT max(recorded_at) FROM requests),"
    " (SELECT count(*) FROM subject_keys), (SELECT sum(key_id / 1048576) FROM subject_keys)"
)
"""Keys are drawn from 2^53: their sum says which they are, and its parts stay far below 2^63."""
_OUTBOX_STAMP: Final = (
    "SELECT count(*), max(id), sum(attempts), sum(length(status)), count(settled_at),"
    " sum(length(last_error)),"
    " (SELECT max(position) FROM greenroom_effects_follower),"
    " (SELECT count(*) FROM greenroom_effects_rings),"
    " (SELECT max(rung_at) FROM greenroom_effects_rings) FROM greenroom_effects"
)


def _identity(secret: bytes) -> bytes:
    """Says which store it is, and nothing of its secret."""
    return hmac.digest(secret, b"greenroom copy", "sha256")


class _Sum:
    """A running digest of rows."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.rows = 0

    @property
    def digest(self) -> str:
        """So far."""
        return self._sha256.hexdigest()

    def add(self, rows: Sequence[TableRow]) -> str:
        """Count these in; the digest then."""
        self._sha256.update(b"".join(map(msgpack.encode, rows)))
        self.rows += len(rows)
        return self.digest
