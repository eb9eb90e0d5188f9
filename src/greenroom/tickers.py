"""What happens by itself: deadlines that pass, and notifications that are due."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import TypeAdapter

from greenroom.adapters.outbox import Outbox
from greenroom.answers import Done, done
from greenroom.desk import Command
from greenroom.domain import checks
from greenroom.domain.errors import Conflict, GreenroomError, InvalidInput
from greenroom.domain.message import CallId, RequestId, UserId
from greenroom.domain.operations import people
from greenroom.domain.operations.timers import TIMED
from greenroom.domain.ports import Clock, EventStore, Notifier
from greenroom.domain.settings import NotificationTemplate
from greenroom.domain.streams import user_stream
from greenroom.domain.turn import TIMERS, Claim
from greenroom.projections.due import Deadline

if TYPE_CHECKING:
    from greenroom.live import LiveCore

_log = logging.getLogger(__name__)
_CLAIM: Final = Claim(TIMERS.actor.name, system=True)
_DONE: Final = TypeAdapter(Done)
_OURS: Final = "\N{WATCH}"
"""Begins the request ids of deadlines: theirs are ASCII, so nobody can take one of ours."""
_AT_ONCE: Final = 100
_NEVER: Final = datetime.max.replace(year=9000, tzinfo=UTC)
REMEMBERED: Final = timedelta(days=7)
"""How long requests are answered as the first time, unless a room is told otherwise."""
PRUNED_AT_ONCE: Final = 10_000
"""Requests that are forgotten in one transaction: others want to write, too."""
_PRUNED_EVERY: Final = 3600.0
"""Seconds."""
_FOR_EVER: Final = timedelta(days=36_500)


class DeadlineTicker:
    """Carries out what a deadline asks for, when it is due."""

    def __init__(self, core: LiveCore) -> None:
        self._core = core
        self._void: set[tuple[str, datetime]] = set()
        """Fired without effect; never expected, and then not tried for ever."""

    def next_due(self) -> datetime | None:
        """The first deadline."""
        views = self._core.seen().lookups
        if not self._void:
            return views.next_due()
        return min((one.due_at for one in self._standing(_NEVER)), default=None)

    def fire_due(self) -> None:
        """Let the rules decide again on what is due; twice or late is harmless.

        Raises:
            GreenroomError: the first that failed, after all others had their turn.
        """
        failures: list[GreenroomError] = []
        for deadline in self._standing(self._core.now()):
            try:
                self._fire(deadline)
            except GreenroomError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _fire(self, deadline: Deadline) -> None:
        request_id = RequestId(f"{_OURS}{deadline.key}@{deadline.due_at.isoformat()}")
        command = Command(
            lane=deadline.cid,
            operation=TIMED[deadline.kind](deadline.number),
            turn=self._core.turn(deadline.cid, _CLAIM),
            claim=_CLAIM,
            answer=done,
            kind=_DONE,
            request_id=request_id,
            causation_id=deadline.cause,
            correlation_id=deadline.correlation_id,
        )
        try:
            answer = self._core.carry_out(command)
        except Conflict:
            return  # others are at it: look again next time
        if not answer.recorded and deadline in self._standing(self._core.now()):
            # What fell due beside it did not settle it either.
            _log.warning("deadline %s fell due and nothing came of it", request_id)
            self._void.add((deadline.key, deadline.due_at))

    def _standing(self, now: datetime) -> list[Deadline]:
        due = self._core.seen().lookups.due(now, _AT_ONCE + len(self._void))
        return [one for one in due if (one.key, one.due_at) not in self._void]


class DeliveryTicker:
    """Notes who is to hear of what, and lets a notifier tell them."""

    def __init__(
        self, core: LiveCore, store: EventStore, outbox: Outbox, notifier: Notifier
    ) -> None:
        self._core = core
        self._store = store
        self._outbox = outbox
        self._notifier = notifier
        self._read = -1

    def next_due(self) -> datetime | None:
        """Now, where something was recorded since; else when a delivery is tried next."""
        if self._read < self._store.position():
            return self._core.now()
        return self._outbox.next_due(self._core.now())

    def fire_due(self) -> None:
        """Note what is new, deliver what is due."""
        views = self._core.seen().lookups
        position, now = self._store.position(), self._core.now()
        self._outbox.follow(
            self._store.feed, position, member_ids=views.member_ids, present=views.present, now=now
        )
        self._read = position
        self._outbox.deliver_due(now, self._notifier)


class PruningTicker:
    """Forgets requests that nobody will repeat any more.

    By the machine's clock, which says how old they are: a room's own may be driven through years.
    """

    def __init__(self, store: EventStore, clock: Clock, kept: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._kept = kept
        self._due = monotonic()

    def next_due(self) -> datetime | None:
        """Now, once an hour, and at once again while there is more to forget."""
        return self._clock.now() if monotonic() >= self._due else None

    def fire_due(self) -> None:
        """Forget some of them."""
        before = datetime.now(UTC) - self._kept
        if self._store.prune_requests(before, PRUNED_AT_ONCE) < PRUNED_AT_ONCE:
            self._due = monotonic() + _PRUNED_EVERY


def remembered(length: object) -> timedelta:
    """How long requests are remembered, as somebody has asked for it.

    Raises:
        InvalidInput: it is no length of time.
    """
    kept = timedelta(0)
    if checks.is_a(length, timedelta):
        kept = timedelta.__pos__(cast("timedelta", length))
    if not timedelta(0) < kept <= _FOR_EVER:
        raise InvalidInput("remember_requests", "a timedelta of more than 0, up to a hundred years")
    return kept


def template(core: LiveCore) -> Callable[[CallId, str], NotificationTemplate]:
    """Whether and how a kind of notification is worded, by a call's settings in force."""

    def look_up(cid: CallId, kind: str) -> NotificationTemplate:
        turn = core.rehearse(cid, _CLAIM, people.read())  # refuses where the call is gone
        settings = turn.settings.notification_settings
        found: NotificationTemplate = getattr(settings, kind)
        return found

    return look_up


def facts(core: LiveCore) -> Callable[[CallId, UserId], Mapping[str, Any]]:
    """What the words of a notification may speak of."""

    def look_up(cid: CallId, caused_by: UserId) -> Mapping[str, Any]:
        call = core.rehearse(cid, _CLAIM, people.read()).call
        user = core.load(user_stream(caused_by)).state
        type_, _, id_ = cid.partition(":")
        return {
            "call": {
                "cid": cid,
                "type": type_,
                "id": id_,
                "team": call.team,
                "starts_at": call.starts_at and call.starts_at.isoformat(),
                "custom": call.custom,
            },
            "user": {
                "id": caused_by,
                "name": user.display_name or caused_by,
                "role": user.role,
                "custom": user.custom,
            },
        }

    return look_up
