"""`greenroom copy`: whoever uses a store that was moved notices no difference."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from greenroom import Greenroom, Member, desc, errors
from greenroom.adapters.copying import copy
from greenroom.adapters.outbox_tables import Status
from greenroom.adapters.stores import open_store
from greenroom.cli.app import app
from greenroom.domain.ports import Notification
from greenroom.domain.user import UserUpserted
from greenroom.testing import RecordingNotifier
from greenroom.testing.clock import VirtualClock
from greenroom.testing.postgres import PrivatePostgres

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


@dataclass(frozen=True)
class Places:
    """Where a store is, and where it is to be."""

    source: str
    target: str


def in_slow(*kinds: str) -> Any:
    return pytest.param(kinds, marks=pytest.mark.slow, id=" to ".join(kinds))


KINDS = [
    pytest.param(("sqlite", "sqlite"), id="sqlite to sqlite"),
    in_slow("sqlite", "postgresql"),
    in_slow("postgresql", "sqlite"),
    in_slow("postgresql", "postgresql"),
]


@contextmanager
def empty(request: pytest.FixtureRequest, directory: Path) -> Iterator[Places]:
    kinds: tuple[str, str] = request.param
    urls = [f"sqlite:///{directory / name}" for name in ("here.db", "there.db")]
    if "postgresql" not in kinds:
        yield Places(*urls)
        return
    server: PrivatePostgres = request.getfixturevalue("postgres")
    with server.database() as here, server.database() as there:
        databases = (here, there)
        chosen = (databases[n] if kind == "postgresql" else urls[n] for n, kind in enumerate(kinds))
        yield Places(*chosen)


@pytest.fixture(params=KINDS)
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Places]:
    """For one test."""
    with empty(request, tmp_path) as found:
        yield found


@pytest.fixture(params=KINDS, scope="module")
def moved(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Moved]:
    """A store that was moved, for tests that leave it as it is."""
    with empty(request, tmp_path_factory.mktemp("moved")) as places:
        before = live(places.source)
        yield Moved(places.source, places.target, before, copied(places))


class Flaky(RecordingNotifier):
    """Does not reach charlie."""

    def notify(self, notification: Notification) -> None:
        if notification.user_id == "charlie":
            raise OSError("no network")
        super().notify(notification)


@dataclass(frozen=True)
class Before:
    """What users of the store were told before it was moved."""

    entry_id: str
    cursor: str
    second_page: list[str]
    history: list[Any]


def live(url: str) -> Before:
    """thierry's appointment with alice and charlie; tommaso was forgotten; charlie was missed."""
    with Greenroom.open(url, clock=VirtualClock(NOON), notifier=Flaky()) as room:
        room.users.upsert("alice", name="Alice")
        room.users.upsert("tommaso", name="Tommaso")
        thierry = room.as_user("thierry")
        call = thierry.call("default", "1")
        call.create(
            members=[Member("alice", custom={"knee": "left"}), Member("charlie")], ring=True
        )
        for number in range(2, 6):
            thierry.call("default", str(number)).create(custom={"n": number})
        entry = call.join(request_id="thierry-joins")
        room.users.erase("tommaso")
        page = thierry.query_calls(sort=[desc("created_at")], limit=2)
        assert page.next is not None
        second = thierry.query_calls(sort=[desc("created_at")], limit=2, cursor=page.next)
        return Before(
            entry.entry_id, page.next, [item.cid for item in second.items], call.history()
        )


@dataclass(frozen=True)
class Moved:
    source: str
    target: str
    before: Before
    done: Any
    """What the command answered."""


def copied(places: Places) -> Any:
    said = ["copy", "--from", places.source, "--to", places.target, "--json"]
    result = CliRunner().invoke(app, said)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_every_record_is_there_at_its_position(moved: Moved) -> None:
    with closing(open_store(moved.source)) as here, closing(open_store(moved.target)) as there:
        assert list(there.feed()) == list(here.feed())
        assert there.position() == here.position() == moved.done["position"]
        assert there.secret == here.secret
    assert moved.done["rows"]["stored_events"] == moved.done["position"]
    assert len(moved.done["digest"]) == 64


def test_a_repeat_is_answered_as_it_was_before(moved: Moved) -> None:
    with Greenroom.open(moved.target, clock=VirtualClock(LATER), timers=False) as room:
        thierry = room.as_user("thierry").call("default", "1")
        position = room.position
        assert thierry.join(request_id="thierry-joins").entry_id == moved.before.entry_id
        assert room.position == position
        with pytest.raises(errors.RequestMismatch):
            thierry.end(request_id="thierry-joins")


def test_cursors_and_histories_hold(moved: Moved) -> None:
    with Greenroom.open(moved.target, clock=VirtualClock(LATER), timers=False) as room:
        thierry = room.as_user("thierry")
        page = thierry.query_calls(sort=[desc("created_at")], limit=2, cursor=moved.before.cursor)
        assert [item.cid for item in page.items] == moved.before.second_page
        assert thierry.call("default", "1").history() == moved.before.history


def test_who_was_forgotten_stays_forgotten_and_others_are_known(moved: Moved) -> None:
    with Greenroom.open(moved.target, clock=VirtualClock(LATER), timers=False) as room:
        members = room.as_user("thierry").call("default", "1").query_members().items
        (alice,) = (one for one in members if one.user_id == "alice")
        assert (alice.user.name, alice.custom) == ("Alice", {"knee": "left"})
    with closing(open_store(moved.target)) as there:
        events = [record.event for _, record in there.feed()]
    names = [event.display_name for event in events if isinstance(event, UserUpserted)]
    assert sorted(names) == ["", "Alice"]


def test_nobody_hears_twice_and_what_waits_is_heard_once(places: Places) -> None:
    live(places.source)
    with Greenroom.open(places.source, clock=VirtualClock(NOON), timers=False) as room:
        here = room.outbox.entries()
    assert {one.status for one in here} == {Status.PENDING, Status.DELIVERED}
    copied(places)
    pushed = RecordingNotifier()
    with Greenroom.open(places.target, clock=VirtualClock(NOON), timers=False) as room:
        assert room.outbox.entries() == here
    clock = VirtualClock(NOON + timedelta(seconds=5))
    with Greenroom.open(places.target, clock=clock, notifier=pushed) as room:
        assert [(one.kind, one.user_id) for one in pushed.sent] == [
            (one.kind, one.user_id) for one in here if one.status is Status.PENDING
        ]
        # What is asked for there goes on where the copied rows end.
        room.as_user("thierry").call("default", "6").create(member_ids=["jaewoong"], ring=True)
        assert pushed.kinds_for("jaewoong") == ["call_ring"]
        assert len(room.outbox.entries()) == len(here) + 1


def test_what_is_recorded_there_follows_on_the_last_position(run: Run, places: Places) -> None:
    live(places.source)
    last = copied(places)["position"]
    with Greenroom.open(places.target, clock=VirtualClock(LATER), timers=False) as room:
        assert room.position == last
        state = room.as_user("thierry").call("default", "6").create()
        assert state.position == last + 1
    assert run("db", "check", "--store", places.target).exit_code == 0


def test_views_are_ready_and_those_of_another_log_are_not_believed(
    run: Run, places: Places, tmp_path: Path
) -> None:
    live(places.source)
    detour = f"sqlite:///{tmp_path / 'detour.db'}"
    copied(Places(places.source, detour))
    for number in (7, 8):  # the same store went two ways
        url = (places.source, detour)[number - 7]
        with Greenroom.open(url, clock=VirtualClock(LATER), timers=False) as room:
            room.as_user("thierry").call("default", str(number)).create()
            assert len(room.as_user("thierry").query_calls().items) == 6
    for file in tmp_path.glob("detour.db*"):
        file.unlink()
    copied(Places(places.source, detour))
    stands = json.loads(run("db", "status", "--store", detour, "--json").stdout)
    assert {one["lag"] for one in stands["views"]["projections"]} == {0}
    with Greenroom.open(detour, clock=VirtualClock(LATER), timers=False) as room:
        calls = {item.cid for item in room.as_user("thierry").query_calls().items}
    assert "default:7" in calls
    assert "default:8" not in calls


def test_it_says_what_it_has_done(run: Run, clinic: str, tmp_path: Path) -> None:
    target = f"sqlite:///{tmp_path / 'there.db'}"
    worded = run("copy", "--from", clinic, "--to", target)
    assert worded.exit_code == 0, worded.output
    assert "SHA-256 of all rows on both sides: " in worded.stdout
    assert "notifications" in worded.stdout
    assert worded.stderr == ""


def test_a_second_copy_is_refused_and_harms_nothing(run: Run, clinic: str, tmp_path: Path) -> None:
    target = tmp_path / "there.db"
    places = Places(clinic, f"sqlite:///{target}")
    copied(places)
    whole = target.read_bytes()
    again = run("copy", "--from", clinic, "--to", places.target)
    assert again.exit_code == 3
    assert "holds this very store, up to position" in again.stderr
    onto_itself = run("copy", "--from", clinic, "--to", clinic)
    assert onto_itself.exit_code == 3
    assert "holds this very store" in onto_itself.stderr
    assert target.read_bytes() == whole


def test_half_a_copy_is_shown_as_what_it_is_and_nobody_works_on_it(
    run: Run, clinic: str, tmp_path: Path
) -> None:
    target = f"sqlite:///{tmp_path / 'there.db'}"

    def interrupt(step: str, *_: object) -> None:
        if step == "requests":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(clinic, target, interrupt)
    worded = run("db", "status", "--store", target)
    assert worded.exit_code == 0, worded.output
    assert "A copy of" in worded.stdout
    assert "is not finished" in worded.stdout
    found = json.loads(run("db", "status", "--store", target, "--json").stdout)
    assert found["copy"]["source"].endswith("clinic.db")
    assert found["copy"]["position"] == found["copy"]["until"] == found["position"]
    for command in (["calls"], ["rebuild"], ["db", "check"], ["db", "migrate"], ["db", "prune"]):
        refused = run(*command, "--store", target)
        assert refused.exit_code == 3, refused.output
        assert "not finished; run the same `greenroom copy` again" in refused.stderr
    onward = run("copy", "--from", target, "--to", f"sqlite:///{tmp_path / 'further.db'}")
    assert onward.exit_code == 3
    assert "going on from position" in run("copy", "--from", clinic, "--to", target).stdout
    assert run("calls", "--store", target).exit_code == 0


WRONG = [
    (["--from", "CLINIC"], 2, "--to"),
    (["--to", "CLINIC"], 2, "--from"),
    (["--from", "memory://", "--to", "NEW"], 2, "outlives a process"),
    (["--from", "CLINIC", "--to", "memory://"], 2, "outlives a process"),
    (["--from", "CLINIC", "--to", "sqlite://x"], 2, "outlives a process"),
    (["--from", "NEW", "--to", "OTHER"], 3, "there is no store at"),
    (["--from", "LETTER", "--to", "NEW"], 3, "not_our_store"),
    (["--from", "CLINIC", "--to", "LETTER"], 3, "not_our_store"),
    (["--from", "CLINIC", "--to", "NOWHERE"], 3, "there is no directory"),
    (["--from", "OLDER", "--to", "NEW"], 3, "migrate the store"),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: " ".join(value[0]))
def test_what_cannot_be_copied_is_refused_and_nothing_is_made(
    run: Run, clinic: str, tmp_path: Path, wrong: tuple[list[str], int, str]
) -> None:
    said, code, says = wrong
    letter, older = tmp_path / "letter.txt", tmp_path / "older.db"
    letter.write_text("dear alice, " * 1000)
    open_store(f"sqlite:///{older}").close()
    with closing(sqlite3.connect(older)) as file:
        file.execute("PRAGMA user_version = 1")
    words = {
        "CLINIC": clinic,
        "LETTER": f"sqlite:///{letter}",
        "OLDER": f"sqlite:///{older}",
        "NEW": f"sqlite:///{tmp_path / 'new.db'}",
        "OTHER": f"sqlite:///{tmp_path / 'other.db'}",
        "NOWHERE": f"sqlite:///{tmp_path / 'nowhere' / 'new.db'}",
    }
    files = set(tmp_path.iterdir())
    result = run("copy", *(words.get(word, word) for word in said))
    assert result.exit_code == code, result.output
    assert says in " ".join(result.output.split())
    assert letter.read_text() == "dear alice, " * 1000
    assert set(tmp_path.iterdir()) == files
