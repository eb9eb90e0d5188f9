"""What must hold of a room, whatever happened to it or to what it stands on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from random import Random
from time import monotonic, sleep
from typing import Final

from greenroom import Greenroom, errors
from greenroom.adapters.checking import check
from greenroom.domain.message import StreamId
from greenroom.domain.ports import EventStore

Ask = Callable[[Greenroom, str], object]
"""Asks a room for what a request id stands for, under that id. It must record something."""

PATIENCE: Final = 60.0
"""Seconds within which anything is settled, on however slow a machine."""
REPEATS: Final = 25
"""Acknowledged requests that are asked for once more."""


@dataclass
class Notes:
    """What clients were told, by request id."""

    acknowledged: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    """Of these it was said, each time, that nothing was recorded."""
    open: set[str] = field(default_factory=set)
    """Nobody knows what became of these: asked for, and not answered."""
    told: list[Exception] = field(default_factory=list)
    """Every error that somebody was told."""

    def ask(self, room: Greenroom, request_id: str, how: Ask) -> bool:
        """Ask for it once, and note what is told; whether it is acknowledged."""
        unknown = request_id in self.open
        self.failed.discard(request_id)
        self.open.add(request_id)  # until the answer is there
        try:
            how(room, request_id)
        except errors.OutcomeUnknown as error:
            self.told.append(error)
            return False
        except errors.GreenroomError as error:
            self.told.append(error)
            if not unknown:
                self.open.discard(request_id)
                self.failed.add(request_id)
            return False
        self.open.discard(request_id)
        self.acknowledged.add(request_id)
        return True

    def ask_all(self, room: Greenroom, request_ids: Iterable[str], how: Ask) -> None:
        """Ask for each of these once."""
        for request_id in request_ids:
            self.ask(room, request_id, how)

    def settle(self, room: Greenroom, how: Ask) -> None:
        """Ask again for everything that is not acknowledged, until it is."""
        deadline = monotonic() + PATIENCE
        for request_id in sorted(self.open | self.failed):
            while not self.ask(room, request_id, how):
                assert monotonic() < deadline, f"{request_id}: {self.told[-1]}"
                sleep(0.05)


def judge(room: Greenroom, notes: Notes, how: Ask, *, url: str | None = None) -> None:
    """Nothing acknowledged is lost, nothing is done twice, nothing stands by halves.

    What is not acknowledged is asked for again. The views equal those that the log makes anew.

    Args:
        room: as it is after the fault.
        notes: what its clients were told.
        how: they asked.
        url: of its store, where that outlives the room: each of its rows is looked at.
    """
    judge_log(room._store, notes)
    notes.settle(room, how)
    before = room.position
    done = sorted(notes.acknowledged)
    for request_id in Random(len(done)).sample(done, min(REPEATS, len(done))):
        how(room, request_id)
    assert room.position == before, "a repeat was carried out"
    judge_log(room._store, notes)
    assert room.rebuild(compare=True).same, "the views are not what the log says"
    assert not room.parked()
    well_told(notes.told)
    if url is not None:
        assert check(url).faults == []


def judge_log(store: EventStore, notes: Notes) -> None:
    """What was told of each request is true, and nothing is missing between its records."""
    contiguous(store)
    done = times_done(store)
    assert {one: done[one] for one in notes.acknowledged if done[one] != 1} == {}
    assert {one: done[one] for one in notes.failed if done[one]} == {}, "said not to be recorded"
    assert {one: done[one] for one in notes.open if done[one] > 1} == {}


def wait_until(holds: Callable[[], bool]) -> None:
    """Until it is so."""
    deadline = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < deadline
        sleep(0.1)


def wait_for(room: Greenroom) -> None:
    """Until its store answers again."""
    deadline = monotonic() + PATIENCE
    while True:
        try:
            room._store.position()
        except errors.StoreError:
            assert monotonic() < deadline
            sleep(0.05)
        else:
            return


def contiguous(store: EventStore) -> None:
    """Positions follow one another in the log, versions in each stream."""
    versions: dict[StreamId, int] = {}
    expected = 0
    for position, record in store.feed():
        expected += 1
        assert position == expected
        assert record.version == versions.get(record.stream, 0) + 1
        versions[record.stream] = record.version
    assert store.position() == expected


def times_done(store: EventStore) -> Counter[str]:
    """How often each request was carried out; its records stand beside each other."""
    asked = (record.request_id for _, record in store.feed())
    return Counter(str(request_id) for request_id, _ in groupby(asked))


def well_told(told: list[Exception]) -> None:
    """Errors are ours, and say what happened or what to do about it in more than a code."""
    for error in told:
        assert isinstance(error, errors.GreenroomError), repr(error)
        assert len(str(error).split()) > 3, f"{error!r} says nothing"
