"""A log that many share: its order, waking one another, turns, forks, others at work on it."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError
from tests.adapters.postgres_proxy import Proxy

from greenroom.adapters import event_store
from greenroom.adapters.postgres_recorder import PostgresRecorder
from greenroom.adapters.postgres_streams import _Wish
from greenroom.adapters.recorder import Draft, Snapshot, Written
from greenroom.adapters.stores import PostgresStore
from greenroom.domain.errors import Repeated
from greenroom.domain.message import RequestId, UserId
from greenroom.domain.ports import Request
from greenroom.domain.streams import session_stream, user_stream
from greenroom.testing.store_events import CID, STAGE, added, everything, pinned

pytestmark = pytest.mark.slow


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(postgres_url)) as store:
        yield store


@pytest.fixture
def database(postgres_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def until(true: Callable[[], bool]) -> None:
    deadline = monotonic() + 60
    while not true():
        assert monotonic() < deadline, "it never came about"
        sleep(0.01)


def asked(connection: psycopg.Connection, query: str) -> Any:
    found = connection.execute(query.encode()).fetchone()
    assert found is not None
    return found[0]


# Order


def test_positions_have_no_gaps_even_where_appends_failed(store: PostgresStore) -> None:
    store.append([pinned(1)])
    with pytest.raises(IntegrityError):
        store.recorder.insert_events(list(store.recorder.select_events(STAGE)) * 2)
    store.append([pinned(2)])
    assert [position for position, _ in store.feed()] == [1, 2]


def test_whoever_follows_the_log_sees_every_position_in_its_turn(postgres_url: str) -> None:
    """From eight connections at once; nothing appears behind a follower's back."""
    writers, each = 8, 25
    with ExitStack() as stack:
        stores = [stack.enter_context(closing(PostgresStore(postgres_url))) for _ in range(writers)]

        def write(number: int) -> None:
            for version in range(1, each + 1):
                stream = session_stream(CID, number + 1)
                stores[number].append([pinned(version, stream), added(f"u{number}", version)])

        with ThreadPoolExecutor(writers) as threads:
            writing = [threads.submit(write, number) for number in range(writers)]
            seen: list[int] = []
            deadline = monotonic() + 120
            while len(seen) < writers * each * 2 and monotonic() < deadline:
                seen += [position for position, _ in stores[0].feed(seen[-1] if seen else 0)]
            for one in writing:
                one.result()
    assert seen == list(range(1, writers * each * 2 + 1))


def test_so_it_is_where_the_server_has_other_defaults(
    postgres_url: str, database: psycopg.Connection
) -> None:
    name = postgres_url.rpartition("/")[2].encode()
    for setting in (b"default_transaction_isolation = serializable", b"synchronous_commit = off"):
        database.execute(b"ALTER DATABASE %s SET %s" % (name, setting))
    with closing(PostgresStore(postgres_url)) as one, closing(PostgresStore(postgres_url)) as other:

        def write(number: int) -> None:
            for version in range(1, 26):
                stream = session_stream(CID, number)
                (one, other)[number % 2].append([pinned(version, stream)])

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(write, range(1, 5)))
        assert [position for position, _ in one.feed()] == list(range(1, 101))
        durable = "SELECT current_setting('synchronous_commit')"
        assert isinstance(one.recorder, PostgresRecorder)
        with one.recorder._connections.writing() as writer:
            assert asked(writer, durable) == "on"


# Others at work on the tables


def test_vacuum_and_analyze_hold_up_no_append_and_are_not_held_up(
    store: PostgresStore, postgres_url: str, database: psycopg.Connection
) -> None:
    store.append([pinned(1)])
    with psycopg.connect(postgres_url) as maintenance:  # in the lock mode of vacuum and analyze
        maintenance.execute("LOCK TABLE greenroom.stored_events IN SHARE UPDATE EXCLUSIVE MODE")
        store.append([pinned(2)])  # or it would end with an error: nobody gives up the lock
    with psycopg.connect(postgres_url) as appending:
        appending.execute("LOCK TABLE greenroom.append_turn IN EXCLUSIVE MODE")
        database.execute("SET lock_timeout = '60s'")
        database.execute("VACUUM (ANALYZE) greenroom.stored_events")


def test_a_draft_without_rows_waits_for_nobody(store: PostgresStore, postgres_url: str) -> None:
    store.append([pinned(1)])
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE greenroom.append_turn IN EXCLUSIVE MODE")
        assert store.recorder.write(Draft(versions={STAGE: 1})) == Written(range(2, 2), 1)
        store.append([], expects={STAGE: 1}, request=Request(RequestId("r1"), "f"))


def test_two_who_remember_the_same_request_at_once_get_one_and_a_refusal(
    store: PostgresStore, postgres_url: str
) -> None:
    """Without rows there is no lock: the second meets the first at the index, and asks again."""
    with closing(PostgresStore(postgres_url)) as other:
        for number in range(20):
            request = Request(RequestId(f"r{number}"), "f")
            start = threading.Barrier(2)

            def ask(one: PostgresStore, request: Request, start: threading.Barrier) -> bool:
                start.wait()
                try:
                    one.append([], request=request)
                except Repeated:
                    return False
                return True

            with ThreadPoolExecutor(2) as threads:
                won = threads.map(ask, [store, other], [request] * 2, [start] * 2)
                assert sorted(won) == [False, True]


def test_every_statement_goes_along_an_index_whatever_the_statistics_say(
    store: PostgresStore, database: psycopg.Connection
) -> None:
    """Prepared while the tables are empty and never analysed, as on the first day."""
    recorder = store.recorder
    alice = user_stream(UserId("alice"))
    for version in (1, 2):
        request = Request(RequestId(f"r{version}"), "f")
        store.append([pinned(version), added("alice", version, phone="1")], request=request)
        store.append([], expects={STAGE: version})
        assert list(store.read(STAGE)) + list(store.feed())
        assert len(list(store.events(STAGE))) == len(list(store.heads())) - version == version
        recorder.keep_snapshot(STAGE, Snapshot(version, "1", b""))
        assert recorder.snapshot(STAGE) is not None
        assert store.request(request.request_id) is not None
        assert store.position() == version * 2
    assert isinstance(recorder, PostgresRecorder)
    assert len(recorder._streams._read([_Wish(STAGE, 0, 9, 9)] * 2)) == 2
    store.append([pinned(3)], erases=[alice])
    store.erase([alice])
    store.prune_requests(datetime.now(UTC), 1)
    store.close()  # what is counted is told at the end of a connection
    tables = "relname IN ('stored_events', 'requests', 'subject_keys', 'snapshots')"
    counted = f"FROM pg_stat_user_tables WHERE schemaname = 'greenroom' AND {tables}"
    until(lambda: asked(database, f"SELECT count(*) {counted} AND idx_scan > 0") == 4)
    made = asked(database, "SELECT count(*) FROM pg_indexes WHERE schemaname = 'greenroom'")
    assert asked(database, f"SELECT sum(seq_scan) {counted}") == made  # each once, to make it


# Waking one another


@pytest.fixture
def others_poll_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """So slowly that only the server can have told them."""
    monkeypatch.setattr(event_store, "POLL_SECONDS", 600)


def test_an_append_of_another_process_wakes_whoever_waits(
    store: PostgresStore, postgres_url: str, others_poll_slowly: None
) -> None:
    with closing(PostgresStore(postgres_url)) as other, ThreadPoolExecutor(1) as threads:
        for version in range(1, 6):
            waiting = threads.submit(store.wait, version - 1, 120)
            sleep(0.1)
            other.append([pinned(version)])
            assert waiting.result(60)


def test_whoever_waits_hears_again_when_the_line_was_broken(
    postgres_url: str, others_poll_slowly: None
) -> None:
    with (
        Proxy(postgres_url) as line,
        closing(PostgresStore(line.url)) as store,
        closing(PostgresStore(postgres_url)) as other,
        ThreadPoolExecutor(1) as threads,
    ):
        waiting = threads.submit(store.wait, 0, 120)
        sleep(0.2)
        line.cut()
        other.append([pinned(1)])  # not heard; looked for when the line stands again
        assert waiting.result(60)
        waiting = threads.submit(store.wait, 1, 120)
        sleep(0.2)
        other.append([pinned(2)])
        assert waiting.result(60)


class Counting(threading.Event):
    """A flag that knows how often it was set."""

    times = 0

    def set(self) -> None:
        self.times += 1
        super().set()


def test_our_own_appends_are_told_once(store: PostgresStore) -> None:
    flag = Counting()
    store.recorder.listen(flag)
    until(flag.is_set)  # the listener begins with it: something may have been missed
    for version in range(1, 11):
        store.append([pinned(version)])
    sleep(0.3)
    assert flag.times == 11


def test_closing_ends_the_listener(postgres_url: str, database: psycopg.Connection) -> None:
    connected = """
        SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'greenroom' AND datname = current_database()
    """
    store = PostgresStore(postgres_url)
    assert not store.wait(0, 0.1)
    store.append([pinned(1)])
    until(lambda: asked(database, connected) >= 3)  # asks, writes, listens
    store.close()
    assert "greenroom-listener" not in {thread.name for thread in threading.enumerate()}
    until(lambda: asked(database, connected) == 0)


# Forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_forked_child_and_its_parent_go_on_side_by_side(store: PostgresStore) -> None:
    assert not store.wait(0, 0.1)  # every kind of connection stands
    store.append([pinned(1)])
    with store.alone():
        pass
    writer = _writer_of(store)
    child = os.fork()
    if not child:
        failed = True
        try:
            store.append([pinned(2)])
            with store.alone():
                failed = not store.wait(1, 60) or _writer_of(store) == writer
            store.close()
            gc.collect()
        finally:
            os._exit(failed)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.append([pinned(3)])
    assert everything(store) == [(version, STAGE, version) for version in (1, 2, 3)]
    assert _writer_of(store) == writer


def _writer_of(store: PostgresStore) -> int | None:
    assert isinstance(store.recorder, PostgresRecorder)
    return store.recorder._connections.writer_pid
