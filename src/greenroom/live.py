"""The room of now, as handles see it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from greenroom.adapters.ids import Ids
from greenroom.adapters.outbox import Outbox
from greenroom.answers import Answer, MediaStats
from greenroom.core import Core
from greenroom.desk import Command, Desk
from greenroom.domain import checks
from greenroom.domain.attempts import Attempts
from greenroom.domain.call_events import CallDeleted
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import EntryNotFound, KeysUnavailable, StoreClosed, StoreError
from greenroom.domain.message import CallId, EntryId, Event, Recorded, StreamId, UserId
from greenroom.domain.operations import people
from greenroom.domain.operations.members import Member
from greenroom.domain.operations.operation import Operation
from greenroom.domain.ports import Clock, Drive, EventStore, Head
from greenroom.domain.streams import user_stream
from greenroom.domain.turn import Claim, Folded, Turn
from greenroom.domain.user import UserErased
from greenroom.doorkeeper import Doorkeeper
from greenroom.holding import Holding, Shared, Sole
from greenroom.ice import IceAccess, IceServer, access
from greenroom.importing import Import, Imported
from greenroom.intake import IN_FLIGHT
from greenroom.media.leases import Leases, Worker
from greenroom.media.port import Invitation, Source
from greenroom.media.unrecorded import HOW_TO_RECORD
from greenroom.media_link import MediaLink
from greenroom.media_stats import RoomMediaStats
from greenroom.media_ticker import MediaTicker
from greenroom.pipeline import Pipeline
from greenroom.projections.forks import survives_forks
from greenroom.projections.log_index import LogIndex
from greenroom.projections.trailing import Trailing
from greenroom.projections.views import Views
from greenroom.sight import Sight
from greenroom.signalling import Signalling
from greenroom.states import States
from greenroom.telemetry import Telemetry
from greenroom.watchers import Watchers
from greenroom.workers.control import Signatures

A = TypeVar("A", bound=Answer)
_CLIENTS: Final = Claim("clients", system=True)
_log = logging.getLogger(__name__)


class LiveCore(Core):
    """The room of now."""

    def __init__(
        self,
        store: EventStore,
        views: Views,
        clock: Clock,
        ids: Ids,
        states: States,
        *,
        in_flight: int = IN_FLIGHT,
        telemetry: Telemetry | None = None,
        doorkeeper: Doorkeeper | None = None,
    ) -> None:
        super().__init__(store, ids, Watchers())
        self._views = views
        self._trailing = Trailing(store.position, views)
        self.clock: Final = clock
        self._states = states
        self.telemetry: Final = telemetry or Telemetry()
        self._pipeline = Pipeline(store, states, self.telemetry)
        self.desk: Final = Desk(
            store, clock, ids, self._pipeline, members=self.member_ids, in_flight=in_flight
        )
        self.drives: list[Drive] = []
        """What happens by itself; woken after every command that recorded something."""
        self.media: Signalling | None = None
        self.leases: Callable[[], Leases] | None = None
        """Opens the leases of media; None where no other process can have the store."""
        self.ice_servers: Sequence[IceServer] = ()
        self.outbox: Outbox | None = None
        self.doorkeeper: Final = doorkeeper or Doorkeeper(None, None, clock.now)
        self.desk.refused = self.doorkeeper.refused
        self._starting_media = threading.Lock()
        self._starts_no_media = False
        survives_forks(self)

    def after_fork_in_child(self) -> None:
        """Start anew: the threads that were at it are the parent's."""
        self._starting_media = threading.Lock()
        for part in (self.desk.intake, self.desk.lanes, self._pipeline, self._states):
            part.start_anew()

    def now(self) -> datetime:
        """The present."""
        return self.clock.now()

    def load(self, stream: StreamId) -> Folded[Any]:
        """From memory, or from the store."""
        return self._states.load(stream)

    def until(self) -> int | None:
        """All of the log."""
        return None

    def follow(self) -> int:
        """Forget what others have changed."""
        return self._states.follow()

    def seen(
        self, at_least: int | None = None, *, of: CallId | None = None, followed: int | None = None
    ) -> Views:
        """The views, caught up with the log."""
        del of  # all of them are
        position, _ = self._end(at_least, followed)
        self._views.catch_up(
            self._store.salvage, until=position, progress=self.telemetry.projecting(position)
        )
        return self._views

    def queried(
        self, at_least: int | None = None, *, of: CallId | None = None, followed: int | None = None
    ) -> Views:
        """The views as they stand, where that is enough; else caught up with the log."""
        position, wanted = self._end(at_least, followed)
        needed = max(self._states.written, wanted)
        if self._views.hold(position) or self._trailing.suffice(needed):
            return self._views
        return self.seen(of=of, followed=position)

    def index(self) -> LogIndex:
        """Where everything stands in the log."""
        return self.seen().index

    def ask(
        self,
        cid: CallId,
        claim: Claim,
        operation: Operation[CallTurn],
        *,
        answer: Callable[[CallTurn], A],
        kind: TypeAdapter[A],
        request_id: str | None = None,
        cause: Recorded[Event] | None = None,
    ) -> A:
        """Carry it out in the call's lane; `cause` is the record that made the system ask."""
        return self.carry_out(
            self.command(
                cid,
                claim,
                operation,
                answer=answer,
                kind=kind,
                request_id=request_id,
                cause=cause,
            )
        )

    def import_members(
        self,
        claim: Claim,
        members: Iterable[tuple[str, Member]],
        progress: Callable[[int], None] | None,
    ) -> Imported:
        """Take in any number of members, a bounded number of them at a time."""
        return Import(self, claim, progress).run(members)

    def command(
        self,
        cid: CallId,
        claim: Claim,
        operation: Operation[CallTurn],
        *,
        answer: Callable[[CallTurn], A],
        kind: TypeAdapter[A],
        request_id: str | None = None,
        cause: Recorded[Event] | None = None,
    ) -> Command[CallTurn, A]:
        """An operation on a call, ready to be carried out in its lane."""
        return Command(
            lane=cid,
            operation=operation,
            turn=self.turn(cid, claim),
            claim=claim,
            answer=answer,
            kind=kind,
            request_id=None if request_id is None else checks.request_id(request_id),
            causation_id=None if cause is None else cause.event_id,
            correlation_id=None if cause is None else cause.correlation_id,
        )

    def turn(self, cid: CallId, claim: Claim) -> Callable[[datetime, Sight], CallTurn]:
        """Turns about one call."""
        return lambda at, sight: CallTurn(cid, claim, at, sight, sight.member_ids)

    def plain_turn(self, claim: Claim) -> Callable[[datetime, Sight], Turn]:
        """Turns about call types and users."""
        return lambda at, sight: Turn(claim, at, sight)

    def picked(self, positions: Iterable[int]) -> Iterator[Event]:
        """The events at these positions of the log, which rise."""
        return (record.event for _, record in self._store.pick(positions))

    def heads(self, after: int) -> Iterator[Head]:
        """What stands past `after`, without what it says."""
        return self._store.heads(after)

    def position(self) -> int:
        """Of the last record."""
        return self._store.position()

    def erased_at(self, user_id: UserId) -> datetime | None:
        """When a user was erased last; None for somebody who never was."""
        events = self._store.events(user_stream(user_id))
        return max((one.at for one in events if isinstance(one, UserErased)), default=None)

    def feed(self, after: int) -> Iterator[tuple[int, Recorded[Event]]]:
        """(position, record) pairs past `after`."""
        return self._store.feed(after)

    def holding(
        self, describe: Callable[[str], Worker], *, adopts: bool, seconds: float
    ) -> Holding:
        """Which calls' media this process carries; arguments as for `Shared`."""
        if self.leases is None:
            return Sole()
        return Shared(self.leases(), describe, adopts=adopts, seconds=seconds)

    def signatures(self) -> Signatures:
        """Of processes on the same store, which trust each other."""
        return Signatures(self._store.secret)

    def start_media_ticker(self, link: MediaLink) -> Drive:
        """Let media follow the log by itself."""
        watched = not self.clock.waits
        ticker = MediaTicker(link, self._store.position, self.now, watched=watched)
        drive = self.clock.drive(ticker)
        self.drives.append(drive)
        return drive

    def carry_out(self, command: Command[Any, A]) -> A:
        """Carry any command out, and whatever follows from it at once."""
        if command.watch is None and self.telemetry.looks:
            with self.telemetry.watching(command) as watched:
                return self.carry_out(watched)
        done = self.desk.carry_out(command)
        if done.erased:
            self.scrub(done.erased)
        if done.wakes:
            self.wake()
        return done.answer.placed(done.position)

    def last_media(self) -> Signalling | None:
        """The media that is to be stopped; from now on nobody starts any."""
        with self._starting_media:
            self._starts_no_media = True
            return self.media

    def stop_recording(self) -> None:
        """Finish what is being recorded, and refuse everything else."""
        self._pipeline.close()

    def wake(self) -> None:
        """Something was recorded: let happen what follows from it."""
        for drive in self.drives:
            drive.wake()

    def scrub(self, erasing: Sequence[Event]) -> None:
        """The keys went with the commit; let no byte stay of them, nor of what the views tell.

        To the store nobody is named: who was erased may be known again by now, under a key that
        is theirs.

        Raises:
            KeysUnavailable: the key store went away just now. Nobody can read what was erased in
                this store; its keys are destroyed before long, or when it is asked for again.
        """
        away: KeysUnavailable | None = None
        parts: list[Callable[[], object]] = [self.seen, partial(self._forget, erasing)]
        if self.outbox is not None:
            parts.append(partial(self.outbox.hush, erasing))
        parts.append(partial(self._store.erase, ()))  # the last: it empties the log of the file
        for part in parts:
            try:
                part()
            except KeysUnavailable as error:
                away = error
            except StoreError:
                _log.warning("traces of what was erased stay in the files for now", exc_info=True)
        if away is not None:
            raise away

    def _forget(self, events: Iterable[Event]) -> None:
        """Note no longer that they were ever turned away."""
        users = [one.user_id for one in events if isinstance(one, UserErased)]
        calls = [one.cid for one in events if isinstance(one, CallDeleted) and one.hard]
        self.doorkeeper.forget(users=users, calls=calls)

    def attempts(self, cid: CallId, claim: Claim, user: str | None, limit: int) -> Attempts:
        """Who was turned away."""
        self.rehearse(cid, claim, people.see_attempts())
        return self.doorkeeper.told(cid, user, None, limit)

    def offer(self, cid: CallId, entry_id: EntryId, sdp: str) -> str:
        """Hand it to media, which is started by the first."""
        return self._started_media().offer(cid, entry_id, sdp)

    def invite(self, cid: CallId, entry_id: EntryId, after: int) -> Invitation | None:
        """Let media do it, which is started by the first."""
        return self._started_media().invite(cid, entry_id, after)

    def accept(self, cid: CallId, entry_id: EntryId, number: int, sdp: str) -> None:
        """Hand it to media."""
        self._started_media().accept(cid, entry_id, number, sdp)

    def invitation_due(self, cid: CallId, entry_id: EntryId) -> Future[None]:
        """As media tells."""
        return self._started_media().invitation_due(cid, entry_id)

    def candidates(self, cid: CallId, entry_id: EntryId, fragment: str) -> None:
        """Hand them to media."""
        if self.media is None:
            raise EntryNotFound(entry_id)
        self.media.candidates(cid, entry_id, fragment)

    def hang_up(self, cid: CallId, entry_id: EntryId, ufrag: str) -> bool:
        """Let media do it."""
        return self.media is not None and self.media.hang_up(cid, entry_id, ufrag)

    def slots(self, cid: CallId, entry_id: EntryId) -> Mapping[str, Source | None]:
        """As media has arranged it."""
        return {} if self.media is None else self.media.slots(cid, entry_id)

    def recording_obstacle(self) -> str:
        """As media says; where that is another process's, what fails there will be on record."""
        if self.media is not None:
            return self.media.recording_obstacle()
        if self.leases is not None:
            with closing(self.leases()) as leases:
                if leases.roster():
                    return ""
        return f"no media runs that could record: {HOW_TO_RECORD}"

    def _started_media(self) -> Signalling:
        with self._starting_media:
            if self._starts_no_media:
                raise StoreClosed("the room was closed; open it again")
            if self.media is None:
                self.media = MediaLink.installed()
            self.media.start(self)
            return self.media

    def _end(self, at_least: int | None, followed: int | None) -> tuple[int, int]:
        """Where the log ends, which is as much as anybody may ask to see, and what is asked."""
        position = self._store.position() if followed is None else followed
        asked = 0 if at_least is None else checks.integer(at_least, "at_least", 0, position)
        return position, asked

    def ice(self, cid: CallId, entry_id: EntryId) -> tuple[IceAccess, ...]:
        """The servers of the room, for an entry that is in the call."""
        session = self.rehearse(cid, _CLIENTS, people.glance()).session
        if entry_id not in session.entries:
            raise EntryNotFound(entry_id)
        return tuple(access(server, entry_id, self.now()) for server in self.ice_servers)

    def media_stats(self, cid: CallId) -> MediaStats | None:
        """As media counts now."""
        return None if self.media is None else MediaStats.of(self.media.statistics(cid))

    def room_media_stats(self) -> RoomMediaStats | None:
        """As media counts now, of all calls."""
        return None if self.media is None else self.media.stats()
