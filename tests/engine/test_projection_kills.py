"""Killed at any moment, processes leave views in which every event counts exactly once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from typing import Final

import psycopg
import pytest
from tests.engine.deeds import look
from tests.engine.mortals import (
    PATIENCE,
    Fault,
    Life,
    Mortal,
    act_and_look,
    keep_past,
    look_on,
    position_first,
    rebuild,
)
from tests.projections.test_past import kept_in

from greenroom import Greenroom, Member
from greenroom.domain.ports import EventStore
from greenroom.domain.streams import ERASING
from greenroom.projections.views import Views

pytestmark = pytest.mark.slow

KILLS: Final = 12
HAPPENED: Final = {
    *("call.created", "call.updated", "call.rung", "call.deleted"),
    *("session.started", "session.joined", "session.left"),
    *("member.added", "member.updated", "member.removed", "member.accepted"),
}
"""Stored names of events: without one of them the exam would be too easy."""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a store that is there, with nothing in it but the call types."""
    if request.param == "sqlite":
        found = f"sqlite:///{tmp_path / 'calls.db'}"
    else:
        found = request.getfixturevalue("postgres_url")
    Greenroom.open(found, timers=False).close()
    return found


class Model:
    """Views in memory that have never known a kill."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def digest(self, store: EventStore, position: int) -> str:
        """What views say that stand at `position`, which rises from call to call."""
        assert self._views.catch_up(store.feed, until=position) == position
        return self._views.digest()


@pytest.mark.parametrize("others", [(), (look_on, act_and_look)], ids=["alone", "others beside"])
def test_every_event_counts_once_whenever_somebody_is_killed(
    url: str, others: Sequence[Life]
) -> None:
    kill_again_and_again(url, [act_and_look, *others])
    with opened(url) as room:
        happened = {head.name for head in room._store.heads()}
        assert happened >= HAPPENED, HAPPENED - happened
        assert room._views.digest() == refilled(room)
        before = room._views.digest()
        room.rebuild()
        assert room._views.digest() == before


def test_so_it_does_where_the_past_is_kept(url: str) -> None:
    kill_again_and_again(url, [keep_past, keep_past], kills=KILLS // 2)
    with opened(url) as room, closing(Views.open(None, secret=room._store.secret)) as fresh:
        room.keep_past()
        fresh.catch_up(room._store.feed, until=room.position)
        fresh.past.keep(room._store.feed)
        assert kept_in(room._views) == kept_in(fresh)


def test_the_exam_notices_positions_that_are_moved_before_the_rows(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    Greenroom.open(url, timers=False).close()
    with pytest.raises(AssertionError, match="not what the log says"):
        kill_again_and_again(url, [act_and_look], fault=position_first, kills=4 * KILLS)


def test_a_killed_rebuild_changes_nothing_and_the_next_leaves_nothing(url: str) -> None:
    with opened(url) as room:
        call = room.system("registry").call("default", "123")
        call.create()
        call.import_members(Member(f"alice-{n}", custom={"n": n}) for n in range(3_000))
        look(room, Random(0))
        digest = room._views.digest()
    usual, left = things_at(url), 0
    for kill, lots in enumerate(lots_of("rebuild", KILLS)):
        with Mortal(url, rebuild, f"{kill}") as mortal:
            for _ in range(lots.randint(1, 5)):  # at the beginning, or after some batch
                mortal.wait()
            time.sleep(lots.uniform(0, 0.1))
            mortal.die()
        rest(url)
        left += things_at(url) > usual
        with opened(url) as room:
            assert room._views.digest() == digest
            check_that_nothing_is_missing(room)
    assert left > 1, "hardly any of them was killed in the middle"
    with opened(url) as room:
        room.rebuild()
        assert room._views.digest() == digest
        check_that_nothing_is_missing(room)
    rest(url)
    assert things_at(url) == usual


def kill_again_and_again(
    url: str, lives: Sequence[Life], *, fault: Fault | None = None, kills: int = KILLS
) -> None:
    """Let them live together, kill one after the other, and look at the views; again and again."""
    with opened(url) as room:
        views = Views.open(None, secret=room._store.secret)
    with closing(views):
        model = Model(views)
        for kill, lots in enumerate(lots_of(f"{len(lives)}", kills)):
            live_and_die(url, lives, lots, fault=fault, kill=kill)
            check(url, model)


def live_and_die(
    url: str, lives: Sequence[Life], lots: Random, *, fault: Fault | None, kill: int
) -> None:
    """Kill one after the other: at any time or, two times of three, while it writes views."""
    with ExitStack() as alive:
        mortals = [
            alive.enter_context(Mortal(url, life, f"{kill}.{number}", fault))
            for number, life in enumerate(lives)
        ]
        for mortal in mortals:
            mortal.wait()
        time.sleep(lots.uniform(0, 0.3))
        for mortal in lots.sample(mortals, len(mortals)):
            if kill % 3:
                mortal.wait()
            time.sleep(lots.uniform(0, 0.02))
            mortal.die()
    rest(url)


def lots_of(what: str, times: int) -> Iterator[Random]:
    """Lots for each time, which a failure names."""
    for time_ in range(times):
        seed = f"{what} {time_}"
        print(f"killing: {seed}")  # noqa: T201 - pytest shows it where a test fails
        yield Random(seed)


def check(url: str, model: Model) -> None:
    """The views say what the log says: as far as they were, and then to its end."""
    with opened(url) as room:
        views, store = room._views, room._store
        found, head = views.position(), store.position()
        print(f"found at {found} of {head}")  # noqa: T201 - pytest shows it where a test fails
        if not any(one.name in ERASING for one in store.heads(found)):  # else it says less already
            assert views.digest() == model.digest(store, found), "not what the log says"
        look(room, Random(0))
        assert views.digest() == model.digest(store, head), "not what the log says"
        check_that_nothing_is_missing(room)


def check_that_nothing_is_missing(room: Greenroom) -> None:
    assert {one.lag for one in room.positions().values()} == {0}
    assert not room.parked()


def opened(url: str) -> Greenroom:
    """The room, in which nothing happens by itself."""
    return Greenroom.open(url, create=False, timers=False)


def refilled(room: Greenroom) -> str:
    """What views say that have seen all of the log in one go."""
    with closing(Views.open(None, secret=room._store.secret)) as views:
        views.catch_up(room._store.feed, until=room.position)
        return views.digest()


def things_at(url: str) -> set[str]:
    """The files of the store, or the schemas of its database; not what may stay for ever."""
    passing = ("-wal", "-shm", "-leader")
    if url.startswith("sqlite"):
        directory = Path(url.removeprefix("sqlite:///")).parent
        return {one.name for one in directory.iterdir() if not one.name.endswith(passing)}
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'")
        return {name for (name,) in found}


def rest(url: str) -> None:
    """Wait until the server has noticed that all of them are dead."""
    if url.startswith("sqlite"):
        return
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    until = time.monotonic() + PATIENCE
    with psycopg.connect(url, autocommit=True) as connection:
        while (connection.execute(others).fetchone() or (0,))[0]:
            assert time.monotonic() < until, "somebody is there still"
            time.sleep(0.01)
