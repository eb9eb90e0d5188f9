"""What projections could not take: parked by call, looked at, and forgotten with the people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, and_, bindparam, delete, insert, select, update

from greenroom.domain.instants import instant, micros
from greenroom.domain.message import Event, Recorded, StreamId
from greenroom.domain.ports import Damaged
from greenroom.domain.streams import subjects
from greenroom.projections.standing import key_of, parked

_LONGEST: Final = 500
"""Characters of an error that are kept."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A projection takes no events of a call, since one of them failed.

    Its rows of that call are those of before. Other calls, and other projections, go on.
    """

    projection: str
    key: str
    """The call's cid; for users and call types their stream."""
    position: int
    """Of the first event that is missing."""
    stream: StreamId
    version: int
    name: str
    """The stored name of the event that failed."""
    error: str
    """Why; empty once whoever it may speak of was erased."""
    first_at: datetime
    last_at: datetime
    """When it was tried first, and last; by the machine's clock."""
    attempts: int


_ROW: Final = and_(
    parked.c.projection == bindparam("of_projection"), parked.c.key == bindparam("of_key")
)
_FREE: Final = delete(parked).where(_ROW)
_AGAIN: Final = (
    update(parked)
    .where(_ROW)
    .values(
        {
            "attempts": parked.c.attempts + 1,
            **{
                name: bindparam(name)
                for name in ("position", "stream", "version", "name", "error", "last_at")
            },
        }
    )
)
_MOVE: Final = update(parked).where(_ROW).values(position=bindparam("position"))
_HUSH: Final = update(parked).where(_ROW).values(error="")
_ORDER: Final = (parked.c.position, parked.c.projection, parked.c.key)


def park(
    connection: Connection, projection: str, record: Recorded[Event] | Damaged, error: str
) -> Parked:
    """Note that `projection` failed on `record`, for the first time or again."""
    now = datetime.now(UTC)
    key = key_of(record.stream)
    made = Parked(
        projection=projection,
        key=key,
        position=record.position,
        stream=record.stream,
        version=record.version,
        name=record.name if isinstance(record, Damaged) else record.event.name,
        error=error[:_LONGEST],
        first_at=now,
        last_at=now,
        attempts=1,
    )
    values = {
        "position": made.position,
        "stream": made.stream,
        "version": made.version,
        "name": made.name,
        "error": made.error,
        "last_at": micros(now),
    }
    again = connection.execute(_AGAIN, {**_of(projection, key), **values})
    if not again.rowcount:
        whose = {"projection": projection, "key": key, "first_at": micros(now), "attempts": 1}
        connection.execute(insert(parked), {**whose, **values})
    return made


def free(connection: Connection, projection: str, key: str) -> None:
    """It takes the events of `key` again."""
    connection.execute(_FREE, _of(projection, key))


def moved(connection: Connection, projection: str, key: str, position: int) -> None:
    """Nothing before `position` is missing any more."""
    connection.execute(_MOVE, {**_of(projection, key), "position": position})


def hush(connection: Connection, erased: Iterable[str]) -> None:
    """Keep no word that may speak of the subjects `erased`."""
    whose = frozenset(erased)
    for row in all_parked(connection):
        if whose.intersection(subjects(row.stream)):
            connection.execute(_HUSH, _of(row.projection, row.key))


def all_parked(
    connection: Connection, projection: str | None = None, key: str | None = None
) -> Sequence[Parked]:
    """What is parked, in the order of the log; of one projection, of one key, where named."""
    asked = select(parked).order_by(*_ORDER)
    if projection is not None:
        asked = asked.where(parked.c.projection == projection)
    if key is not None:
        asked = asked.where(parked.c.key == key)
    return [
        Parked(
            **{
                **row,
                "stream": StreamId(row["stream"]),
                "first_at": instant(row["first_at"]),
                "last_at": instant(row["last_at"]),
            }
        )
        for row in connection.execute(asked).mappings()
    ]


def _of(projection: str, key: str) -> dict[str, str]:
    return {"of_projection": projection, "of_key": key}
