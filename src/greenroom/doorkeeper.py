"""Notes who was turned away: beside the log, and never in its way."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self

from greenroom.adapters.attempts import SqlAttempts
from greenroom.adapters.stores import attempts_beside
from greenroom.domain import checks
from greenroom.domain.attempts import Attempt, Attempts, AttemptStore
from greenroom.domain.errors import GreenroomError, InvalidInput, Refused
from greenroom.domain.message import CallId, UserId
from greenroom.projections.forks import survives_forks

if TYPE_CHECKING:
    from greenroom.desk import Command
    from greenroom.domain.ports import EventStore

_log = logging.getLogger(__name__)
_WAITING: Final = 10_000
"""Attempts that wait to be written; more are lost, and counted."""
_WRITTEN_EVERY: Final = 1.0
"""Seconds."""
_PRUNED_EVERY: Final = 3600.0
_MOST_TOLD: Final = 10_000
_LONGEST_KEPT: Final = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class Refusals:
    """How much is kept of refused attempts.

    Args:
        verbatim: of one user in one call and minute; what comes beyond is counted.
        kept: for how long.
    """

    verbatim: int = 5
    kept: timedelta = timedelta(days=30)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        checks.integer(self.verbatim, "verbatim", 0, 1000)
        if not checks.is_a(self.kept, timedelta) or not timedelta(0) < self.kept <= _LONGEST_KEPT:
            raise InvalidInput("kept", "a timedelta of more than 0, up to a hundred years")


KEPT_REFUSALS: Final = Refusals()
"""What is kept unless a room is told otherwise."""

FORGETTING_NOTHING: Final = Refusals(kept=_LONGEST_KEPT)
"""For what runs beside an application: how long they are kept, is for the application to say."""


def check_refusals(said: object) -> None:
    """Refuse what does not say how much is kept.

    Raises:
        InvalidInput: it says nothing of the kind.
    """
    if said is not None and type(said) is not Refusals:
        raise InvalidInput("refusals", "Refusals, or None")


class Doorkeeper:
    """Notes refused attempts behind everybody's back: what it does delays and fails nobody."""

    def __init__(
        self,
        open_store: Callable[[], AttemptStore] | None,
        refusals: Refusals | None,
        now: Callable[[], datetime],
    ) -> None:
        """Begin when the first is refused.

        Args:
            open_store: where they are kept; None for nowhere.
            refusals: how much of them; None for nothing.
            now: the present.
        """
        self._open = open_store
        self._refusals = refusals
        self._now = now
        self._store: AttemptStore | None = None
        self._opening = threading.Lock()
        self._begin_anew()
        survives_forks(self)

    @classmethod
    def beside(
        cls, store: EventStore, refusals: Refusals | None, now: Callable[[], datetime]
    ) -> Self:
        """One that keeps them beside the events of `store`."""
        return cls(lambda: SqlAttempts.open(attempts_beside(store)), refusals, now)

    def _begin_anew(self) -> None:
        self._waiting: deque[Attempt] = deque()
        self._lost = 0
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._pruned = monotonic() - _PRUNED_EVERY

    def after_fork_in_child(self) -> None:
        """What waits is the parent's to write."""
        self._opening = threading.Lock()
        self._begin_anew()

    def refused(self, command: Command[Any, Any], refusal: Refused, position: int) -> None:
        """Somebody was turned away."""
        if self._refusals is None or ":" not in command.lane or self._closing:
            return
        if len(self._waiting) >= _WAITING:
            self._lost += 1
            return
        self._waiting.append(attempt_of(command, refusal, position, self._now))
        if self._thread is None:
            self._begin()

    def told(self, cid: CallId, user: str | None, until: datetime | None, limit: int) -> Attempts:
        """Who was turned away from a call; what waited in this process is in it.

        Raises:
            InvalidInput: no user id, or no such limit.
            StoreError: they cannot be read.
        """
        user_id = None if user is None else checks.user_id(user, "user")
        limit = checks.integer(limit, "limit", 1, _MOST_TOLD)
        if self._open is None:
            return Attempts(verbatim=(), counts=(), total=0)
        self._flush()
        return self._opened().read(cid, user_id=user_id, until=until, limit=limit)

    def all(self, after: int, until: int) -> Iterator[Attempt]:
        """Those kept verbatim, decided past one position up to another, in that order."""
        if self._open is None:
            return iter(())
        self._flush()
        return self._opened().all(after, until)

    def forget(self, *, users: Collection[UserId], calls: Collection[CallId]) -> None:
        """Let nothing stay of somebody who is erased, nor of a call that is."""
        if self._open is not None:
            self._flush()
            self._opened().forget(users=users, calls=calls)

    def close(self) -> None:
        """Write what waits, and release the store. Twice is fine."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        if self._waiting:
            self._try_to_flush()
        with self._opening:
            if self._store is not None:
                self._store.close()

    def _begin(self) -> None:
        with self._opening:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="greenroom-refusals", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(_WRITTEN_EVERY)
            self._try_to_flush()

    def _try_to_flush(self) -> None:
        try:
            self._flush()
        except GreenroomError:
            _log.warning("refused attempts could not be noted", exc_info=True)

    def _flush(self) -> None:
        with self._writing:
            written = [self._waiting.popleft() for _ in range(len(self._waiting))]
            lost, self._lost = self._lost, 0
            if lost:
                _log.warning("%d refused attempts were too many to be noted", lost)
            if self._refusals is not None:
                if written:
                    self._opened().write(written, self._refusals.verbatim)
                self._prune(self._refusals.kept)

    def _prune(self, kept: timedelta) -> None:
        if monotonic() - self._pruned >= _PRUNED_EVERY:
            self._pruned = monotonic()
            self._opened().prune(self._now() - kept)

    def _opened(self) -> AttemptStore:
        with self._opening:
            if self._store is None:
                assert self._open is not None, "nobody asks where nothing is kept"  # noqa: S101 - a bug here
                self._store = self._open()
            return self._store


def attempt_of(
    command: Command[Any, Any], refusal: Refused, position: int, now: Callable[[], datetime]
) -> Attempt:
    """What is noted of a refused command."""
    claim, arguments = command.claim, command.operation.arguments
    return Attempt(
        cid=CallId(command.lane),
        user_id=claim.user_id,
        operation=command.operation.name,
        at=refusal.at or now(),
        code=refusal.code,
        rule=getattr(refusal, "capability", None),
        position=position,
        request_id=command.request_id,
        role=claim.role,
        teams=claim.teams,
        create=command.operation.name == "join" and arguments["create"] is not None,
        calls_out=bool(arguments.get("ring") or arguments.get("notify")),
    )
