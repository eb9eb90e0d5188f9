"""From decided to recorded: decisions on their way into the log, many in one commit.

While one batch is being recorded, the next is decided already, on the states that the first will
have led to. So a decision may rest on others that are not recorded yet. Where one of those is
not recorded after all, everything that rests on it is dropped, and has to be decided again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

from greenroom.domain.errors import (
    Conflict,
    GreenroomError,
    OutcomeUnknown,
    StoreClosed,
)
from greenroom.domain.message import StreamId
from greenroom.domain.ports import EventStore, Outcome
from greenroom.domain.turn import Folded
from greenroom.proposal import Proposal
from greenroom.sight import Sight
from greenroom.states import States
from greenroom.telemetry import Telemetry

BATCH: Final = 512
"""Decisions in one commit, at most."""
LONGEST_SEARCH: Final = 2.0
"""Seconds for finding out which decision of a batch it is that the store fails with."""


class Pipeline:
    """Takes decisions in, in their order, and records them in batches; one batch at a time.

    Whoever waits for a decision leads: records everything that waits, for all. Safe for many
    threads.
    """

    def __init__(
        self, store: EventStore, states: States, telemetry: Telemetry | None = None
    ) -> None:
        self.states: Final = states
        self.telemetry: Final = telemetry or Telemetry()
        self.ahead: Final[dict[StreamId, tuple[Folded[Any], Proposal]]] = {}
        """Streams that something on its way appends to: as they will be, and by what."""
        self._store = store
        self._closed = False
        self.start_anew()

    def start_anew(self) -> None:
        """As new, without those who were at it: they are threads of the parent process."""
        self._lock = threading.Lock()
        self._leading = threading.Lock()
        self._waiting: deque[Proposal] = deque()
        self.ahead.clear()

    def enter(self, proposal: Proposal, sight: Sight, expects: Mapping[StreamId, int]) -> bool:
        """Take a decision in; False where what it saw is outdated already: decide again.

        Args:
            proposal: what was decided.
            sight: what it was decided on.
            expects: the versions it saw.

        Raises:
            StoreClosed: nothing is taken in any more.
        """
        with self._lock:
            if self._closed:
                raise StoreClosed("the room was closed; nothing was recorded")
            if not self._holds(sight, expects):
                return False
            proposal.saw = expects
            proposal.guessed = sight.guessed
            proposal.erasures = sight.erasures
            proposal.rests_on = [one for one in sight.rests_on.values() if one.outcome is None]
            for stream, folded in proposal.states.items():
                self.ahead[stream] = (folded, proposal)
            self._waiting.append(proposal)
            return True

    def lead_on(self) -> None:
        """Record until nothing waits, unless somebody else is at it."""
        while self._waiting and self._leading.acquire(blocking=False):
            try:
                self._record_next()
            finally:
                self._leading.release()
                self._pass_on()

    def lead(self, proposal: Proposal) -> bool:
        """Record what waits, unless somebody is at it: then one is woken; whether it is settled."""
        while proposal.outcome is None and self._leading.acquire(blocking=False):
            try:
                self._record_next()
            finally:
                self._leading.release()
                self._pass_on()
        return proposal.outcome is not None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let nobody else record, of this process or another: for who is always too late.

        What is decided by this thread meanwhile stands, if it is `record`ed at once.

        Raises:
            StoreError: others kept the store for too long.
        """
        with self._leading:
            try:
                while self._waiting:  # else they would be recorded in our place
                    self._record_next()
                with self._store.alone():
                    self.states.follow()
                    yield
            finally:
                self._pass_on()

    def record(self, proposal: Proposal) -> None:
        """Record what waits until this is settled. For the thread that is `alone`."""
        while proposal.outcome is None:
            self._record_next()

    def withdraw(self, proposal: Proposal) -> None:
        """Nobody wants it any more: drop it, unless it is being recorded already."""
        with self._lock:
            if proposal in self._waiting:
                self._drop(proposal, Conflict("withdrawn"))
                waiting = list(self._waiting)
                self._waiting = deque(self._drop_fallen(one for one in waiting if not one.failed))
            else:
                waiting = []
        _wake(one for one in waiting if one.outcome is not None)

    def close(self) -> None:
        """Finish what is being recorded; refuse what waits. Twice is fine."""
        with self._lock:
            self._closed = True
        with self._leading, self._lock:
            waiting, refusal = list(self._waiting), StoreClosed("the room was closed meanwhile")
            self._waiting.clear()
            for proposal in waiting:
                self._drop(proposal, refusal)
        _wake(waiting)

    def _holds(self, sight: Sight, expects: Mapping[StreamId, int]) -> bool:
        if sight.erasures != self.states.erasures:
            return False
        for proposal in sight.rests_on.values():
            if proposal.failed:
                return False
        ahead = self.ahead
        if ahead:
            for stream, version in expects.items():
                newer = ahead.get(stream)
                if newer is not None and newer[0].version != version:
                    return False
        return True

    def _pass_on(self) -> None:
        """Let whoever waits the longest lead."""
        with self._lock:
            first = self._waiting[0] if self._waiting else None
        if first is not None:
            first.wake(first)

    def _record_next(self) -> None:
        """Record one batch; whoever is in it is settled and woken when this returns."""
        batch: list[Proposal] = []
        with self._lock:
            while self._waiting and len(batch) < BATCH:
                batch.append(self._waiting.popleft())
                if batch[-1].append.erases:
                    break  # what follows is to be sealed with other keys
            for one in batch:
                one.append.rests_on = [  # those before it that may still fail
                    other.append for other in one.rests_on if other.outcome is None
                ]
        try:
            self._record(batch)
        except BaseException:
            unknown = OutcomeUnknown("recording was interrupted; ask again under the same request")
            self._settle([one for one in batch if one.outcome is None], unknown)
            raise
        finally:
            _wake(batch)

    def _record(self, batch: Sequence[Proposal], began: float | None = None) -> None:
        """Record `batch`; where the store fails, halves of it, so that one sinks no other.

        Unless that takes long: then the store is at fault, and everybody is told.
        """
        began = monotonic() if began is None else began
        with self._lock:
            batch = self._drop_fallen(batch)
        if not batch:
            return
        seen = self.states.seen
        try:
            with self.telemetry.commit(batch) as committing:
                commit = committing.note(self._store.record([one.append for one in batch]))
        except (OutcomeUnknown, StoreClosed) as error:
            self._settle(batch, error)
        except Exception as error:  # noqa: BLE001 - only those that it is about shall hear of it
            if len(batch) == 1 or monotonic() - began > LONGEST_SEARCH:
                self._settle(batch, error)
                return
            middle = len(batch) // 2
            self._record(batch[:middle], began)
            self._record(batch[middle:], began)
        else:
            self.states.set_back |= commit.position > 0 and commit.before < seen
            self._settle(batch, commit.outcomes, commit.before, commit.position)

    def _settle(
        self,
        batch: Sequence[Proposal],
        outcomes: Sequence[Outcome] | Exception,
        before: int = 0,
        position: int = 0,
    ) -> None:
        """Let it be known what became of each, and drop whatever rests on what failed."""
        told = [outcomes] * len(batch) if isinstance(outcomes, Exception) else outcomes
        states = self.states
        others = position > 0 and before > states.seen
        states.wrote(position)  # before anybody hears of it, and asks
        place = before
        with self._lock:
            for proposal, outcome in zip(batch, told, strict=True):
                proposal.before = place
                if isinstance(outcome, Exception):
                    self._drop(proposal, outcome)
                    states.outdate(proposal.saw)
                else:
                    states.keep({**proposal.guessed, **proposal.states}, proposal.erasures)
                    self._leave(proposal)
                    proposal.outcome = outcome
                    place = outcome[-1] if outcome else place
                    if proposal.append.erases:
                        states.forget_all()
            waiting = list(self._waiting)
            self._waiting = deque(self._drop_fallen(waiting))
        _wake(one for one in waiting if one.outcome is not None)
        if others:
            self._follow()
        elif position:
            states.appended(before, position)

    def _follow(self) -> None:
        """Take note of what others have appended; whatever happens, the batch is recorded."""
        try:
            self.states.follow()
        except GreenroomError:
            self.states.forget_all()  # somebody may have been erased

    def _drop_fallen(self, proposals: Iterable[Proposal]) -> Sequence[Proposal]:
        """Drop what rests on something that failed, or was decided before an erasure; the rest."""
        standing: list[Proposal] = []
        for proposal in proposals:
            if proposal.erasures != self.states.erasures or any(
                one.failed for one in proposal.rests_on
            ):
                self._drop(proposal, Conflict("what it was decided on is not, or no longer, there"))
            else:
                standing.append(proposal)
        return standing

    def _drop(self, proposal: Proposal, outcome: Exception) -> None:
        self._leave(proposal)
        proposal.outcome = outcome

    def _leave(self, proposal: Proposal) -> None:
        """It is on its way no longer."""
        for stream in proposal.states:
            ahead = self.ahead.get(stream)
            if ahead is not None and ahead[1] is proposal:
                del self.ahead[stream]
        proposal.rests_on = []  # else the whole past of a busy call would hang on its last command
        proposal.append.rests_on = ()


def _wake(proposals: Iterable[Proposal]) -> None:
    for proposal in proposals:
        proposal.wake(proposal)
