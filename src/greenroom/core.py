"""What all handles of a room share: reading, asking hypothetically, and carrying out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, Unpack

from pydantic import TypeAdapter

from greenroom.adapters.ids import Ids
from greenroom.answers import (
    Answer,
    EntryState,
    Explanation,
    HistoryEvent,
    MediaStats,
    SessionState,
)
from greenroom.attendance import TOLD_BY, Attendance, Attending
from greenroom.causes import explained, reasons
from greenroom.domain.access import OWNER, Capability
from greenroom.domain.attempts import Attempts
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.call_type import CallType, FieldKind, Place
from greenroom.domain.errors import EntryNotFound, InvalidInput, MediaError, ReadOnly, Refused
from greenroom.domain.membership import Answer as RingAnswer
from greenroom.domain.message import CallId, EntryId, Event, Recorded, StreamId, UserId
from greenroom.domain.operations import people
from greenroom.domain.operations.members import Member
from greenroom.domain.operations.operation import Operation
from greenroom.domain.ports import EventStore
from greenroom.domain.streams import type_stream
from greenroom.domain.turn import Claim, Folded, Turn
from greenroom.explaining import ExaminedTurn, examine, operation_named
from greenroom.history import HistoryReader, Wanted, shown
from greenroom.ice import IceAccess
from greenroom.importing import Imported
from greenroom.media.port import Invitation, Source
from greenroom.projections.as_of import Seen
from greenroom.projections.items import CallItem
from greenroom.projections.log_index import LogIndex
from greenroom.projections.pages import Page
from greenroom.projections.plans import Plan
from greenroom.projections.queries import Kind, Queries, Said
from greenroom.projections.query import Declared, SortKey
from greenroom.projections.reader import Reader
from greenroom.tickets import Ticket, Tickets, Use
from greenroom.watchers import Watchers

A = TypeVar("A", bound=Answer)
R = TypeVar("R")


def declared_by(place: Place, *types: CallType) -> Declared:
    """The custom fields of `place` that any of `types` declares, as whatever kinds."""
    found: dict[str, tuple[FieldKind, ...]] = {}
    for one in types:
        for field, kind in one.indexed_custom.get(place, {}).items():
            if kind not in found.get(field, ()):
                found[field] = tuple(sorted((*found.get(field, ()), kind)))
    return found


class Core(ABC):
    """A room as handles see it, now or at a past position."""

    def __init__(self, store: EventStore, ids: Ids, watchers: Watchers) -> None:
        self.ids: Final = ids
        self.watchers: Final = watchers
        self.tickets: Final = Tickets(store.secret)
        self._store = store

    @abstractmethod
    def now(self) -> datetime:
        """The instant that decisions are made at."""

    @abstractmethod
    def load(self, stream: StreamId) -> Folded[Any]:
        """A stream's folded state."""

    @abstractmethod
    def follow(self) -> int:
        """Take note of what all processes have recorded so far, where that is to be seen.

        Returns:
            Up to where that is.
        """

    @abstractmethod
    def until(self) -> int | None:
        """The last position that is visible; None for all of the log."""

    @abstractmethod
    def seen(
        self, at_least: int | None = None, *, of: CallId | None = None, followed: int | None = None
    ) -> Seen:
        """The views, with everything that must be visible in them; at least that of one call.

        Args:
            at_least: a position that must be.
            of: the call that matters, where no other does.
            followed: what `follow` has just said, which spares another look at the log.
        """

    def queried(
        self, at_least: int | None = None, *, of: CallId | None = None, followed: int | None = None
    ) -> Seen:
        """The views that queries are answered from: what others have just recorded may be missing.

        Args:
            at_least: as for `seen`, like all that follows; what this room wrote always is there.
            of: the call that matters.
            followed: what `follow` has just said.
        """
        return self.seen(at_least, of=of, followed=followed)

    @abstractmethod
    def index(self) -> LogIndex:
        """Where everything visible stands in the log, and maybe what came later."""

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
    def attempts(self, cid: CallId, claim: Claim, user: str | None, limit: int) -> Attempts:
        """Who was turned away from a call; one user alone where one is named."""

    def then(self, answer: A, go_on: Callable[[A], R]) -> R:
        """Go on with what was asked for: at once, where it is at hand."""
        return go_on(answer)

    @abstractmethod
    def offer(self, cid: CallId, entry_id: EntryId, sdp: str) -> str:
        """Media signalling of an entry."""

    def invite(self, cid: CallId, entry_id: EntryId, after: int) -> Invitation | None:
        """An entry's invitation to receive; there is none where there is no media."""
        del cid, entry_id, after
        raise MediaError("there is no media here")

    def accept(self, cid: CallId, entry_id: EntryId, number: int, sdp: str) -> None:
        """The answer of an entry to an invitation; there is none where there is no media."""
        del cid, entry_id, number, sdp
        raise MediaError("there is no media here")

    def invitation_due(self, cid: CallId, entry_id: EntryId) -> Future[None]:
        """Done when an entry should ask to be invited again; never, where there is no media."""
        del cid, entry_id
        raise MediaError("there is no media here")

    def candidates(self, cid: CallId, entry_id: EntryId, fragment: str) -> None:
        """More signalling of an entry; none of it has a connection where there is no media."""
        del cid, fragment
        raise EntryNotFound(entry_id)

    def hang_up(self, cid: CallId, entry_id: EntryId, ufrag: str) -> bool:
        """Drop a connection of an entry; there is none where there is no media, nor another."""
        del cid, entry_id, ufrag
        return False

    def ice(self, cid: CallId, entry_id: EntryId) -> tuple[IceAccess, ...]:
        """The STUN and TURN servers for an entry."""
        raise ReadOnly(f"there is no media in the past (entry {entry_id} of {cid})")

    def media_stats(self, cid: CallId) -> MediaStats | None:
        """What went through the media connections of a call; None where no media runs."""
        del cid
        return None

    def slots(self, cid: CallId, entry_id: EntryId) -> Mapping[str, Source | None]:
        """Whom an entry receives; nobody where there is no media."""
        del cid, entry_id
        return {}

    def ticket(self, entry: EntryState, uses: tuple[Use, ...], seconds: int) -> str:
        """A ticket for an entry."""
        return self.tickets.write(Ticket.of(entry, uses, seconds, self.now()))

    def shown(self, ticket: str, use: Use | None) -> EntryState:
        """The entry that a ticket was made for."""
        read = self.tickets.read(ticket)
        if use is not None:
            read.admits(use, self.now())
        return read.entry()

    def queries(self, cid: CallId, claim: Claim, at_least: int | None = None) -> Queries:
        """The queries about one call.

        Raises:
            Refused: the asker may not read it.
        """
        followed = self.follow()
        self._decided(cid, claim, people.read())
        return self.queried(at_least, of=cid, followed=followed).queries

    def declared(self, cid: CallId) -> Declared:
        """The custom fields of members that the type of a call declares."""
        return declared_by("members", self.load(type_stream(cid.partition(":")[0])).state)

    def import_members(
        self,
        claim: Claim,
        members: Iterable[tuple[str, Member]],
        progress: Callable[[int], None] | None,
    ) -> Imported:
        """Take in any number of members."""
        del claim, members, progress
        raise ReadOnly("import_members: the room is shown as it was; ask the room of now")

    def rehearse(self, cid: CallId, claim: Claim, operation: Operation[CallTurn]) -> CallTurn:
        """Decide without recording.

        Raises:
            Refused: the rules say no.
        """
        self.follow()
        return self._decided(cid, claim, operation)

    def _decided(self, cid: CallId, claim: Claim, operation: Operation[CallTurn]) -> CallTurn:
        turn = CallTurn(cid, claim, self.now(), self.load, self.member_ids)
        try:
            operation.decide(turn)
        except Refused as refusal:
            explained(refusal, turn, operation, self._store)
            raise
        return turn

    def explain(
        self, cid: CallId, claim: Claim, operation: str, arguments: Mapping[str, Any]
    ) -> Explanation:
        """What an operation would be answered, and why."""
        position = self._visible()
        self.follow()
        turn = ExaminedTurn(cid, claim, self.now(), self.load, self.member_ids)
        asked, refusal = examine(turn, operation_named(operation, arguments))
        return Explanation(
            operation=operation,
            user_id=turn.actor.user_id,
            at=turn.at,
            position=position,
            allowed=refusal is None,
            code=None if refusal is None else refusal.code,
            message="" if refusal is None else str(refusal),
            reasons=reasons(asked, turn, self._store),
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
        count: bool,
        at_least: int | None,
    ) -> Page[CallItem]:
        """Calls that the asker may read."""
        views = self.queried(at_least, followed=self.follow())
        who, reader, declared = self._reader(claim, views)
        return views.queries.calls(
            filters=filters,
            sort=sort,
            limit=limit,
            cursor=cursor,
            count=count,
            actor=who,
            reader=reader,
            declared=declared,
        )

    def plan(self, claim: Claim, kind: Kind, cid: CallId | None, **said: Unpack[Said]) -> Plan:
        """How the database would go about a query by the asker."""
        if cid is not None:
            declared = self.declared(cid) if kind == "members" else {}
            known: Said = {**said, "actor": claim.user_id, "declared": declared}
            return self.queries(cid, claim).plan(kind, cid, **known)
        views = self.queried(followed=self.follow())
        who, reader, declared = self._reader(claim, views)
        known = {**said, "actor": who, "declared": declared}
        return views.queries.plan(kind, None, reader, **known)

    def _reader(self, claim: Claim, views: Seen) -> tuple[str, Reader | None, Declared]:
        """Who asks for calls, which of them they may read, and the fields that types declare."""
        who = Turn(claim, self.now(), self.load).actor
        types = {name: self.load(type_stream(name)).state for name in views.lookups.call_types()}
        reader = None
        if not who.system:
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
        return who.user_id, reader, declared_by("calls", *types.values())

    def history(self, reader: HistoryReader) -> Iterator[list[HistoryEvent]]:
        """What a reader has not read yet of what is visible, page by page."""
        return (shown(page) for page in self.numbered(reader))

    def numbered(self, reader: HistoryReader) -> Iterator[Sequence[tuple[int, Recorded[Event]]]]:
        """The same as records, each with its place in the call's history."""
        until = self._visible()
        return reader.records(self._store, self.index(), until)

    def attendance(self, cid: CallId, at: datetime | None) -> Attendance:
        """Who was in a call, up to `at` or now."""
        now = self.now()
        if at is not None and at > now:
            raise InvalidInput("at", "an instant that has come")
        attending = Attending(cid)
        end = None if at is None else at + timedelta(microseconds=1)
        reader = HistoryReader(cid, Wanted(names=TOLD_BY, end=end))
        for page in self.numbered(reader):
            attending.take(record for _, record in page)
        return attending.attendance(now if at is None else at)

    def records(self, reader: HistoryReader) -> Iterator[Recorded[Event]]:
        """The same as records, one by one."""
        for page in self.numbered(reader):
            yield from (record for _, record in page)

    def recording_obstacle(self) -> str:
        """Why nothing here could record; empty where something can, or nobody asks in earnest."""
        return ""

    def awaits(self, after: int, seconds: float) -> bool:
        """Sleep until something stands past that position; False where nothing did in time."""
        return self.until() is None and self._store.wait(after, seconds)

    def current_session(self, cid: CallId, at_least: int) -> SessionState | None:
        """The session that is on, with everybody in it."""
        views = self.queried(at_least, of=cid).lookups
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

    def member_ids(self, cid: CallId) -> Iterable[UserId]:
        """Who is a member of the call, as it is recorded."""
        return self.seen(of=cid).lookups.member_ids(cid)
