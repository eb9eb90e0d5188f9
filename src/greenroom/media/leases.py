"""Which process carries the media of which call: the port, said in media's own words.

A call's media is carried by one worker at a time: a process that says every few seconds that it is
alive. A lease is good for as long as its holder is, so that staying alive costs the same however
many calls there are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from greenroom.domain.message import CallId


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that carries media, as it says of itself."""

    name: str
    """Of this life of it alone: no other process, and no later one, has it."""
    url: str = ""
    """Where other processes ask it; empty where only its own does."""
    load: float = 0.0
    """0 for idle; from 1 on it is given no other call."""
    takes: bool = True
    """Whether it may be given calls; not while it waits for its last one to end."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who carries the media of one call."""

    cid: CallId
    worker: str
    """Name of the holder."""
    url: str
    """Where to ask the holder; empty where only its own process does."""
    term: int
    """Grows with every new holder of a call, and is never used twice."""
    seconds: float
    """How long it is good for from now on, unless the holder says again that it is alive."""

    @property
    def good(self) -> bool:
        """Whether its holder was alive when this was asked."""
        return self.seconds > 0


@dataclass(frozen=True, slots=True)
class Enlisted:
    """A worker that is alive, as the others see it."""

    worker: Worker
    calls: int
    """How many it holds."""
    seconds: float
    """Until it counts as dead, unless it says again that it is alive."""


class Leases(Protocol):
    """Who is alive, and who holds which call. Safe for many threads; shared by all processes.

    Time is the store's: no two processes compare their clocks. On a database server it is that of
    the server, on a file that of the machine. Everything raises StoreError where it cannot be
    read or written.
    """

    def renew(self, worker: Worker, seconds: float) -> Mapping[CallId, int]:
        """The worker is alive, for so long.

        Whoever comes too late is alive again, and holds what nobody has taken meanwhile.

        Returns:
            The term of each call that it holds.
        """
        ...

    def claim(self, name: str, calls: Collection[CallId]) -> Mapping[CallId, Lease]:
        """Give the worker of that name those calls that nobody alive holds.

        What it holds stays as it is; a worker that is not alive is given nothing.

        Returns:
            Who holds each of them now; calls that nobody alive holds are missing.
        """
        ...

    def assign(self, cid: CallId) -> Lease | None:
        """Who holds the call; if that is nobody, it is given to the worker with most to spare.

        That is the one of the least load among those that are alive, take calls and can be asked,
        and of the fewest calls among equals.

        Returns:
            None where no worker has anything to spare.
        """
        ...

    def holder(self, cid: CallId) -> Lease | None:
        """The lease of the call, good or not; None where there is none."""
        ...

    def orphans(self, limit: int) -> Sequence[CallId]:
        """Calls whose holder is not alive."""
        ...

    def release(self, name: str, calls: Collection[CallId]) -> None:
        """Nobody is in these calls any more: forget who holds them.

        What another worker holds that is alive stays as it is.
        """
        ...

    def retire(self, name: str) -> None:
        """The worker is alive no more; others may take its calls at once. Twice is fine."""
        ...

    def roster(self) -> Sequence[Enlisted]:
        """The workers that are alive, by name."""
        ...

    def close(self) -> None:
        """Release the connection. Twice is fine; the others then raise StoreClosed."""
        ...
