"""The exam of the `EventStore` port: what every store must do, whatever it is made of.

For example::

    class TestMyStore(EventStoreContract):
        @pytest.fixture
        def store(self) -> Iterator[EventStore]:
            store = MyStore(...)
            yield store
            store.close()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from greenroom.domain.errors import Conflict, StoreClosed
from greenroom.domain.message import RequestId, UserId
from greenroom.domain.ports import EventStore, Request
from greenroom.domain.streams import user_stream
from greenroom.testing.store_contract_batch import Recording
from greenroom.testing.store_contract_life import BeingAlone, Erasing, Sharing
from greenroom.testing.store_contract_log import Reading, Writing
from greenroom.testing.store_contract_shelf import Keeping
from greenroom.testing.store_events import (
    STAGE,
    added,
    members,
    pinned,
)


class EventStoreContract(Writing, Reading, Sharing, BeingAlone, Erasing, Recording, Keeping):
    """Subclass it, and give a fixture `store` with an empty store."""

    @pytest.fixture
    def store(self) -> Iterator[EventStore]:
        """An empty store, closed afterwards."""
        raise NotImplementedError("give a fixture `store` with an empty store")

    @pytest.fixture
    def reopened(self) -> Callable[[], EventStore]:
        """Opens the same store once more; the first may be open or closed. For durable ones."""
        pytest.skip("the store does not outlive its process")

    def test_the_secret_is_32_bytes_and_stays(self, store: EventStore) -> None:
        assert len(store.secret) == 32
        assert store.secret == store.secret

    def test_a_closed_store_says_so(self, store: EventStore) -> None:
        store.append([pinned(1)])
        half_read, half_read_shelf = store.feed(), store.shelf(STAGE)
        store.close()
        store.close()
        attempts: Mapping[str, Callable[[], object]] = {
            "append": lambda: store.append([pinned(2)]),
            "request": lambda: store.request(RequestId("r1")),
            "read": lambda: store.read(STAGE),
            "events": lambda: store.events(STAGE),
            "feed": store.feed,
            "half-read feed": lambda: list(half_read),
            "position": store.position,
            "erase": lambda: store.erase([]),
            "secret": lambda: store.secret,
            "shelf": lambda: store.shelf(STAGE),
            "half-read shelf": half_read_shelf.snapshot,
            "drop snapshots": store.drop_snapshots,
        }
        for attempt in attempts.values():
            with pytest.raises(StoreClosed):
                attempt()
        assert store.wait(0, timeout=20) is False

    def test_everything_is_there_after_opening_again(
        self, store: EventStore, reopened: Callable[[], EventStore]
    ) -> None:
        store.append(
            [pinned(1), added("alice", phone="123")], request=Request(RequestId("r1"), "f", b"a")
        )
        store.erase([user_stream(UserId("tommaso"))])
        secret, told, request = store.secret, list(store.feed()), store.request(RequestId("r1"))
        store.close()
        again = reopened()
        assert (again.secret, list(again.feed())) == (secret, told)
        assert again.request(RequestId("r1")) == request
        with pytest.raises(Conflict):
            again.append([pinned(1)])
        again.close()

    def test_two_openings_see_each_others_records_and_erasures(
        self, store: EventStore, reopened: Callable[[], EventStore]
    ) -> None:
        other = reopened()
        assert other.secret == store.secret
        store.append([added("alice", phone="123")])
        other.append([added("alice", 2, phone="456")])
        assert other.position() == store.position()
        assert [e.custom for e in members(other, "alice")] == [{"phone": "123"}, {"phone": "456"}]
        other.erase([user_stream(UserId("alice"))])
        assert [event.custom for event in members(store, "alice")] == [{}, {}]
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(store.wait, store.position(), 20)
            other.append([pinned(1)])
            assert waiting.result()
        other.close()
