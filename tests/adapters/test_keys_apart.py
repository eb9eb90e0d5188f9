"""Keys apart from the log: two places, and never a moment at which they disagree for good."""

from __future__ import annotations

import multiprocessing
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from tests.adapters.dying_keys import SteppingKeys, Steps, live_and_die
from tests.adapters.test_key_store import moved_away

from greenroom import Greenroom
from greenroom.adapters.event_store import RecorderStore
from greenroom.adapters.key_store import SqlKeys, open_keys
from greenroom.adapters.keyring import BOUND, DOOMED, KeysApart
from greenroom.adapters.memory_recorder import MemoryRecorder
from greenroom.adapters.remembering import RememberedSecrets
from greenroom.adapters.sqlite_recorder import SQLiteRecorder
from greenroom.adapters.stores import MemoryStore, PostgresStore, SQLiteStore, open_store
from greenroom.domain.errors import InvalidInput, KeysUnavailable, NotOurStore, StoreError
from greenroom.domain.message import Event, UserId
from greenroom.domain.ports import Append, EventStore
from greenroom.domain.streams import call_stream, user_stream
from greenroom.domain.user import UserErased
from greenroom.testing.postgres import PrivatePostgres
from greenroom.testing.store_contract import EventStoreContract
from greenroom.testing.store_contract_batch import Recording
from greenroom.testing.store_contract_life import Erasing
from greenroom.testing.store_contract_shelf import Keeping
from greenroom.testing.store_events import AT, CID, added, decided, members, pinned, upserted, users

ALICE = user_stream(UserId("alice"))
_LAST = "\U0010ffff"


class Place:
    """A store in one file, and its keys in another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "calls.db"
        self.keys = folder / "keys.db"
        self.url = f"sqlite:///{self.log}"
        self.keys_url = f"sqlite:///{self.keys}"

    def open(self) -> SQLiteStore:
        return SQLiteStore(self.log, keys=self.keys_url)

    def secrets(self) -> dict[int, bytes]:
        with closing(sqlite3.connect(self.keys)) as file:
            return dict(file.execute("SELECT number, secret FROM greenroom_keys").fetchall())

    def numbers(self) -> dict[str, int]:
        """Of the subjects whose keys are in force."""
        with closing(sqlite3.connect(self.log)) as file:
            rows = file.execute("SELECT subject, key_id, secret FROM subject_keys").fetchall()
        assert not any(secret for subject, _, secret in rows if subject != BOUND)
        return {subject: number for subject, number, _ in rows if subject != BOUND}

    def backed_up(self) -> Path:
        """A copy of the log as it is now."""
        copy = self.folder / "backup.db"
        with closing(sqlite3.connect(self.log)) as here, closing(sqlite3.connect(copy)) as there:
            here.backup(there)
        return copy

    def restore(self, backup: Path) -> None:
        for file in self.folder.glob("calls*"):
            file.unlink()
        backup.rename(self.log)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def store(place: Place) -> Iterator[SQLiteStore]:
    with closing(place.open()) as store:
        yield store


class TestKeysBesideMemory(EventStoreContract):
    @pytest.fixture
    def store(self) -> Iterator[EventStore]:
        with closing(SqlKeys.open(None)) as keys, closing(MemoryStore(keys=keys)) as store:
            yield store


class TestKeysInAnotherFile(EventStoreContract):
    @pytest.fixture
    def store(self, place: Place) -> Iterator[EventStore]:
        with closing(place.open()) as store:
            yield store

    @pytest.fixture
    def reopened(self, place: Place) -> Callable[[], EventStore]:
        return place.open


class TestKeysInAnotherDatabase(Erasing, Recording, Keeping):
    """What of the exam is about keys: what is sealed, in batches too, kept and erased."""

    @pytest.fixture(scope="class")
    def keys_url(self, postgres: PrivatePostgres) -> Iterator[str]:
        with postgres.database() as url:
            yield url

    @pytest.fixture
    def store(self, postgres_url: str, keys_url: str) -> Iterator[EventStore]:
        with closing(PostgresStore(postgres_url, keys=keys_url)) as store:
            yield store

    @pytest.fixture
    def reopened(self, postgres_url: str, keys_url: str) -> Callable[[], EventStore]:
        return lambda: PostgresStore(postgres_url, create=False, keys=keys_url)

    def test_two_openings_see_each_others_erasures(
        self, store: EventStore, postgres_url: str, keys_url: str
    ) -> None:
        with closing(PostgresStore(postgres_url, create=False, keys=keys_url)) as other:
            store.append([added("alice", phone="123")])
            other.append([added("alice", 2, phone="456")])
            assert [one.custom for one in members(store, "alice")] == [
                {"phone": "123"},
                {"phone": "456"},
            ]
            other.erase([ALICE])
            assert [one.custom for one in members(store, "alice")] == [{}, {}]


# What the two places hold


def tell(store: EventStore) -> None:
    store.append([upserted("alice", display_name="Alice"), added("alice", phone="123")])


def erasing(version: int = 2) -> Append:
    event: Event = UserErased(at=AT, user_id=UserId("alice"))
    return Append([decided(event, ALICE, version)], erases=[ALICE])


def test_the_log_alone_is_unreadable(store: SQLiteStore, place: Place) -> None:
    tell(store)
    log = b"".join(file.read_bytes() for file in place.folder.glob("calls.db*"))
    kept = place.secrets()
    assert len(kept) == 2
    assert not any(secret in log for secret in kept.values())
    assert b"Alice" not in log
    assert place.numbers().keys() == {ALICE, call_stream(CID)}
    assert set(place.numbers().values()) == kept.keys()


def test_an_erasure_is_not_undone_by_a_backup_of_the_log(place: Place) -> None:
    with closing(place.open()) as store:
        tell(store)
        backup = place.backed_up()
        store.record([erasing()])
    place.restore(backup)
    with closing(place.open()) as store:
        assert [event.display_name for event in users(store, "alice")] == [""]
        assert [event.custom for event in members(store, "alice")] == [{}]
        # Who comes back has another key; the number that has none is let go.
        store.append([upserted("alice", 2, display_name="Alice anew")])
        assert [event.display_name for event in users(store, "alice")] == ["", "Alice anew"]
        assert set(place.numbers().values()) == place.secrets().keys()


def test_erasing_destroys_the_secret_and_leaves_no_note(store: SQLiteStore, place: Place) -> None:
    tell(store)
    number = place.numbers()[ALICE]
    store.record([erasing()])
    assert number not in place.secrets()
    assert place.numbers().keys() == {call_stream(CID)}


def test_what_was_not_recorded_leaves_no_secret(store: SQLiteStore, place: Place) -> None:
    store.append([pinned(1)])
    for append in (Append([pinned(7), added("alice", phone="123")]), erasing(9)):
        (outcome,) = store.record([append]).outcomes
        assert isinstance(outcome, Exception)
    assert place.secrets() == {}
    assert place.numbers() == {}


# Which keys belong to which store


def test_a_store_is_opened_with_its_own_keys_alone(place: Place, tmp_path: Path) -> None:
    place.open().close()
    with pytest.raises(KeysUnavailable, match="keys of this store are elsewhere"):
        open_store(place.url)
    open_keys(f"sqlite:///{tmp_path}/other.db").close()
    with pytest.raises(NotOurStore, match="keys of another store"):
        open_store(place.url, keys=f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(KeysUnavailable, match="there is no key store"):
        open_store(place.url, keys=f"sqlite:///{tmp_path}/missing.db")
    assert not (tmp_path / "missing.db").exists()


def test_a_store_that_has_keys_within_keeps_them(place: Place) -> None:
    with closing(SQLiteStore(place.log)) as store:
        tell(store)
    with pytest.raises(StoreError, match="keys within"):
        place.open()
    with closing(SQLiteStore(place.log)) as store:
        assert [event.display_name for event in users(store, "alice")] == ["Alice"]


def test_whoever_has_it_open_already_writes_no_key_within(place: Place) -> None:
    with closing(SQLiteStore(place.log)) as before, closing(place.open()) as store:
        with pytest.raises(KeysUnavailable, match="elsewhere"):
            tell(before)
        tell(store)
        with pytest.raises(KeysUnavailable, match="elsewhere"):
            list(before.feed())
        before.append([pinned(1)])  # in which nothing is personal


@pytest.mark.parametrize("keys", ["sqlite:///", "keys.db", "memory://", 7, object()])
def test_no_keys_are_refused(place: Place, keys: object) -> None:
    with pytest.raises(InvalidInput, match="keys"):
        open_store(place.url, keys=keys)  # type: ignore[arg-type]  # what is refused


def test_the_store_itself_is_no_other_place(place: Place) -> None:
    with pytest.raises(InvalidInput, match="another place"):
        open_store(place.url, keys=place.url)


# A key store that is away


def test_what_needs_keys_is_refused_and_nothing_is_done_by_halves(
    store: SQLiteStore, place: Place
) -> None:
    tell(store)
    store._keys._remembered.clear()  # type: ignore[attr-defined]  # as after a minute
    position, numbers = store.position(), place.numbers()
    with moved_away(place.keys):
        for attempt in (
            lambda: list(store.feed()),
            lambda: list(store.events(ALICE)),
            lambda: store.append([upserted("tommaso", display_name="Tommaso")]),
            lambda: store.append([upserted("alice", 2, display_name="Alice L.")]),
            lambda: store.record([erasing()]),
            lambda: store.erase([ALICE]),
        ):
            with pytest.raises(KeysUnavailable):
                attempt()
        assert store.position() == position
        store.append([pinned(1)])
    assert place.numbers() == numbers
    assert [event.display_name for event in users(store, "alice")] == ["Alice"]


def test_one_that_goes_away_while_erasing_is_caught_up_with(
    store: SQLiteStore, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(store)
    number = place.numbers()[ALICE]
    keys = store._keys._keys  # type: ignore[attr-defined]  # of KeysApart
    destroy = keys.destroy

    def away(_: object) -> None:
        raise KeysUnavailable("it went away just now")

    monkeypatch.setattr(keys, "destroy", away)
    store.record([erasing()])
    assert [event.display_name for event in users(store, "alice")] == [""]
    assert number in place.secrets()
    with pytest.raises(KeysUnavailable):
        store.erase(())
    monkeypatch.setattr(keys, "destroy", destroy)
    store.erase(())
    assert number not in place.secrets()
    assert ALICE not in place.numbers()


def test_whoever_erases_is_told_and_asks_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Greenroom.open(place.url, keys=place.keys_url, timers=False) as room:
        room.users.upsert("alice", name="Alice")
        number = place.numbers()[ALICE]
        with monkeypatch.context() as patch:

            def away(*_: object) -> None:
                raise KeysUnavailable("it went away just now")

            patch.setattr(SqlKeys, "destroy", away)
            with pytest.raises(KeysUnavailable):
                room.users.erase("alice", request_id="erase-alice")
            assert not room.users.get("alice").known
            assert number in place.secrets()
        room.users.erase("alice", request_id="erase-alice")
        assert number not in place.secrets()


# Ends at any step


class Crash(BaseException):
    """The process ends here."""


def crash() -> None:
    raise Crash


def recorded(place: Place) -> set[str]:
    with closing(sqlite3.connect(place.log)) as file:
        return {name for (name,) in file.execute("SELECT topic FROM stored_events")}


def all_is_well(place: Place) -> bool:
    """Whatever happened, once somebody has opened the store again; whether alice is erased."""
    with closing(place.open()) as store:
        erased = "user.erased" in recorded(place)
        numbers, kept = place.numbers(), place.secrets()
        assert not [subject for subject in numbers if subject.startswith(DOOMED)]
        assert set(numbers.values()) <= kept.keys(), "something is sealed under a key that is gone"
        assert (ALICE in numbers) <= (not erased)
        told = [event.display_name for event in users(store, "alice")]
        assert told in ([], [""] if erased else ["Alice"])
        return erased


@pytest.mark.slow
def test_a_crash_at_any_step_is_made_good_by_the_next_opening(tmp_path: Path) -> None:
    outcomes: list[bool] = []
    for last in range(1, 100):
        place = Place(tmp_path / str(last))
        place.folder.mkdir()
        before: set[int] = set()
        with closing(SqlKeys.open(place.keys)) as keys:
            steps = Steps(last, crash)
            recorder = SQLiteRecorder(place.log)
            ring = KeysApart(recorder, SteppingKeys(keys, steps), owned=False)
            steps.watch(recorder)
            store = RecorderStore(recorder, ring)
            try:
                tell(store)
                before = {place.numbers()[ALICE]}
                store.record([erasing()])
            except Crash:
                pass
            else:
                break
            finally:
                store.close()
        outcomes.append(all_is_well(place))
        assert not (outcomes[-1] and before & place.secrets().keys()), "a destroyed key is there"
    assert outcomes == sorted(outcomes), "once recorded, it stays recorded"
    assert {*outcomes} == {True, False}


@pytest.mark.slow
def test_a_kill_at_any_step_is_made_good_by_the_next_opening(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.adapters.dying_keys"])
    outcomes: list[bool] = []
    for last in range(1, 100):
        folder = tmp_path / str(last)
        folder.mkdir()
        process = processes.Process(target=live_and_die, args=(folder, last))
        process.start()
        process.join(120)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        outcomes.append(killed_and_opened_again(Place(folder)))
    assert outcomes == sorted(outcomes)
    assert {*outcomes} == {True, False}


def killed_and_opened_again(place: Place) -> bool:
    """Whether alice is erased; the rest of what must hold then."""
    with Greenroom.open(place.url, keys=place.keys_url, timers=False) as room:
        erased = "user.erased" in recorded(place)
        numbers, kept = place.numbers(), place.secrets()
        assert not [subject for subject in numbers if subject.startswith(DOOMED)]
        assert set(numbers.values()) <= kept.keys()
        if erased:
            assert ALICE not in numbers
            assert not room.users.get("alice").known
        elif "user.upserted" in recorded(place):
            assert room.users.get("alice").name == "Alice Liddell"
        room.users.erase("alice", request_id="erase-alice")
        assert not room.users.get("alice").known
        return erased


# Several at once


def test_two_who_make_a_key_for_the_same_person_at_once_get_one(place: Place) -> None:
    together = threading.Barrier(2)

    @contextmanager
    def beginning() -> Iterator[SQLiteStore]:
        with closing(place.open()) as store:
            keep = store._keys._keys.keep  # type: ignore[attr-defined]  # of KeysApart

            def kept_together(secrets: dict[int, bytes]) -> None:
                keep(secrets)
                store._keys._keys.keep = keep  # type: ignore[attr-defined]  # once
                together.wait(60)

            store._keys._keys.keep = kept_together  # type: ignore[attr-defined]  # as above
            yield store

    with beginning() as one, beginning() as other, ThreadPoolExecutor(2) as threads:
        name = threads.submit(one.append, [upserted("alice", display_name="Alice")])
        phone = threads.submit(other.append, [added("alice", phone="123")])
        assert len(name.result()) == len(phone.result()) == 1
        for store in (one, other):
            assert [event.display_name for event in users(store, "alice")] == ["Alice"]
            assert [event.custom for event in members(store, "alice")] == [{"phone": "123"}]
    assert place.numbers().keys() == {ALICE, call_stream(CID)}
    assert place.secrets().keys() == set(place.numbers().values())


@given(st.data())
def test_a_record_is_readable_until_one_of_its_subjects_is_erased(data: DataObject) -> None:
    """Any mix of writing, erasing and losing a secret, through two openings, by the plain rule."""
    recorder = MemoryRecorder()
    with closing(SqlKeys.open(None)) as keys:
        stores = [RecorderStore(recorder, KeysApart(recorder, keys, owned=False)) for _ in "12"]
        told: dict[str, list[dict[str, str]]] = {"alice": [], "tommaso": []}
        for step in range(data.draw(st.integers(1, 12))):
            store = data.draw(st.sampled_from(stores))
            user = data.draw(st.sampled_from(sorted(told)))
            match data.draw(st.sampled_from(["write", "erase user", "erase call"])):
                case "write":
                    store.append([added(user, len(told[user]) + 1, step=str(step))])
                    told[user].append({"step": str(step)})
                case "erase user":
                    store.erase([user_stream(UserId(user))])
                    told[user] = [{} for _ in told[user]]
                case _:
                    store.erase([call_stream(CID)])
                    told = {user: [{} for _ in said] for user, said in told.items()}
        for store in stores:
            for user, said in told.items():
                assert [event.custom for event in members(store, user)] == said
        numbers = {
            key.key_id
            for subject in recorder.subjects("", _LAST, 100)
            if subject != BOUND and (key := recorder.keys([subject])[0])
        }
        assert keys.find(numbers).keys() == numbers


# What is remembered


@pytest.mark.slow
def test_another_process_reads_nothing_of_who_is_erased_and_forgets_the_key(place: Place) -> None:
    with closing(place.open()) as here, closing(place.open()) as there:
        remembered = RememberedSecrets(there._keys._keys.find, seconds=0.2)  # type: ignore[attr-defined]  # of KeysApart
        there._keys._remembered = remembered  # type: ignore[attr-defined]  # the same, sooner
        tell(here)
        assert [event.display_name for event in users(there, "alice")] == ["Alice"]
        here.record([erasing()])
        assert [event.display_name for event in users(there, "alice")] == [""]
        deadline = time.monotonic() + 60
        while len(remembered) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(remembered) == 0


def test_no_more_is_remembered_than_may_be_and_the_oldest_goes_first() -> None:
    asked: list[int] = []

    def look_up(numbers: object) -> dict[int, bytes]:
        assert isinstance(numbers, list)
        asked.extend(numbers)
        return {number: b"%d" % number for number in numbers if number < 90}

    remembered = RememberedSecrets(look_up, most=3)
    for number in (1, 2, 3, 1, 4, 2, 3, 4, 1, 99, 99):
        found = remembered.find([number])
        assert found == ({number: b"%d" % number} if number < 90 else {})
    assert asked == [1, 2, 3, 4, 1, 99, 99]
    remembered.drop([3, 77])
    assert len(remembered) == 2
    remembered.clear()
    assert len(remembered) == 0
