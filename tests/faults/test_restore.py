"""An older backup is restored: it is found, named and put right, and nothing is done twice."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from tests.faults.clients import CALL, ask, begin, requests
from tests.faults.judgement import Notes, judge
from typer.testing import CliRunner

from greenroom import Greenroom, errors
from greenroom.adapters.checking import check
from greenroom.adapters.repairing import repair
from greenroom.adapters.stores import open_store
from greenroom.adapters.targets import open_target
from greenroom.cli.app import app
from greenroom.testing.postgres import PrivatePostgres

pytestmark = pytest.mark.slow

BEFORE = requests("alice", 0, 40)
AFTER = requests("alice", 40, 40)


def live(url: str, asked: list[str]) -> None:
    """Ask for these, turn somebody away, and look at it all."""
    with Greenroom.open(url, timers=False) as room:
        begin(room)
        for request_id in asked:
            ask(room, request_id)
        room.as_user("thierry").call(*CALL).block("eve")
        with pytest.raises(errors.Blocked):
            room.as_user("eve").call(*CALL).join()
        room.as_user("thierry").call(*CALL).query_members()


def judge_the_rest(url: str) -> None:
    """What was asked for before the backup is there, and what was after it can be asked for."""
    with Greenroom.open(url, timers=False) as room:
        begin(room)
        notes = Notes(acknowledged=set(BEFORE), failed=set(AFTER))
        judge(room, notes, ask, url=url)


def told(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output


def restored_file(directory: Path) -> str:
    """A file of whose log an older backup was put back, alone."""
    path, url = directory / "calls.db", f"sqlite:///{directory / 'calls.db'}"
    live(url, BEFORE)
    with closing(sqlite3.connect(path)) as file, closing(sqlite3.connect(directory / "b")) as other:
        file.backup(other)
    live(url, AFTER)
    shutil.move(directory / "b", path)
    return url


def test_views_ahead_of_a_restored_file_are_named_and_filled_anew(
    quick_path: Path,
) -> None:
    url = restored_file(quick_path)
    code, said = told("db", "check", "--store", url)
    assert code == 1
    assert "views have seen more of it" in said
    assert "refused attempts were decided past the end" in said
    assert said.count("greenroom db repair") == 2
    code, said = told("db", "repair", "--store", url, "--json")
    assert code == 0
    done = json.loads(said)
    assert "members" in done["views_anew"]
    assert done["attempts"] == 1
    assert check(url).faults == []
    assert not repair(url).anything
    assert "Nothing had seen more" in told("db", "repair", "--store", url)[1]
    judge_the_rest(url)


def test_a_room_that_is_opened_on_a_restored_file_says_so_and_is_right(
    quick_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = restored_file(quick_path)
    with caplog.at_level(logging.WARNING):
        Greenroom.open(url, timers=False).close()
    assert any("an older backup was restored" in one.getMessage() for one in caplog.records)
    repair(url)
    judge_the_rest(url)


def test_views_ahead_of_a_restored_schema_are_named_and_filled_anew(
    postgres: PrivatePostgres, postgres_url: str
) -> None:
    """The schema of the store alone, from a dump, while that of the views stays."""
    live(postgres_url, BEFORE)
    dump = postgres._run("pg_dump", "--schema=greenroom", f"--dbname={postgres_url}")
    live(postgres_url, AFTER)
    put_schema_back(postgres, postgres_url, dump)
    (fault,) = check(postgres_url).faults
    assert "views have seen more of it" in fault
    done = repair(postgres_url)
    assert "members" in done.views_anew
    assert check(postgres_url).faults == []
    judge_the_rest(postgres_url)


def test_of_a_log_that_was_restored_alone_all_that_knows_of_more_is_named(file_url: str) -> None:
    """Requests, a snapshot, notifications, refusals and views."""
    live(file_url, BEFORE)
    with closing(open_store(file_url)) as store:
        last = store.position()
    live(file_url, AFTER[:5])
    with open_target(file_url) as tables, tables.writing():
        tables.ask("DELETE FROM stored_events WHERE event_position > ?", last)
        if tables.kind == "sqlite":
            tables.ask("UPDATE sqlite_sequence SET seq = ? WHERE name = 'stored_events'", last)
        columns = ["stream", "version", "format", "state"]
        tables.insert("snapshots", columns, [("call-default:123", 1_000, "of another time", b"")])
        tables.ask("UPDATE greenroom_effects_follower SET position = ?", last + 1)
    faults = check(file_url).faults
    assert sum("where nothing stands" in fault for fault in faults) == 5
    for said in ("views have seen", "a snapshot of", "the outbox has", "refused attempts were"):
        assert any(said in fault for fault in faults), said
    done = repair(file_url)
    assert "members" in done.views_anew
    assert (done.requests, done.snapshots, done.attempts, done.outbox_from) == (5, 1, 1, last + 1)
    assert check(file_url).faults == []
    judge_the_rest(file_url)


def test_a_restored_copy_of_the_whole_server_needs_nothing(
    tried: Callable[[str, int], None],
) -> None:
    """Store and views are of one moment."""
    with PrivatePostgres(fsync=False) as server:
        url = server.url()
        live(url, BEFORE)
        server.stop()
        data, copy = server._directory / "data", server._directory / "copy"
        subprocess.run(["cp", "-a", data, copy], check=True)
        server.start()
        live(url, AFTER)
        server.stop()
        shutil.rmtree(data)
        copy.rename(data)
        server.start()
        assert check(url).faults == []
        judge_the_rest(url)
    tried("postgresql", 1)


def test_a_room_that_is_open_while_its_log_is_set_back_says_so(
    file_url: str, request: pytest.FixtureRequest
) -> None:
    """It remembers what is gone; opened again, it does not."""
    live(file_url, BEFORE)
    put_back = backed_up(file_url, request)
    with Greenroom.open(file_url, timers=False) as room:
        for request_id in AFTER:
            ask(room, request_id)
        put_back()
        notes = Notes(acknowledged=set(BEFORE), failed=set(AFTER))
        notes.ask_all(room, ["add:alice:98", "add:alice:99"], ask)  # it may notice by the first
        assert isinstance(notes.told[-1], errors.LogRewritten)
        assert "add:alice:99" in notes.failed
        with pytest.raises(errors.LogRewritten, match="close the room"):
            room.as_user("thierry").call(*CALL).query_members()
    with Greenroom.open(file_url, timers=False) as room:
        begin(room)
        judge(room, notes, ask, url=file_url)


def backed_up(url: str, request: pytest.FixtureRequest) -> Callable[[], None]:
    """Take a backup; what puts it back, whoever is at work."""
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        backup = sqlite3.connect(":memory:")
        with closing(sqlite3.connect(path)) as file:
            file.backup(backup)

        def put_back() -> None:
            with closing(sqlite3.connect(path)) as file, closing(backup):
                backup.backup(file)

        return put_back
    server: PrivatePostgres = request.getfixturevalue("postgres")
    dump = server._run("pg_dump", "--schema=greenroom", f"--dbname={url}")
    return lambda: put_schema_back(server, url, dump)


def put_schema_back(server: PrivatePostgres, url: str, dump: str) -> None:
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("DROP SCHEMA greenroom CASCADE")
    file = server._directory / "dump.sql"
    file.write_text(dump)
    server._run("psql", "--quiet", f"--file={file}", f"--dbname={url}")
