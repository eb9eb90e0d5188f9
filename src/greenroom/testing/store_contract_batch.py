"""The exam of the stores, third part: many appends in one commit, each of them for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag

import pytest

from greenroom.domain.errors import GreenroomError, StoreClosed
from greenroom.domain.message import RequestId, StreamId, UserId
from greenroom.domain.ports import Append, Commit, EventStore, Outcome, Request
from greenroom.domain.streams import session_stream, user_stream
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

BROKEN = float("nan")
"""What JSON cannot hold."""


class Recording:
    """A batch is one commit of appends that share nothing but that."""

    def test_a_batch_stands_in_the_log_in_its_order(self, store: EventStore) -> None:
        store.append([pinned(1)])
        before = store.position()
        commit = store.record(
            [Append([added("alice")]), Append([pinned(2), pinned(3)]), Append([added("tommaso")])]
        )
        assert told(commit) == [1, 2, 1]
        positions = [position for one in commit.outcomes for position in positions_of(one)]
        assert [position for position, _, _ in everything(store)][1:] == positions
        assert positions == sorted(set(positions))
        assert (commit.before, commit.position) == (before, positions[-1])
        assert store.position() == commit.position

    def test_nobody_sees_half_of_a_batch(self, store: EventStore) -> None:
        at_once, batches = 20, 10
        over = Flag()

        def look() -> Iterator[int]:
            while not over.is_set():
                yield sum(1 for _ in store.heads())

        with ThreadPoolExecutor(1) as threads:
            looking = threads.submit(lambda: set(look()))
            for number in range(batches):
                first = number * at_once + 1
                store.record([Append([pinned(first + step)]) for step in range(at_once)])
            over.set()
            seen = looking.result()
        assert {count % at_once for count in seen} <= {0}
        assert len(everything(store)) == at_once * batches

    def test_one_that_is_refused_harms_no_other(self, store: EventStore) -> None:
        store.append([pinned(1)], request=Request(RequestId("known"), "f"))
        commit = store.record(
            [
                Append([pinned(2)]),
                Append([pinned(2)]),
                Append([added("alice", phone="123")]),
                Append([added("eve", broken=BROKEN), added("mallory")]),
                Append([added("tommaso")], expects={STAGE: 1}),
                Append([added("charlie")], request=Request(RequestId("known"), "f")),
                Append([pinned(3)]),
            ]
        )
        assert told(commit) == [1, "conflict", 1, "invalid_input", "conflict", "repeated", 1]
        assert [stream for _, stream, _ in everything(store)[1:]] == [
            STAGE,
            added("alice").stream,
            STAGE,
        ]
        assert [event.custom for event in members(store, "alice")] == [{"phone": "123"}]

    def test_every_tenth_of_many_is_refused_and_no_other(self, store: EventStore) -> None:
        appends = [
            Append([added(f"user-{n}")], expects={STAGE: 0 if n % 10 else 1}) for n in range(500)
        ]
        assert told(store.record(appends)) == [1 if n % 10 else "conflict" for n in range(500)]
        assert len(everything(store)) == 450

    def test_what_was_refused_leaves_neither_request_nor_hole(self, store: EventStore) -> None:
        asked = Request(RequestId("r1"), "f")
        refused = Append([pinned(1)], expects={added("alice").stream: 3}, request=asked)
        commit = store.record([refused, Append([pinned(2)]), Append([pinned(1)])])
        assert told(commit) == ["conflict", "conflict", 1]
        assert store.request(RequestId("r1")) is None
        assert [version for _, _, version in everything(store)] == [1]

    # What the decisions of a batch have to do with one another

    def test_later_ones_stand_on_earlier_ones(self, store: EventStore) -> None:
        commit = store.record(
            [
                Append([pinned(1)], expects={STAGE: 0}),
                Append([added("alice")], expects={STAGE: 1}),
                Append([added("tommaso")], expects={STAGE: 0}),
                Append([pinned(2)], expects={added("alice").stream: 1}),
                Append([pinned(3)], expects={added("tommaso").stream: 1}),
            ]
        )
        assert told(commit) == [1, 1, "conflict", 1, "conflict"]

    def test_what_rests_on_a_refused_one_is_refused_with_it(self, store: EventStore) -> None:
        first = Append([pinned(1)], expects={added("eve").stream: 9})
        second = Append([added("alice")], rests_on=[first])
        third = Append([added("tommaso")], rests_on=[second])
        beside = Append([added("charlie")])
        resting_well = Append([added("jaewoong")], rests_on=[beside])
        commit = store.record([first, second, beside, third, resting_well])
        assert told(commit) == ["conflict", "conflict", 1, "conflict", 1]

    def test_the_same_version_by_somebody_else_is_not_the_same(self, store: EventStore) -> None:
        """Versions alone would not tell: another append got the one that the refused one had."""
        refused = Append([pinned(1)], expects={added("eve").stream: 9})
        commit = store.record(
            [refused, Append([pinned(1)]), Append([pinned(2)], rests_on=[refused])]
        )
        assert told(commit) == ["conflict", 1, "conflict"]
        assert [version for _, _, version in everything(store)] == [1]

    def test_a_batch_that_was_overtaken_is_refused_only_where_it_was(
        self, store: EventStore
    ) -> None:
        other = session_stream(CID, 2)
        store.append([pinned(1), pinned(1, other)])
        store.append([pinned(2)])
        stale = Append([pinned(2), pinned(2, other)])
        commit = store.record(
            [
                stale,
                Append([pinned(3, other)], rests_on=[stale]),
                Append([pinned(2, other)]),
                Append([pinned(3)], expects={other: 2}),
            ]
        )
        assert told(commit) == ["conflict", "conflict", 1, 1]

    # Only looking

    def test_what_was_only_looked_at_is_checked_at_its_place(self, store: EventStore) -> None:
        alice = added("alice").stream
        store.append([pinned(1)])
        commit = store.record(
            [
                Append(expects={STAGE: 1, alice: 0}),
                Append([added("alice")]),
                Append(expects={STAGE: 1, alice: 0}),
                Append(expects={STAGE: 1, alice: 1}),
                Append(expects={STAGE: 2, alice: 1}),
                Append(),
            ]
        )
        assert told(commit) == [0, 1, "conflict", 0, "conflict", 0]

    def test_only_looking_writes_nothing(self, store: EventStore) -> None:
        store.append([pinned(1)])
        before = store.position()
        commit = store.record([Append(expects={STAGE: 1}), Append(expects={STAGE: 0})])
        assert told(commit) == [0, "conflict"]
        assert (commit.before, commit.position) == (before, before)
        assert store.position() == before

    def test_what_only_looked_may_be_rested_on(self, store: EventStore) -> None:
        wrong, right = Append(expects={STAGE: 7}), Append(expects={STAGE: 0})
        commit = store.record(
            [
                wrong,
                right,
                Append([added("alice")], rests_on=[wrong]),
                Append([added("tommaso")], rests_on=[right]),
            ]
        )
        assert told(commit) == ["conflict", 0, "conflict", 1]

    # Requests

    def test_of_two_with_one_request_id_the_first_is_carried_out(self, store: EventStore) -> None:
        first = Append([pinned(1)], request=Request(RequestId("r1"), "first", b"1"))
        again = Append([pinned(2)], request=Request(RequestId("r1"), "again", b"2"))
        commit = store.record([first, again, Append([added("alice")], rests_on=[again])])
        assert told(commit) == [1, "repeated", "conflict"]
        (position,) = positions_of(commit.outcomes[0])
        assert store.request(RequestId("r1")) == Request(RequestId("r1"), "first", b"1", position)

    def test_a_request_id_is_free_where_the_first_was_refused(self, store: EventStore) -> None:
        refused = Append([pinned(5)], request=Request(RequestId("r1"), "first"))
        second = Append([pinned(1)], request=Request(RequestId("r1"), "second"))
        assert told(store.record([refused, second])) == ["conflict", 1]
        remembered = store.request(RequestId("r1"))
        assert remembered is not None
        assert remembered.fingerprint == "second"

    def test_every_request_is_remembered_with_its_own_position(self, store: EventStore) -> None:
        commit = store.record(
            [
                Append([pinned(1), pinned(2)], request=Request(RequestId("two"), "f", b"a")),
                Append(request=Request(RequestId("none"), "f", b"b")),
                Append([pinned(9)], request=Request(RequestId("refused"), "f", b"c")),
                Append([pinned(3)], request=Request(RequestId("one"), "f", b"d")),
            ]
        )
        assert told(commit) == [2, 0, "conflict", 1]
        ids = [RequestId(one) for one in ("two", "none", "refused", "one")]
        assert [store.request(one) for one in ids] == [
            Request(ids[0], "f", b"a", positions_of(commit.outcomes[0])[-1]),
            Request(ids[1], "f", b"b", 0),
            None,
            Request(ids[3], "f", b"d", positions_of(commit.outcomes[3])[-1]),
        ]

    # What is personal

    def test_everybody_in_a_batch_has_a_key_of_their_own(self, store: EventStore) -> None:
        people = [f"user-{n}" for n in range(10)]
        store.record([Append([added(one, phone=one), upserted(one, 1, one)]) for one in people])
        store.erase([user_stream(UserId("user-3"))])
        for one in people:
            gone = one == "user-3"
            assert [e.custom for e in members(store, one)] == [{} if gone else {"phone": one}]
            assert [e.display_name for e in users(store, one)] == ["" if gone else one]

    def test_whoever_is_first_spoken_of_in_a_refused_append_can_be_read_all_the_same(
        self, store: EventStore
    ) -> None:
        commit = store.record(
            [
                Append([upserted("alice", 5, "Alice"), added("alice", 5, phone="0")]),
                Append([upserted("alice", 1, "Alice")]),
                Append([added("alice", phone="123")]),
            ]
        )
        assert told(commit) == ["conflict", 1, 1]
        assert [event.display_name for event in users(store, "alice")] == ["Alice"]
        assert [event.custom for event in members(store, "alice")] == [{"phone": "123"}]
        store.erase([user_stream(UserId("alice"))])
        assert [event.display_name for event in users(store, "alice")] == [""]
        assert [event.custom for event in members(store, "alice")] == [{}]

    def test_the_last_may_erase_and_takes_what_the_batch_says_with_it(
        self, store: EventStore
    ) -> None:
        commit = store.record(
            [
                Append([added("alice", phone="123")]),
                Append([added("tommaso", phone="456")]),
                erasing("alice", 1),
            ]
        )
        assert told(commit) == [1, 1, 1]
        assert [event.custom for event in members(store, "alice")] == [{}]
        assert [event.custom for event in members(store, "tommaso")] == [{"phone": "456"}]

    def test_a_last_one_that_is_refused_erases_nothing(self, store: EventStore) -> None:
        commit = store.record([Append([added("alice", phone="123")]), erasing("alice", 7)])
        assert told(commit) == [1, "conflict"]
        assert [event.custom for event in members(store, "alice")] == [{"phone": "123"}]

    def test_only_the_last_may_erase(self, store: EventStore) -> None:
        with pytest.raises(ValueError, match="only the last"):
            store.record([erasing("alice", 1), Append([pinned(1)])])
        assert store.position() == 0

    # Beside others

    def test_batches_of_many_writers_leave_no_hole_and_no_repetition(
        self, store: EventStore
    ) -> None:
        writers, each = 4, 6

        def write(number: int) -> int:
            won = 0
            for turn in range(1, each + 1):
                version = sum(1 for _ in store.events(STAGE))
                commit = store.record(
                    [
                        Append([pinned(turn, session_stream(CID, number + 2))]),
                        Append([pinned(version + 1)]),
                        Append([added(f"user-{number}", turn)]),
                    ]
                )
                mine, shared, members_ = told(commit)
                assert (mine, members_) == (1, 1)
                assert shared in (1, "conflict")
                won += shared == 1
            return won

        with ThreadPoolExecutor(writers) as threads:
            won = sum(threads.map(write, range(writers)))
        versions: dict[StreamId, list[int]] = {}
        for _, stream, version in everything(store):
            versions.setdefault(stream, []).append(version)
        assert versions.pop(STAGE) == list(range(1, won + 1))
        assert [*versions.values()] == [list(range(1, each + 1))] * (2 * writers)

    def test_a_commit_says_what_others_had_appended_before(
        self, store: EventStore, reopened: Callable[[], EventStore]
    ) -> None:
        other = reopened()
        first = store.record([Append([pinned(1)])])
        (theirs,) = other.append([pinned(2)])
        second = store.record([Append([pinned(2)]), Append([pinned(3)])])
        third = store.record([Append(expects={STAGE: 3})])
        other.close()
        assert first.position < theirs == second.before
        assert told(second) == ["conflict", 1]
        assert (third.before, third.position) == (second.position, second.position)

    def test_a_closed_store_records_nothing(self, store: EventStore) -> None:
        store.close()
        with pytest.raises(StoreClosed):
            store.record([Append([pinned(1)])])


def erasing(user: str, version: int) -> Append:
    """`user` is erased, with everything personal about them."""
    stream = user_stream(UserId(user))
    event = UserErased(at=AT, user_id=UserId(user))
    return Append([decided(event, stream, version)], erases=[stream])


def told(commit: Commit) -> list[int | str]:
    """Of each append how many events were recorded, or the code of what refused it."""
    return [one.code if isinstance(one, GreenroomError) else len(one) for one in commit.outcomes]


def positions_of(outcome: Outcome) -> list[int]:
    """Where the events of an append stand that was recorded."""
    assert not isinstance(outcome, GreenroomError), outcome
    return [*outcome]
