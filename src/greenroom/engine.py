"""Greenroom: opens a store, and is the room that everything happens in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from pydantic import TypeAdapter

from greenroom import ice
from greenroom.adapters.clock import SystemClock
from greenroom.adapters.ids import Ids
from greenroom.adapters.leases import SqlLeases
from greenroom.adapters.notifiers import LoggingNotifier
from greenroom.adapters.outbox import Outbox
from greenroom.adapters.stores import beside, open_store
from greenroom.answers import Answer, recorded
from greenroom.call_handle import CallHandle
from greenroom.desk import Command
from greenroom.domain import checks
from greenroom.domain.errors import InvalidInput
from greenroom.domain.operations.policy import define_built_in_types
from greenroom.domain.ports import Clock, Drive, EventStore, Notifier
from greenroom.domain.turn import Claim
from greenroom.doorkeeper import KEPT_REFUSALS, Doorkeeper, Refusals, check_refusals
from greenroom.entry import Entry
from greenroom.handles import Room, claim_of
from greenroom.ice import IceServer
from greenroom.intake import IN_FLIGHT
from greenroom.live import LiveCore
from greenroom.media_stats import RoomMediaStats
from greenroom.moments import moment_of
from greenroom.past import PastCore, PastRoom
from greenroom.policy import CallTypes, Users
from greenroom.projections.database import query_limited
from greenroom.projections.following import Following
from greenroom.projections.keeping import KeptPast
from greenroom.projections.parking import Parked
from greenroom.projections.rebuilding import Rebuilt
from greenroom.projections.retrying import Retried
from greenroom.projections.standing import ProjectionStatus
from greenroom.projections.views import TIME_LIMIT, Views
from greenroom.states import CAPACITY, States
from greenroom.telemetry import Telemetry
from greenroom.tickers import (
    REMEMBERED,
    DeadlineTicker,
    DeliveryTicker,
    PruningTicker,
    facts,
    remembered,
    template,
)
from greenroom.whatif.asking import WhatIf
from greenroom.workers.router import Media, signalling

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from greenroom.domain.keys import KeyStore
    from greenroom.tickets import Use
    from greenroom.whatif.changes import Change

_FOUNDER: Final = Claim("greenroom", system=True)
_LONGEST_KEY: Final = 1000
_ANSWER: Final = TypeAdapter(Answer)


class Greenroom(Room[LiveCore]):
    """A room: one store, with everything that is decided, queried and done on it.

    Safe for many threads. Use it as a context manager, or `close` it.
    """

    def __init__(self, core: LiveCore, store: EventStore, views: Views, outbox: Outbox) -> None:
        super().__init__(core)
        self._store = store
        self._views = views
        self._outbox = outbox
        self._pruning: Drive | None = None
        self._timers: Sequence[Drive] = ()
        self._closed = False
        self.call_types: Final = CallTypes(core)
        """Call types: settings and grants."""
        self.users: Final = Users(core)
        """What the embedder tells of its users."""

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: Clock | None = None,
        ids: Ids | None = None,
        notifier: Notifier | None = None,
        media: Media | None = None,
        timers: bool = True,
        create: bool = True,
        cache: int = CAPACITY,
        in_flight: int = IN_FLIGHT,
        remember_requests: timedelta = REMEMBERED,
        query_limit: timedelta = TIME_LIMIT,
        tracer_provider: TracerProvider | None = None,
        ice_servers: Sequence[IceServer] = (),
        refusals: Refusals | None = KEPT_REFUSALS,
        keys: KeyStore | str | None = None,
    ) -> Self:
        """Open the store at `url`, and begin.

        Args:
            url: `sqlite:///calls.db` (relative), `sqlite:////var/lib/calls.db`, `memory://`, or
                `postgresql://user:password@host:port/database` (extra `postgres`). Views stand
                beside it: deleting them loses nothing.
            clock: `greenroom.testing.VirtualClock` to drive time in tests.
            ids: `greenroom.testing.SequentialIds` for ids that can be read.
            notifier: delivers notifications; by default they are logged.
            media: where media runs: `WorkerMedia()`, or an adapter; aiortc here by default.
            timers: whether deadlines and deliveries run here; else in a `greenroom worker`.
            create: whether a missing store is made.
            cache: streams whose folded state is kept in memory.
            in_flight: commands that may be on their way at once; others wait, at last in vain.
            remember_requests: how long a repeat is answered as the first time.
            query_limit: what one query may take, up to an hour; past it, `QueryTooSlow`.
            tracer_provider: of OpenTelemetry (extra `otel`); by default the process's, if set.
            ice_servers: STUN and TURN servers that `entry.ice_servers` tells clients of.
            refusals: how much is kept of refused attempts, beside the log; None for nothing.
            keys: of personal data, where they are not in the store: a URL, or a `KeyStore`.

        Raises:
            InvalidInput: not the URL of a store.
            StoreError: the store cannot be used; NotOurStore, WrongSchema, KeysUnavailable say why.
        """
        _check(cache, in_flight, refusals, timers=timers, create=create)
        kept, servers = remembered(remember_requests), ice.checked(ice_servers)
        telemetry, limit = Telemetry.to(tracer_provider), query_limited(query_limit)
        room = cls._opened(
            open_store(url, create=create, keys=keys),
            clock or SystemClock(),
            ids or Ids(),
            cache=cache,
            in_flight=in_flight,
            query_limit=limit,
            telemetry=telemetry,
            refusals=refusals,
        )
        room._core.ice_servers = servers  # noqa: SLF001 - its own class
        room._begin(notifier or LoggingNotifier() if timers else None, media, kept)  # noqa: SLF001 - its own class
        return room

    @classmethod
    def _opened(
        cls,
        store: EventStore,
        clock: Clock,
        ids: Ids,
        *,
        cache: int,
        in_flight: int,
        query_limit: timedelta,
        telemetry: Telemetry,
        refusals: Refusals | None,
    ) -> Self:
        """The room, in which nothing happens by itself yet."""
        with contextlib.ExitStack() as opened:
            opened.callback(store.close)
            views_at, outbox_at, leases_at = beside(store)
            views = Views.open(
                views_at, secret=store.secret, head=store.position, time_limit=query_limit
            )
            opened.callback(views.close)
            states = States(store, cache)
            door = Doorkeeper.beside(store, refusals, clock.now)
            opened.callback(door.close)
            core = LiveCore(
                store, views, clock, ids, states,
                in_flight=in_flight, telemetry=telemetry, doorkeeper=door,
            )  # fmt: skip
            core.leases = None if leases_at is None else partial(SqlLeases.open, leases_at)
            _found(core)
            outbox = Outbox.open(
                outbox_at, head=store.position(), template=template(core), facts=facts(core)
            )
            opened.callback(outbox.close)
            core.outbox = outbox
            room = cls(core, store, views, outbox)
            opened.pop_all()
            telemetry.opened(type(store).__name__, store.position())
        return room

    @property
    def position(self) -> int:
        """Of the last event in the log."""
        return self._store.position()

    @property
    def outbox(self) -> Outbox:
        """Notifications and what became of them."""
        return self._outbox

    def entry(self, ticket: str, use: Use | None = None) -> Entry:
        """The entry that `ticket` was made for, whether it is still in the call or not.

        Args:
            ticket: as `entry.ticket()` made it, in this process or another on the same store.
            use: what is to be begun, `publish` or `watch`; None to go on with, or to end, what
                was begun: then the ticket may have expired.

        Raises:
            InvalidTicket: it is damaged, forged, or of another store.
            TicketExpired: it was valid once.
            NotAllowed: it was made for another use.
        """
        state = self._core.shown(ticket, use)
        return Entry(CallHandle(self._core, claim_of(state.user_id), state.cid), state)

    def at(self, moment: datetime | int) -> PastRoom:
        """The room as it was: read-only.

        Args:
            moment: an instant, or a position of the log. All that was recorded up to then counts.

        Raises:
            InvalidInput: neither, or later than the log.
        """
        position, at = moment_of(moment, self._core, self._store)
        return PastRoom(PastCore(self._core, self._store, position, at))

    def what_if(self, *changes: Change) -> WhatIf:
        """What would have come of everything that was asked for, had something been otherwise.

        Args:
            *changes: of `greenroom.whatif`: `grant`, `revoke`, `settings`, `rule`, `without`; all
                of them together. None at all: then everything comes out as it was.
        """
        return WhatIf(
            self._core, lambda moment: moment_of(moment, self._core, self._store)[0], changes
        )

    def keep_past(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Keep what was in tables of its own: `at` then answers at once, however long ago.

        They are filled from the log, and from then on every process of the store keeps them in
        step, which makes projecting slower; `drop_past` does away with them. Interrupted, it goes
        on where it was. Without them `at` answers the same, and reads what it needs of the log.

        Args:
            progress: told the position reached, and the one to be reached, after every batch.

        Returns:
            The position up to which it is kept now.

        Raises:
            StoreError: the views cannot be written, or somebody dropped the tables meanwhile.
        """
        if progress is not None and not callable(progress):
            raise InvalidInput("progress", "a function of a position, and of the last one")
        return self._core.seen().past.keep(self._store.feed, progress or (lambda *_: None))

    def drop_past(self) -> bool:
        """Keep the past no more; nothing is lost. Whether it was kept."""
        return self._core.seen().past.drop()

    def kept_past(self) -> KeptPast | None:
        """How far the past is kept in tables; None where it is not, which is how stores begin."""
        return self._core.seen().past.kept()

    def media_stats(self) -> RoomMediaStats | None:
        """What goes through all media of this process; None where it has not begun here."""
        return self._core.room_media_stats()

    def positions(self) -> Mapping[str, ProjectionStatus]:
        """How far each projection has come, by its name; nothing is caught up for it.

        What lags is work that the next query finds, unless somebody is at it.
        """
        found = self._views.statuses(self._store.salvage, head=self.position)
        return {one.name: one for one in found}

    def parked(self) -> Sequence[Parked]:
        """What projections could not take, in the order of the log; empty where all is well.

        Queries about such a call answer as of before: look what is wrong, then `retry_parked`.
        """
        return self._views.parked()

    def retry_parked(self, *, projection: str | None = None, key: str | None = None) -> Retried:
        """Apply parked events again, from the log and in its order; what fails stays parked.

        Args:
            projection: only those of this one.
            key: only those of this call (its cid); of users and call types, their stream.

        Raises:
            InvalidInput: there is no such projection.
            StoreError: the store cannot be read, or the views cannot be written.
        """
        if projection is not None:
            projection = checks.name(projection, "projection")
        if key is not None:
            key = checks.text(key, "key", _LONGEST_KEY)
        return self._views.retry(self._store.salvage, projection=projection, key=key)

    def rebuild(
        self, progress: Callable[[int], None] | None = None, *, compare: bool = False
    ) -> Rebuilt:
        """Make the views anew from the log; readers see the old ones until they are complete.

        Interrupted, killed even, it goes on where it was when it is asked for again.

        Args:
            progress: told the position reached, after every batch.
            compare: whether to tell if the old views said the same; reads all rows twice.

        Raises:
            StoreError: the store cannot be read or the views not be written; the old ones stay.
        """
        if progress is not None and not callable(progress):
            raise InvalidInput("progress", "a function of a position")
        checks.flags(compare=compare)
        return self._views.rebuild(
            self._store.salvage,
            until=self.position,
            compare=compare,
            progress=progress or (lambda _: None),
        )

    def close(self) -> None:
        """Stop everything and release the store. Twice is fine; handles then raise StoreClosed.

        Nothing of the room is running when it returns. Whoever is in a call is still in it.
        """
        if self._closed:
            return
        self._closed = True
        media = self._core.last_media()
        with contextlib.ExitStack() as closing:  # the last first; what fails holds up no other
            closing.callback(self._core.telemetry.closed)
            closing.callback(self._store.close)
            closing.callback(self._views.close)
            closing.callback(self._outbox.close)
            closing.callback(self._core.doorkeeper.close)
            closing.callback(self._core.stop_recording)
            if media is not None:
                closing.callback(media.stop)
            if self._pruning is not None:
                closing.callback(self._pruning.stop)
            for drive in (*self._timers, *self._core.drives):
                closing.callback(drive.stop)

    def _begin(self, notifier: Notifier | None, media: Media | None, kept: timedelta) -> None:
        """Let happen what happens by itself: timers where there is a notifier, and media."""
        try:
            if notifier is not None:
                deadlines = DeadlineTicker(self._core)
                deliveries = DeliveryTicker(self._core, self._store, self._outbox, notifier)
                self._timers = [self._core.clock.drive(each) for each in (deadlines, deliveries)]
                self._core.drives += self._followed(self._timers)
                # Not among the drives that every command wakes: what it does waits for the hour.
                pruning = PruningTicker(self._store, self._core.clock, kept)
                self._pruning = self._core.clock.drive(pruning)
            if media is not None:
                self._core.media = signalling(media)
                self._core.media.start(self._core)
        except BaseException:
            self.close()
            raise

    def _followed(self, timers: Sequence[Drive]) -> Sequence[Drive]:
        """What commands wake: `timers`, or where the views follow by themselves, that alone."""
        lead = self._views.lead()
        if lead is None or self._core.clock.waits:
            return timers
        seen = self._core.seen
        return [Following(lead, self._store.position, lambda head: seen(followed=head), timers)]


def _check(cache: int, in_flight: int, refusals: object, *, timers: bool, create: bool) -> None:
    check_refusals(refusals)
    checks.flags(timers=timers, create=create)
    checks.integer(cache, "cache", 1, 10_000_000)
    checks.integer(in_flight, "in_flight", 1, 1_000_000)


def _found(core: LiveCore) -> None:
    """Write the built-in call types into a new store."""
    core.carry_out(
        Command(
            lane="founding",
            operation=define_built_in_types(),
            turn=core.plain_turn(_FOUNDER),
            claim=_FOUNDER,
            answer=lambda turn: Answer(version=0, recorded=recorded(turn)),
            kind=_ANSWER,
        )
    )
