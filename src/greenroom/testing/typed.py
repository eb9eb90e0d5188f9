"""Strategies by type: for every event, every command, ids and settings.

`by_type` tells Hypothesis of them. What they draw has the shape that its type says, and sense only
by chance: legal histories are what `strategies.courses` draws. What both draw is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import fields

from greenroom.domain.message import CallId, EntryId, Role, Team, UserId
from greenroom.domain.settings import Settings, SettingsPatch

Drawn = st.SearchStrategy[Any]


def some_of(**fields: Drawn) -> Drawn:
    """Any of these fields, or none."""
    return st.fixed_dictionaries({}, optional=fields)


_MILLISECONDS: Final = st.sampled_from((None, 5_000, 60_000))
SETTINGS: Final = some_of(
    recording=some_of(mode=st.sampled_from((None, "disabled", "auto-on"))),
    session=some_of(inactivity_timeout_seconds=st.sampled_from((None, 0, 5, 30))),
    limits=some_of(
        max_duration_seconds=st.sampled_from((None, 10, 60)),
        max_participants=st.sampled_from((None, 1, 2)),
        max_participants_exclude_owner=st.booleans(),
        max_participants_exclude_roles=st.sampled_from(([], ["host"], ["guest"])),
    ),
    ring=some_of(auto_cancel_timeout_ms=_MILLISECONDS, missed_call_timeout_ms=_MILLISECONDS),
    backstage=some_of(enabled=st.sampled_from((None, True, False))),
)
"""Of a call or of a type, in part; few values, so that the rules meet."""
_NAME: Final = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
_JSON: Final = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=4,
    ),
    max_size=3,
)
_INSTANT: Final = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001 - it gets its zone below
    datetime(2100, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)
_IDS: Final[Mapping[Any, st.SearchStrategy[Any]]] = {
    CallId: st.builds("{}:{}".format, _NAME, _NAME),
    EntryId: _NAME,
    Role: _NAME,
    Team: _NAME,
    UserId: st.sampled_from(("thierry", "tommaso", "alice", "charlie", "jaewoong")) | _NAME,
}
_MAPPINGS: Final = (dict, Mapping)
_WHOLE_SETTINGS: Final = SETTINGS.map(Settings().overridden)
_RECORDED_SETTINGS: Final = _WHOLE_SETTINGS.map(lambda whole: whole.model_dump(mode="json"))
"""As an event holds them whole."""
_PLAIN: Final[Mapping[type, st.SearchStrategy[Any]]] = {
    bool: st.booleans(),
    int: st.integers(1, 2**31),
    float: st.floats(0, 1e9),
    str: _NAME,
    datetime: _INSTANT,
    timedelta: st.integers(0, 900).map(lambda seconds: timedelta(seconds=seconds)),
    Settings: _WHOLE_SETTINGS,
}


@cache
def _of_struct(kind: type[Struct]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    drawn = {
        one.name: _of_field(one.name, hints[one.name])
        for one in fields(kind)
        if one.required or Callable not in _mentioned(hints[one.name])
    }
    return st.builds(kind, **drawn)


def _mentioned(hint: Any) -> set[Any]:
    """The containers that a type is made of."""
    found = {get_origin(hint)}
    return found.union(*(_mentioned(one) for one in get_args(hint) if get_origin(one)))


def _of_field(name: str, hint: Any) -> st.SearchStrategy[Any]:
    if name == "settings" and hint == SettingsPatch:
        return SETTINGS
    if name == "settings" and get_origin(hint) is dict:
        return _RECORDED_SETTINGS
    return strategy_of(hint)


def strategy_of(hint: Any) -> Drawn:
    """What draws an event, a command, an id, `Settings`, or what their fields are made of.

    Raises:
        TypeError: the domain has no such type.
    """
    if hint in _IDS:
        return _IDS[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        return st.one_of(*map(strategy_of, inner))
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple:
        several = inner[-1] is Ellipsis
        return (
            st.lists(strategy_of(inner[0]), max_size=3).map(tuple)
            if several
            else st.tuples(*map(strategy_of, inner))
        )
    if origin is frozenset:
        return st.frozensets(strategy_of(inner[0]), max_size=4)
    if origin in _MAPPINGS:
        keys, values = inner
        if values is Any:
            return _JSON
        return st.dictionaries(strategy_of(keys), strategy_of(values), max_size=2)
    return _of_class(hint)


def _of_class(kind: Any) -> st.SearchStrategy[Any]:
    if kind is NoneType:
        return st.none()
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _of_struct(kind)
    raise TypeError(f"no strategy for {kind!r}")
