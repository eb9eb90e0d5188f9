"""Session descriptions that nobody means well with, and entries that are gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

import pytest
from tests.hostile.evil import NEVER, STRANGE

from greenroom import CallHandle, Entry, Greenroom, errors
from greenroom.testing import FakeMedia
from greenroom.testing.media import HOSTILE, TWO_WAY, offer_sdp


@pytest.fixture
def room() -> Iterator[Greenroom]:
    with Greenroom.open("memory://", media=FakeMedia()) as built:
        yield built


@pytest.fixture
def call(room: Greenroom) -> CallHandle:
    return room.as_user("thierry").call("default", "1")


@pytest.fixture
def entry(call: CallHandle) -> Entry:
    return call.join(create=True)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_offer_is_refused_and_the_entry_lives_on(
    what: str, room: Greenroom, entry: Entry
) -> None:
    before, began = room.position, time.thread_time()
    with pytest.raises(errors.MediaError):
        entry.offer(HOSTILE[what])  # type: ignore[arg-type]  # that is the point
    assert time.thread_time() - began < 5
    assert room.position == before
    assert entry.offer(offer_sdp(*TWO_WAY)).startswith("v=0")


EVIL: Final[dict[str, Callable[[], object]]] = {**NEVER, **STRANGE}


@pytest.mark.parametrize("what", EVIL)
def test_what_is_no_text_is_no_offer(what: str, entry: Entry) -> None:
    with pytest.raises(errors.MediaError):
        entry.offer(EVIL[what]())  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("what", EVIL)
def test_what_is_no_text_names_no_connection(what: str, entry: Entry) -> None:
    entry.offer(offer_sdp(*TWO_WAY))
    with pytest.raises(errors.MediaError):
        entry.candidates(EVIL[what]())  # type: ignore[arg-type]  # that is the point
    with suppress(errors.InvalidInput):  # some of it is text, which is of no connection
        entry.hang_up(EVIL[what]())  # type: ignore[arg-type]  # that is the point
    assert set(entry.slots()) == {"0", "1"}


def test_who_left_or_was_put_out_cannot_offer(call: CallHandle, entry: Entry) -> None:
    entry.leave()
    with pytest.raises(errors.EntryNotFound):
        entry.offer(offer_sdp(*TWO_WAY))
    again = call.join()
    call.end()
    with pytest.raises(errors.EntryNotFound):
        again.offer(offer_sdp(*TWO_WAY))
