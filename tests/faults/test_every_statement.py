"""Views are brought along by a process that fails, or is killed, at every single statement."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import psycopg
import pytest
from tests.engine.conftest import START
from tests.engine.deeds import act
from tests.engine.mortals import position_first
from tests.faults.sizes import sized
from tests.faults.statements import Statements
from tests.projections.test_past import kept_in

from greenroom import Greenroom
from greenroom.domain.errors import StoreError
from greenroom.domain.message import Event, Recorded
from greenroom.projections.runner import Runner
from greenroom.projections.views import Views
from greenroom.testing.clock import VirtualClock
from greenroom.testing.postgres import PrivatePostgres

pytestmark = pytest.mark.slow

SECRET: Final = b"secret of the store these views are of"
KILLED: Final = -signal.SIGKILL
Where = Path | str
Pairs = Sequence[tuple[int, Recorded[Event]]]
Work = Callable[[Views, Pairs], None]
"""Brings views that have seen the first half of the records to the end of them."""


@dataclass(frozen=True)
class Ground:
    """Where copies of the same views are made, and what comes of the log."""

    records: Pairs
    expected: Views
    """In memory, where nothing has happened to them."""
    store: str
    copies: Callable[[], AbstractContextManager[Where]]
    """Each has seen the first half of the records."""
    lost: Exception
    """What the driver raises where a database is lost."""


def catch_up(views: Views, records: Pairs) -> None:
    """Take them along to the end."""
    views.catch_up(feed_of(records), until=records[-1][0])


def keep_past(views: Views, records: Pairs) -> None:
    """Keep the past, which takes what there is again, and go on with it."""
    views.past.keep(feed_of(records))
    catch_up(views, records)


def rebuild(views: Views, records: Pairs) -> None:
    """Make them anew, up to the end."""
    views.rebuild(feed_of(records), until=records[-1][0])


STEPS: Final[Mapping[Work, int]] = {catch_up: 3, keep_past: 17, rebuild: 29}


def every(work: Work, ground: Ground) -> int:
    """Of so many statements one is tried in each build."""
    return STEPS[work] if ground.store == "sqlite" else 5 * STEPS[work]


def feed_of(records: Pairs) -> Callable[[int], Pairs]:
    return lambda after: [pair for pair in records if pair[0] > after]


@pytest.fixture(scope="module")
def records() -> Pairs:
    """A log in which much has happened, erasures too."""
    with Greenroom.open("memory://", clock=VirtualClock(START)) as room:
        lots = Random("every statement")
        while room.position < 250:
            act(room, lots)
        room.users.upsert("guest", custom={"n": 1})
        room.users.erase("guest")
        return list(room._store.feed())


@pytest.fixture(scope="module")
def expected(records: Pairs) -> Iterator[Views]:
    """Views in memory to which nothing has happened, with the past of their rows."""
    with closing(Views.open(None, secret=SECRET)) as views:
        keep_past(views, records)
        yield views


@pytest.fixture(params=["sqlite", "postgres"])
def ground(
    request: pytest.FixtureRequest, records: Pairs, expected: Views, tmp_path: Path
) -> Iterator[Ground]:
    if request.param == "sqlite":
        half_way(tmp_path / "half" / "views.db", records)
        lost: Exception = sqlite3.OperationalError("lost")
        yield Ground(records, expected, "sqlite", lambda: copied(tmp_path), lost)
        return
    server: PrivatePostgres = request.getfixturevalue("postgres")
    with server.database() as url:
        half_way(url, records)
        template = url.rpartition("/")[2]
        lost = psycopg.OperationalError("lost")
        yield Ground(records, expected, "postgresql", lambda: server.database(template), lost)


def half_way(where: Where, records: Pairs) -> None:
    if isinstance(where, Path):
        where.parent.mkdir()
    with closing(Views.open(where, secret=SECRET)) as views:
        catch_up(views, records[: len(records) // 2])


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    return Statements(monkeypatch)


@contextmanager
def copied(directory: Path) -> Iterator[Path]:
    shutil.copytree(directory / "half", directory / "copy")
    yield directory / "copy" / "views.db"
    shutil.rmtree(directory / "copy")


@pytest.mark.parametrize("work", [catch_up, keep_past, rebuild], ids=lambda work: work.__name__)
def test_at_whichever_statement_it_fails_nothing_is_missing_afterwards(
    ground: Ground, work: Work, statements: Statements, tried: Callable[[str, int], None]
) -> None:
    failures = 0
    number, step = 1, sized(every(work, ground), 1)
    while True:
        with ground.copies() as where, closing(Views.open(where, secret=SECRET)) as views:

            def fail() -> None:
                raise ground.lost.with_traceback(None)

            with statements.watched(number, fail):
                try:
                    work(views, ground.records)
                except StoreError:
                    failures += 1
            whole(views, ground)
            if statements.seen < number:
                break
        number += step
    assert failures
    tried(ground.store, number // step)


@pytest.mark.parametrize("work", [catch_up, keep_past, rebuild], ids=lambda work: work.__name__)
def test_at_whichever_statement_it_is_killed_nothing_is_missing_afterwards(
    ground: Ground, work: Work, statements: Statements, tried: Callable[[str, int], None]
) -> None:
    number, step = 1, sized(2 * every(work, ground), 1)
    ended = KILLED
    while ended == KILLED:
        with ground.copies() as where:
            ended = child(where, lambda views: work(views, ground.records), statements, number)
            assert ended in (KILLED, 0)
            with closing(Views.open(where, secret=SECRET)) as views:
                whole(views, ground)
        number += step
    tried(ground.store, number // step)


def test_the_exam_notices_positions_that_are_moved_before_the_rows(
    ground: Ground,
    statements: Statements,
    monkeypatch: pytest.MonkeyPatch,
    tried: Callable[[str, int], None],
) -> None:
    monkeypatch.setattr(Runner, "apply", position_first)
    with pytest.raises(AssertionError):
        test_at_whichever_statement_it_fails_nothing_is_missing_afterwards(
            ground, catch_up, statements, tried
        )


def child(
    where: Where, work: Callable[[Views], object], statements: Statements, number: int
) -> int:
    """How a child ended that is killed before that statement."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    answer = 1
    try:
        views = Views.open(where, secret=SECRET)
        with statements.watched(number, lambda: os.kill(os.getpid(), signal.SIGKILL)):
            work(views)
        answer = 0
    finally:
        os._exit(answer)


def whole(views: Views, ground: Ground) -> None:
    """Brought along once more, they say what they should; so does what they keep of the past."""
    catch_up(views, ground.records)
    assert views.digest() == ground.expected.digest()
    assert not views.parked()
    if views.past.kept() is not None:
        views.past.keep(feed_of(ground.records))
        assert kept_in(views) == kept_in(ground.expected)
