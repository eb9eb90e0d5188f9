"""Members of a call asked for without greenroom: SQL by hand on the bare driver, and an ORM.

All of them read the very tables and indexes that greenroom made. A row becomes the same values as
in greenroom's items, in a plain tuple: JSON decoded by msgspec, instants as aware datetimes. Like
greenroom's, each statement sees to it that the call was not deleted, and asks for one row more
than the page holds, which says whether there is another page. There is no cursor that is proof
against tampering, no parsing of a filter, no deadline.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
from benchmarks._audience import CID, COMMON, views_at
from msgspec.json import Decoder
from sqlalchemy import ColumnElement, Engine, create_engine, select, tuple_
from sqlalchemy.orm import Session, contains_eager, foreign, registry, relationship

from greenroom.projections.calls import calls
from greenroom.projections.members import members
from greenroom.projections.postgres_functions import TEXT_AT
from greenroom.projections.users import users

PAGE: Final = 25

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_decode: Final = Decoder().decode

Member = tuple[str, str, Any, datetime, datetime, str | None, str | None, Any]
"""user_id, role, custom, created_at, updated_at, name, the user's role and custom."""


class Mark(NamedTuple):
    """Where a page begins, in every way of saying it."""

    offset: int = 0
    key: tuple[int, str] | None = None
    """`created_at` and `user_id` of the last row before it; None at the beginning."""
    cursor: str | None = None
    """Greenroom's."""


class Asker(ABC):
    """Somebody who knows the members of a call, in the order they were added."""

    @abstractmethod
    def point(self, user_id: str) -> Any:
        """The one member of that id."""

    @abstractmethod
    def page(self, mark: Mark) -> Any:
        """The 25 members from there on."""

    @abstractmethod
    def prefix(self, begins: str) -> Any:
        """The first 25 whose folded name begins like that."""

    def custom(self, field: str, value: str) -> Any:
        """The first 25 who have that in a declared field of their own data."""
        raise NotImplementedError

    @abstractmethod
    def who(self, answer: Any) -> list[str]:
        """The user ids in an answer."""

    @abstractmethod
    def close(self) -> None:
        """Release what is its own."""


_COLUMNS: Final = (
    "m.user_id, m.role, m.custom, m.created_at, m.updated_at, u.name, u.role, u.custom"
)
_SELECT: Final = (
    f"SELECT {_COLUMNS} FROM members m LEFT JOIN users u ON u.user_id = m.user_id WHERE m.cid = ?"
    " AND EXISTS (SELECT 1 FROM calls WHERE cid = ? AND NOT deleted)"
)
_ORDER: Final = f" ORDER BY m.created_at, m.user_id LIMIT {PAGE + 1}"
_POINT: Final = f"{_SELECT} AND m.user_id = ?{_ORDER}"
_FIRST: Final = f"{_SELECT}{_ORDER}"
_NEXT: Final = f"{_SELECT} AND (m.created_at, m.user_id) > (?, ?){_ORDER}"
_OFFSET: Final = (
    f"SELECT {_COLUMNS} FROM (SELECT cid, user_id FROM members WHERE cid = ?"
    " AND EXISTS (SELECT 1 FROM calls WHERE cid = ? AND NOT deleted)"
    f" ORDER BY created_at, user_id LIMIT {PAGE + 1} OFFSET ?) k"
    " JOIN members m ON m.cid = k.cid AND m.user_id = k.user_id"
    " LEFT JOIN users u ON u.user_id = m.user_id ORDER BY m.created_at, m.user_id"
)
"""Rows are skipped in the index; only those of the page are looked up."""
_PREFIX: Final = (
    f"SELECT {_COLUMNS} FROM {{}} WHERE m.cid = ? AND u.user_id = m.user_id"
    " AND EXISTS (SELECT 1 FROM calls WHERE cid = ? AND NOT deleted)"
    f" AND u.name_folded >= ? AND u.name_folded < ?{_ORDER}"
)
_BY_AGE: Final = _PREFIX.format("members m CROSS JOIN users u")
_BY_NAME: Final = _PREFIX.format("users u CROSS JOIN members m")
"""SQLite reads the first table first: whoever writes this knows how common a prefix is."""

_SQLITE_FIELD: Final = (
    "CASE WHEN json_type(m.custom, '$.\"{0}\"') = 'text'"
    " THEN json_extract(m.custom, '$.\"{0}\"') END"
)
_POSTGRESQL_FIELD: Final = TEXT_AT.name + """(m.custom, '{{"{0}"}}'::text[]) COLLATE "C\""""
"""A declared text, as its index has it."""

Run = Callable[[str, Sequence[object]], Iterable[Sequence[Any]]]
"""Runs a statement with its values, and gives the rows."""


class ByHand(Asker):
    """SQL on the bare driver, one statement for each question."""

    def __init__(self, run: Run, declared: str, close: Callable[[], None]) -> None:
        """Take a driver's way of running a statement.

        Args:
            run: as described.
            declared: how a declared field is said, with `{}` for its name.
            close: releases the connection.
        """
        self._run = run
        self._declared = declared
        self._close = close

    def point(self, user_id: str) -> list[Member]:
        return _members(self._run(_POINT, (CID, CID, user_id)))

    def page(self, mark: Mark) -> list[Member]:
        if mark.key is None:
            return _members(self._run(_FIRST, (CID, CID)))
        return _members(self._run(_NEXT, (CID, CID, *mark.key)))

    def prefix(self, begins: str) -> list[Member]:
        statement = _BY_AGE if begins == COMMON else _BY_NAME
        return _members(self._run(statement, (CID, CID, begins, _behind(begins))))

    def custom(self, field: str, value: str) -> list[Member]:
        statement = f"{_SELECT} AND {self._declared.format(field)} = ?{_ORDER}"
        return _members(self._run(statement, (CID, CID, value)))

    def who(self, answer: list[Member]) -> list[str]:
        return [member[0] for member in answer]

    def close(self) -> None:
        self._close()


class Offset(ByHand):
    """The same, paging by a number of rows to skip."""

    def page(self, mark: Mark) -> list[Member]:
        return _members(self._run(_OFFSET, (CID, CID, mark.offset)))


def by_hand(url: str, kind: type[ByHand] = ByHand) -> ByHand:
    """The bare driver on the views of the store at `url`, prepared and warm."""
    where = views_at(url)
    if isinstance(where, Path):
        file = sqlite3.connect(where, isolation_level=None)
        file.execute("PRAGMA cache_size=-8000")  # as greenroom's connections
        return kind(file.execute, _SQLITE_FIELD, file.close)
    server = psycopg.connect(where, autocommit=True, options="-c search_path=greenroom_views")
    cursor = server.cursor()
    said: dict[str, bytes] = {}

    def run(statement: str, values: Sequence[object]) -> Iterable[Sequence[Any]]:
        text = said.get(statement)
        if text is None:
            text = said[statement] = statement.replace("?", "%s").encode()
        return cursor.execute(text, values, prepare=True).fetchall()

    return kind(run, _POSTGRESQL_FIELD, server.close)


def _members(rows: Iterable[Sequence[Any]]) -> list[Member]:
    return [
        (
            user_id,
            role,
            _decode(custom),
            _EPOCH + timedelta(microseconds=created_at),
            _EPOCH + timedelta(microseconds=updated_at),
            name,
            user_role,
            None if user_custom is None else _decode(user_custom),
        )
        for user_id, role, custom, created_at, updated_at, name, user_role, user_custom in rows
    ][:PAGE]


def _behind(begins: str) -> str:
    """The first text behind all that begin like that."""
    return begins[:-1] + chr(ord(begins[-1]) + 1)


class _User:
    """An entity."""

    name: str | None
    role: str
    custom: str


class _Member:
    """An entity, with its user."""

    user_id: str
    role: str
    custom: str
    created_at: int
    updated_at: int
    user: _User | None


_mapping: Final = registry()
_mapping.map_imperatively(_User, users)
_mapping.map_imperatively(
    _Member,
    members,
    properties={
        "user": relationship(
            _User, primaryjoin=users.c.user_id == foreign(members.c.user_id), viewonly=True
        )
    },
)


class Orm(Asker):
    """Entities of SQLAlchemy's ORM, each question a session, with the user joined."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(views_at(url))

    def point(self, user_id: str) -> list[Member]:
        return self._ask(members.c.user_id == user_id)

    def page(self, mark: Mark) -> list[Member]:
        if mark.key is None:
            return self._ask()
        return self._ask(tuple_(members.c.created_at, members.c.user_id) > tuple_(*mark.key))

    def prefix(self, begins: str) -> list[Member]:
        folded = users.c.name_folded
        return self._ask(folded >= begins, folded < _behind(begins))

    def who(self, answer: list[Member]) -> list[str]:
        return [member[0] for member in answer]

    def close(self) -> None:
        self._engine.dispose()

    def _ask(self, *conditions: ColumnElement[bool]) -> list[Member]:
        here = select(1).where(calls.c.cid == CID, calls.c.deleted.is_(False)).exists()
        statement = (
            select(_Member)
            .outerjoin(users, users.c.user_id == members.c.user_id)
            .options(contains_eager(_Member.user))  # type: ignore[arg-type]  # mapped below the class
            .where(members.c.cid == CID, here, *conditions)
            .order_by(members.c.created_at, members.c.user_id)
            .limit(PAGE + 1)
        )
        with Session(self._engine) as session:
            return _members(map(_values, session.scalars(statement)))


def _values(member: _Member) -> Sequence[Any]:
    user = member.user
    return (
        member.user_id,
        member.role,
        member.custom,
        member.created_at,
        member.updated_at,
        None if user is None else user.name,
        None if user is None else user.role,
        None if user is None else user.custom,
    )


def _engine(where: Path | str) -> Engine:
    if isinstance(where, Path):
        return create_engine(f"sqlite:///{where}")
    options = {"options": "-c search_path=greenroom_views"}
    return create_engine(
        where.replace("postgresql://", "postgresql+psycopg://", 1), connect_args=options
    )
