"""One call, event by event: what changes in the views with each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Table

from greenroom.domain.instants import instant, instant_or_none
from greenroom.domain.message import Event, Recorded
from greenroom.projections.bulk import Key, Row, shape_of
from greenroom.projections.calls import Calls, answers, blocks, calls
from greenroom.projections.members import Members, members
from greenroom.projections.participants import Participants, participants
from greenroom.projections.projection import Projection

Kind = Literal["call", "member", "participant", "answer", "block"]
Facts = Mapping[str, Any]
"""What is shown of one thing, by the names that queries have for it."""


class Change(NamedTuple):
    """Something is otherwise than before."""

    kind: Kind
    key: str
    """Of members, answers and blocks the user, of participants the entry; empty for the call."""
    facts: Facts | None
    """As they are now; None where it is gone."""


class Steps:
    """Takes the records of one call, in their order, and tells what each of them changes.

    The projections that queries are answered from say so themselves: applied one after the other,
    the changes lead to what `room.at(position)` shows.
    """

    def __init__(self) -> None:
        self._rows: Final = _Memory()
        self._shown: Final[dict[tuple[Kind, str], Facts]] = {}

    def step(self, recorded: Recorded[Event]) -> Sequence[Change]:
        """What is otherwise once this has happened; nothing more than that."""
        for projection in _PROJECTIONS:
            if type(recorded.event) in projection.events:
                projection.apply(recorded, self._rows)
        return [*self._changes()]

    def _changes(self) -> Iterator[Change]:
        for (table, key), row in self._rows.taken():
            kind, facts_of = _SHOWN[table]
            name = "" if kind == "call" else str(key[1])
            facts = None if row is None else facts_of(row)
            if self._shown.get((kind, name)) == facts:
                continue
            if facts is None:
                del self._shown[kind, name]
            else:
                self._shown[kind, name] = facts
            yield Change(kind, name, facts)


class _Memory:
    """`Rows` that are kept nowhere else, and that remember what was changed."""

    def __init__(self) -> None:
        self._rows: dict[Table, dict[Key, Row]] = {table: {} for table in _SHOWN}
        self._changed: dict[tuple[Table, Key], None] = {}

    def taken(self) -> Iterator[tuple[tuple[Table, Key], Row | None]]:
        """What was changed since this was asked last, as it is now."""
        changed, self._changed = self._changed, {}
        return ((place, self._rows[place[0]].get(place[1])) for place in changed)

    def get(self, table: Table, key: Key) -> Row | None:
        """See `Rows`."""
        return self._rows[table].get(key)

    def put(self, table: Table, row: Row) -> None:
        """See `Rows`."""
        key = shape_of(table).key_of(row)
        self._rows[table][key] = row
        self._changed[table, key] = None

    def change(self, table: Table, key: Key, **values: Any) -> None:
        """See `Rows`."""
        row = self.get(table, key)
        if row is not None:
            self.put(table, {**row, **values})

    def drop(self, table: Table, key: Key) -> None:
        """See `Rows`."""
        if self._rows[table].pop(key, None) is not None:
            self._changed[table, key] = None

    def drop_under(self, table: Table, *prefix: str | int) -> None:
        """See `Rows`."""
        for key in [key for key in self._rows[table] if key[: len(prefix)] == prefix]:
            self.drop(table, key)

    def erase_under(self, table: Table, *prefix: str | int) -> None:
        """See `Rows`: there is no past of it here."""
        self.drop_under(table, *prefix)

    def erase_where(self, table: Table, column: str, value: str | int, **blank: Any) -> None:
        """See `Rows`."""
        for key, row in self._rows[table].items():
            if row[column] == value:
                self.change(table, key, **blank)


def _call(row: Row) -> Facts:
    """What is shown of a call; nothing personal."""
    return {
        "backstage": row["backstage"],
        "ongoing": row["ongoing"],
        "session": row["session"],
        "starts_at": instant_or_none(row["starts_at"]),
        "ended_at": instant_or_none(row["ended_at"]),
        "member_count": row["member_count"],
        "deleted": row["deleted"],
    }


def _participant(row: Row) -> Facts:
    return {
        "user_id": row["user_id"],
        "role": row["role"],
        "joined_at": instant(row["joined_at"]),
        "connected": row["connected"],
        "published": row["published"].split(),
        "muted": row["muted"].split(),
    }


def _answer(row: Row) -> Facts:
    return {"ring": row["ring"], "answer": row["answer"], "at": instant(row["at"])}


_PROJECTIONS: Final[Sequence[Projection]] = (Calls(), Members(), Participants())
_SHOWN: Final[Mapping[Table, tuple[Kind, Callable[[Row], Facts]]]] = {
    calls: ("call", _call),
    members: ("member", lambda row: {"role": row["role"]}),
    participants: ("participant", _participant),
    answers: ("answer", _answer),
    blocks: ("block", lambda _: {}),
}
