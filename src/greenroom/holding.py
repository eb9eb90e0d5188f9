"""Which calls this process carries the media of: all of them, or those that it has a lease of."""

from __future__ import annotations

import logging
import math
import os
import random
import secrets
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from time import sleep
from typing import Final

from greenroom.domain.errors import MediaUnavailable, StoreError
from greenroom.domain.message import CallId
from greenroom.media.leases import Lease, Leases, Worker
from greenroom.projections.forks import survives_forks

_log = logging.getLogger(__name__)

LEASE: Final = 5.0
"""Seconds after which a process that says nothing any more counts as dead."""
_BEATS: Final = 5
"""How often it says so in that time; a machine that stalls for less than it misses nothing."""
_LOOK_AGAIN: Final = 0.2
"""Seconds between two looks at a lease that may be about to end."""
_MOST_ORPHANS: Final = 10_000


def _now() -> float:
    """Seconds by a clock that nobody sets, and that goes on while the machine sleeps."""
    clock: int | None = getattr(time, "CLOCK_BOOTTIME", None)  # Linux has it
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@dataclass(frozen=True, slots=True)
class Stirred:
    """What is to be done about calls since the last time."""

    lost: Collection[CallId] = ()
    """Others carry their media now, or will."""
    gained: Collection[CallId] = ()
    """This process was given them."""
    orphaned: Collection[CallId] = ()
    """Who carried their media is dead; some of them are for this process to take."""

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.lost or self.gained or self.orphaned)


class Holding(ABC):
    """The calls whose media this process carries. Safe for many threads."""

    name: str = ""
    """Of this process among all that share the store; empty where none does."""

    @abstractmethod
    def start(self, stirred: Callable[[], None]) -> None:
        """Begin; from now on `stirred` is called where `stir` has something to tell."""

    @abstractmethod
    def term(self, cid: CallId) -> int | None:
        """The term in which this process holds the call; None where it does not, by its memory."""

    @abstractmethod
    def sure(self) -> bool:
        """Whether nobody else can have taken a call meanwhile."""

    @abstractmethod
    def wants(self, cid: CallId) -> bool:
        """Whether this process is to claim the call, in which somebody is."""

    @abstractmethod
    def claim(self, calls: Collection[CallId]) -> Collection[CallId]:
        """Take those that nobody alive holds; those that this process holds now."""

    @abstractmethod
    def obtain(self, cid: CallId) -> bool:
        """Hold the call, since somebody in it asks this process; whether that is new.

        Raises:
            MediaUnavailable: its media runs in another process.
        """

    @abstractmethod
    def stir(self) -> Stirred:
        """What has happened since this was asked last."""

    @abstractmethod
    def release(self, present: Collection[CallId], gone: Collection[CallId]) -> None:
        """Forget who holds the calls in `gone`, and those held that are not `present`."""

    @abstractmethod
    def stop(self) -> None:
        """Hold nothing any more; others may take it at once. Twice is fine."""


class Sole(Holding):
    """No other process can have any of the calls: the store is in this one's memory."""

    def start(self, stirred: Callable[[], None]) -> None:
        """Nothing will happen."""

    def term(self, cid: CallId) -> int | None:
        """Always the first."""
        del cid
        return 1

    def sure(self) -> bool:
        """Always."""
        return True

    def wants(self, cid: CallId) -> bool:
        """It has them all already."""
        del cid
        return False

    def claim(self, calls: Collection[CallId]) -> Collection[CallId]:
        """All of them."""
        return calls

    def obtain(self, cid: CallId) -> bool:
        """It has it already."""
        del cid
        return False

    def stir(self) -> Stirred:
        """Nothing."""
        return Stirred()

    def release(self, present: Collection[CallId], gone: Collection[CallId]) -> None:
        """Nobody else wants them."""

    def stop(self) -> None:
        """Nobody waits for them."""


class Shared(Holding):
    """Some of the calls, by leases that are kept up from a thread of its own.

    Whether it is alive must not depend on how busy media is, or the disk of the log.

    Args:
        leases: released with it.
        describe: this process, as it is now, under the name it is given.
        adopts: whether it claims by itself every call that somebody enters; else it takes what it
            is given, and what others leave behind.
        seconds: after which it counts as dead.
    """

    def __init__(
        self,
        leases: Leases,
        describe: Callable[[str], Worker],
        *,
        adopts: bool = True,
        seconds: float = LEASE,
    ) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._leases = leases
        self._describe = describe
        self._adopts = adopts
        self._seconds = seconds
        self._asking = threading.Lock()
        """What the store says is taken note of in the order in which it says it."""
        self._terms: dict[CallId, int] = {}
        self._sure_until = self._steady_since = -math.inf
        self._others: dict[CallId, float] = {}
        """Calls that others held when this process wanted them, and until when."""
        self._seen_alive: set[str] = set()
        self._lost: set[CallId] = set()
        self._gained: set[CallId] = set()
        self._orphaned: set[CallId] = set()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        survives_forks(self)

    def start(self, stirred: Callable[[], None]) -> None:
        """Be alive, and go on being so."""
        self._renew()
        self._thread = threading.Thread(
            target=self._live, args=(stirred,), name="greenroom-leases", daemon=True
        )
        self._thread.start()

    def term(self, cid: CallId) -> int | None:
        """The term in which this process holds the call; None where it does not, by its memory."""
        return self._terms.get(cid)

    def sure(self) -> bool:
        """Whether it has been heard of in time. Stopped for too long, it is not any more."""
        return _now() < self._sure_until

    def wants(self, cid: CallId) -> bool:
        """Whether it is to claim the call: not while somebody else has it, as far as it knows."""
        free = self._others.get(cid, 0) <= _now()
        return self._adopts and free and cid not in self._terms

    def claim(self, calls: Collection[CallId]) -> Collection[CallId]:
        """Take those that nobody alive holds; those that this process holds now."""
        with self._asking:
            held = self._leases.claim(self.name, calls)
            self._note(held.values())
        return [cid for cid, lease in held.items() if lease.worker == self.name]

    def obtain(self, cid: CallId) -> bool:
        """Hold the call, or wait for as long as who holds it may be dead."""
        if not self.sure():
            raise MediaUnavailable("media was cut off from its store; ask again in a moment")
        if cid in self._terms:
            return False
        lease = before = self._look(cid)
        while lease is None or lease.worker != self.name:
            if lease is None or self._ended.is_set() or self._lives(lease, before):
                raise MediaUnavailable(f"media of {cid} runs in another process")
            sleep(_LOOK_AGAIN)
            before, lease = lease, self._look(cid)
        return True

    def stir(self) -> Stirred:
        """What has happened since this was asked last."""
        with self._asking:
            found = Stirred(tuple(self._lost), tuple(self._gained), tuple(self._orphaned))
            for told in (self._lost, self._gained, self._orphaned):
                told.clear()
        return found

    def release(self, present: Collection[CallId], gone: Collection[CallId]) -> None:
        """Forget who holds the calls in `gone`, and those held that are not `present`."""
        with self._asking:
            left = [cid for cid in self._terms if cid not in present]
            forgotten = {*left, *gone} - {*present}
            if forgotten:
                self._leases.release(self.name, forgotten)
            for cid in left:
                del self._terms[cid]

    def stop(self) -> None:
        """End the thread, and let others have the calls at once."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        with self._asking:
            self._terms.clear()
            self._sure_until = -math.inf
            try:
                self._leases.retire(self.name)
            except StoreError:
                _log.warning("the leases of this process run out by themselves", exc_info=True)
            self._leases.close()

    def after_fork_in_child(self) -> None:
        """Hold nothing: the parent does, under its name."""
        self._asking = threading.Lock()
        self._ended.set()
        self._terms.clear()
        self._sure_until = -math.inf

    def _live(self, stirred: Callable[[], None]) -> None:
        failing = False
        while not self._ended.wait(self._seconds / _BEATS):
            try:
                self._renew()
                self._look_around()
            except StoreError:
                if not failing:
                    _log.exception("media cannot say that it is alive; trying again")
                failing = True
            else:
                failing = False
            if self._lost or self._gained or self._orphaned:
                stirred()

    def _renew(self) -> None:
        with self._asking:
            asked = _now()
            held = self._leases.renew(self._describe(self.name), self._seconds)
            if asked > self._sure_until:  # others may have missed their time as well
                self._steady_since = asked
            self._sure_until = asked + self._seconds
            before, self._terms = self._terms, dict(held)
            changed = {cid for cid, term in before.items() if held.get(cid) != term}
            self._lost |= changed
            self._gained = (self._gained | (held.keys() - before.keys()) | changed) & held.keys()

    def _look_around(self) -> None:
        """Look for calls that the dead have left behind, if one has been alive for long enough.

        Where all were cut off from the store at once, whoever is back first would take everything.
        """
        worker = self._describe(self.name)
        steady = _now() - self._steady_since >= self._seconds
        if not steady or not worker.takes or worker.load >= 1:
            return
        orphans = self._leases.orphans(_MOST_ORPHANS)
        if not orphans:
            return
        heirs = sum(one.worker.takes and one.worker.load < 1 for one in self._leases.roster())
        share = math.ceil(len(orphans) / max(1, heirs))
        with self._asking:
            self._orphaned |= {*random.sample(orphans, share)}

    def _look(self, cid: CallId) -> Lease | None:
        """Who holds the call, having tried to if that is this process's affair."""
        with self._asking:
            if self._adopts:
                lease = self._leases.claim(self.name, [cid]).get(cid)
            else:
                lease = self._leases.holder(cid)
            if lease is not None:
                self._note([lease])
        return lease

    def _note(self, leases: Collection[Lease]) -> None:
        now = _now()
        for lease in leases:
            if lease.worker == self.name and lease.good:
                self._terms[lease.cid] = lease.term
                self._others.pop(lease.cid, None)
            else:
                self._others[lease.cid] = now + lease.seconds
        if len(self._others) > _MOST_ORPHANS:
            self._others = {cid: until for cid, until in self._others.items() if until > now}

    def _lives(self, lease: Lease, before: Lease | None) -> bool:
        """Whether its holder was heard of since we looked before, or will not be waited for."""
        heard = before is not None and before.worker == lease.worker
        if heard and before is not None and lease.seconds > before.seconds:
            self._seen_alive.add(lease.worker)
        return not self._adopts or lease.worker in self._seen_alive
