"""A store that fails as stores do: between a command and its commit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from time import sleep

from greenroom import Greenroom
from greenroom.domain.errors import Conflict, GreenroomError, OutcomeUnknown, StoreError
from greenroom.domain.ports import Append, Commit, Outcome


class Fault(Enum):
    """What may happen to a commit."""

    FAILS = "the store cannot be written; nothing was"
    LOST_BEFORE = "the store is lost before the commit: nobody knows, and nothing was written"
    LOST_AFTER = "the store is lost after the commit: nobody knows, and all was written"
    TWICE = "what was sent is delivered a second time"
    SLOW = "it takes a while"
    OVERTAKEN = "somebody else writes first: see `FaultStore.meanwhile`"
    LATE = "the store is lost: nobody knows, and what was sent arrives after what is sent next"
    AGAIN_LATER = "what was sent arrives a second time, after what is sent next"
    REVERSED = "what was sent together is recorded one by one, the last first"


class FaultStore:
    """Stands between a room and its store; lets the next commits fail as it is told.

    Args:
        room: whose commits go through it from now on.

    Example:
        >>> with Greenroom.open("memory://") as room:
        ...     faults = FaultStore(room)
        ...     faults.next(Fault.LOST_AFTER)
        ...     call = room.as_user("thierry").call("default", "1")
        ...     try:
        ...         call.create(request_id="once")
        ...     except OutcomeUnknown:  # which is to be answered by asking again, as it was asked
        ...         call.create(request_id="once").created
        True
    """

    def __init__(self, room: Greenroom) -> None:
        store = room._store  # noqa: SLF001 - there is no public way to a room's store
        self._record: Callable[[Sequence[Append]], Commit] = store.record
        self._faults: deque[Fault] = deque()
        self.commits = 0
        """How often something was to be committed."""
        self.seconds = 0.05
        """How long SLOW takes."""
        self.meanwhile: Callable[[], object] = lambda: None
        """What somebody else does when it is OVERTAKEN, e.g. through another room."""
        self.arrived: list[Commit | GreenroomError] = []
        """What became of what arrived late, or once more; whoever sent it is not told."""
        self._late: list[Sequence[Append]] = []
        store.record = self  # type: ignore[method-assign]  # which is what it is for

    def next(self, *faults: Fault) -> None:
        """Let the next commits have these faults, one each."""
        self._faults.extend(faults)

    def __call__(self, batch: Sequence[Append]) -> Commit:
        """Record the batch, or whatever its fault makes of it."""
        self.commits += 1
        fault = self._faults.popleft() if self._faults else None
        late = self._late
        if any(one.events for one in batch):  # else it is a look, which overtakes nothing
            self._late = []
        else:
            late = []
        try:
            return self._faced(batch, fault)
        finally:
            for one in late:
                self._arrive(one)

    def _faced(self, batch: Sequence[Append], fault: Fault | None) -> Commit:
        match fault:
            case Fault.FAILS:
                raise StoreError(fault.value)
            case Fault.LOST_BEFORE:
                raise OutcomeUnknown(fault.value)
            case Fault.LATE:
                self._late.append(_kept(batch))
                raise OutcomeUnknown(fault.value)
            case Fault.REVERSED:
                return self._one_by_one(batch)
            case Fault.SLOW:
                sleep(self.seconds)
            case Fault.OVERTAKEN:
                self.meanwhile()
        commit = self._record(batch)
        match fault:
            case Fault.LOST_AFTER:
                raise OutcomeUnknown(fault.value)
            case Fault.TWICE:
                self._arrive(batch)
            case Fault.AGAIN_LATER:
                self._late.append(_kept(batch))
        return commit

    def _one_by_one(self, batch: Sequence[Append]) -> Commit:
        """An erasure stays the last: what would follow it is sealed with other keys."""
        together = {id(one) for one in batch}
        last = len(batch) - 1 if batch[-1].erases else len(batch)
        outcomes: dict[int, Outcome] = {}
        commits: list[Commit] = []
        for n in [*reversed(range(last)), *range(last, len(batch))]:
            if together & {id(other) for other in batch[n].rests_on}:
                outcomes[n] = Conflict("what it was decided on is not there yet")
                continue
            commits.append(self._record([batch[n]]))
            outcomes[n] = commits[-1].outcomes[0]
        # As if somebody had been at it before the last of them: that is when a room looks around.
        latest = commits[-1]
        return Commit([outcomes[n] for n in range(len(batch))], latest.before, latest.position)

    def _arrive(self, batch: Sequence[Append]) -> None:
        try:
            self.arrived.append(self._record(batch))
        except GreenroomError as error:
            self.arrived.append(error)


def _kept(batch: Sequence[Append]) -> Sequence[Append]:
    """The same for later: whoever sent it forgets what rested on what."""
    kept: dict[int, Append] = {}
    for one in batch:
        before = [kept[id(other)] for other in one.rests_on if id(other) in kept]
        kept[id(one)] = replace(one, rests_on=before)
    return [*kept.values()]
