"""The outbox: notifications that were asked for, and what became of each.

Who hears what is said in `greenroom.adapters.intents`. The outbox is no projection: what was told
to people cannot be told again, so it has durable tables of its own, beside the events, and
deleting the views or building them anew sends nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import Connection, RowMapping, func, select, update

from greenroom.adapters.intents import KIND_OF, Intent, Noteworthy, intents
from greenroom.adapters.outbox_database import Database, hush, last_error
from greenroom.adapters.outbox_tables import (
    LONGEST_PAUSE,
    Entry,
    Status,
    entries,
    entry,
    entry_row,
    follower,
    is_due,
    known_status,
    ring_row,
    rings,
)
from greenroom.adapters.wording import Wording
from greenroom.domain import checks
from greenroom.domain.call_events import CallRung
from greenroom.domain.errors import Refused
from greenroom.domain.instants import instant_or_none, micros
from greenroom.domain.message import CallId, Event, EventId, Recorded, UserId
from greenroom.domain.ports import Notification, Notifier
from greenroom.domain.settings import NotificationTemplate
from greenroom.domain.streams import ERASING
from greenroom.projections import forks

_log = logging.getLogger(__name__)

_BATCH: Final = 1_000
"""Records, or intents, that are noted in one transaction. One record's intents stay together."""
_FIRST_PAUSE: Final = timedelta(seconds=1)
_KEPT: Final = timedelta(days=30)
_PRUNED_AT_ONCE: Final = 1_000
_LONGEST_ERROR: Final = 500
_LONGEST_KEY: Final = 1_000
"""Characters; what a remote service answers may be a whole page."""


class Feed(Protocol):
    """`EventStore.feed`."""

    def __call__(
        self, after: int = 0, *, until: int | None = None
    ) -> Iterator[tuple[int, Recorded[Event]]]:
        """(position, record) pairs past `after`, positions rising."""
        ...


Members = Callable[[CallId], Iterable[UserId]]
Present = Callable[[CallId], frozenset[UserId]]
Templates = Callable[[CallId, str], NotificationTemplate]
"""Whether a kind of notification is sent in a call, and in which words."""
Facts = Callable[[CallId, UserId], Mapping[str, Any]]
"""What the words may speak of: `{"call": {...}, "user": {...}}`, the user who caused it."""


@dataclass(frozen=True, slots=True)
class _Noted:
    """What a stretch of the log asks for."""

    position: int
    noteworthy: bool
    """Whether it must be known for good that this stretch was read."""
    intents: Sequence[Intent]
    rings: Sequence[CallRung]
    erasing: Sequence[Event]
    """What takes words about somebody, or about a call, away."""
    more: bool
    """Whether the log may go on after it."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How an attempt ended."""

    row_id: int
    status: Status
    error: str | None = None
    due_at: datetime | None = None
    settled_at: datetime | None = None


class Outbox:
    """Notes notifications as events ask for them, and delivers each at most once.

    Safe for many threads and for several processes on one database. No lock and no transaction is
    held while a collaborator or a notifier runs.
    """

    def __init__(
        self, database: Database, *, template: Templates, facts: Facts, max_attempts: int
    ) -> None:
        self._database = database
        self._template = template
        self._facts = facts
        self._max_attempts = max_attempts
        self._lock = forks.lock()
        self._stored = self._read = 0
        """How far the log was read, for good and by this process: where nobody hears of what was
        read, the position is stored only now and then, which spares commands the disk's time."""
        self._look_up_position()

    @classmethod
    def open(
        cls,
        where: Path | str | None,
        *,
        head: int,
        template: Templates,
        facts: Facts,
        max_attempts: int = 10,
    ) -> Outbox:
        """The outbox in the database of the events.

        Args:
            where: an event store's file, or `postgresql://` URL, which has been opened before; None
                for an outbox in memory.
            head: position from which a new outbox starts: nobody hears of what is older. An
                existing one goes on where it was.
            template: asked when something happens, whether anybody is to hear of it, and on each
                attempt for the words. What it refuses (the call is gone) nobody hears of.
            facts: asked on each attempt. Words and facts are not stored.
            max_attempts: before a notification is given up.

        Raises:
            StoreError: the database cannot be used.
            WrongSchema: a later greenroom has written this outbox.
        """
        database = Database.begun(where, head=head)
        return cls(database, template=template, facts=facts, max_attempts=max_attempts)

    def position(self) -> int:
        """Of the last record whose notifications are noted for good."""
        with self._database.reading() as connection:
            return int(connection.scalar(select(follower.c.position)) or 0)

    def follow(
        self,
        feed: Feed,
        until: int | None,
        *,
        member_ids: Members,
        present: Present,
        now: datetime | None = None,
    ) -> int:
        """Note who is to hear of the records up to `until`, or up to the last; where it got to.

        What a record asks for is noted together with the position: once, whoever follows, however
        often. Kinds that are switched off when the record is read are never sent.
        Nothing is due later than `now`, though its record was made by a clock that is ahead.

        Raises:
            StoreError: nothing of the current batch was noted; call again.
        """
        while True:
            with self._lock:
                after, stored = self._read, self._stored
            noted = self._gather(feed(after, until=until), after, member_ids, present)
            must_last = noted.noteworthy or noted.position - stored > _BATCH
            if must_last and not self._note(stored, noted, now):
                self._look_up_position()  # somebody else has read on: go on from there
                continue
            with self._lock:
                self._stored = max(self._stored, noted.position if must_last else 0)
                self._read = max(self._read, noted.position)
            if not noted.more:
                return noted.position

    def deliver_due(self, now: datetime, notifier: Notifier, limit: int = 100) -> int:
        """Attempt up to `limit` notifications that are due; how many were attempted.

        Each is claimed for good before it is sent: whatever happens, nobody hears it twice. One
        that fails is tried again after 1 s, 2 s, 4 s ... (at most 5 min), and given up in the end;
        one whose process dies on the way remains `unknown`, for people to decide (`retry`).
        In passing, what was settled 30 days ago is forgotten.

        Raises:
            StoreError: the outcome of at most one notification is `unknown`.
        """
        due_at = self.next_due(now)
        if due_at is None or due_at > now:
            return 0
        attempted, outcome = 0, None
        while attempted < limit and (claimed := self._claim_next(now, outcome)):
            outcome = self._attempt(claimed, notifier, now)
            attempted += 1
        if attempted:
            self._finish(now, outcome)
        return attempted

    def next_due(self, now: datetime | None = None) -> datetime | None:
        """When the next attempt is due, given that it is `now`; None while nothing is pending."""
        with self._database.reading() as connection:
            due_at = instant_or_none(connection.scalar(select(func.min(entries.c.due_at))))
        was_set_back = now is not None and due_at is not None and due_at > now + LONGEST_PAUSE
        return now if was_set_back else due_at

    def entries(self, status: Status | None = None, limit: int = 100) -> Sequence[Entry]:
        """The notifications in that status, or in any; the oldest first.

        Raises:
            InvalidInput: no such status, or no limit from 1 to 10,000.
        """
        most = checks.integer(limit, "limit", 1, 10_000)
        query = select(entries).order_by(entries.c.id).limit(most)
        if status is not None:
            query = query.where(entries.c.status == known_status(status))
        with self._database.reading() as connection:
            return [entry(row) for row in connection.execute(query).mappings()]

    def retry(self, key: str, now: datetime) -> bool:
        """Attempt this one again, at once and with all attempts before it; False if there is none.

        For one that was given up, or whose outcome is unknown and which, as somebody has found
        out, did not arrive. Others are left alone.

        Raises:
            InvalidInput: not a key, or not an instant.
        """
        key, now = checks.text(key, "key", _LONGEST_KEY), checks.instant(now, "now")
        again = (
            update(entries)
            .where(entries.c.key == key)
            .where(entries.c.status.in_([Status.GAVE_UP, Status.UNKNOWN]))
            .values(status=Status.PENDING, attempts=0, due_at=micros(now), settled_at=None)
        )
        with self._database.writing() as connection:
            return connection.execute(again).rowcount == 1

    def hush(self, erasing: Sequence[Event]) -> None:
        """Keep no word of a failure that may speak of whom or what these events erase."""
        self._database.hush(erasing)

    def close(self) -> None:
        """Release the database. Twice is fine; other calls then raise StoreClosed."""
        self._database.close()

    def _gather(
        self,
        records: Iterator[tuple[int, Recorded[Event]]],
        after: int,
        member_ids: Members,
        present: Present,
    ) -> _Noted:
        """What the next stretch of the log asks for."""
        wanted: list[Intent] = []
        rung: dict[tuple[CallId, int], CallRung] = {}
        erasing: list[Event] = []
        position, count, noteworthy = after, 0, False

        def caller(cid: CallId, ring: int) -> UserId | None:
            known = rung.get((cid, ring))
            return known.caller if known else self._caller(cid, ring)

        for count, (position, recorded) in enumerate(islice(records, _BATCH), 1):  # noqa: B007 - how far it got
            event = recorded.event
            if event.name in ERASING:
                erasing.append(event)
                noteworthy = True
            if not isinstance(event, Noteworthy):
                continue
            noteworthy = True
            if isinstance(event, CallRung):
                rung[event.cid, event.ring] = event
            if self._wording(event.cid, KIND_OF[type(event)]):
                wanted += intents(recorded, member_ids=member_ids, present=present, caller=caller)
            if len(wanted) >= _BATCH:
                break
        more = count == _BATCH or len(wanted) >= _BATCH
        return _Noted(position, noteworthy, wanted, [*rung.values()], erasing, more)

    def _look_up_position(self) -> None:
        stored = self.position()
        with self._lock:
            self._stored = stored
            self._read = max(self._read, stored)

    def _caller(self, cid: CallId, ring: int) -> UserId | None:
        query = select(rings.c.caller).where(rings.c.cid == cid, rings.c.ring == ring)
        with self._database.reading() as connection:
            caller = connection.scalar(query)
        return None if caller is None else UserId(caller)

    def _note(self, stored: int, noted: _Noted, now: datetime | None) -> bool:
        """Note it, unless somebody has moved the stored position since it was looked at."""
        moved = update(follower).where(follower.c.position == stored)
        rows = [entry_row(one, now) for one in noted.intents]
        with self._database.writing() as connection:
            if connection.execute(moved.values(position=noted.position)).rowcount != 1:
                return False
            self._database.insert_new(connection, entries, rows)
            self._database.insert_new(connection, rings, map(ring_row, noted.rings))
            if noted.erasing:  # whoever erased may have died before it came to this
                hush(connection, noted.erasing)
            return True

    def _claim_next(self, now: datetime, outcome: _Outcome | None) -> RowMapping | None:
        """Settle the last attempt and claim the next notification, in one transaction."""
        due = select(entries).where(is_due(now)).order_by(entries.c.due_at, entries.c.id).limit(1)
        with self._database.writing() as connection:
            _settle(connection, outcome)
            row = connection.execute(due).mappings().first()
            if row is not None:
                claim = update(entries).where(entries.c.id == row["id"])
                connection.execute(
                    claim.values(status=Status.UNKNOWN, due_at=None, attempts=row["attempts"] + 1)
                )
            return row

    def _attempt(self, claimed: RowMapping, notifier: Notifier, now: datetime) -> _Outcome:
        """Send it. Only an Exception is a failure; after anything else the outcome is unknown."""
        row_id, attempts = claimed["id"], claimed["attempts"] + 1
        try:
            notification = self._worded(claimed)
            if notification is None:
                return _Outcome(row_id, Status.SWITCHED_OFF, settled_at=now)
            notifier.notify(notification)
        except Exception as error:  # noqa: BLE001 - whatever it raises, it has failed
            _log.warning("attempt %s failed: %s", attempts, claimed["key"], exc_info=attempts == 1)
            what = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
            if attempts >= self._max_attempts:
                return _Outcome(row_id, Status.GAVE_UP, what, settled_at=now)
            return _Outcome(row_id, Status.PENDING, what, due_at=now + _pause(attempts))
        return _Outcome(row_id, Status.DELIVERED, settled_at=now)

    def _worded(self, claimed: RowMapping) -> Notification | None:
        """The notification in the words of now; None where it is no longer to be sent."""
        cid, caused_by = CallId(claimed["cid"]), UserId(claimed["caused_by"])
        template = self._wording(cid, claimed["kind"])
        if template is None:
            return None
        facts = self._facts(cid, caused_by)
        return Notification(
            key=claimed["key"],
            kind=claimed["kind"],
            cid=cid,
            user_id=UserId(claimed["user_id"]),
            caused_by=caused_by,
            cause=EventId(claimed["cause"]),
            title=Wording(template.title).filled(facts),
            body=Wording(template.body).filled(facts),
            data=json.loads(claimed["data"]),
        )

    def _wording(self, cid: CallId, kind: str) -> NotificationTemplate | None:
        """The words for that kind; None where it is switched off, or the call is gone."""
        try:
            template = self._template(cid, kind)
        except Refused:
            return None
        return template if template.enabled else None

    def _finish(self, now: datetime, outcome: _Outcome | None) -> None:
        with self._database.writing() as connection:
            _settle(connection, outcome)
        self._database.prune(now - _KEPT, _PRUNED_AT_ONCE)


def _settle(connection: Connection, outcome: _Outcome | None) -> None:
    if outcome is not None:
        connection.execute(
            update(entries)
            .where(entries.c.id == outcome.row_id)
            .values(
                status=outcome.status,
                last_error=last_error(outcome.error),
                due_at=outcome.due_at and micros(outcome.due_at),
                settled_at=outcome.settled_at and micros(outcome.settled_at),
            )
        )


def _pause(failures: int) -> timedelta:
    """How long to wait after so many failures."""
    doublings: int = 2 ** min(failures - 1, 20)
    return min(_FIRST_PAUSE * doublings, LONGEST_PAUSE)
