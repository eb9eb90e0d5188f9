"""Random views, random questions, and what the answers have to be, found in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st
from tests.projections.history import CID, START, History

from greenroom.domain import call_events as call
from greenroom.domain.instants import micros
from greenroom.domain.message import CallId
from greenroom.projections import questions
from greenroom.projections.pages import Count, Page
from greenroom.projections.parse import parse
from greenroom.projections.query import Fields, Kind, Row, SortKey, holds
from greenroom.projections.views import Views

NASTY = (
    "",
    "a",
    "A",
    "ab",
    "ß",
    "ss",
    "é",
    "e\u0301",
    "İ",
    "%",
    "_",
    "\\",
    "'",
    '"',
    "$",
    "true",
    "null",
    "1",
    "\ud7ff",
    "\ue000",
    "a\U0010ffff",
    "\U0010ffff\U0010ffff",
    "\x01",
    "a\x01b",
    "\\u0000",
)
TEXTS = st.sampled_from(NASTY) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=3
)
NUMBERS = (
    st.sampled_from([0, -0.0, 1, 1.0, -1, 2**53, -(2**53), 0.1, 1e300, 5e-324])
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
)
ALIKE = st.sampled_from([True, 1, 1.0, "1", "true", False, 0, "0", "false", None, "null"])
"""What equals something else to whoever does not look at its kind."""
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
KEYS = st.sampled_from(["a", "b", "a-b", "_", "type", "length"])
BIG = st.sampled_from([2**53 + 1, 2**63, -(2**64), 10**400])
UNASKED = st.sampled_from(["\x00", "a\x00b", "\\\x00", "\x01\x00", "\x00\x01\x01"])
"""Nothing lets them in, no filter can name them; a document that has them is read all the same."""
JSON = st.recursive(
    SCALARS | BIG | UNASKED,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
CUSTOM = st.dictionaries(KEYS, JSON, max_size=4) | st.fixed_dictionaries({"a": ALIKE})
PATHS = KEYS | st.lists(KEYS, min_size=1, max_size=3).map(".".join)
SECONDS = st.integers(0, 3)
INSTANTS = SECONDS.map(lambda seconds: START + timedelta(seconds=seconds))
IDS = st.sampled_from(["thierry", "tommaso", "Alice", "alice", "ålice", "charlie", "jae_woong"])

VALUES: Mapping[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: IDS
    | TEXTS
    | st.sampled_from(["host", "user", "call_member", "default", "default:1"]),
    Kind.INSTANT: INSTANTS | INSTANTS.map(lambda at: at.isoformat()),
    Kind.NUMBER: st.sampled_from([0, 1, 2.0, 3, 0.5]) | NUMBERS,
    Kind.BOOLEAN: st.booleans(),
    Kind.NAMES: IDS,
    Kind.JSON: SCALARS,
}


def conditions(kind: Kind) -> st.SearchStrategy[Any]:
    """What can be said of a field of `kind`."""
    value = VALUES[kind]
    some = st.lists(value, min_size=1, max_size=3)
    exists = st.booleans().map(lambda there: {"$exists": there})
    among = st.builds(lambda op, of: {op: of}, st.sampled_from(["$in", "$nin"]), some)
    if kind is Kind.NAMES:
        return exists | among | value.map(lambda one: {"$contains": one})
    maybe = value if kind is Kind.JSON else st.none() | value
    equals = maybe | st.builds(lambda op, one: {op: one}, st.sampled_from(["$eq", "$ne"]), maybe)
    if kind is Kind.BOOLEAN:
        return exists | among | equals
    ordered = NUMBERS | TEXTS if kind is Kind.JSON else value
    ranges = st.dictionaries(
        st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), ordered, min_size=1, max_size=2
    )
    found = exists | among | equals | ranges
    if kind in {Kind.TEXT, Kind.JSON}:
        texts = (IDS | TEXTS).flatmap(lambda text: st.sampled_from([text[:1], text[:2], text]))
        found |= texts.filter(bool).map(lambda text: {"$autocomplete": text})
    if kind is Kind.JSON:
        found |= value.map(lambda one: {"$contains": one})
    return found


def filters(fields: Fields) -> st.SearchStrategy[dict[str, Any]]:
    """Filters over `fields`, three deep at most."""

    def said(item: tuple[str, Kind]) -> st.SearchStrategy[dict[str, Any]]:
        name, kind = item
        names = PATHS.map(lambda path: f"{name}.{path}") if kind is Kind.JSON else st.just(name)
        return st.dictionaries(names, conditions(kind), min_size=1, max_size=1)

    one = st.sampled_from(sorted(fields.kinds.items())).flatmap(said)
    several = st.lists(one, min_size=1, max_size=3).map(
        lambda parts: {name: value for part in parts for name, value in part.items()}
    )
    return st.recursive(
        several,
        lambda inner: st.dictionaries(
            st.sampled_from(["$and", "$or", "$nor"]),
            st.lists(inner, min_size=1, max_size=2),
            min_size=1,
            max_size=1,
        ),
        max_leaves=4,
    )


def _user_id(row: dict[str, Any]) -> str:
    return str(row["user_id"])


MEMBER: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "user_id": IDS | TEXTS,
        "role": st.sampled_from(["host", "call_member", "HOST"]),
        "at": SECONDS,
        "custom": CUSTOM,
    }
)
USER: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"user_id": IDS, "name": TEXTS, "custom": CUSTOM}
)

CALL: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["default", "livestream"]),
        "team": st.none() | st.sampled_from(["red", "RED", ""]),
        "by": IDS,
        "at": SECONDS,
        "starts": st.none() | SECONDS,
        "ends": st.none() | SECONDS,
        "backstage": st.booleans(),
        "ongoing": st.booleans(),
        "members": st.sets(IDS, max_size=2),
        "custom": CUSTOM,
    }
)


class World(NamedTuple):
    """What happened, and the rows that stand in the views after it, by what tells them apart."""

    history: History
    rows: Mapping[Any, Row]


class Asking(NamedTuple):
    """One kind of query: its fields, how to ask it, and what tells its items apart."""

    fields: Fields
    ask: Callable[..., Page[Any]]
    key: Callable[[Any], Any]


MEMBERS = Asking(
    questions.MEMBER_FIELDS,
    lambda views, **how: views.queries.members(CID, **how),
    lambda item: item.user_id,
)
CALLS = Asking(
    questions.CALL_FIELDS,
    lambda views, **how: views.queries.calls(**how),
    lambda item: item.cid,
)
PARTICIPANTS = Asking(
    questions.PARTICIPANT_FIELDS,
    lambda views, **how: views.queries.participants(CID, **how),
    lambda item: item.entry_id,
)
SESSIONS = Asking(
    questions.SESSION_FIELDS,
    lambda views, **how: views.queries.sessions(CID, **how),
    lambda item: item.number,
)


class Asked(NamedTuple):
    """What is asked of a query."""

    filters: dict[str, Any]
    sort: Sequence[SortKey] = ()
    limit: int = 2


def sorts(fields: Fields) -> st.SearchStrategy[list[SortKey]]:
    """Up to two keys, in any directions."""
    key = st.builds(SortKey, st.sampled_from(fields.sortable), st.booleans())
    return st.lists(key, max_size=2, unique_by=lambda one: one.field)


def askings(fields: Fields) -> st.SearchStrategy[list[Asked]]:
    """Some questions about the same rows; more often than not, about all of them."""
    some = st.just(dict[str, Any]()) | filters(fields)
    if "custom" in fields.kinds:
        some |= st.fixed_dictionaries({"custom.a": ALIKE})
    one = st.builds(Asked, some, sorts(fields), st.integers(1, 4))
    return st.lists(one, min_size=1, max_size=3)


def ordered(rows: Mapping[Any, Row], sort: Sequence[SortKey], fields: Fields) -> list[Any]:
    """The keys of `rows` by `sort`: null last, ties by the field no two rows share."""
    keys = list(sort) or [fields.default]
    if fields.tiebreak not in [key.field for key in keys]:
        keys.append(SortKey(fields.tiebreak, descending=keys[-1].descending))
    found = list(rows)
    for name, descending in reversed([(key.field, key.descending) for key in keys]):
        there = [one for one in found if rows[one][name] is not None]
        there.sort(key=lambda one: rows[one][name], reverse=descending)  # type: ignore[arg-type,return-value]  # each field of one kind
        found = there + [one for one in found if rows[one][name] is None]
    return found


def agree(views: Views, world: World, asked: Sequence[Asked], asking: Asking) -> None:
    """Every page there and back is what Python finds, in its order."""
    for said in asked:
        tree = parse(said.filters, asking.fields)
        rows = {key: row for key, row in world.rows.items() if holds(tree, row)}
        meant = ordered(rows, said.sort, asking.fields)
        sliced = [meant[n : n + said.limit] for n in range(0, len(meant), said.limit)] or [[]]
        assert walked(views, said, asking) == (sliced, sliced), said
        counted = asking.ask(views, filters=said.filters, limit=1, count=True).count
        assert counted == Count(len(meant), exact=True)


def walked(views: Views, said: Asked, asking: Asking) -> tuple[list[list[Any]], list[list[Any]]]:
    """The pages of a query from the first to the last, and from there back to the first.

    Of either no more than there can be rows: a walk that goes in circles ends.
    """

    def ask(cursor: str | None) -> Page[Any]:
        return asking.ask(
            views, filters=said.filters, sort=said.sort, limit=said.limit, cursor=cursor
        )

    page = ask(None)
    there = [page]
    while page.next and len(there) < _MANY:
        page = ask(page.next)
        there.append(page)
    back = [page]
    while page.prev and len(back) < _MANY:
        page = ask(page.prev)
        back.insert(0, page)
    forwards, backwards = (
        [[asking.key(item) for item in page.items] for page in pages] for pages in (there, back)
    )
    return forwards, backwards


_MANY = 20
"""Pages; more than there are rows."""


def member_world(members: list[dict[str, Any]], users: list[dict[str, Any]]) -> World:
    """A call with `members`; of whom `users` are known."""
    history = History()
    history.created()
    known = {user["user_id"]: user for user in users}
    rows: dict[str, Row] = {}
    for user in users:
        history.upserted(user["user_id"], name=user["name"], custom=user["custom"], role="guest")
    for member in members:
        at = START + timedelta(seconds=member["at"])
        user_id, role, custom = member["user_id"], member["role"], member["custom"]
        history.added(user_id, role, custom=custom, at=at)
        one = known.get(user_id)
        rows[user_id] = {
            "user_id": user_id,
            "role": role,
            "created_at": micros(at),
            "updated_at": micros(at),
            "custom": custom,
            "user.name": (one["name"] or None) if one else None,
            "user.role": "guest" if one else "user",
            "user.custom": one["custom"] if one else None,
        }
    return World(history, rows)


def call_world(calls: list[dict[str, Any]]) -> World:
    """A house with `calls`."""
    history = History()
    rows: dict[str, Row] = {}
    for number, said in enumerate(calls):
        cid = CallId(f"{said['type']}:{number}")
        at = START + timedelta(seconds=said["at"])
        starts = None if said["starts"] is None else START + timedelta(seconds=said["starts"])
        ends = None if said["ends"] is None else START + timedelta(seconds=said["ends"])
        history.created(
            cid,
            by=said["by"],
            at=at,
            team=said["team"],
            starts_at=starts,
            custom=said["custom"],
            backstage=said["backstage"],
        )
        for user_id in said["members"]:
            history.added(user_id, cid=cid)
        if said["ongoing"]:
            history.session_started(1, cid)
        if ends:
            history.in_call(call.CallEnded, cid, reason="ended", at=ends)
        rows[cid] = {
            "cid": cid,
            "type": said["type"],
            "id": str(number),
            "team": said["team"],
            "created_by": said["by"],
            "created_at": micros(at),
            "updated_at": micros(ends or at),
            "starts_at": starts and micros(starts),
            "ended_at": ends and micros(ends),
            "backstage": said["backstage"],
            "ongoing": said["ongoing"],
            "members": said["members"] or None,
            "custom": said["custom"],
        }
    return World(history, rows)


def session_world(sessions: list[tuple[int, int | None]]) -> World:
    """A call with `sessions`: when they started, and for how long they went on."""
    history = History()
    history.created()
    rows: dict[int, Row] = {}
    for number, (start, length) in enumerate(sessions, 1):
        at = START + timedelta(seconds=start)
        ends = None if length is None else at + timedelta(seconds=length)
        history.session_started(number, at=at)
        if ends:
            history.session_ended(number, at=ends)
        rows[number] = {
            "number": number,
            "started_at": micros(at),
            "ended_at": ends and micros(ends),
            "duration": None if length is None else float(length),
        }
    return World(history, rows)


def participant_world(entries: list[tuple[str, str, int]]) -> World:
    """A call with (user, role, second) entries of those who are in it."""
    history = History()
    history.created()
    history.session_started(1)
    rows: dict[str, Row] = {}
    for number, (user_id, role, second) in enumerate(entries):
        entry, at = f"entry-{number}", START + timedelta(seconds=second)
        history.joined(user_id, entry, role=role, at=at)
        rows[entry] = {
            "entry_id": entry,
            "user_id": user_id,
            "role": role,
            "joined_at": micros(at),
            "session_id": f"{CID}:1",
        }
    return World(history, rows)
