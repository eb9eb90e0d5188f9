"""Views on PostgreSQL: whose schema it is, who waits for whom, what a crash takes away."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest
from tests.projections.history import CID, SECRET, History, Pair
from tests.projections.places import digest_of, execute, members_of, opened, together

from greenroom.domain import errors
from greenroom.projections import database, postgres_engine
from greenroom.projections.postgres import SCHEMA
from greenroom.projections.views import Views
from greenroom.testing.postgres import PrivatePostgres

pytestmark = pytest.mark.slow


def schemas(url: str) -> list[str]:
    """Those that have to do with views."""
    found = execute(url, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'greenroom%'")
    return sorted(name for (name,) in found)


def test_a_schema_of_something_else_is_left_alone(postgres_url: str) -> None:
    execute(postgres_url, f"CREATE SCHEMA {SCHEMA} CREATE TABLE patients (name text)")
    execute(postgres_url, "INSERT INTO patients VALUES ('alice')")
    with pytest.raises(errors.NotOurStore, match="something else than views"):
        Views.open(postgres_url, secret=SECRET)
    assert execute(postgres_url, "SELECT * FROM patients") == [("alice",)]


def test_a_schema_that_an_administrator_made_is_taken(postgres_url: str, history: History) -> None:
    execute(postgres_url, "CREATE ROLE tommaso LOGIN PASSWORD 'tommaso'")
    execute(postgres_url, f"CREATE SCHEMA {SCHEMA} AUTHORIZATION tommaso")
    made = opened(f"postgresql://tommaso:tommaso@{postgres_url.partition('@')[2]}", history)
    assert made.digest() == digest_of(history)
    with pytest.raises(errors.StoreError, match="CREATE in the database"):
        made.rebuild(history.feed, until=history.head)
    made.close()
    execute(postgres_url, f"DROP SCHEMA {SCHEMA} CASCADE")
    execute(postgres_url, "DROP ROLE tommaso")


def test_views_of_a_newer_greenroom_are_refused(postgres_url: str, history: History) -> None:
    opened(postgres_url, history).close()
    execute(postgres_url, "UPDATE greenroom_marks SET schema_version = schema_version + 1")
    with pytest.raises(errors.WrongSchema) as refused:
        Views.open(postgres_url, secret=SECRET)
    assert refused.value.found == database.SCHEMA_VERSION + 1


def test_views_of_an_older_greenroom_start_from_nothing(
    postgres_url: str, history: History
) -> None:
    opened(postgres_url, history).close()
    execute(postgres_url, "UPDATE greenroom_marks SET schema_version = 0")
    execute(postgres_url, "CREATE TABLE of_old_times (x int)")
    execute(postgres_url, "CREATE FUNCTION of_old_times() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    with closing(opened(postgres_url, history)) as made:
        assert made.digest() == digest_of(history)
        assert made.queries.members(CID, filters={"custom.x": {"$exists": False}}).items
    assert execute(postgres_url, "SELECT to_regclass('of_old_times')") == [(None,)]
    assert execute(postgres_url, "SELECT to_regproc('of_old_times')") == [(None,)]


def test_views_that_were_dropped_say_what_to_do(postgres_url: str, history: History) -> None:
    made = opened(postgres_url, history)
    execute(postgres_url, f"DROP SCHEMA {SCHEMA} CASCADE")
    with pytest.raises(errors.StoreError, match="open the room again"):
        made.queries.calls()
    made.close()
    with closing(opened(postgres_url, history)) as again:
        assert again.digest() == digest_of(history)


def test_a_database_that_cannot_hold_all_text_is_refused(postgres: PrivatePostgres) -> None:
    postgres.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        with pytest.raises(errors.StoreError, match="ENCODING 'UTF8'"):
            Views.open(postgres.url("latin"), secret=SECRET)
    finally:
        postgres.execute("DROP DATABASE latin WITH (FORCE)")


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ("postgresql://tommaso:{password}@127.0.0.1:{port}/{name}", "authentication failed"),
        ("postgresql://{user}:not-{password}@127.0.0.1:{port}/{name}", "authentication failed"),
        ("postgresql://{user}:{password}@127.0.0.1:{port}/nowhere", '"nowhere" does not exist'),
        ("postgresql://{user}:{password}@127.0.0.1:1/{name}", "cannot be used"),
        ("postgresql://{user}:{password}%zz@127.0.0.1:{port}/{name}", "url: expected postgresql"),
        ("postgresql://{user}:{password}@127.0.0.1/{name}?{password}=1", "url: expected"),
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_the_password(
    postgres_url: str, wrong: str, advice: str
) -> None:
    right = urlsplit(postgres_url)
    assert right.password
    url = wrong.format(
        user=right.username, password=right.password, port=right.port, name=right.path[1:]
    )
    with pytest.raises(errors.GreenroomError, match=advice) as refused:
        Views.open(url, secret=SECRET)
    said: BaseException | None = refused.value
    while said is not None:
        assert right.password not in str(said)
        said = said.__cause__


def test_the_end_of_the_log_is_asked_for_while_nobody_can_move_the_views(
    postgres_url: str, history: History
) -> None:
    first = opened(postgres_url, history)
    asked: list[int] = []

    def head() -> int:
        history.added("late")
        other = threading.Thread(
            target=lambda: first.catch_up(history.feed, until=history.head), daemon=True
        )
        other.start()
        other.join(0.3)
        assert other.is_alive(), "it waits for us"
        asked.append(history.pairs[-2][0])
        return asked[0]

    with closing(Views.open(postgres_url, secret=SECRET, head=head)) as made:
        assert asked
        assert made.position() >= asked[0]
    first.close()


def test_a_writer_that_never_ends_is_a_store_error(
    postgres_url: str, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres_engine._SETTINGS, "lock_timeout", "50ms")
    made, other = opened(postgres_url, history), Views.open(postgres_url, secret=SECRET)
    history.added("alice")
    with other._database.write(), pytest.raises(errors.StoreError, match="too long; try again"):
        made.catch_up(history.feed, until=history.head)
    made.catch_up(history.feed, until=history.head)
    assert made.digest() == digest_of(history)
    made.close()
    other.close()


def test_many_processes_that_start_at_once_make_the_tables_once(
    postgres_url: str, history: History
) -> None:
    found: list[str] = []
    ready = threading.Barrier(8)

    def start() -> None:
        ready.wait()  # connections of their own make them processes to the server
        with closing(opened(postgres_url, history)) as made:
            found.append(made.digest())

    together(*[start] * 8)
    assert found == [digest_of(history)] * 8


def test_readers_never_fail_while_tables_are_exchanged(postgres_url: str, history: History) -> None:
    made, elsewhere = opened(postgres_url, history), opened(postgres_url, history)
    digest, over = made.digest(), threading.Event()
    asked: list[int] = []

    def read(views: Views) -> None:
        while not over.is_set():
            asked.append(len(views.queries.members(CID, filters={"custom.a": {"$ne": 1}}).items))
            assert members_of(views) == 7
            assert views.digest() == digest

    def rebuild() -> None:
        try:
            for _ in range(10):
                made.rebuild(history.feed, until=history.head)
        finally:
            over.set()

    together(rebuild, lambda: read(made), lambda: read(elsewhere))
    assert set(asked) == {7}
    assert schemas(postgres_url) == [SCHEMA]
    made.close()
    elsewhere.close()


def test_a_room_elsewhere_goes_on_with_the_rebuilt_tables(
    postgres_url: str, history: History
) -> None:
    made, elsewhere = opened(postgres_url, history), opened(postgres_url, history)
    execute(postgres_url, "DELETE FROM members")
    made.rebuild(history.feed, until=history.head)
    history.added("alice")
    elsewhere.catch_up(history.feed, until=history.head)
    assert made.digest() == elsewhere.digest() == digest_of(history)
    made.close()
    elsewhere.close()


def rebuild_and_die(url: str, pairs: Sequence[Pair]) -> None:
    def feed(after: int) -> Iterator[Pair]:
        yield from (pair for pair in pairs if pair[0] > after)
        os.kill(os.getpid(), signal.SIGKILL)

    Views.open(url, secret=SECRET).rebuild(feed, until=pairs[-1][0])


def test_what_a_killed_rebuild_leaves_is_removed_by_the_next(
    postgres_url: str, history: History
) -> None:
    made = opened(postgres_url, history)
    other = multiprocessing.get_context("spawn").Process(
        target=rebuild_and_die, args=(postgres_url, history.pairs)
    )
    other.start()
    other.join(60)
    assert other.exitcode == -signal.SIGKILL
    [_, left] = schemas(postgres_url)
    assert left.startswith(f"{SCHEMA}_fresh_")
    assert made.digest() == digest_of(history)
    made.rebuild(history.feed, until=history.head)
    assert schemas(postgres_url) == [SCHEMA]
    made.close()


def test_a_rebuild_leaves_another_that_is_under_way_alone(
    postgres_url: str, history: History
) -> None:
    made, elsewhere = opened(postgres_url, history), opened(postgres_url, history)
    seen: list[int] = []

    def feed(after: int) -> Iterator[Pair]:
        yield from history.feed(after)
        if not seen:
            seen.append(len(schemas(postgres_url)))
            elsewhere.rebuild(history.feed, until=history.head)

    made.rebuild(feed, until=history.head)
    assert seen == [2]
    assert made.digest() == elsewhere.digest() == digest_of(history)
    assert schemas(postgres_url) == [SCHEMA]
    made.close()
    elsewhere.close()


def test_what_a_crash_of_the_server_takes_away_is_projected_again(history: History) -> None:
    # Nothing reaches the disk before the crash: what was committed last is lost for certain.
    lazy = {"wal_writer_delay": "10s", "bgwriter_delay": "10s"}
    with PrivatePostgres(settings=lazy) as server:
        made = opened(server.url(), history)
        server.execute("CHECKPOINT")
        seen = history.head
        for number in range(5):
            history.added(f"late-{number}")
        made.catch_up(history.feed, until=history.head)
        assert members_of(made) == 12
        server.kill()
        with pytest.raises(errors.StoreError):
            made.queries.calls()
        server.start()
        lost = execute(server.url(), "SELECT min(position) FROM positions") == [(seen,)]
        assert lost, "the crash must have lost something, or this proves nothing"
        assert made.catch_up(history.feed, until=history.head) == history.head
        assert made.digest() == digest_of(history)
        made.close()


def test_a_server_that_was_restarted_is_not_noticed(history: History) -> None:
    with PrivatePostgres(fsync=False) as server, closing(opened(server.url(), history)) as made:
        server.stop()
        server.start()
        assert members_of(made) == 7
        assert len(made.queries.members(CID).items) == 7
        history.added("alice")
        made.catch_up(history.feed, until=history.head)
        assert made.digest() == digest_of(history)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_has_connections_of_its_own(postgres_url: str, history: History) -> None:
    made = opened(postgres_url, history)
    assert members_of(made) == 7
    child = os.fork()
    if child == 0:
        # Whatever happens here must not reach the test runner: it is the parent's.
        code = 1
        try:
            made.queries.members(CID)
            code = 0 if members_of(made) == 7 and made.position() == history.head else 2
            made.close()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    history.added("alice")
    made.catch_up(history.feed, until=history.head)
    assert made.digest() == digest_of(history)
    made.close()


def dead_rows(url: str) -> int:
    """Deleted rows of users and members that the server still has."""
    [(dead,)] = execute(
        url,
        "SELECT (public.pgstattuple('users')).dead_tuple_count"
        " + (public.pgstattuple('members')).dead_tuple_count",
    )
    return int(dead)


def test_of_what_was_erased_the_server_keeps_no_old_row(
    postgres_url: str, history: History
) -> None:
    execute(postgres_url, "CREATE EXTENSION pgstattuple SCHEMA public")
    history.added("alice", custom={"diagnosis": "measles"})
    history.upserted("alice", name="Alice of the measles")
    made = opened(postgres_url, history)
    history.forgotten("alice")
    with psycopg.connect(postgres_url) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT count(*) FROM greenroom_views.users")
        made.catch_up(history.feed, until=history.head)
        assert dead_rows(postgres_url) > 0, "somebody can still see them"
    history.added("charlie")
    made.catch_up(history.feed, until=history.head)
    assert dead_rows(postgres_url) == 0
    made.close()


def test_the_server_folds_every_letter_as_python_does(sorted_otherwise: str) -> None:
    Views.open(sorted_otherwise, secret=SECRET).close()
    fold = f"fold_{unicodedata.unidata_version.replace('.', '_')}"
    letters = [chr(code) for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    texts = ["".join(letters[start : start + 200]) for start in range(0, len(letters), 200)]
    with psycopg.connect(sorted_otherwise, options=f"-c search_path={SCHEMA}") as connection:
        asked = f"SELECT said, {fold}(said) FROM unnest(%s::text[]) AS said".encode()
        for said, folded in connection.execute(asked, [texts]):
            assert folded == said.casefold(), ascii(said)
