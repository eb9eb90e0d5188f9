"""A copy goes on from wherever it ended, and nobody meets one that is not finished."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import signal
import sqlite3
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.adapters.copier import copy_for, copy_until

from greenroom import Greenroom
from greenroom.adapters import copying
from greenroom.adapters.checking import check
from greenroom.adapters.copying import copy
from greenroom.adapters.inspection import StoreStatus, status
from greenroom.adapters.stores import open_store
from greenroom.domain.errors import NotOurStore, StoreError
from greenroom.domain.message import CallId, RequestId
from greenroom.domain.ports import EventStore, Request
from greenroom.domain.streams import session_stream
from greenroom.testing.postgres import PrivatePostgres
from greenroom.testing.store_events import added, pinned, upserted

pytestmark = pytest.mark.slow

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.adapters.copier"])


def write(store: EventStore, number: int) -> None:
    """One command's: three events, one of them sealed, and the request."""
    stream = session_stream(CallId("livestream:123"), number)
    rows = [added(f"user-{number}", phone="123"), pinned(1, stream), pinned(2, stream)]
    store.append(rows, request=Request(RequestId(f"request-{number}"), "fingerprint", b"answer"))


def fill(url: str, appends: int) -> None:
    """A store, and its outbox, with so much in it."""
    with Greenroom.open(url, timers=False) as room:
        call = room.as_user("thierry").call("default", "1")
        call.create(member_ids=["alice", "charlie"], ring=True)
    with Greenroom.open(url):
        pass  # whoever is rung hears of it
    with closing(open_store(url)) as store:
        for number in range(1, appends + 1):
            write(store, number)


def assert_same(source: str, target: str) -> None:
    """Rooms can be opened on both, and see the same."""
    with closing(open_store(source)) as here, closing(open_store(target)) as there:
        assert list(there.feed()) == list(here.feed())
        assert there.request(RequestId("request-1")) == here.request(RequestId("request-1"))
    with (
        Greenroom.open(source, timers=False) as here,
        Greenroom.open(target, timers=False) as there,
    ):
        assert there.outbox.entries() == here.outbox.entries()
        assert there.as_user("thierry").query_calls().items == (
            here.as_user("thierry").query_calls().items
        )
    assert check(target).faults == []


@dataclass(frozen=True)
class Places:
    source: str
    target: str


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in a file, that every test gets a copy of."""
    path = tmp_path_factory.mktemp("filled") / "here.db"
    fill(f"sqlite:///{path}", 12)
    return path


@pytest.fixture
def files(filled: Path, tmp_path: Path) -> Places:
    """A store in a file, and where another is to be."""
    shutil.copy(filled, tmp_path)
    return Places(f"sqlite:///{tmp_path / 'here.db'}", f"sqlite:///{tmp_path / 'there.db'}")


@pytest.fixture(params=["to postgresql", "to sqlite"])
def databases(request: pytest.FixtureRequest, tmp_path: Path, postgres_url: str) -> Places:
    """The same from one kind of database to the other."""
    file = f"sqlite:///{tmp_path / 'calls.db'}"
    places = (file, postgres_url) if request.param == "to postgresql" else (postgres_url, file)
    fill(places[0], 12)
    return Places(*places)


class Interrupted(BaseException):
    """Somebody pressed Ctrl-C."""


def at(step: int, action: Callable[[], object]) -> Callable[..., None]:
    """Does something at a certain step of a copy."""
    steps = iter(range(1, 1_000_000))

    def told(*_: object) -> None:
        if next(steps) == step:
            action()

    return told


def few_fast(steps: range, *fast: int) -> list[Any]:
    """All steps, as parameters; those that are not named take their time."""
    return [step if step in fast else pytest.param(step, marks=pytest.mark.slow) for step in steps]


def interrupt() -> None:
    raise Interrupted


def steps_of(places: Places, tmp_path: Path) -> int:
    """How many steps a copy of the source has."""
    steps: list[object] = []
    copy(places.source, f"sqlite:///{tmp_path / 'counted.db'}", lambda *told: steps.append(told))
    return len(steps)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """More steps with fewer rows."""
    monkeypatch.setattr(copying, "PAGE", 9)


@pytest.mark.usefixtures("small_pages")
def test_interrupted_at_any_step_it_goes_on_from_there(files: Places, tmp_path: Path) -> None:
    steps = steps_of(files, tmp_path)
    assert steps > 20
    began_after = []
    for step in range(1, steps + 1, 3):
        for file in tmp_path.glob("there*"):
            file.unlink()
        with pytest.raises(Interrupted):
            copy(files.source, files.target, at(step, interrupt))
        with pytest.raises(NotOurStore, match=r"is being copied to .*not finished.*greenroom copy"):
            Greenroom.open(files.target)
        began_after.append(copy(files.source, files.target).began_after)
    assert began_after == sorted(began_after)
    assert began_after[0] == 9
    assert_same(files.source, files.target)


def test_its_status_can_be_asked_at_any_step(databases: Places) -> None:
    """Even where it holds a table of which not one row has come."""
    found: list[StoreStatus] = []
    copy(databases.source, databases.target, lambda *_: found.append(status(databases.target)))
    assert {one.outbox is None for one in found} == {False, True}
    assert all(one.copy for one in found)
    now = status(databases.target)
    assert now == replace(found[-1], copy=None, bytes=now.bytes)


@pytest.mark.usefixtures("small_pages")
def test_a_copy_interrupted_again_and_again_gets_there(files: Places) -> None:
    for _ in range(100):
        try:
            copy(files.source, files.target, at(4, interrupt))
        except Interrupted:
            if status(files.target).position == status(files.source).position:
                break
    copy(files.source, files.target)
    assert_same(files.source, files.target)


@pytest.mark.slow
def test_killed_at_any_step_it_goes_on_from_there(databases: Places) -> None:
    for step in range(1, 60, 4):
        process = PROCESSES.Process(target=copy_until, args=(*places_of(databases), step, 9))
        process.start()
        process.join(60)
        if process.exitcode == 0:
            assert step > 20
            break
        assert process.exitcode == -signal.SIGKILL
        with pytest.raises(NotOurStore, match="not finished"):
            open_store(databases.target)
        found = status(databases.target).copy
        assert found is not None
        assert 0 < found.position <= found.until
    assert_same(databases.source, databases.target)


def places_of(places: Places) -> tuple[str, str]:
    return places.source, places.target


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_from_there(databases: Places) -> None:
    """Not only between steps: in the middle of a transaction, or of making the tables."""
    with closing(open_store(databases.source)) as store:
        for number in range(13, 400):
            write(store, number)
    chance = random.Random(9)
    killed = 0
    for trial in range(40):
        seconds = chance.uniform(0.001, 0.05 * trial + 0.002)
        process = PROCESSES.Process(target=copy_for, args=(*places_of(databases), seconds, 3))
        process.start()
        process.join(60)
        if is_done(databases.target):
            break
        killed += 1
    else:
        copy(databases.source, databases.target)
    assert killed > 3, "they were hardly ever killed on the way"
    assert_same(databases.source, databases.target)


def is_done(url: str) -> bool:
    """Whether the last one was quick."""
    try:
        found = status(url)
    except StoreError:
        return False
    return found.copy is None and found.position > 0


@pytest.mark.slow
@pytest.mark.usefixtures("small_pages")
def test_a_server_that_is_killed_on_the_way_is_no_loss(tmp_path: Path) -> None:
    source = f"sqlite:///{tmp_path / 'here.db'}"
    fill(source, 12)
    with PrivatePostgres(fsync=False) as server:
        target = server.url()
        for step in (2, 9, 15):
            with pytest.raises(StoreError):
                copy(source, target, at(step, server.kill))
            server.start()
        copy(source, target)
        assert_same(source, target)


@pytest.mark.parametrize("recorded_at", few_fast(range(1, 15), 1, 14))
def test_what_is_recorded_meanwhile_is_copied_as_well(files: Places, recorded_at: int) -> None:
    with closing(open_store(files.source)) as store:
        copy(files.source, files.target, at(recorded_at, lambda: write(store, 100)))
    assert_same(files.source, files.target)


@pytest.mark.slow
def test_what_is_recorded_in_a_database_meanwhile_is_copied_as_well(databases: Places) -> None:
    with closing(open_store(databases.source)) as store:
        copy(databases.source, databases.target, at(4, lambda: write(store, 100)))
    assert_same(databases.source, databases.target)


def test_a_source_that_never_rests_is_given_up_and_gone_on_with_later(files: Places) -> None:
    numbers = iter(range(100, 10_000))
    with (
        closing(open_store(files.source)) as store,
        pytest.raises(StoreError, match=r"written all the time: stop whoever does so"),
    ):
        copy(files.source, files.target, lambda *_: write(store, next(numbers)))
    assert copy(files.source, files.target).began_after > 0
    assert_same(files.source, files.target)


@pytest.mark.parametrize("forgotten_at", few_fast(range(1, 15), 6, 14))
def test_who_is_forgotten_meanwhile_is_forgotten_there(
    files: Places, tmp_path: Path, forgotten_at: int
) -> None:
    with closing(open_store(files.source)) as store:
        store.append([upserted("tommaso", display_name="Tommaso")])
        subject = ["user-tommaso"]
        copy(files.source, files.target, at(forgotten_at, lambda: store.erase(subject)))
        forgotten = store.recorder.keys(subject) == [None]
    with closing(open_store(files.target)) as there:
        assert (there.recorder.keys(subject) == [None]) == forgotten
    assert forgotten or forgotten_at > steps_of(files, tmp_path)


@pytest.mark.parametrize("pruned_at", few_fast(range(1, 15), 2))
def test_requests_that_are_forgotten_meanwhile_do_no_harm(files: Places, pruned_at: int) -> None:
    with closing(open_store(files.source)) as store:

        def prune() -> None:
            with closing(sqlite3.connect(files.source.removeprefix("sqlite:///"))) as file:
                file.execute("DELETE FROM requests WHERE request_id = 'request-7'")
                file.commit()

        copy(files.source, files.target, at(pruned_at, prune))
        here = store.request(RequestId("request-7"))
    with closing(open_store(files.target)) as there:
        assert there.request(RequestId("request-7")) == here
    assert_same(files.source, files.target)


def in_file(url: str, statement: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
        file.execute(statement)
        file.commit()


TAMPERING = {
    "a document": (
        "UPDATE stored_events SET state = CAST('{}' AS BLOB) WHERE rowid = 5",
        "in position 5",
    ),
    "a stream": (
        "UPDATE stored_events SET originator_id = 'x' WHERE rowid = 6",
        "in position 6",
    ),
    "a record less": ("DELETE FROM stored_events WHERE rowid = 7", "in position 7"),
    "an answer": (
        "UPDATE requests SET answer = CAST('no' AS BLOB) WHERE request_id = 'request-7'",
        "in a row of requests",
    ),
    "a key": ("DELETE FROM subject_keys", "in a row of subject_keys"),
    "a notification": (
        "UPDATE greenroom_effects SET status = 'pending', due_at = 1",
        "in a row of greenroom_effects",
    ),
}


@pytest.mark.parametrize(("statement", "says"), TAMPERING.values(), ids=TAMPERING)
def test_every_row_of_both_sides_is_compared_in_the_end(
    files: Places, statement: str, says: str
) -> None:
    tampered: list[str] = []

    def tamper(step: str, done: int, of: int) -> None:
        if (step, done) == ("subject_keys", of) and not tampered:  # the last that is written
            in_file(files.target, statement)
            tampered.append(step)

    with pytest.raises(StoreError, match=says):
        copy(files.source, files.target, tamper)
    with pytest.raises(NotOurStore, match="not finished"):
        open_store(files.target)


def test_two_who_copy_to_the_same_place_are_noticed(files: Places) -> None:
    with pytest.raises(StoreError, match="somebody else writes to"):
        copy(files.source, files.target, at(3, lambda: copy(files.source, files.target)))
    assert_same(files.source, files.target)


@pytest.mark.usefixtures("small_pages")
def test_a_copy_of_another_store_is_not_gone_on_with(files: Places, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    fill(other, 2)
    with pytest.raises(Interrupted):
        copy(files.source, files.target, at(2, interrupt))
    with pytest.raises(NotOurStore, match=r"unfinished copy of another store, .*here\.db"):
        copy(other, files.target)
    with pytest.raises(NotOurStore, match="not finished"):
        copy(files.target, other)
    copy(files.source, files.target)
    assert_same(files.source, files.target)


def test_a_store_that_is_in_use_is_not_written_over(files: Places, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    fill(other, 2)
    before = status(other)
    with pytest.raises(NotOurStore, match="holds another store, up to position"):
        copy(files.source, other)
    assert status(other) == before
    Greenroom.open(other).close()


@pytest.mark.slow
def test_a_database_that_is_in_use_is_not_written_over(
    postgres: PrivatePostgres, databases: Places
) -> None:
    with postgres.database() as other:
        with psycopg.connect(other, autocommit=True) as stranger:
            stranger.execute("CREATE SCHEMA greenroom; CREATE TABLE greenroom.plants (name text)")
            with pytest.raises(NotOurStore, match="another program"):
                copy(databases.source, other)
            stranger.execute("DROP SCHEMA greenroom CASCADE")
        fill(other, 2)
        before = status(other)
        with pytest.raises(NotOurStore, match="holds another store"):
            copy(databases.source, other)
        assert status(other).position == before.position
        Greenroom.open(other).close()


@pytest.mark.slow
def test_the_source_stays_as_it_is(databases: Places) -> None:
    before = status(databases.source)
    copy(databases.source, databases.target)
    after = status(databases.source)
    assert (after.position, after.requests, after.outbox) == (
        before.position,
        before.requests,
        before.outbox,
    )
    with closing(open_store(databases.source)) as store:
        write(store, 100)


def test_keys_that_came_and_went_leave_no_byte_in_the_file(files: Places) -> None:
    path = Path(files.target.removeprefix("sqlite:///"))
    log = path.with_name(f"{path.name}-wal")
    with closing(open_store(files.source)) as store, ExitStack() as open_ones:
        store.append([upserted("tommaso", display_name="Tommaso")])
        (key,) = store.recorder.keys(["user-tommaso"])
        assert key is not None
        seen: list[bool] = []

        def erase(step: str, *_: Any) -> None:
            if step == "comparing" and not seen:
                # Somebody looks at it: the log does not go with the copy's last connection.
                looking = open_ones.enter_context(closing(sqlite3.connect(path)))
                looking.execute("SELECT count(*) FROM requests").fetchall()
                seen.append(key.secret in path.read_bytes() + log.read_bytes())
                store.erase(["user-tommaso"])

        copy(files.source, files.target, erase)
        assert seen == [True]
        assert key.secret not in path.read_bytes() + log.read_bytes()


@pytest.mark.slow
def test_it_takes_no_more_memory_for_more_events(tmp_path: Path) -> None:
    peaks = []
    for name, appends in (("first", 600), ("small", 600), ("large", 6_000)):
        source = f"sqlite:///{tmp_path / name}.db"
        with closing(open_store(source)) as store:
            for number in range(1, appends + 1):
                write(store, number)
        tracemalloc.start()
        try:
            copy(source, f"sqlite:///{tmp_path / name}-there.db")
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[2] < 1.5 * peaks[1]
