"""Whatever is written, the recorder on PostgreSQL answers as the others do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import given
from hypothesis import strategies as st

from greenroom.adapters.memory_recorder import MemoryRecorder
from greenroom.adapters.postgres_recorder import PostgresRecorder
from greenroom.adapters.recorder import (
    EVERYTHING,
    Draft,
    LogRecorder,
    Remembered,
    Snapshot,
    Written,
)
from greenroom.adapters.sealing import SubjectKey
from greenroom.adapters.sqlite_recorder import SQLiteRecorder
from greenroom.domain.message import RequestId
from greenroom.domain.ports import Request
from greenroom.testing.postgres import PrivatePostgres

pytestmark = pytest.mark.slow

NAMES = ("call-default:1", "member-default:1/alice", "user-tommaso")
IDS = ("r1", "r2", "r3")

named: st.SearchStrategy[str] = st.sampled_from(NAMES)
blobs = st.binary(max_size=9)


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    """Mostly of what fits: a stream goes on from one of its first versions."""
    versions = draw(st.dictionaries(named, st.integers(0, 4), max_size=3))
    rows = [
        StoredEvent(stream, version + step, "session.pinned", draw(blobs))
        for stream, version in versions.items()
        for step in range(1, draw(st.integers(0, 3)) + 1)
    ]
    places = st.sampled_from(range(len(rows))) if rows else st.none()
    ids = draw(st.lists(st.sampled_from(IDS), max_size=2, unique=True))
    requests = [Remembered(Request(RequestId(one), "f", draw(blobs)), draw(places)) for one in ids]
    keys = draw(st.dictionaries(named, st.none() | st.integers(1, 9), max_size=2))
    made = [subject for subject, key_id in keys.items() if key_id is None and draw(st.booleans())]
    return Draft(
        rows=rows,
        versions=versions,
        requests=requests,
        keys=keys,
        new_keys=dict.fromkeys(made, SubjectKey(0, b"k" * 32)),
        forgets=draw(st.lists(named, max_size=1)),
    )


snapshots = st.builds(Snapshot, st.integers(1, 4), st.just("1"), blobs)
steps = st.one_of(
    drafts(),
    drafts(),
    st.tuples(st.just("keep_snapshot"), st.tuples(named, snapshots)),
    st.tuples(st.just("drop_snapshots"), st.just(())),
    st.tuples(st.just("forget"), st.tuples(st.lists(named))),
)
Step = Draft | tuple[str, tuple[Any, ...]]


def with_keys_of_their_own(history: Sequence[Step]) -> Iterator[Step]:
    """No key is ever made twice."""
    numbers = count(1)
    for step in history:
        if isinstance(step, Draft):
            made = {subject: SubjectKey(next(numbers), b"k" * 32) for subject in step.new_keys}
            yield replace(step, new_keys=made)
        else:
            yield step


def answer(recorder: LogRecorder, step: Step) -> Any:
    """What became of it, in words that can be compared."""
    if not isinstance(step, Draft):
        name, arguments = step
        return getattr(recorder, name)(*arguments)
    said = recorder.write(step)
    return (list(said.positions), said.before) if isinstance(said, Written) else said


def all_of(recorder: LogRecorder) -> Mapping[str, Any]:
    """Everything that can be asked of a recorder."""
    return {
        "log": list(recorder.log_rows(0, EVERYTHING, 100)),
        "heads": list(recorder.head_rows(0, 100)),
        "page": list(recorder.log_rows(1, 4, 2)),
        "streams": [list(recorder.stream_rows(name, 1, 5, 2)) for name in NAMES],
        "contents": [list(recorder.stream_contents(name, 0, EVERYTHING, 9)) for name in NAMES],
        "position": recorder.position(),
        "keys": list(recorder.keys(NAMES)),
        "requests": [recorder.request(RequestId(one)) for one in IDS],
        "snapshots": [recorder.snapshot(name) for name in NAMES],
    }


@pytest.fixture(scope="module")
def on_postgres(postgres: PrivatePostgres) -> Iterator[PostgresRecorder]:
    """One for all examples: emptied for each, as a new database takes its time."""
    with postgres.database() as url:
        recorder = PostgresRecorder(url)
        yield recorder
        recorder.close()


@pytest.fixture(scope="module")
def database(on_postgres: PostgresRecorder) -> Iterator[psycopg.Connection]:
    with on_postgres.server.connect() as connection:
        yield connection


@given(st.lists(steps, max_size=10))
def test_they_write_and_refuse_the_same(
    on_postgres: PostgresRecorder, database: psycopg.Connection, history: Sequence[Step]
) -> None:
    for table in ("stored_events", "requests", "subject_keys", "snapshots"):
        database.execute(f"DELETE FROM greenroom.{table}".encode())
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        others = [MemoryRecorder(), SQLiteRecorder(directory / "calls.db")]
        for other in others:
            stack.callback(other.close)
        for step in with_keys_of_their_own(history):
            expected = answer(on_postgres, step)
            assert [answer(other, step) for other in others] == [expected] * 2
        for other in others:
            assert all_of(other) == all_of(on_postgres)


def test_requests_are_pruned_by_their_age(
    on_postgres: PostgresRecorder, database: psycopg.Connection
) -> None:
    database.execute(b"DELETE FROM greenroom.requests")  # of the histories above
    start = datetime.now(UTC) - timedelta(minutes=1)  # the server's clock may differ a little
    for number in range(5):
        request = Request(RequestId(f"old-{number}"), "f")
        on_postgres.write(Draft(requests=[Remembered(request, None)]))
    assert on_postgres.prune_requests(start, 9) == 0
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert [on_postgres.prune_requests(later, 3) for _ in range(3)] == [3, 2, 0]
    assert on_postgres.request(RequestId("old-4")) is None
