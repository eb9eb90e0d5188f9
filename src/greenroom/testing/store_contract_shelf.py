"""The exam of the stores, third part: snapshots are kept, sealed, and believed only where true."""

from __future__ import annotations

from greenroom.domain.message import CallId, StreamId, UserId
from greenroom.domain.ports import EventStore, Snapshot
from greenroom.domain.streams import call_stream, member_stream, session_stream, user_stream
from greenroom.testing.store_events import CID, STAGE, added, pinned

_ALICE = user_stream(UserId("alice"))
_AS_MEMBER = member_stream(CID, UserId("alice"))


def _of(version: int, says: bytes = b'{"custom":{"phone":"123"}}') -> Snapshot:
    return Snapshot(version, "format 1", says)


def _kept(store: EventStore, stream: StreamId) -> Snapshot | None:
    return store.shelf(stream).snapshot()


class Keeping:
    """A snapshot comes back as it was kept, or not at all."""

    def test_what_was_kept_is_there_and_a_later_one_takes_its_place(
        self, store: EventStore
    ) -> None:
        store.append([pinned(1), pinned(2), pinned(1, session_stream(CID, 2))])
        assert _kept(store, STAGE) is None
        for snapshot in (_of(1), _of(2, b"\x00\xff")):
            store.shelf(STAGE).keep(snapshot, personal=False)
            assert _kept(store, STAGE) == snapshot
        store.shelf(STAGE).keep(_of(1), personal=False)
        assert _kept(store, STAGE) == _of(2, b"\x00\xff"), "an older one changes nothing"
        assert _kept(store, session_stream(CID, 2)) is None

    def test_dropping_all_of_them_loses_nothing_else(self, store: EventStore) -> None:
        store.append([pinned(1), added("alice", phone="123")])
        told = list(store.feed())
        for stream in (STAGE, _AS_MEMBER):
            store.shelf(stream).keep(_of(1), personal=True)
        store.drop_snapshots()
        assert _kept(store, STAGE) is _kept(store, _AS_MEMBER) is None
        assert list(store.feed()) == told

    def test_a_version_that_is_not_there_yet_is_not_kept(self, store: EventStore) -> None:
        store.append([pinned(1)])
        try:
            store.shelf(STAGE).keep(_of(2), personal=False)
        except ValueError:
            store.append([pinned(2)])
            assert _kept(store, STAGE) is None
        else:
            raise AssertionError("kept a state that there never was")

    def test_what_is_personal_opens_until_one_of_its_subjects_is_erased(
        self, store: EventStore
    ) -> None:
        for version, subject in enumerate((_ALICE, call_stream(CID)), 1):
            store.append([added("alice", version, phone="123")])
            store.shelf(_AS_MEMBER).keep(_of(version), personal=True)
            assert _kept(store, _AS_MEMBER) == _of(version)
            store.erase([subject])
            assert _kept(store, _AS_MEMBER) is None

    def test_whoever_comes_back_after_an_erasure_does_not_find_what_was_erased(
        self, store: EventStore
    ) -> None:
        store.append([added("alice", phone="old")])
        before = store.shelf(_AS_MEMBER)
        before.keep(_of(1), personal=True)
        store.erase([_ALICE])
        store.append([added("alice", 2, phone="new")])
        assert _kept(store, _AS_MEMBER) is None
        before.keep(_of(2), personal=True)
        assert _kept(store, _AS_MEMBER) is None, "it was read before the erasure"
        store.shelf(_AS_MEMBER).keep(_of(2), personal=True)
        assert _kept(store, _AS_MEMBER) == _of(2)

    def test_where_nothing_personal_could_be_read_nothing_personal_is_kept(
        self, store: EventStore
    ) -> None:
        store.append([added("alice")])
        early = store.shelf(_AS_MEMBER)
        early.keep(_of(1), personal=True)
        assert _kept(store, _AS_MEMBER) is None
        early.keep(_of(1), personal=False)
        assert _kept(store, _AS_MEMBER) == _of(1)

    def test_nobody_elses_snapshot_is_found(self, store: EventStore) -> None:
        for user in ("alice", "tommaso"):
            store.append([added(user, phone="123")])
        store.shelf(_AS_MEMBER).keep(_of(1), personal=True)
        assert _kept(store, member_stream(CID, UserId("tommaso"))) is None
        assert _kept(store, member_stream(CallId("livestream:124"), UserId("alice"))) is None
