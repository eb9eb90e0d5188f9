"""What is personal is stored sealed only, and its keys leave no trace once destroyed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from greenroom.adapters.sealing import SubjectKey
from greenroom.adapters.stores import MemoryStore, PostgresStore, SQLiteStore
from greenroom.domain.errors import InvalidInput, StoreError
from greenroom.domain.membership import RingRejected
from greenroom.domain.message import UserId
from greenroom.domain.streams import call_stream, member_stream, user_stream
from greenroom.testing.store_events import AT, CID, added, decided, members, upserted


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(path, busy_seconds=0.2)
    yield store
    store.close()


def bytes_on_disk(path: Path) -> bytes:
    """The file, its write-ahead log and whatever else SQLite put beside it."""
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def stored_keys(path: Path) -> dict[str, bytes]:
    with closing(sqlite3.connect(path)) as file:
        return dict(file.execute("SELECT subject, secret FROM subject_keys").fetchall())


def test_no_personal_word_ever_reaches_the_file(store: SQLiteStore, path: Path) -> None:
    rejection = RingRejected(at=AT, cid=CID, user_id=UserId("alice"), ring=1, reason="in labour")
    store.append(
        [
            upserted("alice", display_name="Alice Liddell"),
            added("alice", diagnosis="asthma"),
            decided(rejection, member_stream(CID, UserId("alice")), 2),
        ]
    )
    assert [event.custom for event in members(store, "alice")] == [{"diagnosis": "asthma"}]
    written = bytes_on_disk(path)
    store.close()
    for found in (written, bytes_on_disk(path)):
        assert b"user.upserted" in found
        for word in (b"Liddell", b"asthma", b"diagnosis", b"labour"):
            assert word not in found


def test_what_is_not_personal_takes_no_key(store: SQLiteStore, path: Path) -> None:
    store.append([upserted("alice"), added("alice")])
    assert stored_keys(path) == {}
    store.append([added("alice", 2, phone="123")])
    assert set(stored_keys(path)) == {call_stream(CID), user_stream(UserId("alice"))}


def test_a_destroyed_key_leaves_no_byte_in_any_file(store: SQLiteStore, path: Path) -> None:
    """Enough keys that pages of the table were split and balanced with keys in them."""
    users = [f"user-{number}" for number in range(400)]
    for start in range(0, len(users), 50):
        store.append([upserted(user, display_name=user) for user in users[start : start + 50]])
    keys = stored_keys(path)
    on_disk = bytes_on_disk(path)
    assert all(key in on_disk for key in keys.values())
    doomed = {user_stream(UserId(user)) for user in users[::3]}
    store.erase(doomed)
    on_disk = bytes_on_disk(path)
    for subject, key in keys.items():
        assert (key in on_disk) == (subject not in doomed)


def test_a_key_made_by_an_append_that_failed_is_not_kept(store: SQLiteStore, path: Path) -> None:
    with pytest.raises(InvalidInput):
        store.append([upserted("alice", display_name="Alice"), upserted("tommaso", 1, "\ud800")])
    assert stored_keys(path) == {}


def test_however_long_a_stream_is_the_keys_of_a_page_are_looked_for_once(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, asked = user_stream(UserId("alice")), list[Sequence[str]]()
    for version in range(1, 8):
        store.append([upserted("alice", version, display_name=f"Alice {version}")])
    keys = store.recorder.keys

    def counted(subjects: Sequence[str]) -> Sequence[SubjectKey | None]:
        asked.append(subjects)
        return keys(subjects)

    monkeypatch.setattr(store.recorder, "keys", counted)
    names = [event.display_name for event in store.events(alice)]  # type: ignore[attr-defined]  # it holds nothing else
    assert names == [f"Alice {version}" for version in range(1, 8)]
    assert asked == [(alice,)]


@pytest.mark.slow
def test_erasing_says_so_when_a_reader_of_the_past_holds_old_bytes(
    store: SQLiteStore, path: Path
) -> None:
    store.append([added("alice", phone="123")])
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM subject_keys").fetchone()
        with pytest.raises(StoreError, match="erase again"):
            store.erase([user_stream(UserId("alice"))])
        assert [event.custom for event in members(store, "alice")] == [{}]
    store.erase([user_stream(UserId("alice"))])


@pytest.mark.slow
def test_no_personal_word_ever_reaches_a_server(postgres_url: str) -> None:
    """Neither its tables nor its write-ahead log."""
    rejection = RingRejected(at=AT, cid=CID, user_id=UserId("alice"), ring=1, reason="in labour")
    with (
        closing(PostgresStore(postgres_url)) as store,
        psycopg.connect(postgres_url, autocommit=True) as database,
    ):
        store.append(
            [
                upserted("alice", display_name="Alice Liddell"),
                added("alice", diagnosis="asthma"),
                decided(rejection, member_stream(CID, UserId("alice")), 2),
            ]
        )
        database.execute("CHECKPOINT")
        (directory,) = database.execute("SHOW data_directory").fetchone() or ("",)
        (oid,) = database.execute(
            "SELECT oid FROM pg_database WHERE datname = current_database()"
        ).fetchone() or (0,)
        files = [
            *Path(directory, "base", str(oid)).iterdir(),
            *Path(directory, "pg_wal").glob("0*"),
        ]
        written = b"".join(file.read_bytes() for file in files)
    assert b"user.upserted" in written
    for word in (b"Liddell", b"asthma", b"diagnosis", b"labour"):
        assert word not in written


@pytest.mark.slow
def test_a_destroyed_key_is_found_by_no_query_and_its_row_is_gone(postgres_url: str) -> None:
    users = [f"user-{number}" for number in range(100)]
    doomed = {user_stream(UserId(user)) for user in users[::3]}
    with (
        closing(PostgresStore(postgres_url)) as store,
        psycopg.connect(postgres_url, autocommit=True) as database,
    ):
        store.append([upserted(user, display_name=user) for user in users])
        pages = "SELECT pg_relation_size('greenroom.subject_keys')"
        size = database.execute(pages).fetchone()
        store.erase(doomed)
        left = database.execute("SELECT subject FROM greenroom.subject_keys").fetchall()
        assert {subject for (subject,) in left} == {
            user_stream(UserId(user)) for user in users
        } - doomed
        # Where the rows were there is room again.
        store.append([upserted(user, 2, display_name=user) for user in users[::3]])
        assert database.execute(pages).fetchone() == size


@given(st.data())
def test_a_record_is_readable_until_one_of_its_subjects_is_erased(data: DataObject) -> None:
    """Any mix of writing and erasing, against the plain rule."""
    store = MemoryStore()
    told: dict[str, list[dict[str, str]]] = {"alice": [], "tommaso": []}
    for step in range(data.draw(st.integers(1, 12))):
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
    for user, said in told.items():
        assert [event.custom for event in members(store, user)] == said
