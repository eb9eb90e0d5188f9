"""Random queries, for Hypothesis: filters, sorts and pages that meet what there is.

Participants are always sorted: of two who joined at one instant nobody can say who came first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from hypothesis import strategies as st

from greenroom.testing.history import START

Drawn = st.SearchStrategy[Any]

_PEOPLE: Final = ("thierry", "tommaso", "alice", "charlie", "jaewoong")
_COLORS: Final = ("red", 0, 1, True, False)
_INSTANTS: Final = st.sampled_from((0, 1, 5, 60)).map(lambda n: START + timedelta(seconds=n))


def _one_of(field: str, values: Sequence[Any]) -> Drawn:
    """The field held against some of these values."""
    value, some = st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=2)
    compared = st.one_of(
        value,
        st.builds(lambda op, one: {op: one}, st.sampled_from(("$eq", "$ne")), value),
        st.builds(lambda op, ones: {op: ones}, st.sampled_from(("$in", "$nin")), some),
    )
    return compared.map(lambda said: {field: said})


def _between(field: str, value: Drawn) -> Drawn:
    """The field held against a bound, or two."""
    bounds = st.dictionaries(st.sampled_from(("$gt", "$gte", "$lt", "$lte")), value, min_size=1)
    return bounds.map(lambda said: {field: said})


def _there(field: str) -> Drawn:
    """Whether the field says anything."""
    return st.booleans().map(lambda said: {field: {"$exists": said}})


def _filters(*comparisons: Drawn) -> Drawn:
    """Comparisons, alone and combined."""
    one = st.one_of(*comparisons)
    several = st.lists(one, min_size=1, max_size=2)
    combined = st.builds(
        lambda key, of: {key: of}, st.sampled_from(("$and", "$or", "$nor")), several
    )
    both = st.builds(lambda first, second: {**first, **second}, one, combined)
    return st.one_of(one, combined, both)


def _sorts(*sorts: Sequence[str]) -> Drawn:
    return st.sampled_from([list(sort) for sort in sorts])


_NAMED: Final = st.sampled_from(("t", "AL", "charlie")).map(
    lambda prefix: {"user_id": {"$autocomplete": prefix}}
)
_LIMIT: Final = {"limit": st.sampled_from((1, 2, 25))}
WRITTEN: Final = ("2026-01-01T12:00:05Z", "2026-01-01T13:00:01+01:00", "2026-01-01T12:00:01Z")
"""Instants as custom data holds them: in another order as text than in time."""
_CUSTOM: Final = (
    _one_of("custom.when", WRITTEN),
    _there("custom.when"),
    _between("custom.when", st.sampled_from(WRITTEN)),
    _one_of("custom.color", _COLORS),
    _there("custom.color"),
    _there("custom.plan.deep"),
    _between("custom.color", st.sampled_from((0, 1, "red"))),
)

NEEDED: Final[Mapping[str, Mapping[str, Drawn]]] = {
    "query_calls": {},
    "query_members": {},
    "query_participants": {
        "sort": _sorts(
            ["user_id"], ["-user_id"], ["joined_at", "user_id"], ["-joined_at", "user_id"]
        )
    },
    "query_sessions": {},
}
"""What each query is asked with."""
OPTIONAL: Final[Mapping[str, Mapping[str, Drawn]]] = {
    "query_calls": {
        "filters": _filters(
            _one_of("created_by", _PEOPLE),
            _one_of("team", ("blue", "red")),
            _there("team"),
            _one_of("backstage", (True, False)),
            _one_of("ongoing", (True, False)),
            _one_of("type", ("default", "livestream")),
            _there("ended_at"),
            _between("starts_at", _INSTANTS),
            st.sampled_from(_PEOPLE).map(lambda user: {"members": {"$contains": user}}),
            st.sampled_from(_PEOPLE).map(lambda user: {"members": {"$in": [user, "thierry"]}}),
            *_CUSTOM,
        ),
        "sort": _sorts(["starts_at", "cid"], ["-ended_at"]),
        **_LIMIT,
    },
    "query_members": {
        "filters": _filters(
            _one_of("user_id", _PEOPLE),
            _one_of("role", ("host", "call_member", "admin")),
            _one_of("user.role", ("user", "admin")),
            _between("created_at", _INSTANTS),
            _between("user_id", st.sampled_from(_PEOPLE)),
            _NAMED,
            *_CUSTOM,
        ),
        "sort": _sorts(
            ["user_id"],
            ["-user_id"],
            ["created_at"],
            ["-created_at"],
            ["created_at", "-user_id"],
            ["-created_at", "user_id"],
        ),
        **_LIMIT,
    },
    "query_participants": {
        "filters": _filters(_one_of("user_id", _PEOPLE), _between("joined_at", _INSTANTS), _NAMED),
        **_LIMIT,
    },
    "query_sessions": {
        "filters": _filters(
            _between("started_at", _INSTANTS),
            _between("duration", st.sampled_from((0, 5, 30))),
            _there("ended_at"),
        ),
        "sort": _sorts(["started_at"], ["-started_at"]),
        **_LIMIT,
    },
}
"""And with what it may be asked, too."""
