"""Queries, in the model (semantics 6): rows are dictionaries, filters are asked of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from greenroom.testing.model.people import People
from greenroom.testing.model.world import Refusal, Who, instant, same

Row = Mapping[str, Any]

_NOTHING: Final = object()
_NO_INSTANT: Final = object()
"""What was written before its field was declared: it is there, and like nothing."""


class Questions(People):
    """What is answered to who asks for lists: page by page, by the names of what is on them."""

    def do_query_members(self, who: Who, **asked: Any) -> None:
        """Of the call."""
        self._must_read(who)
        self.answer = answered(self._members(), "user_id", "created_at", **asked)

    def do_query_participants(self, who: Who, **asked: Any) -> None:
        """Who is in."""
        self._must_read(who)
        self.answer = answered(self._participants(), "user_id", "joined_at", **asked)

    def do_query_sessions(self, who: Who, **asked: Any) -> None:
        """That there have been."""
        self._must_read(who)
        self.answer = answered(self._sessions(), "number", "-started_at", **asked)

    def do_query_calls(self, who: Who, **asked: Any) -> None:
        """Of all calls, those that they may read: this one, or none."""
        try:
            self._must_read(who)
        except Refusal:
            rows = []
        else:
            rows = [self._call()]
        self.answer = answered(rows, "cid", "-created_at", **asked)

    def _must_read(self, who: Who) -> None:
        self.must_exist(who)
        self.must(who, "read-call")

    def _members(self) -> list[Row]:
        state = self.state
        return [
            {
                "user_id": user,
                "role": one["role"],
                "custom": self._comparable("members", one["custom"]),
                "created_at": state.member_since[user],
                "user.role": state.users.get(user, {"role": "user"})["role"],
            }
            for user, one in state.members.items()
        ]

    def _participants(self) -> list[Row]:
        inside = [one for one in self.state.stays if one["until"] is None]
        return [{"user_id": one["user"], "joined_at": one["since"]} for one in inside]

    def _sessions(self) -> list[Row]:
        return [
            {
                **one,
                "duration": one["ended_at"]
                and (one["ended_at"] - one["started_at"]).total_seconds(),
            }
            for one in self.state.past_sessions
        ]

    def _call(self) -> Row:
        state = self.state
        return {
            "cid": self.cid,
            "type": self.type,
            "team": state.team,
            "created_by": state.created_by,
            "created_at": state.created_at,
            "starts_at": state.starts_at,
            "ended_at": state.ended_at,
            "backstage": state.backstage,
            "ongoing": state.session is not None,
            "members": sorted(state.members),
            "custom": self._comparable("calls", state.custom),
        }

    def _comparable(self, place: str, custom: Row) -> Row:
        """With an instant in each field that is declared as one, whatever was written there."""
        kinds = self.state.declared.get(place, {})
        moments = {name for name, kind in kinds.items() if kind == "instant"}
        return {
            name: (instant(value) or _NO_INSTANT) if name in moments else value
            for name, value in custom.items()
        }


def answered(  # noqa: PLR0917 - the first three are the query, the rest is what was asked
    rows: Sequence[Row],
    name: str,
    usually: str,
    filters: Mapping[str, Any] | None = None,
    sort: Sequence[str] = (),
    limit: int = 25,
) -> Mapping[str, Any]:
    """How many rows there are, and their names on each page.

    Args:
        rows: all there are.
        name: the field that no two share, or whose equals nobody can tell apart.
        usually: what is sorted by where nobody says it; with a minus, the largest first.
        filters: which rows.
        sort: fields, like `usually`.
        limit: rows on a page.
    """
    found = [row for row in rows if holds(filters or {}, row)]
    keys = [*(sort or [usually])]
    falls = keys[-1].startswith("-")
    for key in reversed([*keys, f"-{name}" if falls else name]):
        field = key.removeprefix("-")
        there = [row for row in found if row[field] is not None]
        there.sort(key=lambda row: row[field], reverse=key.startswith("-"))
        found = there + [row for row in found if row[field] is None]
    names = [row[name] for row in found]
    pages = [names[start : start + limit] for start in range(0, len(names), limit)]
    return {"count": len(names), "pages": pages or [[]]}


def holds(filters: Mapping[str, Any], row: Row) -> bool:
    """Whether all that the filters say is so."""
    return all(_is_so(key, said, row) for key, said in filters.items())


def _is_so(key: str, said: Any, row: Row) -> bool:
    if key == "$and":
        return all(holds(one, row) for one in said)
    if key == "$or":
        return any(holds(one, row) for one in said)
    if key == "$nor":
        return not any(holds(one, row) for one in said)
    found = _found(key, row)
    asked = said if isinstance(said, dict) else {"$eq": said}
    if isinstance(found, datetime) and key.startswith("custom."):
        asked = {operator: _as_instants(value) for operator, value in asked.items()}
    return all(_OPERATORS[operator](found, value) for operator, value in asked.items())


def _as_instants(value: Any) -> Any:
    if isinstance(value, list):
        return [instant(one) for one in value]
    return instant(value) if isinstance(value, str) else value


def _found(key: str, row: Row) -> Any:
    if not key.startswith("custom."):
        return _NOTHING if row[key] is None else row[key]
    inside: Any = row["custom"]
    for name in key.split(".")[1:]:
        if not isinstance(inside, dict) or name not in inside:
            return _NOTHING
        inside = inside[name]
    return inside


def _equal(found: Any, value: Any) -> bool:
    if isinstance(found, datetime):
        return bool(found == value)
    return found is not _NOTHING and same(found, value)


def _in(found: Any, values: Sequence[Any]) -> bool:
    if isinstance(found, list):
        return any(one in found for one in values)
    return any(_equal(found, one) for one in values)


def _ranged(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def holds(found: Any, value: Any) -> bool:
        return _kind(found) == _kind(value) and compare(found, value)

    return holds


def _kind(value: Any) -> object:
    """What can be held against one another: numbers, or two of the same kind; never booleans."""
    if isinstance(value, bool):
        return object()
    return float if isinstance(value, int) else type(value)


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$eq": _equal,
    "$ne": lambda found, value: not _equal(found, value),
    "$in": _in,
    "$nin": lambda found, values: not _in(found, values),
    "$exists": lambda found, value: (found is not _NOTHING) == value,
    "$contains": lambda found, value: value in found,
    "$autocomplete": lambda found, value: str(found).lower().startswith(value.lower()),
    "$gt": _ranged(lambda found, value: found > value),
    "$gte": _ranged(lambda found, value: found >= value),
    "$lt": _ranged(lambda found, value: found < value),
    "$lte": _ranged(lambda found, value: found <= value),
}
