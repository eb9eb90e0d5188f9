"""The exam of the stores, first part: what is written, and what is read back."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import JsonValue

from greenroom.domain.errors import Conflict, InvalidInput
from greenroom.domain.message import Decided, RequestId, UserId
from greenroom.domain.ports import EventStore, Request
from greenroom.domain.streams import member_stream
from greenroom.testing.store_events import (
    CID,
    STAGE,
    added,
    everything,
    members,
    pinned,
    upserted,
)


class Writing:
    """Appending: all or nothing, without holes, only while what was read still stands."""

    def test_an_empty_store_has_nothing(self, store: EventStore) -> None:
        assert store.position() == 0
        assert list(store.feed()) == []
        assert list(store.read(STAGE)) == []
        assert list(store.events(STAGE)) == []
        assert store.request(RequestId("never")) is None

    def test_what_was_appended_is_read_back_whole(self, store: EventStore) -> None:
        written = [added("alice", color="red"), pinned(1), upserted("alice", display_name="Alice")]
        positions = store.append(written)
        records = [record for _, record in store.feed()]
        assert [record.position for record in records] == list(positions)
        for record, one in zip(records, written, strict=True):
            for name in Decided.__struct_fields__:
                assert getattr(record, name) == getattr(one, name), name

    def test_positions_rise_and_the_last_one_is_the_stores(self, store: EventStore) -> None:
        positions = [*store.append([pinned(1), added("alice")]), *store.append([pinned(2)])]
        assert len(set(positions)) == 3
        assert positions == sorted(positions)
        assert store.position() == positions[-1]

    def test_appending_nothing_records_nothing(self, store: EventStore) -> None:
        assert list(store.append([])) == []
        assert store.position() == 0

    def test_a_version_is_recorded_once(self, store: EventStore) -> None:
        store.append([pinned(1)])
        with pytest.raises(Conflict):
            store.append([pinned(1)])
        assert len(everything(store)) == 1

    @pytest.mark.parametrize("versions", [[2], [1, 3], [0], [2, 1]])
    def test_a_stream_never_gets_a_hole(self, store: EventStore, versions: list[int]) -> None:
        with pytest.raises(Conflict):
            store.append([pinned(version) for version in versions])
        assert store.position() == 0

    def test_several_streams_are_appended_to_together_or_not_at_all(
        self, store: EventStore
    ) -> None:
        store.append([pinned(1)])
        before = everything(store)
        with pytest.raises(Conflict):
            store.append([added("alice", name="Alice"), added("tommaso"), pinned(1)])
        assert everything(store) == before
        store.append([added("alice", name="Alice"), added("tommaso"), pinned(2)])
        assert Counter(stream for _, stream, _ in everything(store)) == {
            STAGE: 2,
            member_stream(CID, UserId("alice")): 1,
            member_stream(CID, UserId("tommaso")): 1,
        }

    def test_a_refused_append_harms_nothing_that_follows(self, store: EventStore) -> None:
        with pytest.raises(Conflict):
            store.append([added("alice", name="Alice"), pinned(2)])
        store.append([added("alice", name="Alice")])
        assert [event.custom for event in members(store, "alice")] == [{"name": "Alice"}]

    # Expectations

    def test_a_decision_holds_only_while_what_it_read_stands(self, store: EventStore) -> None:
        store.append([pinned(1)])
        store.append([added("alice")], expects={STAGE: 1})
        store.append([pinned(2)])
        with pytest.raises(Conflict):
            store.append([added("tommaso")], expects={STAGE: 1})
        assert list(store.read(member_stream(CID, UserId("tommaso")))) == []

    def test_a_stream_expected_not_to_exist_must_not(self, store: EventStore) -> None:
        store.append([added("alice")], expects={STAGE: 0})
        store.append([pinned(1)])
        with pytest.raises(Conflict):
            store.append([added("tommaso")], expects={STAGE: 0})

    def test_expectations_hold_without_events_too(self, store: EventStore) -> None:
        store.append([], expects={STAGE: 0}, request=Request(RequestId("looked"), "f"))
        with pytest.raises(Conflict):
            store.append([], expects={STAGE: 1}, request=Request(RequestId("looked-again"), "f"))
        assert store.request(RequestId("looked-again")) is None

    # Requests

    def test_a_request_is_remembered_with_its_answer_and_position(self, store: EventStore) -> None:
        positions = store.append(
            [pinned(1), pinned(2)], request=Request(RequestId("r1"), "fingerprint", b"\x00answer")
        )
        assert store.request(RequestId("r1")) == Request(
            RequestId("r1"), "fingerprint", b"\x00answer", positions[-1]
        )

    def test_a_request_that_recorded_nothing_is_remembered_too(self, store: EventStore) -> None:
        store.append([], request=Request(RequestId("r1"), "fingerprint", b"as it was"))
        assert store.request(RequestId("r1")) == Request(
            RequestId("r1"), "fingerprint", b"as it was", 0
        )

    def test_a_request_is_carried_out_once(self, store: EventStore) -> None:
        store.append([pinned(1)], request=Request(RequestId("r1"), "first"))
        with pytest.raises(Conflict):
            store.append([pinned(2)], request=Request(RequestId("r1"), "second"))
        assert len(everything(store)) == 1
        remembered = store.request(RequestId("r1"))
        assert remembered is not None
        assert remembered.fingerprint == "first"

    def test_a_request_whose_append_is_refused_is_not_remembered(self, store: EventStore) -> None:
        with pytest.raises(Conflict):
            store.append([pinned(7)], request=Request(RequestId("r1"), "f"))
        assert store.request(RequestId("r1")) is None


class Reading:
    """Reading: everything, in order, as it was."""

    def test_a_stream_is_read_from_a_version_on_and_up_to_a_position(
        self, store: EventStore
    ) -> None:
        positions = [store.append([pinned(n), added(f"user-{n}")])[0] for n in range(1, 6)]
        assert [record.version for record in store.read(STAGE)] == [1, 2, 3, 4, 5]
        assert [record.version for record in store.read(STAGE, after=3)] == [4, 5]
        assert [r.version for r in store.read(STAGE, until=positions[2])] == [1, 2, 3]
        assert [r.version for r in store.read(STAGE, after=1, until=positions[2] - 1)] == [2]
        assert list(store.read(STAGE, after=5)) == []
        assert list(store.read(STAGE, until=0)) == []

    def test_events_are_those_of_the_records(self, store: EventStore) -> None:
        positions = [store.append([pinned(n)])[0] for n in range(1, 6)]
        for bounds in ((0, None), (2, None), (1, positions[3]), (5, None), (0, 0)):
            after, until = bounds
            records = store.read(STAGE, after=after, until=until)
            assert list(store.events(STAGE, after=after, until=until)) == [
                record.event for record in records
            ]

    def test_the_feed_tells_everything_in_the_order_of_its_positions(
        self, store: EventStore
    ) -> None:
        appended = [
            position
            for n in range(1, 6)
            for position in store.append([pinned(n), added(f"user-{n}")])
        ]
        told = [position for position, _ in store.feed()]
        assert told == appended
        assert [position for position, _ in store.feed(told[3])] == appended[4:]
        assert [position for position, _ in store.feed(told[1], until=told[4])] == appended[2:5]
        assert list(store.feed(told[-1])) == []

    def test_the_feed_of_some_streams_leaves_the_others_out(self, store: EventStore) -> None:
        store.append([pinned(1), added("alice", phone="123"), pinned(2)])
        told = list(store.feed())
        streams = {record.stream for _, record in told}
        for stream in streams:
            only = list(store.feed(of=stream.__eq__))
            assert only == [pair for pair in told if pair[1].stream == stream]
        assert list(store.feed(of=lambda _: False)) == []

    def test_what_can_be_read_is_salvaged_as_the_feed_tells_it(self, store: EventStore) -> None:
        store.append([pinned(1), added("alice", phone="123"), pinned(2)])
        told = list(store.feed())
        assert list(store.salvage()) == told
        assert list(store.salvage(told[0][0], until=told[1][0])) == told[1:2]

    def test_records_are_picked_by_their_positions(self, store: EventStore) -> None:
        positions = store.append([pinned(version) for version in range(1, 2502)])
        every_other = list(positions[::2])
        nowhere = [0, *every_other, positions[-1] + 1]
        picked = list(store.pick(nowhere))
        assert [position for position, _ in picked] == every_other
        assert [record.version for _, record in picked] == list(range(1, 2502, 2))
        assert list(store.pick([])) == []

    def test_long_streams_and_long_logs_come_whole(self, store: EventStore) -> None:
        store.append([pinned(version) for version in range(1, 2502)])
        store.append([added("alice")])
        assert [record.version for record in store.read(STAGE)] == list(range(1, 2502))
        assert list(store.events(STAGE, after=2499)) == [pinned(2500).event, pinned(2501).event]
        assert len(list(store.feed())) == 2502

    def test_reading_slowly_holds_up_nobody(self, store: EventStore) -> None:
        store.append([pinned(version) for version in range(1, 1501)])
        half_read = [store.read(STAGE), store.events(STAGE), store.feed()]
        for one in half_read:
            next(iter(one))
        store.append([pinned(1501)])
        for one in half_read:  # the last is told where it was not read ahead of
            assert len(list(one)) in {1499, 1500}

    def test_nothing_that_was_read_can_change_what_is_stored(self, store: EventStore) -> None:
        store.append([added("alice", badge="gold")])
        (event,) = members(store, "alice")
        event.custom["badge"] = "stolen"
        assert [event.custom for event in members(store, "alice")] == [{"badge": "gold"}]

    @pytest.mark.parametrize(
        "value",
        [0, -1.5, 1e300, 2**60, "", "NaN", "\x00 and \U0001f600", None, True, [], [[]], {"a": {}}],
    )
    def test_any_json_comes_back_as_it_was(self, store: EventStore, value: JsonValue) -> None:
        store.append([added("alice", kept=value)])
        (event,) = members(store, "alice")
        assert event.custom == {"kept": value}
        assert type(event.custom["kept"]) is type(value)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
    def test_what_json_cannot_hold_is_refused_whole(
        self, store: EventStore, value: JsonValue
    ) -> None:
        with pytest.raises(InvalidInput):
            store.append([pinned(1), added("alice", broken=[value])])
        assert store.position() == 0
