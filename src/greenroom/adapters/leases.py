"""Who carries the media of which call, in tables beside the events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    MetaData,
    RowMapping,
    Select,
    Table,
    Text,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from greenroom.adapters.beside import Beside, Founding
from greenroom.domain.message import CallId
from greenroom.media.leases import Enlisted, Lease, Worker
from greenroom.projections.batches import batched

SCHEMA: Final = 1
"""Version of the tables."""
_AT_ONCE: Final = 500
"""Calls in one statement: SQLite takes no more than some thousand parameters."""
_REMEMBERED: Final = 3_600_000
"""Milliseconds that a worker which died is known for; only people want to know."""

metadata: Final = MetaData()
"""All tables of the leases."""

terms: Final = Table(
    "greenroom_media_terms",
    metadata,
    Column("schema", Integer, nullable=False),
    Column("last", BigInteger, nullable=False),
)
"""One row: the last term that was given."""

workers: Final = Table(
    "greenroom_media_workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("load", Float, nullable=False),
    Column("takes", Boolean, nullable=False),
    Column("alive_until", BigInteger, nullable=False),
)
"""One row a worker; `alive_until` in milliseconds since 1970, by the clock of the database."""

leases: Final = Table(
    "greenroom_media_leases",
    metadata,
    Column("cid", Text, primary_key=True),
    Column("worker", Text, nullable=False, index=True),
    Column("term", BigInteger, nullable=False),
)
"""One row a call; it is good while its worker is alive."""


class SqlLeases:
    """The `Leases` of a file, of a PostgreSQL database, or of memory."""

    def __init__(self, database: Beside) -> None:
        """Use that database, which has the tables; `SqlLeases.open` is the way in."""
        self._database = database
        self._now: ColumnElement[int] = literal_column(
            database.place.milliseconds, type_=BigInteger()
        )

    @classmethod
    def open(cls, where: Path | str | None) -> SqlLeases:
        """The tables in that file, or that PostgreSQL database; in memory for None.

        They are made where they are missing.

        Raises:
            InvalidInput: it is text, and not the URL of a database.
            StoreError: the database cannot be used.
            WrongSchema: a later greenroom made the tables.
        """
        founding = Founding(terms, SCHEMA)
        database = Beside.open(where, founding, what="the media leases", durable=False, last=0)
        return cls(database)

    def renew(self, worker: Worker, seconds: float) -> Mapping[CallId, int]:
        """The worker is alive, for so long; the term of each call that it holds."""
        said = {
            "url": worker.url,
            "load": worker.load,
            "takes": worker.takes,
            "alive_until": self._now + round(1000 * seconds),
        }
        held = select(leases.c.cid, leases.c.term).where(leases.c.worker == worker.name)
        long_dead = delete(workers).where(workers.c.alive_until < self._now - _REMEMBERED)
        with self._database.writing() as connection:
            known = update(workers).where(workers.c.name == worker.name).values(said)
            if not connection.execute(known).rowcount:
                connection.execute(insert(workers).values(name=worker.name, **said))
                connection.execute(long_dead)
            return {CallId(row.cid): row.term for row in connection.execute(held)}

    def claim(self, name: str, calls: Collection[CallId]) -> Mapping[CallId, Lease]:
        """Give the worker those calls that nobody alive holds; who holds each of them now."""
        found: dict[CallId, Lease] = {}
        for some in batched(dict.fromkeys(calls), _AT_ONCE):
            with self._database.writing() as connection:
                held = self._good(connection, some)
                free = [cid for cid in some if cid not in held]
                if free and self._alive(connection, name):
                    _give(connection, free, name)
                    held = self._good(connection, some)
            found |= held
        return found

    def assign(self, cid: CallId) -> Lease | None:
        """Who holds the call; if that is nobody, it is given to the worker with most to spare."""
        with self._database.writing() as connection:
            held = self._good(connection, [cid])
            if not held:
                chosen = connection.scalar(self._most_to_spare())
                if chosen is None:
                    return None
                _give(connection, [cid], chosen)
                held = self._good(connection, [cid])
            return held[cid]

    def holder(self, cid: CallId) -> Lease | None:
        """The lease of the call, good or not; None where there is none."""
        with self._database.reading() as connection:
            row = connection.execute(self._held().where(leases.c.cid == cid)).mappings().first()
        return None if row is None else _lease(row)

    def orphans(self, limit: int) -> Sequence[CallId]:
        """Calls whose holder is not alive."""
        theirs = self._held(leases.c.cid).where(self._dead()).order_by(leases.c.term).limit(limit)
        with self._database.reading() as connection:
            return [CallId(cid) for cid in connection.scalars(theirs)]

    def release(self, name: str, calls: Collection[CallId]) -> None:
        """Forget who holds these calls, unless it is another worker that is alive."""
        alive = select(workers.c.name).where(workers.c.alive_until > self._now)
        others = leases.c.worker.in_(alive) & (leases.c.worker != name)
        for some in batched(dict.fromkeys(calls), _AT_ONCE):
            with self._database.writing() as connection:
                connection.execute(delete(leases).where(leases.c.cid.in_(some), ~others))

    def retire(self, name: str) -> None:
        """The worker is alive no more; others may take its calls at once."""
        with self._database.writing() as connection:
            connection.execute(delete(workers).where(workers.c.name == name))

    def roster(self) -> Sequence[Enlisted]:
        """The workers that are alive, by name."""
        alive = self._rated().where(workers.c.alive_until > self._now).order_by(workers.c.name)
        with self._database.reading() as connection:
            return [_enlisted(row) for row in connection.execute(alive).mappings()]

    def close(self) -> None:
        """Release the connection. Twice is fine."""
        self._database.close()

    def _good(self, connection: Connection, calls: Sequence[CallId]) -> dict[CallId, Lease]:
        """The leases of these calls that are good."""
        good = self._held().where(leases.c.cid.in_(calls), workers.c.alive_until > self._now)
        found = map(_lease, connection.execute(good).mappings())
        return {lease.cid: lease for lease in found}

    def _alive(self, connection: Connection, name: str) -> bool:
        alive = (workers.c.name == name) & (workers.c.alive_until > self._now)
        return connection.scalar(select(workers.c.name).where(alive)) is not None

    def _held(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """Each lease with its holder, dead or alive."""
        shown = columns or (leases, workers.c.url, self._left())
        return select(*shown).outerjoin_from(leases, workers, leases.c.worker == workers.c.name)

    def _dead(self) -> ColumnElement[bool]:
        return or_(workers.c.name.is_(None), workers.c.alive_until <= self._now)

    def _left(self) -> ColumnElement[int | None]:
        """Milliseconds that a worker is alive for."""
        return (workers.c.alive_until - self._now).label("left")

    def _rated(self) -> Select[Any]:
        """Each worker with how many calls it holds."""
        calls = func.count(leases.c.cid).label("calls")
        return (
            select(workers, self._left(), calls)
            .outerjoin_from(workers, leases, leases.c.worker == workers.c.name)
            .group_by(workers.c.name)
        )

    def _most_to_spare(self) -> Select[Any]:
        # What a worker says of its load is some seconds old: among those that are about as busy,
        # the calls that it was given since then decide.
        calls = func.count(leases.c.cid)
        return (
            select(workers.c.name)
            .outerjoin_from(workers, leases, leases.c.worker == workers.c.name)
            .where(workers.c.alive_until > self._now, workers.c.takes, workers.c.url != "")
            .where(workers.c.load < 1)
            .group_by(workers.c.name, workers.c.load)
            .order_by(func.round(workers.c.load * 5), calls, workers.c.load, workers.c.name)
            .limit(1)
        )


def _give(connection: Connection, calls: Sequence[CallId], name: str) -> None:
    """Make the worker hold these calls, each in a term of its own."""
    connection.execute(update(terms).values(last=terms.c.last + len(calls)))
    last = connection.execute(select(terms.c.last)).scalar_one()
    connection.execute(delete(leases).where(leases.c.cid.in_(calls)))
    given = enumerate(calls, last - len(calls) + 1)
    rows = [{"cid": cid, "worker": name, "term": term} for term, cid in given]
    connection.execute(insert(leases), rows)


def _lease(row: RowMapping) -> Lease:
    left = 0 if row["left"] is None else row["left"]
    return Lease(CallId(row["cid"]), row["worker"], row["url"] or "", row["term"], left / 1000)


def _enlisted(row: RowMapping) -> Enlisted:
    worker = Worker(row["name"], row["url"], row["load"], row["takes"])
    return Enlisted(worker, row["calls"], row["left"] / 1000)
