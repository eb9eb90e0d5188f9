"""What all handles of a room share: reading, asking hypothetically, and carrying out."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from heapq import merge
from typing import Any, Final, TypeVar

from msgspec import to_builtins
from pydantic import TypeAdapter

from greenroom.adapters.ids import Ids
from greenroom.answers import (
    Answer,
    Explanation,
    HistoryEvent,
    SessionState,
)
from greenroom.desk import Command, Desk
from greenroom.domain import checks
from greenroom.domain.access import OWNER, Capability
from greenroom.domain.errors import StoreError
from greenroom.domain.membership import Answer as RingAnswer
from greenroom.domain.message import (
    CallId,
    EntryId,
    Event,
    Recorded,
    StreamId,
    UserId,
)
from greenroom.domain.operations.operation import Operation
from greenroom.domain.ports import Clock, Drive, EventStore
from greenroom.domain.streams import erased_by, type_stream
from greenroom.domain.turn import CallTurn, Claim, Folded, Load, Turn
from greenroom.explaining import ExaminedTurn, examine
from greenroom.media.port import Source
from greenroom.media_link import MediaLink, MediaTicker
from greenroom.pipeline import Pipeline
from greenroom.projections.items import CallItem
from greenroom.projections.pages import Page
from greenroom.projections.queries import Queries
from greenroom.projections.query import SortKey
from greenroom.projections.reader import Reader
from greenroom.projections.views import Views
from greenroom.states import States
from greenroom.watchers import Watchers

A = TypeVar("A", bound=Answer)
_log = logging.getLogger(__name__)


class Core(ABC):
    """A room as handles see it, now or at a past position."""

    def __init__(self, store: EventStore, views: Views, ids: Ids, watchers: Watchers) -> None:
        self.ids: Final = ids
        self.watchers: Final = watchers
        self._store = store
        self._views = views

    @abstractmethod
    def now(self) -> datetime:
        """The instant that decisions are made at."""

    @abstractmethod
    def load(self, stream: StreamId) -> Folded[Any]:
        """A stream's folded state."""

    @abstractmethod
    def follow(self) -> None:
        """Take note of what all processes have recorded so far, where that is to be seen."""

    @abstractmethod
    def until(self) -> int | None:
        """The last position that is visible; None for all of the log."""

    @abstractmethod
    def seen(self, at_least: int | None = None) -> Views:
        """The views, with everything that must be visible in them."""

    @abstractmethod
    def ask(
        self,
        cid: CallId,
        claim: Claim,
        operation: Operation[CallTurn],
        *,
        answer: Callable[[CallTurn], A],
        kind: TypeAdapter[A],
        request_id: str | None = None,
    ) -> A:
        """Carry an operation on a call out."""

    @abstractmethod
    def offer(self, cid: CallId, entry_id: EntryId, sdp: str) -> str:
        """Media signalling of an entry."""

    def slots(self, cid: CallId, entry_id: EntryId) -> Mapping[str, Source | None]:
        """Whom an entry receives; nobody where there is no media."""
        del cid, entry_id
        return {}

    def queries(self, at_least: int | None = None) -> Queries:
        """The four queries."""
        return self.seen(at_least).queries

    def turn(self, cid: CallId, claim: Claim) -> Callable[[datetime, Load], CallTurn]:
        """Turns about one call."""
        return lambda at, load: CallTurn(cid, claim, at, load, self._member_ids)

    def rehearse(self, cid: CallId, claim: Claim, operation: Operation[CallTurn]) -> CallTurn:
        """Decide without recording.

        Raises:
            Refused: the rules say no.
        """
        self.follow()
        turn = CallTurn(cid, claim, self.now(), self.load, self._member_ids)
        operation.decide(turn)
        return turn

    def explain(
        self, cid: CallId, claim: Claim, operation: str, arguments: Mapping[str, Any]
    ) -> Explanation:
        """What an operation would be answered, and why."""
        position = self._visible()
        self.follow()
        turn = ExaminedTurn(cid, claim, self.now(), self.load, self._member_ids)
        reasons, refusal = examine(turn, operation, arguments)
        return Explanation(
            operation=operation,
            user_id=turn.actor.user_id,
            at=turn.at,
            position=position,
            allowed=refusal is None,
            code=None if refusal is None else refusal.code,
            message="" if refusal is None else str(refusal),
            reasons=reasons,
            would_record=() if refusal else tuple(step.event.name for step in turn.steps),
        )

    def query_calls(
        self,
        claim: Claim,
        filters: Mapping[str, Any] | None,
        sort: Sequence[SortKey],
        *,
        limit: int,
        cursor: str | None,
        at_least: int | None,
    ) -> Page[CallItem]:
        """Calls that the asker may read."""
        self.follow()
        views = self.seen(at_least)
        who = Turn(claim, self.now(), self.load).actor
        reader = None
        if not who.system:
            types = {
                name: self.load(type_stream(name)).state for name in views.lookups.call_types()
            }
            may_read = {
                name: frozenset(
                    role for role, held in known.grants.items() if Capability.READ_CALL in held
                )
                for name, known in types.items()
            }
            reader = Reader(
                user_id=who.user_id,
                teams=frozenset(who.teams),
                role_types=frozenset(n for n, roles in may_read.items() if who.role in roles),
                owner_types=frozenset(n for n, roles in may_read.items() if OWNER in roles),
                member_roles=may_read,
            )
        return views.queries.calls(
            filters=filters,
            sort=sort,
            limit=limit,
            cursor=cursor,
            actor=f"{who.user_id}",
            reader=reader,
        )

    def history(self, cid: CallId) -> list[HistoryEvent]:
        """Every event of a call, in order."""
        until = self._visible()  # one for all streams, else what comes meanwhile leaves a hole
        streams = [item.stream for item in self.seen().lookups.streams(cid)]
        read = (self._store.read(stream, until=until) for stream in streams)
        records = merge(*read, key=lambda record: record.position)
        return [
            HistoryEvent(
                seq=seq,
                position=record.position,
                at=record.at,
                name=record.event.name,
                by=record.by.user_id,
                stream=record.stream,
                version=record.version,
                event=to_builtins(record.event),
                event_id=record.event_id,
                request_id=record.request_id,
                correlation_id=record.correlation_id,
                causation_id=record.causation_id,
            )
            for seq, record in enumerate(records, 1)
        ]

    def current_session(self, cid: CallId, at_least: int) -> SessionState | None:
        """The session that is on, with everybody in it."""
        views = self.seen(at_least).lookups
        session = views.current_session(cid)
        if session is None:
            return None
        before = views.session(cid, session.number - 1)
        since = None if before is None else before.ended_at

        def answered(kind: RingAnswer) -> dict[str, datetime]:
            """Answers to rings since the session before ended."""
            return {
                user_id: one.at
                for user_id, one in views.answers(cid).items()
                if one.answer is kind and (since is None or one.at >= since)
            }

        return SessionState(
            id=session.id,
            started_at=session.started_at,
            ended_at=session.ended_at,
            live_started_at=session.live_started_at,
            live_ended_at=session.live_ended_at,
            timer_ends_at=session.timer_ends_at,
            participants=tuple(views.participants(cid)),
            participants_count_by_role=views.present_by_role(cid),
            accepted_by=answered(RingAnswer.ACCEPTED),
            rejected_by=answered(RingAnswer.REJECTED),
            missed_by=answered(RingAnswer.MISSED),
        )

    def _visible(self) -> int:
        """The last position that is visible."""
        until = self.until()
        return self._store.position() if until is None else until

    def _member_ids(self, cid: CallId) -> Iterable[UserId]:
        return self.seen().lookups.member_ids(cid)


class LiveCore(Core):
    """The room of now."""

    def __init__(
        self,
        store: EventStore,
        views: Views,
        clock: Clock,
        ids: Ids,
        states: States,
    ) -> None:
        super().__init__(store, views, ids, Watchers())
        self.clock: Final = clock
        self._states = states
        self._pipeline = Pipeline(store, states)
        self.desk: Final = Desk(store, clock, ids, states, self._pipeline)
        self.drives: list[Drive] = []
        """What happens by itself; woken after every command that recorded something."""
        self.media: MediaLink | None = None
        self._starting_media = threading.Lock()

    def now(self) -> datetime:
        """The present."""
        return self.clock.now()

    def load(self, stream: StreamId) -> Folded[Any]:
        """From memory, or from the store."""
        return self._states.load(stream)

    def until(self) -> int | None:
        """All of the log."""
        return None

    def follow(self) -> None:
        """Forget what others have changed."""
        self._states.follow()

    def seen(self, at_least: int | None = None) -> Views:
        """The views, caught up with the log."""
        position = self._store.position()
        if at_least is not None:
            checks.integer(at_least, "at_least", 0, position)
        self._views.catch_up(self._store.feed, until=position)
        return self._views

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
            Command(
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
        )

    def plain_turn(self, claim: Claim) -> Callable[[datetime, Load], Turn]:
        """Turns about call types and users."""
        return lambda at, load: Turn(claim, at, load)

    def feed(self, after: int) -> Iterator[tuple[int, Recorded[Event]]]:
        """(position, record) pairs past `after`."""
        return self._store.feed(after)

    def start_media_ticker(self, link: MediaLink) -> None:
        """Let media follow the log by itself."""
        ticker = MediaTicker(link, self._store.position, self.now)
        self.drives.append(self.clock.drive(ticker))

    def carry_out(self, command: Command[Any, A]) -> A:
        """Carry any command out, and whatever follows from it at once."""
        outcome = self.desk.carry_out(command)
        if any(erased_by(one.event) for one in outcome.events):
            self._scrub()
        if outcome.events:
            for drive in self.drives:
                drive.wake()
        return placed(outcome.answer, outcome.position)

    def _scrub(self) -> None:
        """The keys went with the commit; let no byte stay of them, nor of what the views tell.

        Nobody is named: who was erased may be known again by now, under a key that is theirs.
        """
        try:
            self._store.erase(())
            self.seen()
        except StoreError:
            _log.warning("traces of what was erased stay in the files for now", exc_info=True)

    def offer(self, cid: CallId, entry_id: EntryId, sdp: str) -> str:
        """Hand it to media, which is started by the first."""
        with self._starting_media:
            if self.media is None:
                self.media = MediaLink.installed()
        self.media.start(self)
        return self.media.offer(cid, entry_id, sdp)

    def slots(self, cid: CallId, entry_id: EntryId) -> Mapping[str, Source | None]:
        """As media has arranged it."""
        return {} if self.media is None else self.media.slots(cid, entry_id)


def placed(answer: A, position: int) -> A:
    """The answer with the position that only the store knew."""
    return answer.model_copy(update={"position": position})
