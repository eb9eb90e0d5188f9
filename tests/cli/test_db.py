"""`greenroom db`: how a store stands, bringing it up to date, checking it, forgetting requests."""

from __future__ import annotations

import json
import sqlite3
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest

from greenroom import Greenroom
from greenroom.adapters import checking
from greenroom.adapters.checking import check
from greenroom.adapters.copying import copy
from greenroom.adapters.inspection import status
from greenroom.adapters.stores import open_store
from greenroom.adapters.tables import open_tables
from greenroom.domain.errors import StoreError
from greenroom.domain.message import CallId, RequestId
from greenroom.domain.ports import Request
from greenroom.domain.streams import session_stream
from greenroom.projections.postgres import SCHEMA as VIEWS
from greenroom.testing import RecordingNotifier
from greenroom.testing.clock import VirtualClock
from greenroom.testing.postgres import PrivatePostgres
from greenroom.testing.store_events import added, pinned

Run = Callable[..., Any]
SQLITE = "sqlite"
POSTGRES = pytest.param("postgresql", marks=pytest.mark.slow)


@pytest.fixture(params=[SQLITE, POSTGRES])
def store(request: pytest.FixtureRequest, clinic: str) -> str:
    """The clinic, in a file and in a PostgreSQL database."""
    with Greenroom.open(clinic, timers=False) as room:
        room.as_user("alice").query_calls()  # the views have seen all
    if request.param == SQLITE:
        return clinic
    url: str = request.getfixturevalue("postgres_url")
    copy(clinic, url)
    with Greenroom.open(url, timers=False) as room:
        room.as_user("alice").query_calls()
    return url


def do(url: str, statements: str, *, views: bool = False) -> None:
    """What no greenroom does to a store."""
    if url.startswith("postgresql"):
        schema = VIEWS if views else "greenroom"
        with psycopg.connect(url, options=f"-c search_path={schema}", autocommit=True) as database:
            ours = statements.replace("rowid", "notification_id").replace("AS BLOB", "AS bytea")
            database.execute(ours.encode())
        return
    path = Path(url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path.with_name("clinic.views.db") if views else path)) as file:
        file.executescript(statements)


def fill(url: str, events: int) -> None:
    """A new store with so many records, every tenth of them sealed."""
    with closing(open_store(url)) as store:
        for number in range(events // 10):
            stream = session_stream(CallId("livestream:123"), number + 1)
            sealed = added(f"user-{number}", phone="123")
            request = Request(RequestId(f"request-{number}"), "fingerprint", b"answer")
            rows = [sealed, *(pinned(version, stream) for version in range(1, 10))]
            store.append(rows, request=request)


def told(run: Run, *arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


class TestStatus:
    @pytest.mark.slow
    def test_it_says_where_everything_stands(self, run: Run, store: str) -> None:
        with Greenroom.open(store, timers=False) as room:
            position = room.position
        found = told(run, "db", "status", "--store", store)
        assert found["kind"] == store.partition(":")[0]
        assert found["schema"] == found["supported_schema"]
        assert found["position"] == found["events"] == position
        assert 0 < found["streams"] < found["events"]
        assert found["subject_keys"] > 0
        assert found["bytes"] > 10_000
        assert found["copy"] is None
        assert found["holders"] == []
        assert {one["name"] for one in found["views"]["projections"]} >= {"calls", "members"}
        assert {one["lag"] for one in found["views"]["projections"]} == {0}
        assert all(one["current"] for one in found["views"]["projections"])
        outbox = found["outbox"]
        assert (outbox["pending"], outbox["unknown"], outbox["gave_up"]) == (0, 0, 0)

    def test_what_lags_behind_is_counted(self, run: Run, store: str) -> None:
        before = told(run, "db", "status", "--store", store)
        with Greenroom.open(store, timers=False) as room:
            charlie = room.as_user("charlie").call("default", "appointment-3")
            charlie.create(request_id="charlie-1", member_ids=["alice"], ring=True)
            recorded = room.position - before["position"]
        after = told(run, "db", "status", "--store", store)
        assert after["position"] == before["position"] + recorded
        assert max(one["lag"] for one in after["views"]["projections"]) == recorded
        assert after["outbox"]["lag"] >= recorded
        assert after["requests"]["kept"] == before["requests"]["kept"] + 1
        oldest = datetime.fromisoformat(after["requests"]["oldest_at"])
        assert timedelta(0) <= datetime.now(UTC) - oldest < timedelta(days=1)

    def test_notifications_that_went_wrong_are_counted(self, run: Run, store: str) -> None:
        broken = RecordingNotifier()
        broken.fail(times=1)
        clock = VirtualClock(datetime(2027, 1, 1, tzinfo=UTC))
        with Greenroom.open(store, clock=clock, notifier=broken) as room:
            call = room.as_user("charlie").call("default", "appointment-3")
            call.create(member_ids=["alice"], ring=True)
        found = told(run, "db", "status", "--store", store)["outbox"]
        assert found["pending"] == 1
        assert found["lag"] == 0
        due_at = datetime.fromisoformat(found["due_at"])
        assert timedelta(0) < due_at - clock.now() < timedelta(minutes=5)

    @pytest.mark.slow
    def test_nothing_is_written_by_looking(self, run: Run, clinic: str) -> None:
        do(clinic, "PRAGMA user_version = 1")
        directory = Path(clinic.removeprefix("sqlite:///")).parent

        def traces() -> dict[str, str]:
            return {
                file.name: sha256(file.read_bytes()).hexdigest() for file in directory.iterdir()
            }

        before = traces()
        worded = run("db", "status").stdout
        assert "run `greenroom db migrate`" in worded
        assert told(run, "db", "status")["schema"] == 1
        assert traces() == before

    def test_who_looks_cannot_write(self, store: str) -> None:
        with open_tables(store) as tables, pytest.raises(StoreError, match=r"read-only|readonly"):
            tables.ask("DELETE FROM requests")

    def test_nothing_is_made_by_looking(self, run: Run, tmp_path: Path) -> None:
        result = run("db", "status", "--store", f"sqlite:///{tmp_path}/none.db")
        assert result.exit_code == 3
        assert "there is no store at" in result.stderr
        assert "GREENROOM_STORE" in result.stderr
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.slow
    def test_nothing_is_made_in_a_database_by_looking(self, run: Run, postgres_url: str) -> None:
        for command in ("status", "check", "migrate", "prune"):
            result = run("db", command, "--store", postgres_url)
            assert result.exit_code == 3, result.output
            assert "there is no store at" in result.stderr
        with psycopg.connect(postgres_url) as database:
            found = database.execute("SELECT to_regnamespace('greenroom')").fetchone()
        assert found == (None,)

    def test_a_newer_store_can_be_looked_at(self, run: Run, clinic: str) -> None:
        do(clinic, "PRAGMA user_version = 99")
        assert told(run, "db", "status")["schema"] == 99
        assert "upgrade greenroom" in run("db", "status").stdout

    def test_damaged_views_do_not_hide_the_store(self, run: Run, clinic: str) -> None:
        path = Path(clinic.removeprefix("sqlite:///"))
        path.with_name("clinic.views.db").write_text("dear alice, " * 1000)
        found = told(run, "db", "status")
        assert "is not an SQLite database" in found["views"]["fault"]
        assert found["events"] > 0

    def test_no_password_is_shown(self, run: Run) -> None:
        url = "postgresql://thierry:wonderland@127.0.0.1:1/calls"
        result = run("db", "status", "--store", url)
        assert result.exit_code == 3
        assert "wonderland" not in result.output

    @pytest.mark.parametrize("command", ["status", "check", "migrate", "prune"])
    def test_a_store_in_memory_is_no_store_of_anybody(self, run: Run, command: str) -> None:
        result = run("db", command, "--store", "memory://")
        assert result.exit_code == 2
        assert "outlives a process" in result.stderr

    @pytest.mark.parametrize("command", ["status", "check", "migrate", "prune"])
    def test_a_strangers_file_is_left_alone(self, run: Run, tmp_path: Path, command: str) -> None:
        letter = tmp_path / "letter.txt"
        letter.write_text("dear alice, " * 1000)
        with closing(sqlite3.connect(tmp_path / "plants.db")) as plants:
            plants.execute("CREATE TABLE plants (name)")
        for name in ("letter.txt", "plants.db"):
            result = run("db", command, "--store", f"sqlite:///{tmp_path / name}")
            assert result.exit_code == 3, result.output
            assert "not_our_store" in result.stderr
        assert letter.read_text() == "dear alice, " * 1000


@pytest.mark.slow
class TestHolders:
    """Who holds appends and erasures up on PostgreSQL."""

    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        Greenroom.open(postgres_url, timers=False).close()
        return postgres_url

    @pytest.fixture
    def connect(self, url: str) -> Iterator[Callable[[str], psycopg.Connection]]:
        """Connections of others, by the names of their applications."""
        with ExitStack() as open_ones:

            def connect(name: str) -> psycopg.Connection:
                made = psycopg.connect(url, application_name=name)
                open_ones.callback(made.close)
                return made

            yield connect

    def test_whoever_holds_the_append_lock_is_named(
        self, run: Run, url: str, connect: Callable[[str], psycopg.Connection]
    ) -> None:
        stuck = connect("stuck")
        stuck.execute("LOCK TABLE greenroom.append_turn IN EXCLUSIVE MODE")
        with Greenroom.open(url, timers=False) as room:
            asking = threading.Thread(
                target=room.as_user("alice").call("default", "1").create, daemon=True
            )
            asking.start()
            found = wait_for(lambda: told(run, "db", "status", "--store", url)["holders"], 2)
            stuck.rollback()
            asking.join(60)
        holder, waiting = sorted(found, key=lambda one: "append lock" not in one["why"])
        assert holder["application_name"] == "stuck"
        assert holder["pid"] == stuck.info.backend_pid
        assert holder["state"] == "idle in transaction"
        assert holder["waiting"] == 1
        assert datetime.now(UTC) - datetime.fromisoformat(holder["since"]) < timedelta(minutes=1)
        assert (waiting["application_name"], waiting["why"]) == ("greenroom", ["waits to append"])
        assert told(run, "db", "status", "--store", url)["holders"] == []

    def test_whoever_locks_a_table_is_named(
        self, run: Run, url: str, connect: Callable[[str], psycopg.Connection]
    ) -> None:
        connect("vacuuming").execute("LOCK TABLE greenroom.requests IN SHARE MODE")
        worded = " ".join(run("db", "status", "--store", url).stdout.split())
        assert "vacuuming" in worded
        assert "locks requests" in worded

    def test_old_snapshots_and_idle_transactions_are_named(
        self, url: str, connect: Callable[[str], psycopg.Connection]
    ) -> None:
        report, idle = connect("report"), connect("idle")
        report.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        for one in (report, idle):
            one.execute("SELECT 1")
        assert list(status(url, patience=timedelta(minutes=5)).holders) == []
        found = status(url, patience=timedelta(0)).holders
        assert {(one.application_name, one.why) for one in found} == {
            ("report", ("old snapshot", "idle in transaction")),
            ("idle", ("idle in transaction",)),
        }

    def test_a_prepared_transaction_has_a_name_and_no_process(
        self, run: Run, tried: Callable[[str, int], None]
    ) -> None:
        with (
            PrivatePostgres(fsync=False, settings={"max_prepared_transactions": "1"}) as server,
            server.database() as url,
        ):
            Greenroom.open(url, timers=False).close()
            with psycopg.connect(url, autocommit=True) as forgetful:
                forgetful.execute("BEGIN; LOCK TABLE greenroom.append_turn IN EXCLUSIVE MODE")
                forgetful.execute("PREPARE TRANSACTION 'forgotten'")
                (found,) = told(run, "db", "status", "--store", url)["holders"]
                forgetful.execute("ROLLBACK PREPARED 'forgotten'")
            assert (found["pid"], found["application_name"]) == (None, "forgotten")
            assert (found["state"], found["why"]) == ("prepared", ["append lock"])
        tried("postgresql", 1)


def wait_for(look: Callable[[], list[Any]], many: int) -> list[Any]:
    """What there is to see, once there is as much of it."""
    deadline = monotonic() + 60
    while len(found := look()) < many:
        assert monotonic() < deadline, f"{found} is all there is"
        sleep(0.05)
    return found


class TestMigrate:
    @pytest.mark.slow
    def test_an_older_file_is_brought_up_to_date_and_it_says_so(
        self, run: Run, clinic: str
    ) -> None:
        before = run("calls", "--json").stdout
        do(clinic, "DROP TABLE snapshots; DROP INDEX requests_by_age; PRAGMA user_version = 1")
        worded = run("db", "migrate").stdout
        assert "from schema 1 to 2" in worded
        assert told(run, "db", "status")["schema"] == 2
        assert told(run, "db", "check")["whole"]
        assert run("calls", "--json").stdout == before

    def test_what_is_current_stays_as_it_is(self, run: Run, store: str) -> None:
        done = told(run, "db", "migrate", "--store", store)
        assert done["schema_before"] == done["schema"]
        assert done["views_anew"] == []
        worded = run("db", "migrate", "--store", store).stdout
        assert "already" in worded

    @pytest.mark.slow
    def test_views_of_an_older_version_are_filled_anew(self, run: Run, store: str) -> None:
        before = run("members", "default:appointment-2", "--json", "--store", store).stdout
        old = "UPDATE positions SET version = 0 WHERE projection = 'members'"
        do(store, old, views=True)
        stands = told(run, "db", "status", "--store", store)["views"]["projections"]
        assert [one["name"] for one in stands if not one["current"]] == ["members"]
        done = told(run, "db", "migrate", "--store", store)
        assert done["views_anew"] == ["members"]
        stands = told(run, "db", "status", "--store", store)
        assert done["position"] == stands["position"]
        assert all(one["current"] and not one["lag"] for one in stands["views"]["projections"])
        assert run("members", "default:appointment-2", "--json", "--store", store).stdout == before

    def test_lost_views_are_filled_anew(self, run: Run, clinic: str) -> None:
        Path(clinic.removeprefix("sqlite:///")).with_name("clinic.views.db").unlink()
        done = told(run, "db", "migrate")
        assert "calls" in done["views_anew"]
        assert done["position"] == told(run, "db", "status")["position"]

    def test_a_newer_store_is_left_alone(self, run: Run, clinic: str) -> None:
        do(clinic, "PRAGMA user_version = 99")
        result = run("db", "migrate")
        assert result.exit_code == 3
        assert "upgrade greenroom" in result.stderr
        assert told(run, "db", "status")["schema"] == 99


LAST = "(SELECT max(rowid) FROM stored_events)"
SESSION = "originator_id = 'session-default:appointment-1/1'"
FIRST_TYPE = "SELECT min(rowid) FROM stored_events WHERE topic = 'type.defined'"
FAULTS = {
    "a version is missing": (
        f"DELETE FROM stored_events WHERE {SESSION} AND originator_version = 2",
        ["version 3 stands where 2 should", "nothing stands between positions"],
    ),
    "the first version is missing": (
        f"UPDATE stored_events SET originator_version = 100 + originator_version WHERE {SESSION}",
        ["version 101 stands where 1 should"],
    ),
    "two records changed places": (
        f"""
        UPDATE stored_events SET originator_version = -1 WHERE {SESSION} AND originator_version = 2;
        UPDATE stored_events SET originator_version = 2 WHERE {SESSION} AND originator_version = 3;
        UPDATE stored_events SET originator_version = 3 WHERE {SESSION} AND originator_version = -1;
        """,
        ["stands before 2"],
    ),
    "an event that nobody knows": (
        f"UPDATE stored_events SET topic = 'call.danced' WHERE rowid = {LAST}",
        ["'call.danced', which this greenroom does not know"],
    ),
    "a document that is none": (
        f"UPDATE stored_events SET state = CAST('{{}}' AS BLOB) WHERE rowid = {LAST}",
        ["cannot be read"],
    ),
    "a document of another event": (
        f"""
        UPDATE stored_events SET state = (
            SELECT state FROM stored_events AS other WHERE other.rowid = ({FIRST_TYPE})
        ) WHERE rowid = {LAST};
        """,
        ["cannot be read"],
    ),
    "sealed data that was moved": (
        """
        UPDATE stored_events SET originator_id = 'call-default:appointment-9'
        WHERE originator_id = 'call-default:appointment-2';
        UPDATE subject_keys SET subject = 'call-default:appointment-9'
        WHERE subject = 'call-default:appointment-2';
        """,
        ["tampered with"],
    ),
    "a key that is gone": (
        "DELETE FROM subject_keys WHERE subject = 'call-default:appointment-2'",
        ["needs a key that is gone, and nobody erased it"],
    ),
    "keys that were cut short": (
        "UPDATE subject_keys SET secret = CAST('short' AS BLOB)",
        ["the key of call-default:appointment-2 is damaged"],
    ),
    "no secret of its own": ("DELETE FROM store_secret", ["secret is missing"]),
    "a request without its records": (
        "UPDATE requests SET position = 99999 WHERE position > 0",
        ["refers to position 99999, where nothing stands"],
    ),
    "an outbox ahead of the log": (
        "UPDATE greenroom_effects_follower SET position = 99999",
        ["the outbox has read up to position 99999, but the log ends at"],
    ),
}


class TestCheck:
    @pytest.mark.slow
    def test_a_store_that_is_whole_is_said_to_be(self, run: Run, store: str) -> None:
        stands = told(run, "db", "status", "--store", store)
        found = told(run, "db", "check", "--store", store)
        assert found["whole"]
        assert found["faults"] == []
        assert found["events"] == found["position"] == stands["events"]
        assert found["streams"] == stands["streams"]
        assert found["requests"] == stands["requests"]["kept"]
        assert found["sealed"] > 0
        assert found["erased"] == 0
        worded = run("db", "check", "--store", store)
        assert worded.exit_code == 0
        assert ": whole" in worded.stdout

    def test_what_was_erased_is_no_fault(self, run: Run, store: str) -> None:
        with Greenroom.open(store, timers=False) as room:
            booking = room.system("booking")
            for number in (3, 4):
                call = booking.call("default", f"appointment-{number}")
                call.create(custom={"reason": "knee"}, members=[])
            booking.call("default", "appointment-3").delete(hard=True)
            room.users.upsert("alice", name="Alice")
            room.users.erase("alice")
            room.users.upsert("alice", name="Alice")  # under a new key
        found = told(run, "db", "check", "--store", store)
        assert found["whole"]
        assert 2 <= found["erased"] < found["sealed"]

    @pytest.mark.parametrize(("statements", "faults"), FAULTS.values(), ids=FAULTS)
    def test_what_is_wrong_is_named(
        self, run: Run, store: str, statements: str, faults: list[str]
    ) -> None:
        do(store, statements)
        result = run("db", "check", "--store", store, "--json")
        assert result.exit_code == 1, result.output
        found = json.loads(result.stdout)
        assert not found["whole"]
        for fault in faults:
            assert any(fault in one for one in found["faults"]), found["faults"]
        worded = run("db", "check", "--store", store)
        assert worded.exit_code == 1
        assert f"{found['fault_count']} fault" in worded.stdout
        assert found["faults"][0] in worded.stdout

    def test_the_first_faults_are_named_and_the_others_counted(self, run: Run, clinic: str) -> None:
        do(clinic, "UPDATE stored_events SET topic = 'call.danced'")
        found = json.loads(run("db", "check", "--json").stdout)
        assert found["fault_count"] == found["position"] > 20
        assert len(found["faults"]) == 20
        assert f"and {found['fault_count'] - 20} more" in run("db", "check").stdout

    @pytest.mark.slow
    def test_pages_that_are_damaged_are_found(self, run: Run, clinic: str) -> None:
        path = Path(clinic.removeprefix("sqlite:///"))
        whole = path.read_bytes()
        size = 4096
        for page in range(2, len(whole) // size, 3):
            path.write_bytes(whole[: page * size] + b"\xff" * size + whole[(page + 1) * size :])
            result = run("db", "check", "--json")
            assert result.exit_code in {1, 3}, page
            assert "Traceback" not in result.output

    def test_an_index_that_lacks_a_record_is_found(self, run: Run, clinic: str) -> None:
        path = Path(clinic.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(path)) as file:
            ((page,),) = file.execute(
                "SELECT rootpage FROM sqlite_schema"
                " WHERE type = 'index' AND tbl_name = 'stored_events'"
            )
        whole = bytearray(path.read_bytes())
        while whole[(page - 1) * 4096] == 0x02:  # an inner page: on to its last child
            page = int.from_bytes(whole[(page - 1) * 4096 + 8 :][:4])
        count = slice((page - 1) * 4096 + 3, (page - 1) * 4096 + 5)
        whole[count] = (int.from_bytes(whole[count]) - 1).to_bytes(2)
        path.write_bytes(whole)
        faults = json.loads(run("db", "check", "--json").stdout)["faults"]
        assert any("are found along the index by stream" in one for one in faults), faults

    def test_who_is_erased_twice_meanwhile_is_no_fault(
        self, clinic: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(checking, "_RECORDS", 1)
        with Greenroom.open(clinic, timers=False) as room:
            room.users.upsert("charlie", name="Charlie")
            room.users.erase("charlie")
            room.users.upsert("charlie", name="Charlie")
            again = room.position

            def erase(step: str, done: int, _: int) -> None:
                if (step, done) == ("records", again - 1):
                    room.users.erase("charlie")

            found = check(clinic, erase)
        assert found.faults == []
        assert found.erased == 2

    def test_an_older_store_is_to_be_migrated_first(self, run: Run, clinic: str) -> None:
        do(clinic, "PRAGMA user_version = 1")
        result = run("db", "check")
        assert result.exit_code == 3
        assert "migrate the store" in result.stderr

    def test_others_may_write_meanwhile(self, store: str) -> None:
        with Greenroom.open(store, timers=False) as room:
            numbers = iter(range(100, 100_000))

            def write(*_: object) -> None:
                number = next(numbers)
                call = room.as_user("thierry").call("default", f"call-{number}")
                call.create(custom={"n": number}, request_id=f"thierry-{number}")
                if number % 2:
                    room.system("gdpr").call("default", call.id).delete(hard=True)

            found = check(store, write)
        assert found.faults == []
        assert next(numbers) > 106

    @pytest.mark.slow
    def test_it_takes_no_more_memory_for_more_events(self, tmp_path: Path) -> None:
        small, large = (f"sqlite:///{tmp_path / name}" for name in ("small.db", "large.db"))
        fill(small, 25_000)
        fill(large, 60_000)
        tracemalloc.start()
        try:
            peaks = []
            for url in (small, small, large):
                tracemalloc.reset_peak()
                assert check(url).whole
                peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert peaks[2] < 1.3 * peaks[1]


class TestPrune:
    @pytest.mark.slow
    def test_requests_of_an_age_are_forgotten(self, run: Run, store: str) -> None:
        with Greenroom.open(store, timers=False) as room:
            for number in range(5):
                call = room.as_user("thierry").call("default", f"call-{number}")
                call.create(request_id=f"thierry-{number}")
        kept = told(run, "db", "status", "--store", store)["requests"]["kept"]
        week = 7 * 86_400 * 1_000_000
        do(
            store,
            f"UPDATE requests SET recorded_at = recorded_at - {week}"
            " WHERE request_id IN ('thierry-0', 'thierry-1')",
        )
        assert told(run, "db", "prune", "--store", store)["pruned"] == 2
        assert told(run, "db", "status", "--store", store)["requests"]["kept"] == kept - 2
        worded = run("db", "prune", "--older-than", "0s", "--store", store).stdout
        assert worded.startswith(f"{kept - 2} requests from before ")
        assert told(run, "db", "status", "--store", store)["requests"]["kept"] == 0
        assert told(run, "db", "check", "--store", store)["whole"]

    def test_many_are_forgotten_slice_by_slice(
        self, run: Run, store: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("greenroom.cli.db.PRUNED_AT_ONCE", 2)
        with Greenroom.open(store, timers=False) as room:
            for number in range(5):
                call = room.as_user("thierry").call("default", f"call-{number}")
                call.create(request_id=f"thierry-{number}")
        kept = told(run, "db", "status", "--store", store)["requests"]["kept"]
        assert told(run, "db", "prune", "--older-than", "0s", "--store", store)["pruned"] == kept

    @pytest.mark.parametrize("length", ["999999w", "520w"])
    def test_nothing_is_older_than_time(self, run: Run, clinic: str, length: str) -> None:
        assert told(run, "db", "prune", "--older-than", length)["pruned"] == 0

    @pytest.mark.parametrize("length", ["", "7", "d", "-7d", "7 d", "1e9d", "7y", "9999999s"])
    def test_what_is_no_length_of_time_is_refused(self, run: Run, clinic: str, length: str) -> None:
        result = run("db", "prune", f"--older-than={length}")
        assert result.exit_code == 2
        assert "--older-than: expected a length of time" in result.stderr


@pytest.mark.parametrize("command", ["status", "check", "migrate", "prune"])
def test_every_command_has_help_of_its_own(run: Run, command: str) -> None:
    result = run("db", command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_bars_are_for_terminals(run: Run, clinic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("db", "check").stderr == ""
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = run("db", "check").stderr
    assert "pages of the file" in shown
    assert "records" in shown
