"""The recorders pass the eventsourcing library's own exam, and its stock tools read our stores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.application import Application
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import (
    IntegrityError,
    JSONTranscoder,
    Mapper,
    OperationalError,
    StoredEvent,
)
from eventsourcing.tests.persistence import (
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
)
from psycopg.conninfo import conninfo_to_dict

from greenroom.adapters.codec import decode
from greenroom.adapters.memory_recorder import MemoryRecorder
from greenroom.adapters.postgres_recorder import PostgresRecorder
from greenroom.adapters.recorder import LogRecorder
from greenroom.adapters.sqlite_recorder import SQLiteRecorder
from greenroom.adapters.stores import PostgresStore, SQLiteStore
from greenroom.domain.message import Event, Recorded, StreamId
from greenroom.testing.store_events import STAGE, added, pinned, upserted


class _InMemory:
    """A recorder for one test of the kit, with ids that are text."""

    recorder: LogRecorder

    def new_originator_id(self) -> UUID | str:
        return f"session-livestream:{uuid4()}/1"

    def setUp(self) -> None:
        self.recorder = MemoryRecorder()

    def tearDown(self) -> None:
        self.recorder.close()

    def create_recorder(self) -> LogRecorder:
        return self.recorder


class _InAFile(_InMemory):
    def setUp(self) -> None:
        self._directory = TemporaryDirectory()
        self.recorder = SQLiteRecorder(Path(self._directory.name) / "calls.db")

    def tearDown(self) -> None:
        super().tearDown()
        self._directory.cleanup()


class _OnAServer(_InMemory):
    @pytest.fixture(autouse=True)
    def _database(self, postgres_url: str) -> None:
        self._url = postgres_url

    def setUp(self) -> None:
        self.recorder = PostgresRecorder(self._url)


class TestMemoryRecorder(_InMemory, ApplicationRecorderTestCase[LogRecorder]):
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestSQLiteRecorder(_InAFile, ApplicationRecorderTestCase[LogRecorder]):
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestPostgresRecorder(_OnAServer, ApplicationRecorderTestCase[LogRecorder]):
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestMemoryRecorderKeepsInsertsTogether(_InMemory, NonInterleavingNotificationIDsBaseCase):
    pass


class TestSQLiteRecorderKeepsInsertsTogether(_InAFile, NonInterleavingNotificationIDsBaseCase):
    pass


class TestPostgresRecorderKeepsInsertsTogether(_OnAServer, NonInterleavingNotificationIDsBaseCase):
    pass


# The kit's own classes are no tests by themselves.
del ApplicationRecorderTestCase, NonInterleavingNotificationIDsBaseCase


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def recorder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogRecorder]:
    made: LogRecorder
    match request.param:
        case "memory":
            made = MemoryRecorder()
        case "sqlite":
            made = SQLiteRecorder(tmp_path / "calls.db")
        case _:
            made = PostgresRecorder(request.getfixturevalue("postgres_url"))
    yield made
    made.close()


def test_a_stream_is_selected_by_version_in_both_directions(recorder: LogRecorder) -> None:
    stored = [StoredEvent("s", version, "topic", b"state") for version in range(1, 6)]
    recorder.insert_events([*stored, StoredEvent("other", 1, "topic", b"state")])
    assert recorder.select_events("s") == stored
    assert recorder.select_events("s", gt=1, lte=4) == stored[1:4]
    assert recorder.select_events("s", desc=True, limit=2) == [stored[4], stored[3]]


def test_an_insert_that_repeats_a_version_records_nothing(recorder: LogRecorder) -> None:
    recorder.insert_events([StoredEvent("s", 1, "topic", b"first")])
    with pytest.raises(IntegrityError):
        recorder.insert_events(
            [StoredEvent("t", 1, "topic", b"new"), StoredEvent("s", 1, "topic", b"second")]
        )
    assert recorder.max_notification_id() == 1
    assert recorder.select_events("t") == []


@dataclass(frozen=True)
class _DomainEvent:
    """A record of ours, as the library's event store wants its events."""

    originator_id: str
    originator_version: int
    record: Recorded[Event]


class _StockApplication(Application[str]):
    """The library's own application on the tables of a store, with a mapper for our documents."""

    name = "stored"
    """On PostgreSQL its table is called after it: `stored_events`."""

    def __init__(self, store: SQLiteStore | PostgresStore) -> None:
        self._store = store
        super().__init__({"ORIGINATOR_ID_TYPE": "text", **_where(store)})

    def construct_mapper(self) -> Mapper[str]:
        find_keys = self._store.recorder.keys

        class OurMapper(Mapper[str]):
            def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[str]:
                stream, version = str(stored_event.originator_id), stored_event.originator_version
                row = (0, stream, version, stored_event.topic, stored_event.state)
                return _DomainEvent(stream, version, decode(row, find_keys))

        return OurMapper(JSONTranscoder())


def _where(store: SQLiteStore | PostgresStore) -> dict[str, str]:
    """The tables of `store`, in the library's own words."""
    if isinstance(store, SQLiteStore):
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(store.path)}
    place = conninfo_to_dict(store.url)
    names = {"DBNAME": "dbname", "HOST": "host", "PORT": "port", "USER": "user"}
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_PASSWORD": str(place["password"]),
        "POSTGRES_SCHEMA": "greenroom",
        **{f"POSTGRES_{theirs}": str(place[ours]) for theirs, ours in names.items()},
    }


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SQLiteStore | PostgresStore]:
    made: SQLiteStore | PostgresStore
    if request.param == "sqlite":
        made = SQLiteStore(tmp_path / "calls.db")
    else:
        made = PostgresStore(request.getfixturevalue("postgres_url"))
    with closing(made) as store:
        store.append([pinned(1), added("alice", phone="123"), pinned(2)])
        store.append([upserted("alice", display_name="Alice"), added("alice", 2)])
        yield store


def test_the_stock_application_reads_the_same_events(store: SQLiteStore | PostgresStore) -> None:
    stock = _StockApplication(store)
    for stream in {record.stream for _, record in store.feed()}:
        theirs: list[Any] = list(stock.events.get(stream))
        assert [one.record.event for one in theirs] == list(store.events(StreamId(stream)))
        assert [one.record.by for one in theirs] == [one.by for one in store.read(stream)]
    assert len(list(stock.events.get(STAGE, gt=1))) == 1
    stock.close()


def test_the_stock_notification_log_is_our_feed(store: SQLiteStore | PostgresStore) -> None:
    stock = _StockApplication(store)
    ours = [(p, one.stream, one.version, one.event.name) for p, one in store.feed()]
    theirs = stock.notification_log.select(1, 10)
    assert [(n.id, n.originator_id, n.originator_version, n.topic) for n in theirs] == ours
    assert stock.recorder.max_notification_id() == store.position()
    stock.close()


def test_the_stock_recorder_cannot_write_past_the_checks_of_the_store(
    store: SQLiteStore | PostgresStore,
) -> None:
    stock = _StockApplication(store)
    with pytest.raises((OperationalError, IntegrityError)):
        stock.recorder.insert_events([StoredEvent(STAGE, 9, "session.pinned", b"{}")])
    stock.close()
    assert store.position() == 5
