"""What is remembered of a stream is never older than what is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from greenroom.adapters.stores import MemoryStore
from greenroom.domain.message import Event, StreamId
from greenroom.domain.turn import Folded
from greenroom.states import States
from greenroom.testing.store_events import STAGE, added, pinned


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    store = MemoryStore()
    yield store
    store.close()


def test_a_state_that_others_outdated_while_it_was_read_is_not_remembered(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append([pinned(1)])
    states = States(store)
    read = store.events

    def slowly(stream: StreamId, **bounds: Any) -> Iterator[Event]:
        yield from list(read(stream, **bounds))
        if store.position() == 1:
            store.append([pinned(2)])
            states.follow()

    monkeypatch.setattr(store, "events", slowly)
    assert states.load(STAGE).version == 1
    assert states.load(STAGE).version == 2


def test_a_state_that_others_outdated_before_it_was_kept_is_not_remembered(
    store: MemoryStore,
) -> None:
    states = States(store)
    store.append([pinned(1)])
    decided = states.load(STAGE)
    store.append([added("alice")])
    store.append([pinned(2)])
    states.follow()
    states.keep({STAGE: decided}, 0)
    assert states.load(STAGE).version == 2


def test_what_others_wrote_is_read_anew_and_the_rest_is_remembered(store: MemoryStore) -> None:
    alice = added("alice").stream
    store.append([pinned(1), added("alice")])
    states = States(store)
    before = states.load(alice)
    states.load(STAGE)
    store.append([pinned(2)])
    states.follow()
    assert states.load(STAGE).version == 2
    assert states.load(alice) is before


def test_the_least_recently_used_goes_first(store: MemoryStore) -> None:
    states = States(store, capacity=2)
    streams = [StreamId(f"session-default:{n}/1") for n in range(3)]
    first, second = (states.load(stream) for stream in streams[:2])
    assert states.load(streams[0]) is first
    states.load(streams[2])
    assert states.load(streams[0]) is first
    assert states.load(streams[1]) is not second


def test_keeping_never_goes_back(store: MemoryStore) -> None:
    states = States(store)
    store.append([pinned(1), pinned(2)])
    newest = states.load(STAGE)
    states.keep({STAGE: Folded(newest.state, 1)}, 0)
    assert states.load(STAGE) is newest


def test_what_was_decided_before_an_erasure_is_not_remembered(store: MemoryStore) -> None:
    states = States(store)
    store.append([pinned(1)])
    decided, erasures = states.load(STAGE), states.erasures
    states.forget_all()
    states.keep({STAGE: decided}, erasures)
    assert states.peek(STAGE) is None


def test_what_went_on_is_read_on_from_where_it_was_known(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append([pinned(version) for version in range(1, 5)])
    states = States(store)
    states.load(STAGE)
    store.append([pinned(5)])
    states.follow()
    read, asked = store.events, []

    def noted(stream: StreamId, **bounds: Any) -> Iterator[Event]:
        asked.append(bounds["after"])
        return read(stream, **bounds)

    monkeypatch.setattr(store, "events", noted)
    assert states.load(STAGE).version == 5
    assert asked == [4]
