"""Where the line to the server breaks on the way, an append is recorded once or said to be unknown.

The contract of the stores says what an append does; here it does so through a line with faults.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from time import monotonic, sleep

import psycopg
import pytest
from msgspec.structs import replace
from tests.adapters.postgres_proxy import Proxy

from greenroom.adapters import postgres_writing
from greenroom.adapters.stores import PostgresStore
from greenroom.domain.errors import Conflict, OutcomeUnknown, Repeated, StoreError
from greenroom.domain.message import RequestId, UserId
from greenroom.domain.ports import Request
from greenroom.domain.streams import user_stream
from greenroom.testing.postgres import PrivatePostgres
from greenroom.testing.store_events import STAGE, added, everything, pinned, upserted

pytestmark = pytest.mark.slow

REQUEST = Request(RequestId("r1"), "fingerprint", b"answer")


@pytest.fixture
def line(postgres_url: str) -> Iterator[Proxy]:
    with Proxy(postgres_url) as line:
        yield line


@pytest.fixture
def store(line: Proxy) -> Iterator[PostgresStore]:
    with closing(PostgresStore(line.url)) as store:
        yield store


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_writing, "_PATIENCE", 0.3)


FAULTS: dict[str, Callable[[Proxy, str], None]] = {
    "question": Proxy.lose_question,
    "answer": Proxy.lose_answer,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_an_append_is_recorded_once_and_acknowledged(
    fault: Callable[[Proxy, str], None], line: Proxy, store: PostgresStore
) -> None:
    store.append([pinned(1)])
    fault(line, "r1")
    positions = store.append([added("alice"), pinned(2), added("alice", 2)], request=REQUEST)
    assert line.faults == 1
    assert positions == range(2, 5)
    assert [position for position, _ in store.feed()] == [1, 2, 3, 4]
    remembered = store.request(RequestId("r1"))
    assert remembered is not None
    assert remembered.position == 4


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_so_is_a_request_that_recorded_nothing(
    fault: Callable[[Proxy, str], None], line: Proxy, store: PostgresStore
) -> None:
    store.append([pinned(1)])
    fault(line, "r1")
    assert not store.append([], request=REQUEST)
    assert line.faults == 1
    assert store.request(RequestId("r1")) == REQUEST


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_so_is_an_append_that_makes_a_key_and_one_that_erases(
    fault: Callable[[Proxy, str], None], line: Proxy, store: PostgresStore
) -> None:
    alice = user_stream(UserId("alice"))
    fault(line, "user.upserted")
    store.append([upserted("alice", display_name="Alice")])
    fault(line, "r1")
    store.append([pinned(1)], request=REQUEST, erases=[alice])
    assert line.faults == 2
    assert [event.display_name for event in store.events(alice)] == [""]  # type: ignore[attr-defined]  # it holds nothing else
    assert store.position() == 2


def test_an_append_that_the_server_still_works_on_is_waited_for(
    line: Proxy, store: PostgresStore, postgres_url: str
) -> None:
    store.append([pinned(1)])
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE greenroom.append_turn IN EXCLUSIVE MODE")
        line.hang_up("r1")
        done: list[object] = []
        appending = threading.Thread(
            target=lambda: done.append(store.append([pinned(2)], request=REQUEST))
        )
        appending.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        deadline = monotonic() + 60
        with psycopg.connect(postgres_url, autocommit=True) as watcher:
            while watcher.execute(waiting).fetchone() != (2,) and monotonic() < deadline:
                sleep(0.02)
        other.commit()
    appending.join(60)
    assert done == [range(2, 3)]
    assert everything(store) == [(1, STAGE, 1), (2, STAGE, 2)]


def test_who_was_quicker_meanwhile_wins(
    line: Proxy, store: PostgresStore, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question got lost, and somebody else took the version before it was asked again."""
    with closing(PostgresStore(postgres_url)) as other:
        theirs = [replace(pinned(1), request_id=RequestId("theirs")), added("alice")]
        monkeypatch.setattr(postgres_writing, "sleep", lambda _: other.append(theirs))
        line.lose_question("r1")
        with pytest.raises(Conflict):
            store.append([pinned(1)], request=REQUEST)
    assert store.request(RequestId("r1")) is None
    assert store.position() == 2


def test_a_server_that_stays_away_leaves_the_outcome_open(
    line: Proxy, store: PostgresStore, impatient: None
) -> None:
    store.append([pinned(1)])
    line.lose_answer("r1")
    line.away.set()
    with pytest.raises(OutcomeUnknown, match="same request id"):
        store.append([pinned(2)], request=REQUEST)
    line.away.clear()
    with pytest.raises(Repeated):
        store.append([pinned(3)], request=REQUEST)
    assert store.position() == 2


def test_before_anything_was_sent_a_server_that_is_away_is_an_error_and_no_question(
    line: Proxy, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(postgres_writing, "sleep", waits.append)
    line.away.set()
    line.cut()  # whom the store asked when it was opened
    with pytest.raises(StoreError, match="nothing was recorded") as failed:
        store.append([pinned(1)], request=REQUEST)
    assert not isinstance(failed.value, OutcomeUnknown)
    assert waits == []
    with pytest.raises(StoreError):
        store.position()
    line.away.clear()
    store.append([pinned(1)], request=REQUEST)


def test_reading_goes_on_where_lines_broke_while_nobody_used_them(
    line: Proxy, store: PostgresStore
) -> None:
    store.append([pinned(1)])
    assert store.position() == 1
    line.cut()
    assert store.position() == 1
    assert len(list(store.feed())) == 1


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_reading_is_done_again(
    fault: Callable[[Proxy, str], None], line: Proxy, store: PostgresStore
) -> None:
    store.append([pinned(1)])
    fault(line, STAGE)
    assert [record.version for record in store.read(STAGE)] == [1]
    assert line.faults == 1


def test_a_line_with_faults_at_random_loses_nothing_and_repeats_nothing(
    line: Proxy, store: PostgresStore, tried: Callable[[str, int], None]
) -> None:
    chance = random.Random(4)
    for version in range(1, 61):
        word = f"request-{version}-"
        if chance.random() < 0.5:
            chance.choice([line.lose_question, line.lose_answer, line.hang_up])(word)
        request = Request(RequestId(word), "fingerprint")
        assert store.append([pinned(version)], request=request) == range(version, version + 1)
    assert line.faults > 15
    assert everything(store) == [(version, STAGE, version) for version in range(1, 61)]
    tried("postgresql", line.faults)


def test_a_server_that_was_restarted_is_found_again() -> None:
    with PrivatePostgres(fsync=False) as server, closing(PostgresStore(server.url())) as store:
        store.append([pinned(1)])
        for version, end in enumerate((server.stop, server.kill), start=2):
            end()
            starting = threading.Timer(0.3, server.start)
            starting.start()
            # What was idle breaks when it is used, and is taken for lost on the way.
            assert store.append([pinned(version)], request=None) == range(version, version + 1)
            assert store.position() == version
            starting.join(60)  # it may answer before it is seen to
