"""How a store stands: looked at from outside, while others work with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from greenroom.adapters.outbox_tables import Status as Delivery
from greenroom.adapters.tables import COPY_MARK, Holder, Tables, open_tables
from greenroom.domain.errors import StoreError
from greenroom.domain.instants import instant, instant_or_none
from greenroom.projections.keeping import PAST
from greenroom.projections.standing import ProjectionStatus
from greenroom.projections.views import PROJECTIONS

PATIENCE: Final = timedelta(minutes=1)
"""How long a transaction may be open before it is worth naming."""


_KEYS: Final = "SELECT count(*) FROM subject_keys WHERE substr(subject, 1, 5) IN ('user-', 'call-')"


@dataclass(frozen=True, slots=True)
class CopyStatus:
    """A copy into this store that is not finished."""

    source: str
    """Where it comes from."""
    position: int
    """Up to which its records are here."""
    until: int
    """Where its log ended, when last looked at."""
    begun_at: datetime


@dataclass(frozen=True, slots=True)
class RequestsStatus:
    """Requests whose answers are kept."""

    kept: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class ViewsStatus:
    """The views that stand beside the store."""

    projections: Sequence[ProjectionStatus]
    """None while there are no views."""
    bytes: int
    fault: str | None
    """Why they cannot be looked at."""


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """Notifications, and how far the log was read for them."""

    position: int
    lag: int
    """Records not noted for good; below 1,000 that may be nobody's business."""
    pending: int
    unknown: int
    gave_up: int
    due_at: datetime | None
    """When the first attempt is due, or was."""


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """How a store stands."""

    kind: str
    """`sqlite` or `postgresql`."""
    place: str
    """Where it is; never with a password."""
    schema: int
    supported_schema: int
    """What this greenroom writes; an older store is brought up to it by `greenroom db migrate`."""
    position: int
    """Of the last record."""
    events: int
    streams: int
    requests: RequestsStatus
    subject_keys: int
    """Users and calls with personal data that can be read."""
    bytes: int
    """On disk, without the views."""
    views: ViewsStatus
    outbox: OutboxStatus | None
    """None where nobody has opened a room on the store, and as long as a copy lacks it."""
    holders: Sequence[Holder]
    """On PostgreSQL: transactions that hold appends or erasures up."""
    copy: CopyStatus | None
    """Not None: a store is being copied here, and no room can be opened on it."""


def status(url: str, *, patience: timedelta = PATIENCE) -> StoreStatus:
    """How the store at `url` stands; it is neither made, nor migrated, nor locked.

    Args:
        url: of a store that outlives a process.
        patience: transactions that have been open for longer are named.

    Raises:
        InvalidInput: no such URL.
        NotOurStore: something else stands there.
        StoreError: there is no store, or it cannot be used.
    """
    with open_tables(url) as tables:
        copying = tables.copied_into()
        schema = tables.supported if copying else tables.must_be_store()
        position = tables.position()
        return StoreStatus(
            kind=tables.kind,
            place=tables.name,
            schema=schema,
            supported_schema=tables.supported,
            position=position,
            events=tables.number("SELECT count(*) FROM stored_events"),
            streams=tables.number(_STREAMS),
            requests=_requests(tables),
            subject_keys=tables.number(_KEYS),
            bytes=tables.size(),
            views=_views(tables, position),
            outbox=_outbox(tables, position),
            holders=tables.holders(patience),
            copy=_copy(tables) if copying else None,
        )


# A stream begins with version 1, and there is an index over streams and versions.
_STREAMS: Final = "SELECT count(*) FROM stored_events WHERE originator_version = 1"


def _requests(tables: Tables) -> RequestsStatus:
    ((kept, oldest),) = tables.ask("SELECT count(*), min(recorded_at) FROM requests")
    return RequestsStatus(kept, instant_or_none(oldest))


def _views(tables: Tables, position: int) -> ViewsStatus:
    current = {one.name: one.version for one in PROJECTIONS} | {PAST.name: PAST.version}
    try:
        found = tables.views_positions()
        parked = tables.views_parked()
        size = tables.views_size()
    except StoreError as error:
        return ViewsStatus((), 0, str(error))
    projections = [
        ProjectionStatus(
            name=name,
            version=version,
            current=current.get(name) == version,
            position=reached,
            lag=max(position - reached, 0),
            since=None,
            parked=parked.get(name, 0),
        )
        for name, version, reached in sorted(found)
    ]
    return ViewsStatus(projections, size, None)


def _outbox(tables: Tables, position: int) -> OutboxStatus | None:
    if not tables.has("greenroom_effects_follower"):
        return None
    followed = tables.ask("SELECT position FROM greenroom_effects_follower")
    if not followed:
        return None  # of a copy that has not come as far
    ((read,),) = followed
    by_status = tables.ask("SELECT status, count(*) FROM greenroom_effects GROUP BY status")
    counts: Mapping[str, int] = dict(by_status)
    ((due_at,),) = tables.ask("SELECT min(due_at) FROM greenroom_effects")
    return OutboxStatus(
        position=read,
        lag=max(position - read, 0),
        pending=counts.get(Delivery.PENDING, 0),
        unknown=counts.get(Delivery.UNKNOWN, 0),
        gave_up=counts.get(Delivery.GAVE_UP, 0),
        due_at=instant_or_none(due_at),
    )


def _copy(tables: Tables) -> CopyStatus:
    ((source, position, until, begun_at),) = tables.ask(
        f"SELECT source, position, until, begun_at FROM {COPY_MARK}"
    )
    return CopyStatus(source, position, until, instant(begun_at))
