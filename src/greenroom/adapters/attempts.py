"""Refused attempts, in tables beside the events."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    RowMapping,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from greenroom.adapters.beside import Beside, Founding
from greenroom.domain.attempts import Attempt, AttemptCount, Attempts
from greenroom.domain.instants import instant, micros
from greenroom.domain.message import CallId, Role, Team, UserId

SCHEMA: Final = 1
"""Version of the tables."""
_MINUTE: Final = 60_000_000
_PAGE: Final = 1000

metadata: Final = MetaData()
"""All tables of the attempts."""

formats: Final = Table(
    "greenroom_attempts_format", metadata, Column("schema", Integer, nullable=False)
)
"""One row."""

attempts: Final = Table(
    "greenroom_attempts",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("cid", Text, nullable=False),
    Column("user_id", Text, nullable=False, index=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("operation", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("rule", Text),
    Column("position", BigInteger, nullable=False),
    Column("request_id", Text),
    Column("role", Text),
    Column("teams", Text),
    Column("create", Boolean, nullable=False),
    Column("calls_out", Boolean, nullable=False),
    Index("greenroom_attempts_by_call", "cid", "at"),
    Index("greenroom_attempts_by_position", "position", "id"),
)
"""One row an attempt that is kept verbatim; instants in microseconds since 1970."""

counts: Final = Table(
    "greenroom_attempts_counted",
    metadata,
    Column("cid", Text, primary_key=True),
    Column("user_id", Text, primary_key=True, index=True),
    Column("minute", BigInteger, primary_key=True, index=True),
    Column("count", BigInteger, nullable=False),
)
"""One row for each user, call and minute."""


class SqlAttempts:
    """The `AttemptStore` of a file, of a PostgreSQL database, or of memory."""

    def __init__(self, database: Beside) -> None:
        """Use that database, which has the tables; `SqlAttempts.open` is the way in."""
        self._database = database

    @classmethod
    def open(cls, where: Path | str | None) -> SqlAttempts:
        """The tables in that file, or that PostgreSQL database; in memory for None.

        They are made where they are missing.

        Raises:
            InvalidInput: it is text, and not the URL of a database.
            StoreError: the database cannot be used.
            WrongSchema: a later greenroom made the tables.
        """
        founding = Founding(formats, SCHEMA)
        what = "the refused attempts"
        return cls(Beside.open(where, founding, what=what, durable=False, wipes=True))

    def write(self, new: Sequence[Attempt], verbatim: int) -> None:
        """Note them: so many verbatim of each user, call and minute, and the count of all."""
        together: dict[tuple[str, str, int], list[Attempt]] = defaultdict(list)
        for one in new:
            together[one.cid, one.user_id, micros(one.at) // _MINUTE * _MINUTE].append(one)
        with self._database.writing() as connection:
            for key, those in together.items():
                before = _count(connection, key, len(those))
                rows = [_row(one) for one in those[: max(0, verbatim - before)]]
                if rows:
                    connection.execute(insert(attempts), rows)

    def read(
        self, cid: CallId, *, user_id: UserId | None, until: datetime | None, limit: int
    ) -> Attempts:
        """Of a call, and of one user where that is asked."""
        last = 2**63 - 1 if until is None else micros(until)
        ours = [attempts.c.cid == cid, attempts.c.at <= last]
        counted = [counts.c.cid == cid, counts.c.minute <= last]
        if user_id is not None:
            ours.append(attempts.c.user_id == user_id)
            counted.append(counts.c.user_id == user_id)
        latest = select(attempts).where(*ours).order_by(attempts.c.at.desc(), attempts.c.id.desc())
        minutes = select(counts).where(*counted).order_by(counts.c.minute.desc(), counts.c.user_id)
        total = select(func.coalesce(func.sum(counts.c.count), 0)).where(*counted)
        with self._database.reading() as connection:
            return Attempts(
                verbatim=tuple(map(_attempt, _rows(connection, latest.limit(limit)))),
                counts=tuple(map(_counted, _rows(connection, minutes.limit(limit)))),
                total=connection.execute(total).scalar_one(),
            )

    def all(self, after: int, until: int) -> Iterator[Attempt]:
        """Those kept verbatim, decided past one position up to another, in that order."""
        place, number = after, 2**62
        while True:
            wanted = (
                select(attempts)
                .where(
                    (attempts.c.position > place)
                    | (attempts.c.position == place) & (attempts.c.id > number),
                    attempts.c.position <= until,
                )
                .order_by(attempts.c.position, attempts.c.id)
                .limit(_PAGE)
            )
            with self._database.reading() as connection:
                rows = _rows(connection, wanted)
            yield from map(_attempt, rows)
            if len(rows) < _PAGE:
                return
            place, number = rows[-1]["position"], rows[-1]["id"]

    def forget(self, *, users: Collection[UserId], calls: Collection[CallId]) -> None:
        """Let nothing stay of these users, nor of these calls."""
        with self._database.writing() as connection:
            for table in (attempts, counts):
                gone = table.c.user_id.in_(users) | table.c.cid.in_(calls)
                connection.execute(delete(table).where(gone))

    def prune(self, before: datetime) -> None:
        """Forget what is older."""
        with self._database.writing() as connection:
            connection.execute(delete(attempts).where(attempts.c.at < micros(before)))
            connection.execute(delete(counts).where(counts.c.minute < micros(before) - _MINUTE))

    def past(self, position: int) -> int:
        """How many of those kept verbatim were decided past that position."""
        wanted = select(func.count()).where(attempts.c.position > position)
        with self._database.reading() as connection:
            return int(connection.execute(wanted).scalar_one())

    def forget_past(self, position: int) -> int:
        """Forget those kept verbatim that were decided past that position; how many there were."""
        with self._database.writing() as connection:
            gone = delete(attempts).where(attempts.c.position > position)
            return int(connection.execute(gone).rowcount)

    def close(self) -> None:
        """Release the connection. Twice is fine."""
        self._database.close()


def _count(connection: Connection, key: tuple[str, str, int], more: int) -> int:
    """Count so many more; how many there were."""
    cid, user_id, minute = key
    this = (counts.c.cid == cid, counts.c.user_id == user_id, counts.c.minute == minute)
    before = connection.execute(select(counts.c.count).where(*this)).scalar()
    if before is None:
        row = {"cid": cid, "user_id": user_id, "minute": minute, "count": more}
        connection.execute(insert(counts).values(row))
        return 0
    connection.execute(update(counts).where(*this).values(count=before + more))
    return int(before)


def _rows(connection: Connection, wanted: Any) -> Sequence[RowMapping]:
    return connection.execute(wanted).mappings().all()


def _row(one: Attempt) -> dict[str, Any]:
    said = one.model_dump(mode="json")
    teams = None if one.teams is None else json.dumps(one.teams)
    return {**said, "at": micros(one.at), "teams": teams}


def _attempt(row: RowMapping) -> Attempt:
    teams = row["teams"]
    return Attempt(
        cid=CallId(row["cid"]),
        user_id=UserId(row["user_id"]),
        operation=row["operation"],
        at=instant(row["at"]),
        code=row["code"],
        rule=row["rule"],
        position=row["position"],
        request_id=row["request_id"],
        role=None if row["role"] is None else Role(row["role"]),
        teams=None if teams is None else tuple(Team(one) for one in json.loads(teams)),
        create=row["create"],
        calls_out=row["calls_out"],
    )


def _counted(row: RowMapping) -> AttemptCount:
    return AttemptCount(
        user_id=UserId(row["user_id"]), minute=instant(row["minute"]), count=row["count"]
    )
