"""The past as a by-product: rows that change in a workspace leave the versions they were."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import Table

from greenroom.domain.message import Event, Recorded
from greenroom.projections.bulk import (
    Blank,
    Bulk,
    Changes,
    Key,
    Moved,
    Row,
    Shape,
    Values,
    shape_of,
)
from greenroom.projections.past_tables import ASIDE, KEPT, OPEN, TABLES, Versioned
from greenroom.projections.workspace import Page, Pages, Workspace, blanked

_NOT_LOOKED_AT: Final[Row] = {}
"""Instead of a row that the database may have or not."""


class Versions:
    """Makes workspaces that keep the versions of what is changed in them, and tells them when."""

    def __init__(self) -> None:
        """Stand before all positions."""
        self.position = 0
        """At which rows change now."""

    def workspace(self, bulk: Bulk) -> Workspace:
        """One that writes the versions of its rows together with them."""
        return Workspace(bulk, _KeptPages(self))

    def concern(self, tables: Collection[Table]) -> bool:
        """Whether rows of some of `tables` have versions."""
        return not KEPT.keys().isdisjoint(tables)

    def through(self, records: Iterable[Recorded[Event]]) -> Iterator[Recorded[Event]]:
        """The records; what is changed before the next one changes at the position of this."""
        for recorded in records:
            self.position = recorded.position
            yield recorded


class Refilling(Versions):
    """The same where nothing but the past is written, from where its tables are on.

    The rows that held last are those of now, as far as it has been told.
    """

    def workspace(self, bulk: Bulk) -> Workspace:
        """One that writes versions, and no rows of now."""
        return super().workspace(_Held(bulk))


class _KeptPages(Pages):
    def __init__(self, versions: Versions) -> None:
        super().__init__()
        self._versions = versions

    def _made(self, table: Table) -> Page:
        if table in KEPT:
            return _KeptPage(KEPT[table], self._versions)
        return _CopiedPage(shape_of(table)) if table in ASIDE else super()._made(table)


class _CopiedPage(Page):
    """What projections lean on and nobody asks: written twice, without a past."""

    def written(self) -> Iterator[tuple[Shape, Changes]]:
        changes = self.changes()
        yield self.shape, changes
        yield shape_of(ASIDE[self.shape.table]), changes


class _KeptPage(Page):
    """A table of now, and what becomes of the versions of its rows.

    Several changes at one position leave one version. That the version ends which the database
    holds for the present one is said of a key without a look at it; also where there is none now,
    if a crowd may have stayed.
    """

    def __init__(self, kept: Versioned, versions: Versions) -> None:
        super().__init__(shape_of(kept.now))
        self._kept = kept
        self._versions = versions
        self._begun: dict[Key, tuple[int, Row]] = {}
        """Versions that begin in this batch and hold still: since when, and what they say."""
        self._over: list[tuple[Key, int, int, Row]] = []
        """Versions that begin and end in it: since when and until when, and what they said."""
        self._ended: dict[Key, int] = {}
        """Where versions end that had begun before it."""
        self._cleared: dict[Key, int] = {}
        """The same for all that still hold, by prefix of their keys."""
        self._counted: dict[tuple[Key, int], Values] = {}
        """What counters said from a position on."""
        self._blanks: list[Blank] = []

    def set(self, key: Key, row: Row | None) -> None:
        before = self.known.get(key, _NOT_LOOKED_AT)
        if not before and self.is_swept(key):
            before = _NOT_LOOKED_AT if self._kept.crowd else None
        super().set(key, row)
        kept, now = self._kept, self._versions.position
        if kept.counts is not None and row is not None:
            self._count(key, before, row)
        if before and row is not None and kept.steady_of(before) == kept.steady_of(row):
            return
        if before is not None:
            self._end(key, now)
        if row is not None:
            self._begun[key] = now, row

    def sweep(self, prefix: Key) -> None:
        if not self._kept.crowd:
            now = self._versions.position
            for key in self.known_under(prefix):
                if key in self._begun:
                    self._end(key, now)
            if not self.is_swept(prefix):
                self._cleared[prefix] = now
        super().sweep(prefix)

    def erase(self, prefix: Key) -> None:
        if self._kept.personal:
            self._blank(Blank(self.shape.keys[0], prefix[0], self._kept.personal))
        self.sweep(prefix)

    def blank(self, blank: Blank) -> None:
        super().blank(blank)
        self._blank(blank)

    def written(self) -> Iterator[tuple[Shape, Changes]]:
        kept = self._kept
        yield self.shape, self.changes()
        added = [_version(kept, key, since, until, row) for key, since, until, row in self._over]
        begun = self._begun.items()
        added += [_version(kept, key, since, OPEN, row) for key, (since, row) in begun]
        moved = list(self._moved())
        yield shape_of(kept.versions), Changes((), self._blanks, (), (), moved, added)
        if kept.counts is not None:
            yield shape_of(kept.counts), self._counts()

    def _moved(self) -> Iterator[Moved]:
        """What ends the versions of the database: of one key, then of ever shorter prefixes."""
        keys = self.shape.keys
        if self._ended:
            ended = [(at, *key, OPEN) for key, at in self._ended.items()]
            yield Moved("until", (*keys, "until"), ended)
        for length in sorted({len(prefix) for prefix in self._cleared}, reverse=True):
            some = [
                (at, *prefix, OPEN) for prefix, at in self._cleared.items() if len(prefix) == length
            ]
            yield Moved("until", (*keys[:length], "until"), some)

    def _end(self, key: Key, now: int) -> None:
        """The version of `key` that held until now, if it did hold somewhere, holds no longer."""
        if key not in self._begun:
            self._ended.setdefault(key, now)
            return
        since, row = self._begun.pop(key)
        if since < now:
            self._over.append((key, since, now, row))

    def _count(self, key: Key, before: Row | None, row: Row) -> None:
        says = self._kept.counted_of(row)
        if not before or self._kept.counted_of(before) != says:
            self._counted[key, self._versions.position] = says

    def _counts(self) -> Changes:
        """All that was counted, and what each of the counters says in the end."""
        last = {key: says for (key, _), says in self._counted.items()}
        put = [(*key, OPEN, *says) for key, says in last.items()]
        added = [(*key, position, *says) for (key, position), says in self._counted.items()]
        return Changes((), (), (), put, added=added)

    def _blank(self, blank: Blank) -> None:
        self._blanks.append(blank)
        self._over = [(k, since, until, blanked(row, blank)) for k, since, until, row in self._over]
        self._begun = {k: (since, blanked(row, blank)) for k, (since, row) in self._begun.items()}


class _Held:
    """`Bulk` of now, whose rows are those that hold still in the tables of the past."""

    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk

    def load(self, wanted: Mapping[Shape, Sequence[Key]]) -> Mapping[Shape, Iterable[Values]]:
        """See `Bulk`."""
        asked: dict[Shape, Sequence[Key]] = {}
        for shape, keys in wanted.items():
            if shape.table in ASIDE:
                asked[shape_of(ASIDE[shape.table])] = keys
            elif shape.table in KEPT:
                kept = KEPT[shape.table]
                asked[shape_of(kept.versions)] = [held(kept, key) for key in keys]
                if kept.counts is not None:
                    asked[shape_of(kept.counts)] = [(*key, OPEN) for key in keys]
        found = self._bulk.load(asked)
        return {shape: list(_of_now(shape, found)) for shape in wanted}

    def write(self, changes: Mapping[Shape, Changes]) -> None:
        """See `Bulk`: what is of now is not written."""
        self._bulk.write({shape: one for shape, one in changes.items() if shape.table in _PAST})


_PAST: Final = frozenset(TABLES)


def held(kept: Versioned, key: Key) -> Key:
    """The key of the version that holds still."""
    return (*key[: kept.place], OPEN, *key[kept.place :])


def _version(kept: Versioned, key: Key, since: int, until: int, row: Row) -> Values:
    """As it stands in the table of versions."""
    return (*key[: kept.place], until, *key[kept.place :], since, *kept.steady_of(row))


def _of_now(shape: Shape, found: Mapping[Shape, Iterable[Values]]) -> Iterator[Values]:
    """The rows of a table of now, from what was found of its versions."""
    if shape.table in ASIDE:
        yield from found[shape_of(ASIDE[shape.table])]
    if shape.table not in KEPT:
        return
    kept = KEPT[shape.table]
    versions = shape_of(kept.versions)
    counted: dict[Key, Row] = {}
    if kept.counts is not None:
        counts = shape_of(kept.counts)
        counted = {shape.key_of(row): row for row in map(counts.row, found[counts])}
    for row in map(versions.row, found[versions]):
        yield shape.values_of({**row, **counted.get(shape.key_of(row), {})})
