"""A snapshot spares work and changes nothing: not where it is old, damaged, foreign or gone."""

from __future__ import annotations

import hashlib
import inspect
import logging
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from statistics import median
from time import process_time
from types import FunctionType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from immutables import Map
from tests.house.golden_story import told
from tests.projections.histories import histories
from tests.projections.history import EVIDENCE
from tests.projections.history import History as Told

from greenroom import snapshots
from greenroom.adapters.stores import MemoryStore, SQLiteStore
from greenroom.domain.access import USER
from greenroom.domain.errors import Refused
from greenroom.domain.merge import same_json
from greenroom.domain.message import EntryId, Event, StreamId, UserId
from greenroom.domain.ports import EventStore, Snapshot
from greenroom.domain.session_events import Joined, Left, LeftReason
from greenroom.domain.settings import Settings
from greenroom.domain.streams import DECIDERS, EVENTS, decider_of, member_stream, user_stream
from greenroom.domain.turn import Folded
from greenroom.domain.user import User
from greenroom.folding import fold
from greenroom.snapshots import FOLDS, LONG, format_of, load, restored, snapshot
from greenroom.states import States
from greenroom.testing.history import History
from greenroom.testing.store_events import AT, CID, STAGE, added, decided, pinned, upserted
from greenroom.testing.strategies import courses

ALICE = user_stream(UserId("alice"))
AS_MEMBER = member_stream(CID, UserId("alice"))


# From a state to bytes and back


def streams(history: Told) -> dict[StreamId, list[Event]]:
    found: dict[StreamId, list[Event]] = defaultdict(list)
    for _, record in history.pairs:
        found[record.stream].append(record.event)
    return found


def check_cut(stream: StreamId, events: list[Event], cut: int) -> None:
    """Folding on from a snapshot leads to where folding all of it does."""
    decider = decider_of(stream)
    kept = snapshot(stream, Folded(decider.fold(events[:cut]), cut))
    start = restored(stream, kept)
    assert start is not None
    assert start.version == cut
    assert decider.fold(events[cut:], start.state) == decider.fold(events)


@given(histories(), st.data())
def test_a_snapshot_of_any_beginning_leads_to_the_same_end(history: Told, data: Any) -> None:
    for stream, events in streams(history).items():
        check_cut(stream, events, data.draw(st.integers(0, len(events))))


@pytest.mark.slow
@given(courses(longest=15), st.data())
def test_so_it_does_for_whatever_the_rules_let_happen(course: list[Any], data: Any) -> None:
    history = History()
    for wish in course:
        with suppress(Refused):
            history.carry_out(wish)
    for stream in history.states:
        events = history._events[stream]
        check_cut(stream, events, data.draw(st.integers(0, len(events))))


TEXT = st.text(max_size=4)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXT,
    ),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=10,
)


@given(st.dictionaries(TEXT, JSON))
def test_what_people_made_up_comes_back_to_the_letter(custom: dict[str, Any]) -> None:
    again = restored(ALICE, snapshot(ALICE, Folded(User(known=True, custom=custom), 1)))
    assert again is not None
    assert same_json(again.state.custom, custom)
    assert repr(again.state.custom) == repr(custom), "1 is not 1.0"


def test_a_state_holds_what_it_held_before_in_the_same_types() -> None:
    session = decider_of(STAGE).fold([joined(1), joined(2)])
    again = restored(STAGE, snapshot(STAGE, Folded(session, 2)))
    assert again is not None
    assert again == Folded(session, 2)
    assert isinstance(again.state.entries, Map)
    for name, value in DECIDERS.items():
        there = restored(
            StreamId(f"{name}-x"), snapshot(StreamId(f"{name}-x"), Folded(value.initial, 0))
        )
        assert there is not None
        for field in snapshots._fields(type(value.initial)):
            before, after = (getattr(state, field) for state in (value.initial, there.state))
            assert type(before) is type(after), f"{name}.{field}"


# Loading


def joined(number: int) -> Joined:
    return Joined(
        at=AT,
        cid=CID,
        session=1,
        entry_id=EntryId(f"entry-{number}"),
        user_id=UserId(f"user-{number}"),
        role=USER,
        claimed=False,
        counts=True,
        evidence=EVIDENCE,
    )


def coming_and_going(count: int) -> list[Event]:
    """So many events of one session; at any time ten people are there."""
    events: list[Event] = [joined(number) for number in range(10)]
    for number in range(10, count // 2 + 10):
        left = Left(
            at=AT,
            cid=CID,
            session=1,
            entry_id=EntryId(f"entry-{number - 10}"),
            user_id=UserId(f"user-{number - 10}"),
            reason=LeftReason.LEFT,
        )
        events += [joined(number), left]
    return events[:count]


def write(store: EventStore, stream: StreamId, events: Sequence[Event]) -> None:
    store.append([decided(event, stream, number) for number, event in enumerate(events, 1)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    with closing(SQLiteStore(path)) as store:
        yield store


class Reads:
    """What was read of a store: past which version, and how many events."""

    def __init__(self, store: EventStore, patch: pytest.MonkeyPatch) -> None:
        self.events: list[int] = []
        self.after: list[int] = []
        read = store.events

        def noted(stream: StreamId, *, after: int = 0, until: int | None = None) -> Iterator[Event]:
            self.after.append(after)
            self.events.append(0)
            for event in read(stream, after=after, until=until):
                self.events[-1] += 1
                yield event

        patch.setattr(store, "events", noted)


def test_a_long_stream_is_read_on_from_where_it_was_when_it_was_last_loaded(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, STAGE, coming_and_going(2 * LONG))
    last = 2 * LONG
    first = load(store, STAGE)
    store.append([pinned(last + 1)])
    reads = Reads(store, monkeypatch)
    second = load(store, STAGE)
    assert reads.events == [LONG, 1]
    assert reads.after == [0, last]
    assert (first.version, second.version) == (last, last + 1)
    assert second == fold(store, STAGE)


def test_of_a_short_stream_nothing_is_kept_and_no_snapshot_asked_for(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, STAGE, coming_and_going(LONG - 1))
    monkeypatch.delattr(store.recorder.__class__, "snapshot")
    monkeypatch.delattr(store.recorder.__class__, "keep_snapshot")
    assert load(store, STAGE) == fold(store, STAGE)


def test_the_next_is_taken_only_after_as_many_events_again(store: SQLiteStore) -> None:
    events = coming_and_going(2 * LONG)
    write(store, STAGE, events[:LONG])
    kept = []
    for version in (LONG, 2 * LONG - 1, 2 * LONG):
        before = store.position()
        store.append([decided(events[n], STAGE, n + 1) for n in range(before, version)])
        load(store, STAGE)
        kept.append(store.shelf(STAGE).snapshot())
    assert [one and one.version for one in kept] == [LONG, LONG, 2 * LONG]


def test_a_state_that_was_known_before_is_read_on_and_not_kept(store: SQLiteStore) -> None:
    write(store, STAGE, coming_and_going(2 * LONG))
    known = Folded(decider_of(STAGE).initial, 0)
    assert load(store, STAGE, known) == fold(store, STAGE)
    assert store.shelf(STAGE).snapshot() is None


def test_what_is_not_in_memory_is_read_on_from_its_snapshot(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, STAGE, coming_and_going(2 * LONG))
    reads = Reads(store, monkeypatch)
    first, second = (States(store).load(STAGE) for _ in range(2))
    assert reads.events == [LONG, 2 * LONG, LONG, 0]
    assert first == second == fold(store, STAGE)


def test_deleting_every_snapshot_changes_nothing(store: SQLiteStore) -> None:
    write(store, STAGE, coming_and_going(LONG))
    with_one = [load(store, STAGE) for _ in range(2)]
    store.drop_snapshots()
    assert [load(store, STAGE)] * 2 == with_one


# What is not believed


def rows(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as file:
        return file.execute("SELECT stream, version, format, state FROM snapshots").fetchall()


def put(path: Path, row: tuple[Any, ...]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?)", row)


Damage = Callable[[tuple[Any, ...]], tuple[Any, ...]]
DAMAGES: dict[str, Damage] = {
    "another version": lambda row: (row[0], row[1] - 1, *row[2:]),
    "a later version": lambda row: (row[0], row[1] + 1, *row[2:]),
    "another format": lambda row: (*row[:2], format_of("call"), row[3]),
    "nothing": lambda row: (*row[:3], b""),
    "a state without a mark": lambda row: (*row[:3], row[3][32:]),
    "half of it": lambda row: (*row[:3], row[3][: len(row[3]) // 2]),
    "another state": lambda row: (*row[:3], row[3].replace(b"user-", b"eve--")),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_not_believed(store: SQLiteStore, path: Path, damage: str) -> None:
    write(store, STAGE, coming_and_going(LONG))
    true = load(store, STAGE)
    (row,) = rows(path)
    put(path, DAMAGES[damage](row))
    assert rows(path) != [row]
    assert store.shelf(STAGE).snapshot() is None
    assert load(store, STAGE) == true
    (again,) = rows(path)
    assert damage == "a later version" or again[:3] == row[:3], "the next load has a good one"


@given(st.integers(0, 1_000), st.integers(0, 7))
def test_not_a_bit_of_it_can_be_changed(byte: int, bit: int) -> None:
    with closing(MemoryStore()) as store:
        store.append([pinned(1), added("alice", phone="123")])
        for stream in (STAGE, AS_MEMBER):
            store.shelf(stream).keep(Snapshot(1, "f", b"state"), personal=True)
            row = store.recorder.snapshot(stream)
            assert row is not None
            state = bytearray(row.state)
            state[byte % len(state)] ^= 1 << bit
            store.recorder.keep_snapshot(stream, row._replace(state=bytes(state)))
            assert store.shelf(stream).snapshot() is None


def test_one_of_another_store_is_not_believed(store: SQLiteStore, path: Path) -> None:
    with closing(SQLiteStore(path.with_name("other.db"))) as other:
        write(other, STAGE, coming_and_going(LONG))
        load(other, STAGE)
    write(store, STAGE, coming_and_going(LONG))
    put(path, *rows(path.with_name("other.db")))
    assert store.shelf(STAGE).snapshot() is None


def test_one_of_a_log_that_went_another_way_is_not_believed(path: Path) -> None:
    """A backup was restored, and things went on differently."""
    backup = path.with_name("backup.db")
    events = coming_and_going(LONG)
    with closing(SQLiteStore(path)) as store:
        write(store, STAGE, events[:-1])
        with closing(sqlite3.connect(path)) as file, closing(sqlite3.connect(backup)) as copy:
            file.backup(copy)
        last = len(events)
        store.append([decided(events[-1], STAGE, last)])
        load(store, STAGE)
    with closing(SQLiteStore(backup)) as store:
        put(backup, *rows(path))
        assert store.shelf(STAGE).snapshot() is None, "of a version that there is not"
        assert load(store, STAGE).version == last - 1
        store.append([pinned(last)])
        put(backup, *rows(path))
        assert store.shelf(STAGE).snapshot() is None, "of another event"
        assert load(store, STAGE) == fold(store, STAGE)


def test_one_of_a_greenroom_that_folds_otherwise_is_not_believed(
    store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, STAGE, coming_and_going(LONG))
    load(store, STAGE)
    ours = store.shelf(STAGE).snapshot()
    monkeypatch.setattr(snapshots, "FOLDS", {**FOLDS, "session": FOLDS["session"] + 1})
    format_of.cache_clear()
    try:
        assert ours is not None
        assert restored(STAGE, ours) is None
        load(store, STAGE)
        theirs = store.shelf(STAGE).snapshot()
        assert theirs is not None
        assert theirs.format != ours.format
    finally:
        format_of.cache_clear()


def test_what_cannot_be_read_or_kept_is_said_to_whoever_debugs_and_harms_nobody(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(store, STAGE, coming_and_going(LONG))
    true = fold(store, STAGE)

    def broken(*_: Any) -> None:
        raise sqlite3.OperationalError("no such table: snapshots")

    monkeypatch.setattr(store.recorder, "snapshot", broken)
    monkeypatch.setattr(store.recorder, "keep_snapshot", broken)
    with caplog.at_level(logging.DEBUG, "greenroom.snapshots"):
        assert load(store, STAGE) == true
    assert [record.levelname for record in caplog.records] == ["DEBUG", "DEBUG"]


# What is personal


def remarks(count: int) -> list[Event]:
    """Alice, a member whose custom data are changed again and again."""
    return [
        added("alice", version, diagnosis=f"asthma {version}").event
        for version in range(1, count + 1)
    ]


def test_no_personal_word_reaches_the_file(store: SQLiteStore, path: Path) -> None:
    write(store, AS_MEMBER, remarks(LONG))
    load(store, AS_MEMBER)
    kept = store.shelf(AS_MEMBER).snapshot()
    assert kept is not None
    assert b"asthma" in kept.state
    store.close()
    assert len(rows(path)) == 1
    assert b"asthma" not in b"".join(file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.slow
def test_who_was_erased_is_not_found_in_a_snapshot(store: SQLiteStore) -> None:
    write(store, AS_MEMBER, remarks(LONG))
    assert load(store, AS_MEMBER).state.custom == {"diagnosis": f"asthma {LONG}"}
    store.erase([ALICE])
    assert load(store, AS_MEMBER).state.custom == {}
    store.append([added("alice", LONG + 1, diagnosis="none")])
    for _ in range(2):
        assert load(store, AS_MEMBER).state.custom == {"diagnosis": "none"}


def test_who_is_erased_while_a_state_is_read_is_not_in_what_is_kept(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, AS_MEMBER, remarks(LONG))
    read = store.events

    def meanwhile(stream: StreamId, **bounds: Any) -> Iterator[Event]:
        yield from list(read(stream, **bounds))
        if store.position() == LONG:  # come back under another key
            store.erase([ALICE])
            store.append([upserted("alice", display_name="Alice")])

    monkeypatch.setattr(store, "events", meanwhile)
    load(store, AS_MEMBER)
    monkeypatch.undo()
    assert load(store, AS_MEMBER).state.custom == {}


def test_a_state_without_anything_personal_is_kept_where_there_are_no_keys(
    store: SQLiteStore,
) -> None:
    write(store, AS_MEMBER, [added("alice").event for _ in range(LONG)])
    load(store, AS_MEMBER)
    assert store.shelf(AS_MEMBER).snapshot() is not None


@pytest.mark.parametrize("name", [name for name, event in EVENTS.items() if event.personal])
def test_whatever_of_a_sealed_field_is_in_a_state_makes_the_state_personal(name: str) -> None:
    (record,) = (one for one in told() if one.event.name == name)
    assert all(getattr(record.event, field) for field in record.event.personal)
    state = decider_of(record.stream).fold([record.event])
    blank = type(record.event)(
        **{
            field: getattr(record.event, field)
            for field in record.event.__struct_fields__
            if field not in record.event.personal
        }
    )
    hidden = decider_of(record.stream).fold([blank])
    assert snapshots._personal(record.stream, state) == (state != hidden)
    assert not snapshots._personal(record.stream, hidden)


# Formats


class Mood(StrEnum):
    GOOD = "good"


@dataclass(frozen=True)
class Guest:
    mood: Mood
    seats: Map[UserId, tuple[int, ...]]


def shape(kind: Any) -> list[str]:
    return list(snapshots._shape(kind, set()))


def test_the_shape_of_a_state_says_what_it_is_made_of_to_the_bottom() -> None:
    assert shape(Guest) == [
        "Guest",
        *("mood:", "Mood", "GOOD='good'"),
        *("seats:", "<class 'immutables._map.Map'>", "str", "<class 'tuple'>", "int", "Ellipsis"),
    ]
    assert "auto_cancel_timeout_ms:" in shape(Settings)
    assert "auto_cancel_timeout_ms:" in shape(type(DECIDERS["type"].initial))
    assert "joined_at:" in shape(type(DECIDERS["session"].initial))


def test_each_kind_has_a_format_of_its_own_and_the_same_every_time() -> None:
    formats = {kind: format_of(kind) for kind in DECIDERS}
    assert len(set(formats.values())) == len(DECIDERS) == len(FOLDS)
    format_of.cache_clear()
    assert {kind: format_of(kind) for kind in DECIDERS} == formats


FOLDED_BY = {
    "call": (1, "0044f76cc3ae"),
    "session": (2, "56536eeb7c42"),
    "member": (1, "6e9bfa8b509c"),
    "type": (1, "244f926b5633"),
    "user": (1, "a3643d98a278"),
}
"""The edition of each kind of stream, and a digest over the functions that fold it."""


def sources(function: FunctionType, told: dict[str, str]) -> None:
    """The functions of the domain that `function` calls, and itself."""
    if function.__qualname__ in told or not function.__module__.startswith("greenroom.domain"):
        return
    told[function.__qualname__] = inspect.getsource(function)
    for name in function.__code__.co_names:
        called = function.__globals__.get(name)
        if isinstance(called, FunctionType):
            sources(called, told)


@pytest.mark.parametrize("kind", DECIDERS)
def test_whoever_changes_how_a_stream_is_folded_thinks_of_its_snapshots(kind: str) -> None:
    """Raise the edition in `greenroom.snapshots.FOLDS` where events lead to another state now.

    Then, or where they do not, write down here what this test finds.
    """
    decider = DECIDERS[kind]
    told: dict[str, str] = {}
    folding = [decider.evolve, decider.roll, *([Settings.overridden] if kind == "type" else [])]
    for function in folding:
        if isinstance(function, FunctionType):
            sources(function, told)
    digest = hashlib.sha256("".join(told[name] for name in sorted(told)).encode()).hexdigest()[:12]
    assert (FOLDS[kind], digest) == FOLDED_BY[kind]


# How much it spares


@pytest.mark.slow
def test_a_stream_of_ten_thousand_events_loads_five_times_as_fast(store: SQLiteStore) -> None:
    write(store, STAGE, coming_and_going(10_000))

    def seconds(work: Callable[[], object]) -> float:
        began = process_time()
        work()
        return process_time() - began

    load(store, STAGE)
    ratios = [
        seconds(lambda: fold(store, STAGE)) / seconds(lambda: load(store, STAGE)) for _ in range(7)
    ]
    assert median(ratios) >= 5
