"""Bringing an older store, and its views, up to date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from greenroom.adapters.stores import open_store
from greenroom.adapters.tables import open_tables
from greenroom.domain.keys import KeyStore
from greenroom.projections.views import PROJECTIONS, Views


@dataclass(frozen=True, slots=True)
class Migrated:
    """What was brought up to date."""

    place: str
    schema_before: int
    schema: int
    views_anew: Sequence[str]
    """Projections whose tables were missing, or of an older version, and filled anew."""
    position: int
    """Up to which the views have seen the log."""


def migrate(
    url: str,
    progress: Callable[[int, int], None] = lambda *_: None,
    *,
    keys: KeyStore | str | None = None,
) -> Migrated:
    """Bring the store at `url` up to date, and its views; what is current stays as it is.

    Opening a room does the same. Doing it before lets nobody wait for it, and tells what it was.
    No process with an older greenroom should have the store open.

    Args:
        url: of a store that outlives a process.
        progress: told the position that the views have reached, and the last one.
        keys: where its keys are, if not in the store.

    Raises:
        InvalidInput: no such URL.
        WrongSchema: a newer greenroom made the store or its views.
        NotOurStore: something else stands there.
        KeysUnavailable: its keys are elsewhere, and cannot be asked for there.
        StoreError: there is no store, or it cannot be used.
    """
    with open_tables(url) as tables:
        before = tables.must_be_store()
        stood = {name: version for name, version, _ in tables.views_positions()}
        views_at = tables.views_at
    with closing(open_store(url, create=False, keys=keys)) as store:
        until = store.position()
        views = Views.open(views_at, secret=store.secret, head=store.position)
        with closing(views):
            reached = views.catch_up(
                store.salvage, until=until, progress=lambda position: progress(position, until)
            )
    with open_tables(url) as tables:
        return Migrated(
            place=tables.name,
            schema_before=before,
            schema=tables.schema(),
            views_anew=[one.name for one in PROJECTIONS if stood.get(one.name) != one.version],
            position=reached,
        )
