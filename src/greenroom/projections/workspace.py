"""The tables as a projection sees them: rows in memory, written together when the batch is done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from itertools import chain
from typing import Any, Final, Protocol

from sqlalchemy import Table

from greenroom.projections.bulk import Blank, Bulk, Changes, Key, Row, Shape, Values, shape_of


class Rows(Protocol):
    """Reads and changes rows. A key is a tuple in the order of the primary key's columns."""

    def get(self, table: Table, key: Key) -> Row | None:
        """The row as it is now; None where there is none."""
        ...

    def put(self, table: Table, row: Row) -> None:
        """Insert a whole row, or write it over the one with the same key."""
        ...

    def change(self, table: Table, key: Key, **values: Any) -> None:
        """Change some values of a row; nothing happens where there is none."""
        ...

    def drop(self, table: Table, key: Key) -> None:
        """Remove a row; nothing happens where there is none."""
        ...

    def drop_under(self, table: Table, *prefix: str | int) -> None:
        """Remove all rows whose key begins so."""
        ...

    def erase_under(self, table: Table, *prefix: str | int) -> None:
        """The same, and where past rows are kept no trace of them stays either."""
        ...

    def erase_where(self, table: Table, column: str, value: str | int, **blank: Any) -> None:
        """Write `blank` over every row whose `column` says `value`, past ones as well."""
        ...


class Workspace:
    """`Rows` of one transaction. Nothing is written before `flush`."""

    def __init__(self, bulk: Bulk, pages: Pages | None = None) -> None:
        """Read and write through `bulk`, with pages for its tables."""
        self._bulk = bulk
        self._pages = Pages() if pages is None else pages

    def expect(self, wanted: Iterable[tuple[Table, Key]]) -> None:
        """Load these rows together, because somebody will `get` them. A hint, and no more."""
        named: defaultdict[Table, dict[Key, None]] = defaultdict(dict)
        for table, key in wanted:
            named[table][key] = None
        pages = ((self._pages[table], keys) for table, keys in named.items())
        missing = {
            page.shape: unknown
            for page, keys in pages
            if (unknown := [key for key in keys if not page.knows(key)])
        }
        if missing:
            for shape, found in self._bulk.load(missing).items():
                self._pages[shape.table].loaded(missing[shape], found)

    def get(self, table: Table, key: Key) -> Row | None:
        """See `Rows`."""
        page = self._pages[table]
        if key in page.known:
            return page.known[key]
        if not page.is_swept(key):
            page.loaded([key], self._bulk.load({page.shape: [key]})[page.shape])
        return page.known.get(key)

    def put(self, table: Table, row: Row) -> None:
        """See `Rows`."""
        page = self._pages[table]
        page.set(page.key_of(row), row)

    def change(self, table: Table, key: Key, **values: Any) -> None:
        """See `Rows`."""
        row = self.get(table, key)
        if row is not None:
            self._pages[table].set(key, {**row, **values})

    def drop(self, table: Table, key: Key) -> None:
        """See `Rows`."""
        self._pages[table].set(key, None)

    def drop_under(self, table: Table, *prefix: str | int) -> None:
        """See `Rows`."""
        self._pages[table].sweep(prefix)

    def erase_under(self, table: Table, *prefix: str | int) -> None:
        """See `Rows`."""
        self._pages[table].erase(prefix)

    def erase_where(self, table: Table, column: str, value: str | int, **blank: Any) -> None:
        """See `Rows`."""
        self._pages[table].blank(Blank(column, value, blank))

    def touched(self) -> Collection[Table]:
        """The tables that somebody has looked at or changed."""
        return self._pages.keys()

    def flush(self) -> None:
        """Write what has changed. Nothing is to be done here afterwards."""
        changed = (page.written() for page in self._pages.values() if page.is_changed())
        changes = dict(chain.from_iterable(changed))
        if changes:
            self._bulk.write(changes)


class Page:
    """What is known of one table, and what of it is not written yet."""

    __slots__ = (
        "_blanked",
        "_changed",
        "_family",
        "_lengths",
        "_swept",
        "key_of",
        "known",
        "shape",
    )

    def __init__(self, shape: Shape) -> None:
        self.shape: Final = shape
        self.key_of: Final = shape.key_of
        self.known: Final[dict[Key, Row | None]] = {}
        """Rows by key as they are now; None for those that are not there."""
        self._changed: Final[dict[Key, None]] = {}
        """Keys of what is known and not written."""
        self._family: dict[str | int, list[Key]] | None = None
        """The known keys by their first part, from when somebody asks on."""
        self._swept: Final[dict[Key, None]] = {}
        """Prefixes: what the database has under them is gone."""
        self._lengths: Final[set[int]] = set()
        """Of those prefixes."""
        self._blanked: Final[list[Blank]] = []

    def set(self, key: Key, row: Row | None) -> None:
        """The row with that key is this now; None for no row."""
        if self._family is not None and key not in self.known:
            self._family.setdefault(key[0], []).append(key)
        self.known[key] = row
        self._changed[key] = None

    def loaded(self, keys: Iterable[Key], found: Iterable[Values]) -> None:
        """The database has these rows of those keys, which are not known yet."""
        for key in keys:
            self.known[key] = None
            if self._family is not None:
                self._family.setdefault(key[0], []).append(key)
        for values in found:
            row = self.shape.row(values)
            for blank in self._blanked:
                row = blanked(row, blank)
            self.known[self.shape.key_of(row)] = row

    def known_under(self, prefix: Key) -> list[Key]:
        """The known keys that begin so."""
        if self._family is None:
            self._family = {}
            for key in self.known:
                self._family.setdefault(key[0], []).append(key)
        length = len(prefix)
        return [key for key in self._family.get(prefix[0], ()) if key[:length] == prefix]

    def knows(self, key: Key) -> bool:
        """Whether the database need not be asked for that row."""
        return key in self.known or self.is_swept(key)

    def is_swept(self, key: Key) -> bool:
        """Whether what the database has under that key is gone."""
        return bool(self._swept) and any(key[:length] in self._swept for length in self._lengths)

    def sweep(self, prefix: Key) -> None:
        """There is no row under that prefix now."""
        for key in self.known_under(prefix):
            self.known[key] = None
            self._changed.pop(key, None)  # the sweep removes what the database has
        self._swept[prefix] = None
        self._lengths.add(len(prefix))

    def erase(self, prefix: Key) -> None:
        """There is no row under that prefix, and never was, as far as this page knows of it."""
        self.sweep(prefix)

    def blank(self, blank: Blank) -> None:
        """Every row of that kind has these values now."""
        for key, row in self.known.items():
            if row is not None:
                self.known[key] = blanked(row, blank)
        self._blanked.append(blank)

    def is_changed(self) -> bool:
        """Whether there is something to write."""
        return bool(self._changed or self._swept or self._blanked)

    def written(self) -> Iterable[tuple[Shape, Changes]]:
        """What is to be written, by table."""
        yield self.shape, self.changes()

    def changes(self) -> Changes:
        """What is to be written of this table."""
        known, values_of = self.known, self.shape.values_of
        return Changes(
            swept=self._swept,
            blanked=self._blanked,
            dropped=[key for key in self._changed if known[key] is None],
            put=[values_of(row) for key in self._changed if (row := known[key]) is not None],
        )


class Pages(dict[Table, Page]):
    """A page for every table that somebody looks at."""

    def __missing__(self, table: Table) -> Page:
        page = self[table] = self._made(table)
        return page

    def _made(self, table: Table) -> Page:
        return Page(shape_of(table))


def blanked(row: Row, blank: Blank) -> Row:
    """The row as `blank` leaves it."""
    return {**row, **blank.values} if row[blank.column] == blank.value else row
