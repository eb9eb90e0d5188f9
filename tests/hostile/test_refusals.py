"""The table of what is refused: where the fault is, what was expected, what comes nearest."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, cast

import pytest
from tests.hostile.conftest import POSTGRES, NewStore, new_stores
from tests.hostile.entry_points import START, House

from greenroom import Backstage, CallHandle, Greenroom, Member, asc, desc, errors
from greenroom.domain.errors import InvalidInput


@dataclass(frozen=True)
class Hostile:
    """One thing that nobody may ask, and the refusal."""

    ask: Callable[[House], object]
    path: str
    expected: str
    """A part of what the refusal says was expected."""
    nearest: str | None = None
    error: type[InvalidInput] = InvalidInput


def calling(method: str, *arguments: object, **named: object) -> Callable[[House], object]:
    return lambda house: getattr(house.call, method)(*arguments, **named)


def members_with(custom: object) -> Callable[[House], object]:
    return lambda house: house.call.add_members([Member("charlie", custom=custom)])  # type: ignore[arg-type]  # that is the point


def querying(**query: Any) -> Callable[[House], object]:
    return lambda house: house.call.query_members(**query)


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def wrapped(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"role": "host"}
    for _ in range(levels):
        value = {"$and": [value]}
    return value


_NAME = "1 to 64 of A-Z a-z 0-9 _ -"
_USER = "1 to 128 of A-Z a-z 0-9 _ @ . + | = ~ -"
_NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - that is the point
_CROWD = [f"user-{n}" for n in range(101)]

IDS: Final = {
    "a call type with a colon": Hostile(lambda h: h.thierry.call("a:b", "1"), "type", _NAME),
    "no call type": Hostile(lambda h: h.thierry.call("", "1"), "type", _NAME),
    "a call id of 65": Hostile(lambda h: h.thierry.call("default", "a" * 65), "id", _NAME),
    "a call id with a slash": Hostile(lambda h: h.thierry.call("default", "a/b"), "id", _NAME),
    "a call id with a newline": Hostile(lambda h: h.thierry.call("default", "a\n"), "id", _NAME),
    "a call id in Arabic digits": Hostile(lambda h: h.thierry.call("default", "١٢"), "id", _NAME),
    "a user with a slash": Hostile(lambda h: h.room.as_user("a/b"), "user_id", _USER),
    "a user that is the system": Hostile(
        lambda h: h.room.as_user("system:timers"), "user_id", _USER
    ),
    "a user of 129": Hostile(lambda h: h.room.as_user("a" * 129), "user_id", _USER),
    "a user with a space": Hostile(lambda h: h.room.as_user("ann lee"), "user_id", _USER),
    "a system without a name": Hostile(lambda h: h.room.system(""), "name", _NAME),
    "a role of 65": Hostile(lambda h: h.room.as_user("ann", role="r" * 65), "role", _NAME),
    "a team with a dot": Hostile(lambda h: h.room.as_user("ann", teams=["a.b"]), "teams[0]", _NAME),
    "teams as one text": Hostile(
        lambda h: h.room.as_user("ann", teams="stream"), "teams", "a list"
    ),
    "members as one text": Hostile(calling("create", member_ids="alice"), "member_ids", "a list"),
    "a request id with a space": Hostile(
        calling("end", request_id="once more"), "request_id", "printable ASCII"
    ),
    "a request id of 129": Hostile(calling("end", request_id="x" * 129), "request_id", "1 to 128"),
    "a member of no id": Hostile(
        calling("create", members=[Member("alice"), Member("")]), "members[1].user_id", _USER
    ),
    "a member twice": Hostile(
        calling("add_members", [Member("ann"), Member("ann")]), "members[1].user_id", "once"
    ),
    "a tuple for a member": Hostile(
        calling("add_members", [("ann", "host")]), "members[0]", "a Member"
    ),
    "101 members": Hostile(
        calling("add_members", [Member(user) for user in _CROWD]), "members", "at most 100"
    ),
    "101 members in two lists": Hostile(
        calling("create", members=[Member("alice")], member_ids=_CROWD[:100]),
        "members",
        "at most 100",
    ),
    "101 to remove": Hostile(calling("remove_members", _CROWD), "user_ids", "at most 100"),
    "26 to ring": Hostile(calling("ring", _CROWD[:26]), "member_ids", "at most 25"),
    "nobody to ring": Hostile(calling("ring", []), "member_ids", "at least one"),
    "101 to notify": Hostile(calling("notify", _CROWD), "member_ids", "at most 100"),
    "101 to mute": Hostile(calling("mute", _CROWD, audio=True), "user_ids", "at most 100"),
    "muting nothing": Hostile(calling("mute", ["alice"]), "audio", "at least one of audio, video"),
}

TIMES: Final = {
    "a naive start": Hostile(calling("create", starts_at=_NAIVE), "starts_at", "aware datetime"),
    "a naive new start": Hostile(calling("update", starts_at=_NAIVE), "starts_at", "time zone"),
    "a start as text": Hostile(
        calling("create", starts_at="2026-01-01T12:00:00Z"), "starts_at", "a datetime"
    ),
    "a start in 1969": Hostile(
        calling("create", starts_at=START.replace(year=1969)), "starts_at", "between the years"
    ),
    "a start in the year 9999": Hostile(
        calling("create", starts_at=datetime.max.replace(tzinfo=UTC)), "starts_at", "between"
    ),
    "a start before all time": Hostile(
        calling("create", starts_at=datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))),
        "starts_at",
        "between the years",
    ),
    "no duration": Hostile(calling("create", max_duration=0), "max_duration", "from 1 to"),
    "a duration of centuries": Hostile(
        calling("create", max_duration=10**12), "max_duration", "from 1 to 31622400"
    ),
    "a duration that is True": Hostile(
        calling("create", max_duration=True), "max_duration", "a whole number"
    ),
    "no participants": Hostile(
        calling("create", max_participants=0), "max_participants", "from 1 to 1000000"
    ),
    "a negative join-ahead time": Hostile(
        calling("create", backstage=Backstage(join_ahead_time_seconds=-1)),
        "backstage.join_ahead_time_seconds",
        "from 0 to",
    ),
    "a past that was never": Hostile(lambda h: h.room.at(10**6), "moment", "a whole number from 0"),
    "a past that is to come": Hostile(
        lambda h: h.room.at(START + timedelta(days=1)), "moment", "has come"
    ),
    "a naive past": Hostile(lambda h: h.room.at(_NAIVE), "moment", "aware"),
}

JSON: Final = {
    "custom of 64 KiB and one": Hostile(
        calling("create", custom={"a": "x" * (64 * 1024 - 7)}), "custom", "at most 65536 bytes"
    ),
    "custom of 64 KiB in two bytes a letter": Hostile(
        calling("create", custom={"a": "é" * (40 * 1024)}), "custom", "at most 65536 bytes"
    ),
    "member custom of 8 KiB and one": Hostile(
        members_with({"a": "x" * (8 * 1024 - 7)}), "members[0].custom", "at most 8192 bytes"
    ),
    "custom of a million nulls": Hostile(
        calling("create", custom={"a": [None] * 1_000_000}), "custom", "at most 65536 bytes"
    ),
    "custom that grows past 64 KiB": Hostile(
        calling("update", custom={"more": "x" * 33_000}),
        "custom",
        "at most 65536 bytes",
    ),
    "custom of 33 levels": Hostile(
        calling("create", custom={"a": nested(32)}), f"custom.a{'[0]' * 31}", "at most 32 levels"
    ),
    "custom of NaN": Hostile(
        calling("create", custom={"a": [float("nan")]}), "custom.a[0]", "finite"
    ),
    "custom of infinity": Hostile(
        calling("create", custom={"a": float("-inf")}), "custom.a", "finite"
    ),
    "custom with NUL": Hostile(calling("create", custom={"a": "\0"}), "custom.a", "without NUL"),
    "a NUL in a key": Hostile(calling("create", custom={"\0": 1}), "custom", "without NUL"),
    "half a character": Hostile(calling("create", custom={"a": "\ud83d"}), "custom.a", "surrogate"),
    "an integer past 2^53": Hostile(
        calling("create", custom={"a": 2**53 + 1}), "custom.a", "between -2^53 and 2^53"
    ),
    "custom that is a list": Hostile(calling("create", custom=[1]), "custom", "a JSON object"),
    "custom that is false": Hostile(
        lambda h: cast("Any", h.room.users).upsert("ann", custom=False), "custom", "a JSON object"
    ),
    "member custom that is nought": Hostile(members_with(0), "members[0].custom", "a JSON object"),
    "custom with a number for a key": Hostile(
        calling("create", custom={1: 1}), "custom", "text keys"
    ),
    "custom with a datetime": Hostile(
        calling("create", custom={"at": START}), "custom.at", "not datetime"
    ),
    "an event of 8 KiB and more": Hostile(
        calling("send_event", {"a": "x" * 8192}), "custom", "at most 8192 bytes"
    ),
    "a reason that is a story": Hostile(
        calling("reject", "x" * 201), "reason", "at most 200 characters"
    ),
    "a user's custom past 8 KiB": Hostile(
        lambda h: h.room.users.upsert("ann", custom={"a": "x" * 8192}), "custom", "at most 8192"
    ),
    "a name of 201": Hostile(
        lambda h: h.room.users.upsert("ann", name="x" * 201), "name", "at most 200 characters"
    ),
    "a listener that cannot listen": Hostile(calling("watch", "me"), "listener", "a function"),
}

NAMES: Final = {
    "an unknown capability": Hostile(
        lambda h: h.room.call_types.grant("default", role="user", capability="join-calls"),
        "capability",
        "capabilities",
        "join-call",
    ),
    "a capability nothing like any": Hostile(
        lambda h: h.room.call_types.revoke("default", role="user", capability="xyzzy"),
        "capability",
        "capabilities",
    ),
    "an unknown permission": Hostile(
        calling("request_permissions", ["send-vdeo"]),
        "permissions[0]",
        "capabilities",
        "send-video",
    ),
    "a permission nobody can be given": Hostile(
        calling("grant_permissions", "alice", ["end-call"]), "permissions[0]", "one of screenshare"
    ),
    "no permission": Hostile(calling("request_permissions", []), "permissions", "at least one"),
    "an unknown group of settings": Hostile(
        calling("create", settings={"limit": {}}), "settings.limit", "a group", "limits"
    ),
    "an unknown setting": Hostile(
        calling("update", settings={"limits": {"max_participant": 1}}),
        "settings.limits.max_participant",
        "a setting of limits",
        "max_participants",
    ),
    "a setting of the wrong type": Hostile(
        calling("create", settings={"video": {"enabled": "yes"}}),
        "settings.video.enabled",
        "valid boolean",
    ),
    "a setting out of bounds": Hostile(
        lambda h: h.room.call_types.update(
            "default", settings={"ring": {"auto_cancel_timeout_ms": 1}}
        ),
        "settings.ring.auto_cancel_timeout_ms",
        "greater than or equal to 5000",
    ),
    "a group that is no object": Hostile(
        calling("create", settings={"limits": 5}), "settings.limits", "an object"
    ),
    "an unknown kind of field": Hostile(
        lambda h: h.room.call_types.create("t", indexed_custom={"members": {"color": "text"}}),
        "indexed_custom.members.color",
        "one of string, number, boolean, instant",
    ),
    "a field that no filter can name": Hostile(
        lambda h: h.room.call_types.create("t", indexed_custom={"calls": {"1st": "string"}}),
        "indexed_custom.calls.1st",
        "a letter or _",
    ),
    "a role that nobody can have": Hostile(
        calling(
            "create", settings={"limits": {"max_participants_exclude_roles": ["host", "a host"]}}
        ),
        "settings.limits.max_participants_exclude_roles[1]",
        "text of the form",
    ),
    "an unknown place of fields": Hostile(
        lambda h: h.room.call_types.create("t", indexed_custom={"member": {}}),
        "indexed_custom.member",
        "members or calls",
        "members",
    ),
    "an unknown command": Hostile(
        calling("explain", "go_lives"), "operation", "the name of a command", "go_live"
    ),
    "a command's unknown argument": Hostile(
        calling("explain", "join", now=True), "arguments", "what join takes"
    ),
}

QUERIES: Final = {
    "an unknown field": Hostile(
        querying(filters={"user_idd": "a"}),
        "filters.user_idd",
        "one of",
        "user_id",
        errors.InvalidFilter,
    ),
    "an unknown operator": Hostile(
        querying(filters={"role": {"$eqq": "a"}}),
        "filters.role.$eqq",
        "$eq",
        "$eq",
        errors.InvalidFilter,
    ),
    "an unknown combination": Hostile(
        querying(filters={"$andd": []}), "filters.$andd", "$and", "$and", errors.InvalidFilter
    ),
    "a value of the wrong type": Hostile(
        querying(filters={"created_at": 5}),
        "filters.created_at",
        "aware datetime",
        error=errors.InvalidFilter,
    ),
    "a naive instant": Hostile(
        querying(filters={"created_at": {"$gt": _NAIVE}}),
        "filters.created_at.$gt",
        "aware datetime",
        error=errors.InvalidFilter,
    ),
    "a bomb of levels": Hostile(
        querying(filters=wrapped(2_000)),
        f"filters{'.$and[0]' * 6}",
        "at most 5",
        error=errors.InvalidFilter,
    ),
    "a bomb of comparisons": Hostile(
        querying(filters={"$or": [{"role": str(n)} for n in range(32)]}),
        "filters.$or[31]",
        "at most 32",
        error=errors.InvalidFilter,
    ),
    "a bomb of values": Hostile(
        querying(filters={"role": {"$in": ["a"] * 101}}),
        "filters.role.$in",
        "1 to 100 values",
        error=errors.InvalidFilter,
    ),
    "a megabyte to look for": Hostile(
        querying(filters={"role": "x" * 1_000_000}),
        "filters.role",
        "at most 512 characters",
        error=errors.InvalidFilter,
    ),
    "a path with a quote": Hostile(
        querying(filters={"custom.a'b": 1}),
        "filters.custom.a'b",
        "keys",
        error=errors.InvalidFilter,
    ),
    "a path of nine keys": Hostile(
        querying(filters={"custom" + ".a" * 9: 1}),
        f"filters.custom{'.a' * 9}",
        "1 to 8 keys",
        error=errors.InvalidFilter,
    ),
    "an integer past 2^53 to look for": Hostile(
        querying(filters={"custom.a": 2**53 + 1}),
        "filters.custom.a",
        "2^53",
        error=errors.InvalidFilter,
    ),
    "not a number to look for": Hostile(
        querying(filters={"custom.a": float("nan")}),
        "filters.custom.a",
        "finite",
        error=errors.InvalidFilter,
    ),
    "a sort by what has no order": Hostile(
        querying(sort=[asc("user_i")]),
        "sort[0]",
        "user_id, created_at",
        "user_id",
        errors.InvalidSort,
    ),
    "a sort by three": Hostile(
        querying(sort=[asc("user_id"), asc("created_at"), desc("user_id")]),
        "sort",
        "at most 2",
        error=errors.InvalidSort,
    ),
    "a sort in words": Hostile(
        querying(sort=["created_at"]), "sort[0]", "asc(field)", error=errors.InvalidSort
    ),
    "no rows": Hostile(querying(limit=0), "limit", "from 1 to 1000"),
    "too many rows": Hostile(querying(limit=1001), "limit", "from 1 to 1000"),
    "a forged cursor": Hostile(
        querying(cursor="bm90IG91cnMgYXQgYWxsLCBub3QgYXQgYWxs"),
        "cursor",
        "this very query",
        error=errors.InvalidCursor,
    ),
    "a cursor that is noise": Hostile(
        querying(cursor="\ud800 \0"), "cursor", "this very query", error=errors.InvalidCursor
    ),
    "a position to come": Hostile(querying(at_least=10**9), "at_least", "a whole number from 0 to"),
}

TABLE: Final = {**IDS, **TIMES, **JSON, **NAMES, **QUERIES}


MOST_SECONDS: Final = 0.5
MOST_BYTES: Final = 1_000_000
"""At once, while something is refused; none of it is kept."""


@pytest.fixture(
    scope="module", params=["memory", pytest.param("sqlite", marks=pytest.mark.slow), POSTGRES]
)
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    with new_stores(request)() as url, House.build(url) as built:
        built.call.add_members([Member(f"crowd-{n}") for n in range(30)])
        built.call.update(custom={"much": "x" * 33_000})
        gc.freeze()  # what is there already is not gone through again at each collection
        yield built
        gc.unfreeze()


def refused(name: str, house: House) -> InvalidInput:
    hostile = TABLE[name]
    with pytest.raises(InvalidInput) as refusal:
        hostile.ask(house)
    return refusal.value


@pytest.mark.parametrize("name", TABLE)
def test_is_refused_where_it_is_wrong_and_nothing_is_recorded(name: str, house: House) -> None:
    hostile = TABLE[name]
    before = house.room.position
    refusal = refused(name, house)
    assert type(refusal) is hostile.error
    assert refusal.path == hostile.path
    assert hostile.expected in refusal.expected
    assert refusal.nearest == hostile.nearest
    assert house.room.position == before


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE)
def test_is_refused_at_once_and_leaves_nothing_in_memory(name: str, house: House) -> None:
    assert any(seconds(name, house) < MOST_SECONDS for _ in range(10))  # others are busy, too
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(2):
            refused(name, house)
        gc.collect()  # a refusal and the frames that it went through hold each other
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < MOST_BYTES
    assert after - before < MOST_BYTES / 10


def seconds(name: str, house: House) -> float:
    began = time.perf_counter()
    refused(name, house)
    return time.perf_counter() - began


def test_the_largest_and_deepest_that_is_allowed_is_kept_as_it_was(house: House) -> None:
    call = house.thierry.call("default", "large")
    custom = {"a": "x" * (64 * 1024 - 8), "i": -(2**53)}
    custom["a"] = custom["a"][: -len(',"i":-9007199254740992')]  # type: ignore[index]  # the text
    assert call.create(custom=custom).custom == custom
    deep = {"a": nested(31)}
    assert house.thierry.call("default", "deep").create(custom=deep).custom == deep


def test_a_cursor_serves_nobody_else_and_no_other_query(house: House) -> None:
    cursor = house.call.query_members(limit=5).next
    assert cursor is not None
    assert house.call.query_members(limit=7, cursor=cursor).items
    alice = house.room.as_user("alice").call("default", house.call.id)
    other = house.thierry.call("default", "other")
    other.create(member_ids=["alice"])
    for asked in (
        lambda: alice.query_members(limit=5, cursor=cursor),
        lambda: other.query_members(limit=5, cursor=cursor),
        lambda: house.call.query_participants(limit=5, cursor=cursor),
        lambda: house.call.query_members(filters={"role": "host"}, cursor=cursor),
        lambda: house.call.query_members(sort=[desc("user_id")], cursor=cursor),
        lambda: house.call.query_members(
            cursor=cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")
        ),
    ):
        with pytest.raises(errors.InvalidCursor):
            asked()


def test_a_cursor_of_another_store_is_foreign(house: House) -> None:
    cursor = house.call.query_members(limit=5).next
    with Greenroom.open("memory://") as elsewhere:
        call = elsewhere.as_user("thierry", role="admin").call("default", "appointment-7")
        call.create(member_ids=[f"crowd-{n}" for n in range(30)])
        with pytest.raises(errors.InvalidCursor):
            call.query_members(limit=5, cursor=cursor)


@pytest.mark.slow
def test_refusing_hundreds_of_times_takes_no_memory_to_speak_of(house: House) -> None:
    def ask_all() -> None:
        for name in TABLE:
            refused(name, house)

    ask_all()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(3):
            ask_all()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 500_000
    assert peak - before < MOST_BYTES


def test_what_was_answered_is_the_askers_own(house: House) -> None:
    call = house.thierry.call("default", "mine")
    custom: dict[str, Any] = {"tags": ["red"], "inner": {"a": 1}}
    state = call.create(custom=custom, members=[Member("thierry", custom={"tags": [1]})])
    custom["tags"].append("sent")
    answered: Any = state.custom
    answered["tags"].append("answered")
    answered["inner"]["b"] = 2
    assert state.membership is not None
    kept: Any = state.membership.custom
    kept["tags"].append(2)
    again = call.get()
    assert again.custom == {"tags": ["red"], "inner": {"a": 1}}
    assert again.membership is not None
    assert again.membership.custom == {"tags": [1]}
    heard: list[Any] = []
    stop = call.watch(lambda _, event: heard.append(event))
    call.send_event(custom)
    custom["tags"].append("later")
    stop()
    assert heard == [{"tags": ["red", "sent"], "inner": {"a": 1}}]


def test_a_request_id_serves_one_command_only(house: House) -> None:
    call = house.thierry.call("default", "once")
    call.create(custom={"a": 1}, request_id="create-once")
    position = house.room.position
    assert call.create(custom={"a": 1}, request_id="create-once").created
    other: list[Callable[[CallHandle], object]] = [
        lambda one: one.create(custom={"a": 2}, request_id="create-once"),
        lambda one: one.end(request_id="create-once"),
    ]
    for ask in other:
        with pytest.raises(errors.RequestMismatch):
            ask(call)
    with pytest.raises(errors.RequestMismatch):
        house.room.as_user("alice").call("default", "once").create(
            custom={"a": 1}, request_id="create-once"
        )
    assert house.room.position == position


@pytest.mark.parametrize(
    "ask",
    [
        lambda h: h.call.get(),
        lambda h: h.call.join(),
        lambda h: h.call.query_members(),
        lambda h: h.call.history(),
        lambda h: h.call.explain("join"),
        lambda h: h.thierry.query_calls(),
        lambda h: h.room.call_types.get("default"),
        lambda h: h.room.users.upsert("alice"),
        lambda h: h.room.position,
        lambda h: h.room.at(1),
        lambda h: h.room.rebuild(),
        lambda h: h.entry.leave(),
        lambda h: h.call.get().session,
    ],
)
def test_a_closed_room_says_so(ask: Callable[[House], object], new_store: NewStore) -> None:
    with new_store() as url, House.build(url) as house:
        house.room.close()
        house.room.close()
        with pytest.raises(errors.StoreClosed):
            ask(house)
