"""The exam of the stores, second part: many at once, waiting, erasing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread
from threading import Event as Flag
from time import monotonic

import pytest
from msgspec.structs import replace

from greenroom.domain.errors import Conflict
from greenroom.domain.membership import RingRejected
from greenroom.domain.message import Event, RequestId, StreamId, UserId
from greenroom.domain.ports import EventStore, Request
from greenroom.domain.streams import call_stream, member_stream, session_stream, user_stream
from greenroom.domain.user import UserErased
from greenroom.testing.store_events import (
    AT,
    CID,
    STAGE,
    added,
    decided,
    everything,
    members,
    pinned,
    upserted,
    users,
)


class Sharing:
    """Many threads at once, and waiting for one another."""

    def test_many_writers_leave_no_hole_and_no_repetition(self, store: EventStore) -> None:
        writers, each = 8, 15

        def write(number: int) -> None:
            version = 0
            for turn in range(each):
                own = pinned(turn + 1, session_stream(CID, number + 2))
                while True:
                    try:
                        store.append([pinned(version + 1), own])
                        break
                    except Conflict:
                        version = sum(1 for _ in store.events(STAGE))

        with ThreadPoolExecutor(writers) as threads:
            list(threads.map(write, range(writers)))
        records = [record for _, record in store.feed()]
        positions = [record.position for record in records]
        assert positions == sorted(set(positions))
        versions: dict[StreamId, list[int]] = {}
        for record in records:
            versions.setdefault(record.stream, []).append(record.version)
        assert versions.pop(STAGE) == list(range(1, writers * each + 1))
        assert len(versions) == writers
        assert all(found == list(range(1, each + 1)) for found in versions.values())

    def test_of_two_who_read_the_same_one_wins(self, store: EventStore) -> None:
        start = Barrier(4)

        def race(number: int) -> bool:
            start.wait()
            try:
                store.append([added(f"user-{number}"), pinned(1)], expects={STAGE: 0})
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(4) as threads:
            assert sum(threads.map(race, range(4))) == 1
        assert len(everything(store)) == 2

    def test_a_follower_misses_nothing_while_others_write(self, store: EventStore) -> None:
        writers, each = 4, 40

        def write(number: int) -> None:
            for version in range(1, each + 1):
                store.append([pinned(version, session_stream(CID, number + 2))])

        with ThreadPoolExecutor(writers) as threads:
            writing = [threads.submit(write, number) for number in range(writers)]
            told: list[tuple[int, StreamId, int]] = []
            while len(told) < writers * each:
                last = told[-1][0] if told else 0
                assert store.wait(last, timeout=60), "nothing came"
                told += [(p, record.stream, record.version) for p, record in store.feed(last)]
            for one in writing:
                one.result()
        assert told == everything(store)

    # Waiting

    def test_waiting_ends_at_once_where_something_stands_already(self, store: EventStore) -> None:
        store.append([pinned(1)])
        assert store.wait(0, timeout=0)

    def test_waiting_in_vain_ends_in_time(self, store: EventStore) -> None:
        began = monotonic()
        assert not store.wait(0, timeout=0.1)
        assert monotonic() - began >= 0.1

    def test_an_append_wakes_whoever_waits(self, store: EventStore) -> None:
        (position,) = store.append([pinned(1)])
        woken: list[bool] = []
        sleeper = Thread(target=lambda: woken.append(store.wait(position, timeout=120)))
        sleeper.start()
        store.append([pinned(2)])
        sleeper.join(timeout=60)
        assert woken == [True]

    def test_closing_wakes_whoever_waits(self, store: EventStore) -> None:
        woken: list[bool] = []
        sleeper = Thread(target=lambda: woken.append(store.wait(0, timeout=120)))
        sleeper.start()
        store.close()
        sleeper.join(timeout=60)
        assert woken == [False]


class BeingAlone:
    """For who is always too late: while a thread is alone, nobody else appends."""

    def test_what_was_read_alone_stands_when_it_is_decided_on(self, store: EventStore) -> None:
        store.append([pinned(1)])
        with store.alone():
            version = sum(1 for _ in store.events(STAGE))
            store.append([pinned(version + 1)], expects={STAGE: version})
            assert store.position() == 2
        store.append([pinned(3)])
        assert len(everything(store)) == 3

    def test_others_wait_while_somebody_is_alone(
        self, store: EventStore, reopened: Callable[[], EventStore]
    ) -> None:
        store.append([pinned(1)])
        other = reopened()
        with ThreadPoolExecutor(1) as threads:
            with store.alone():
                waiting = threads.submit(other.append, [added("alice")])
                Flag().wait(0.2)
                assert not waiting.done()
                store.append([pinned(2)])
            waiting.result(timeout=60)
        assert [stream for _, stream, _ in everything(store)][:2] == [STAGE, STAGE]
        assert len(everything(store)) == 3
        other.close()

    def test_whoever_leaves_without_a_word_holds_up_nobody(
        self, store: EventStore, reopened: Callable[[], EventStore]
    ) -> None:
        other = reopened()
        with store.alone():
            pass
        with pytest.raises(ZeroDivisionError), store.alone():
            raise ZeroDivisionError
        with store.alone(), pytest.raises(Conflict):
            store.append([pinned(7)])
        other.append([pinned(1)])
        store.append([pinned(2)])
        assert len(everything(other)) == 2
        other.close()


class Erasing:
    """What is personal goes for good, and only that."""

    def test_erasing_a_user_takes_what_is_personal_about_them_everywhere(
        self, store: EventStore
    ) -> None:
        store.append([upserted("alice", display_name="Alice"), added("alice", phone="123")])
        store.append([upserted("tommaso", display_name="Tommaso"), added("tommaso", phone="456")])
        store.erase({user_stream(UserId("alice"))})
        assert [event.display_name for event in users(store, "alice")] == [""]
        assert [event.custom for event in members(store, "alice")] == [{}]
        assert [event.display_name for event in users(store, "tommaso")] == ["Tommaso"]
        assert [event.custom for event in members(store, "tommaso")] == [{"phone": "456"}]

    def test_erasing_a_call_takes_what_its_members_left_there(self, store: EventStore) -> None:
        store.append([upserted("alice", display_name="Alice"), added("alice", phone="123")])
        store.erase([call_stream(CID)])
        assert [event.custom for event in members(store, "alice")] == [{}]
        assert [event.display_name for event in users(store, "alice")] == ["Alice"]

    def test_what_was_erased_is_gone_from_every_reading(self, store: EventStore) -> None:
        rejected = RingRejected(at=AT, cid=CID, user_id=UserId("alice"), ring=1, reason="in labour")
        stream = member_stream(CID, UserId("alice"))
        store.append([decided(rejected, stream, 1)])
        store.erase([user_stream(UserId("alice"))])
        readings: Sequence[Event] = [
            *store.events(stream),
            *(record.event for record in store.read(stream)),
            *(record.event for _, record in store.feed()),
        ]
        assert readings == [replace(rejected, reason="decline")] * 3

    def test_whoever_comes_back_after_an_erasure_starts_anew(self, store: EventStore) -> None:
        store.append([added("alice", phone="old")])
        store.erase([user_stream(UserId("alice"))])
        store.append([added("alice", 2, phone="new")])
        assert [event.custom for event in members(store, "alice")] == [{}, {"phone": "new"}]
        store.erase([user_stream(UserId("alice"))])
        assert [event.custom for event in members(store, "alice")] == [{}, {}]

    def test_an_append_that_erases_takes_what_is_personal_in_the_same_commit(
        self, store: EventStore
    ) -> None:
        alice = user_stream(UserId("alice"))
        store.append([upserted("alice", display_name="Alice"), added("alice", phone="123")])
        store.append([added("tommaso", phone="456"), added("alice", 2, phone="789")])
        gone = decided(UserErased(at=AT, user_id=UserId("alice")), alice, 2)
        (position,) = store.append([gone], erases=[alice])
        assert store.position() == position
        assert [event.display_name for event in users(store, "alice")] == [""]
        assert [event.custom for event in members(store, "alice")] == [{}, {}]
        assert [event.custom for event in members(store, "tommaso")] == [{"phone": "456"}]

    def test_an_append_may_erase_what_it_records_itself(self, store: EventStore) -> None:
        store.append([added("alice", phone="123")], erases=[user_stream(UserId("alice"))])
        assert [event.custom for event in members(store, "alice")] == [{}]

    def test_an_append_that_is_refused_erases_nothing(self, store: EventStore) -> None:
        alice = user_stream(UserId("alice"))
        store.append([upserted("alice", display_name="Alice"), added("alice", phone="123")])
        request = Request(RequestId("r1"), "f", b"a")
        store.append([pinned(1)], request=request)
        gone = decided(UserErased(at=AT, user_id=UserId("alice")), alice, 1)
        refused: Sequence[Callable[[], object]] = [
            lambda: store.append([gone], erases=[alice]),
            lambda: store.append([pinned(2)], expects={alice: 7}, erases=[alice]),
            lambda: store.append([pinned(2)], request=request, erases=[alice]),
        ]
        for attempt in refused:
            with pytest.raises(Conflict):
                attempt()
        assert [event.display_name for event in users(store, "alice")] == ["Alice"]
        assert [event.custom for event in members(store, "alice")] == [{"phone": "123"}]

    def test_erasing_nobody_and_erasing_twice_is_fine(self, store: EventStore) -> None:
        store.append([added("alice", phone="123")])
        store.erase([])
        store.erase([user_stream(UserId("nobody"))])
        assert [event.custom for event in members(store, "alice")] == [{"phone": "123"}]
        for _ in range(2):
            store.erase([user_stream(UserId("alice"))])
        assert [event.custom for event in members(store, "alice")] == [{}]
