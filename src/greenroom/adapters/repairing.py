"""Putting right what stands beside an older log than it has seen: after a backup was restored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from greenroom.adapters.attempts import SqlAttempts
from greenroom.adapters.stores import open_store
from greenroom.adapters.tables import Tables, open_tables
from greenroom.adapters.targets import open_target
from greenroom.domain.keys import KeyStore
from greenroom.projections.views import Views


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was put right."""

    place: str
    position: int
    """Where the log ends."""
    views_anew: Sequence[str]
    """Projections that had seen more than the log holds, and were filled anew."""
    requests: int
    """Forgotten answers, of commands whose records are gone: asked again, they are done again."""
    snapshots: int
    """Forgotten states that streams do not have any more."""
    attempts: int
    """Forgotten refused attempts, decided on what is gone."""
    outbox_from: int | None
    """Up to where the outbox had read the log, where that is past its end; it was set to it."""

    @property
    def anything(self) -> bool:
        """Whether there was something to put right."""
        forgotten = self.requests + self.snapshots + self.attempts
        return bool(self.views_anew or forgotten) or self.outbox_from is not None


def repair(
    url: str,
    progress: Callable[[int, int], None] = lambda *_: None,
    *,
    keys: KeyStore | str | None = None,
) -> Repaired:
    """Bring everything that stands beside the log at `url` back to where the log ends.

    The log itself is as it was restored: no record is changed, made or taken away. What agrees with
    it is left alone. No process should have the store open.

    Args:
        url: of a store that outlives a process.
        progress: told the position that the views have reached, and the last one.
        keys: where its keys are, if not in the store.

    Raises:
        InvalidInput: no such URL.
        WrongSchema, NotOurStore: the store is not of this greenroom.
        KeysUnavailable: its keys are elsewhere, and cannot be asked for there.
        StoreError: there is no store, or it cannot be used.
    """
    with open_tables(url) as tables:
        tables.must_be_current()
        head = tables.position()
        ahead = views_ahead(tables, head)
        noted_at = tables.attempts_at if tables.has_attempts() else None
        views_at, place = tables.views_at, tables.name
    requests, snapshots, outbox_from = _set_back(url, head)
    attempts = 0
    if noted_at is not None:
        with closing(SqlAttempts.open(noted_at)) as noted:
            attempts = noted.forget_past(head)
    with (
        closing(open_store(url, create=False, keys=keys)) as store,
        closing(Views.open(views_at, secret=store.secret, head=store.position)) as views,
    ):
        views.catch_up(
            store.salvage, until=head, progress=lambda position: progress(position, head)
        )
    return Repaired(place, head, ahead, requests, snapshots, attempts, outbox_from)


def views_ahead(tables: Tables, head: int) -> list[str]:
    """The projections that have seen more than a log holds that ends there."""
    return sorted(name for name, _, position in tables.views_positions() if position > head)


def _set_back(url: str, head: int) -> tuple[int, int, int | None]:
    """Requests and snapshots that were forgotten; and how far the outbox had read, if too far."""
    with open_target(url) as tables, tables.writing():
        requests = tables.number(f"SELECT count(*) FROM requests WHERE {ASTRAY}", head)
        tables.ask(f"DELETE FROM requests WHERE {ASTRAY}", head)
        snapshots = tables.number(f"SELECT count(*) FROM snapshots WHERE {UNFOUNDED}")
        tables.ask(f"DELETE FROM snapshots WHERE {UNFOUNDED}")
        outbox = 0
        if tables.has("greenroom_effects_follower"):
            outbox = tables.number("SELECT max(position) FROM greenroom_effects_follower")
            tables.ask(
                "UPDATE greenroom_effects_follower SET position = ? WHERE position > ?", head, head
            )
    return requests, snapshots, outbox if outbox > head else None


ASTRAY: Final = "position > ?"
"""A request whose records are gone, of a log that ends there."""
UNFOUNDED: Final = (
    "version > (SELECT coalesce(max(originator_version), 0) FROM stored_events"
    " WHERE originator_id = snapshots.stream)"
)
"""A snapshot of a state that its stream does not have."""
