"""Records become documents and come back as they were."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import ValidationError, to_builtins
from msgspec.structs import replace
from pydantic import JsonValue

from greenroom.adapters.codec import (
    FindKeys,
    Row,
    decode,
    decode_all,
    decode_events,
    encode,
    salvaged,
)
from greenroom.adapters.sealing import SubjectKey, new_secret, seal
from greenroom.domain.errors import InvalidInput, StoreError
from greenroom.domain.membership import MemberAdded
from greenroom.domain.message import Actor, Decided, Event, EventId, RequestId, Team, UserId
from greenroom.domain.ports import Damaged
from greenroom.domain.streams import member_stream
from greenroom.domain.streams import subjects as subjects_of
from greenroom.testing.store_events import CID, added, pinned

KEYS = [SubjectKey(7, new_secret()), SubjectKey(8, new_secret())]

texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
instants = st.datetimes(
    timezones=st.builds(
        timezone,
        st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
            lambda offset: timedelta(minutes=offset // timedelta(minutes=1))
        ),
    )
)


def keys(_subjects: Sequence[str]) -> Sequence[SubjectKey]:
    return KEYS


def no_keys(subjects: Sequence[str]) -> Sequence[None]:
    return [None for _ in subjects]


def not_asked(_subjects: Sequence[str]) -> NoReturn:
    raise AssertionError("no key is needed")


def decode_event(row: Row, find_keys: FindKeys) -> Event:
    (event,) = decode_events([row], find_keys)
    return event


def row_of(decided: Decided[Event]) -> Row:
    return (5, decided.stream, decided.version, decided.event.name, encode(decided, keys))


@given(
    custom=st.dictionaries(texts, json_values, max_size=5),
    at=instants,
    user=texts,
    teams=st.lists(texts, max_size=3),
    cause=st.none() | texts,
)
def test_any_record_comes_back_as_it_was(
    custom: dict[str, JsonValue], at: datetime, user: str, teams: list[str], cause: str | None
) -> None:
    decided: Decided[Event] = Decided(
        stream=member_stream(CID, UserId("alice")),
        version=3,
        event=MemberAdded(at=at, cid=CID, user_id=UserId(user), custom=custom),
        event_id=EventId("e1"),
        by=Actor(name=user, teams=tuple(Team(team) for team in teams)),
        request_id=RequestId(user),
        correlation_id=RequestId("c1"),
        causation_id=None if cause is None else EventId(cause),
    )
    row = row_of(decided)
    record = decode(row, keys)
    assert {name: getattr(record, name) for name in Decided.__struct_fields__} == {
        name: getattr(decided, name) for name in Decided.__struct_fields__
    }
    assert record.position == 5
    assert decode_event(row, keys) == decided.event
    # The same JSON, not only equal in Python, where 1 == 1.0 == True.
    assert json.dumps(to_builtins(record.event)) == json.dumps(to_builtins(decided.event))


@given(st.dictionaries(texts, json_values, min_size=1, max_size=5))
def test_without_a_key_the_rest_of_the_record_is_still_readable(
    custom: dict[str, JsonValue],
) -> None:
    decided = added("alice", **{f"key {name}": value for name, value in custom.items()})  # type: ignore[arg-type]  # names of the test's own making, never `version`
    for event in (
        decode(row_of(decided), no_keys).event,
        decode_event(row_of(decided), no_keys),
    ):
        assert event == replace(decided.event, custom={})


def test_every_field_is_written_also_where_it_equals_its_default() -> None:
    document = json.loads(encode(added("alice"), not_asked))
    assert set(document["event"]) == set(MemberAdded.__struct_fields__)
    assert set(document["by"]) == set(Actor.__struct_fields__)
    assert set(document) == {
        "id",
        "by",
        "request_id",
        "correlation_id",
        "causation_id",
        "event",
    }


def test_keys_are_asked_for_only_where_something_is_sealed() -> None:
    for decided in (pinned(1), added("alice")):
        row = (1, decided.stream, 1, decided.event.name, encode(decided, not_asked))
        assert decode(row, not_asked).event == decided.event
        assert decode_event(row, not_asked) == decided.event


def test_the_keys_of_many_records_are_asked_for_once() -> None:
    asked: list[Sequence[str]] = []

    def counted(subjects: Sequence[str]) -> Sequence[SubjectKey]:
        asked.append(subjects)
        return keys(subjects)

    rows = [row_of(each) for each in (pinned(1), added("alice", n=1), added("alice", n=2))]
    assert list(decode_all(rows, counted, decode)) == [decode(row, keys) for row in rows]
    assert [sorted(subjects) for subjects in asked] == [sorted(subjects_of(added("alice").stream))]


def test_beside_an_unreadable_record_the_others_are_read() -> None:
    whole = row_of(added("alice", n=1))
    broken = (*whole[:4], b"{")
    before, found = decode_all([whole, broken], keys, salvaged)
    assert before == decode(whole, keys)
    assert isinstance(found, Damaged)
    one_by_one = iter(decode_all([whole, broken], keys, decode))
    assert next(one_by_one) == before
    with pytest.raises(StoreError, match="cannot be read"):
        next(one_by_one)


def test_a_sealed_field_that_the_event_does_not_have_is_told() -> None:
    decided = added("alice", n=1)
    place = f"{decided.stream}|{decided.version}".encode()
    sealed = seal(b'{"custom":{},"shoe_size":43}', keys(subjects_of(decided.stream)), place)
    document = json.loads(row_of(decided)[4]) | {"sealed": to_builtins(sealed)}
    row = (*row_of(decided)[:4], json.dumps(document).encode())
    with pytest.raises(StoreError, match="shoe_size"):
        decode(row, keys)


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), [float("inf")], "\ud800"])
def test_what_json_cannot_hold_is_refused(value: JsonValue) -> None:
    with pytest.raises(InvalidInput, match=r"member\.added"):
        encode(added("alice", broken={"deep": [value]}), keys)


@pytest.mark.parametrize("depth", [150, 180, 190, 195, 197, 198, 199, 200, 201, 250, 900])
def test_what_is_nested_too_deep_to_be_read_again_is_refused(depth: int) -> None:
    nested: JsonValue = []
    for _ in range(depth):
        nested = [nested]
    try:
        decided = added("alice", nested=nested)
        row = row_of(decided)
    except (InvalidInput, ValidationError):
        assert depth > 180
    else:
        assert decode(row, keys).event == decode_event(row, keys) == decided.event


def test_the_words_nan_and_infinity_are_words() -> None:
    decided = added("alice", NaN="Infinity and -Infinity")
    assert decode_event(row_of(decided), keys) == decided.event


@pytest.mark.parametrize("read", [decode, decode_event])
class TestWhatCannotBeRead:
    def test_a_name_of_the_future_asks_for_an_upgrade(self, read: type) -> None:
        with pytest.raises(StoreError, match=r"'call\.teleported'.* newer .* upgrade greenroom"):
            read((9, "call-livestream:123", 4, "call.teleported", b"{}"), no_keys)

    @pytest.mark.parametrize("state", [b"", b"{}", b"[]", b"\xff", b'{"event":{}}', b"{" * 3000])
    def test_a_damaged_record_is_named_with_its_place(self, read: type, state: bytes) -> None:
        place = "session-livestream:123/1 version 4 at position 9"
        with pytest.raises(StoreError, match=place):
            read((9, "session-livestream:123/1", 4, "session.pinned", state), no_keys)

    def test_a_wrong_value_is_named_by_its_field_and_not_shown(self, read: type) -> None:
        state = encode(added("alice"), not_asked).replace(b'"2026-01-01T12:00:00Z"', b'"gossip"')
        with pytest.raises(StoreError, match=r"at `\$\.event\.at`") as refused:
            read((9, "member-livestream:123/alice", 1, "member.added", state), no_keys)
        assert "gossip" not in str(refused.value)

    def test_an_unknown_field_is_not_dropped_in_silence(self, read: type) -> None:
        state = encode(pinned(1), not_asked).replace(b'"event":{', b'"event":{"mood":"good",')
        with pytest.raises(StoreError, match="field `mood`"):
            read((9, "session-livestream:123/1", 1, "session.pinned", state), no_keys)

    def test_sealed_data_of_another_record_is_an_error(self, read: type) -> None:
        _, stream, _, name, state = row_of(added("alice", phone="123"))
        with pytest.raises(StoreError, match=r"version 2 .* moved here"):
            read((9, stream, 2, name, state), keys)
