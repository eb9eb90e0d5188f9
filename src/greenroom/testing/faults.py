"""A store that fails as stores do: between a command and its commit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from time import sleep

from greenroom import Greenroom
from greenroom.domain.errors import OutcomeUnknown, StoreError
from greenroom.domain.ports import Append, Commit


class Fault(Enum):
    """What may happen to a commit."""

    FAILS = "the store cannot be written; nothing was"
    LOST_BEFORE = "the store is lost before the commit: nobody knows, and nothing was written"
    LOST_AFTER = "the store is lost after the commit: nobody knows, and all was written"
    TWICE = "what was sent is delivered a second time"
    SLOW = "it takes a while"
    OVERTAKEN = "somebody else writes first: see `FaultStore.meanwhile`"


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
        store.record = self  # type: ignore[method-assign]  # which is what it is for

    def next(self, *faults: Fault) -> None:
        """Let the next commits have these faults, one each."""
        self._faults.extend(faults)

    def __call__(self, batch: Sequence[Append]) -> Commit:
        """Record the batch, or whatever its fault makes of it."""
        self.commits += 1
        fault = self._faults.popleft() if self._faults else None
        match fault:
            case Fault.FAILS:
                raise StoreError(fault.value)
            case Fault.LOST_BEFORE:
                raise OutcomeUnknown(fault.value)
            case Fault.SLOW:
                sleep(self.seconds)
            case Fault.OVERTAKEN:
                self.meanwhile()
        commit = self._record(batch)
        if fault is Fault.LOST_AFTER:
            raise OutcomeUnknown(fault.value)
        if fault is Fault.TWICE:
            self._record(batch)
        return commit
