"""One call, as one actor reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec.structs import replace
from pydantic import TypeAdapter

from greenroom.answers import (
    DONE,
    Answer,
    Done,
    Explanation,
    HistoryEvent,
    MediaStats,
    SessionState,
    done,
)
from greenroom.attendance import Attendance
from greenroom.domain import checks
from greenroom.domain.attempts import Attempts
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import CallNotFound, InvalidInput, Refused
from greenroom.domain.message import CallId
from greenroom.domain.operations import people
from greenroom.domain.operations.operation import Operation
from greenroom.domain.turn import Claim
from greenroom.history import BREATH_SECONDS, HistoryReader, patience, wanted
from greenroom.recordings import RECORDING, Recording, recordings

if TYPE_CHECKING:
    from greenroom.core import Core
    from greenroom.projections.items import MemberItem, ParticipantItem, SessionItem
    from greenroom.projections.pages import Page
    from greenroom.projections.query import SortKey


A = TypeVar("A", bound=Answer)

_LOOK_SECONDS: Final = 1.0
"""How late a follower may notice that it may read no more, or that the room was closed."""


class CallReading:
    """The reads of a call, and how commands are asked for; `CallHandle` adds them."""

    def __init__(self, core: Core, claim: Claim, cid: CallId) -> None:
        self._core = core
        self._claim = claim
        self.cid: Final = cid
        self.type, _, self.id = cid.partition(":")

    def __repr__(self) -> str:
        """The call and who looks at it."""
        return f"<call {self.cid} as {self._claim.name}>"

    def query_members(
        self,
        filters: Mapping[str, Any] | None = None,
        sort: Sequence[SortKey] = (),
        *,
        limit: int = 25,
        cursor: str | None = None,
        count: bool = False,
        at_least: int | None = None,
    ) -> Page[MemberItem]:
        """Members of the call, oldest first by default; arguments as for `query_calls`."""
        return self._core.queries(self.cid, self._claim, at_least).members(
            self.cid,
            filters=filters,
            sort=sort,
            limit=limit,
            cursor=cursor,
            count=count,
            actor=self._claim.user_id,
            declared=self._core.declared(self.cid),
        )

    def query_participants(
        self,
        filters: Mapping[str, Any] | None = None,
        sort: Sequence[SortKey] = (),
        *,
        limit: int = 25,
        cursor: str | None = None,
        count: bool = False,
        at_least: int | None = None,
    ) -> Page[ParticipantItem]:
        """Who is in the call now, one item a connection; arguments as for `query_calls`."""
        return self._core.queries(self.cid, self._claim, at_least).participants(
            self.cid,
            filters=filters,
            sort=sort,
            limit=limit,
            cursor=cursor,
            count=count,
            actor=self._claim.user_id,
        )

    def query_sessions(
        self,
        filters: Mapping[str, Any] | None = None,
        sort: Sequence[SortKey] = (),
        *,
        limit: int = 25,
        cursor: str | None = None,
        count: bool = False,
        at_least: int | None = None,
    ) -> Page[SessionItem]:
        """The call's sessions, latest first by default; arguments as for `query_calls`."""
        return self._core.queries(self.cid, self._claim, at_least).sessions(
            self.cid,
            filters=filters,
            sort=sort,
            limit=limit,
            cursor=cursor,
            count=count,
            actor=self._claim.user_id,
        )

    def history(
        self,
        *,
        user: str | None = None,
        kinds: Iterable[str] = (),
        start: datetime | None = None,
        end: datetime | None = None,
        after: int = 0,
    ) -> list[HistoryEvent]:
        """Every event of the call in order, with who, when and why. Needs `read-call`.

        Args:
            user: only what they did, and what is about them; also `system:timers` and the like.
            kinds: only these: stored names like `session.joined`, or the first part of some, like
                `session`.
            start: only what was decided then or later.
            end: only what was decided before then.
            after: only what is past this `seq`: the one that was seen last.
        """
        reader = self._reader(user=user, kinds=kinds, start=start, end=end, after=after)
        return [event for page in self._core.history(reader) for event in page]

    def follow_history(
        self,
        *,
        user: str | None = None,
        kinds: Iterable[str] = (),
        start: datetime | None = None,
        end: datetime | None = None,
        after: int = 0,
        seconds: int | None = None,
    ) -> Iterator[HistoryEvent]:
        """The same one by one, at little memory; then each event as it is recorded by anybody.

        Whoever may not read the call any more is told so by the exception, before the next event.

        Args:
            user: as for `history`, like all before `seconds`.
            kinds: stored names, or the first part of some.
            start: of what was decided then or later.
            end: of what was decided before then.
            after: the `seq` seen last.
            seconds: ends when nothing came for so long; 0 to wait for nothing, None to wait until
                the room is closed, which raises StoreClosed. Nothing comes in a room as it was.
        """
        reader = self._reader(user=user, kinds=kinds, start=start, end=end, after=after)
        return self._followed(reader, patience(seconds))

    def _followed(self, reader: HistoryReader, seconds: float) -> Iterator[HistoryEvent]:
        last = monotonic()
        while True:
            for page in self._read_on(reader):
                yield from page
                last = monotonic() if page else last
            left = last + seconds - monotonic()
            if left <= 0 or self._core.until() is not None:
                return
            if self._core.awaits(reader.until, min(left, _LOOK_SECONDS)):
                sleep(min(left, BREATH_SECONDS))

    def _read_on(self, reader: HistoryReader) -> Iterator[list[HistoryEvent]]:
        """What a reader has not read yet, for whoever may read the call still."""
        self._readable()
        return self._core.history(reader)

    def _reader(self, **said: object) -> HistoryReader:
        reader = HistoryReader(self.cid, wanted(**said))
        self._readable()
        return reader

    def attendance(self, *, at: datetime | None = None) -> Attendance:
        """Who was in the call from when to when, how long, and how they left. Needs `read-call`.

        Read from the history: for each session, for each user over all of them, and entry by
        entry. What two connections of one user have in common counts once.

        Args:
            at: as of then; as of now where it is None. Who is there still is counted up to it.

        Raises:
            InvalidInput: an instant that has not come yet.
        """
        as_of = None if at is None else checks.instant(at, "at")
        self._readable()
        return self._core.attendance(self.cid, as_of)

    def recordings(self) -> list[Recording]:
        """The recordings of the call in order, with the files that are finished. Needs `read-call`.

        Files are told of in the moment after they are finished. Greenroom takes none away, but
        those of who is erased; who may have them is up to the application.
        """
        reader = HistoryReader(self.cid, wanted(kinds=RECORDING))
        self._readable()
        return recordings(self._core.records(reader))

    def media_stats(self) -> MediaStats | None:
        """What goes through the media connections that stand now. Needs `read-call`.

        None where media does not run: it has not begun in this process, or the room is shown as
        it was. What went through a connection that is over is in the history.
        """
        self._readable()
        return self._core.media_stats(self.cid)

    def explain(
        self,
        /,
        operation: str,
        *,
        user: str | None = None,
        role: str | None = None,
        **arguments: Any,
    ) -> Explanation:
        """What `operation` would be answered now, and the rules that say so.

        Needs `read-call`, where there is a call to read.

        Args:
            operation: the name of a command, e.g. `join`, `go_live`, `kick`.
            user: who would ask; the actor where None.
            role: their user role, where it is not in their record.
            **arguments: of the command, e.g. `create=True`, or `user_id="eve"`.
        """
        with suppress(CallNotFound):  # that, too, can be explained
            self._readable()
        claim = self._claim if user is None else Claim(checks.user_id(user, "user"))
        if role is not None:
            claim = replace(claim, role=checks.role(role, "role"))
        return self._core.explain(self.cid, claim, operation, arguments)

    def attempts(self, *, user: str | None = None, limit: int = 100) -> Attempts:
        """Who tried something in this call and was turned away, the latest first.

        Needs `block-users`; the system may ask of calls that never were, too. Of each user and
        minute the first few are kept as they were asked, the others are counted; and all of them
        as long as `Greenroom.open(refusals=...)` says. What other processes refuse is here within
        about a second.

        Args:
            user: one alone.
            limit: of those kept as they were asked, and of the counts; 1 to 10,000.
        """
        return self._core.attempts(self.cid, self._claim, user, limit)

    def watch(self, listener: Callable[[str, Mapping[str, Any]], None]) -> Callable[[], None]:
        """Hear of custom events: `listener(user_id, custom)`, from the sender's thread.

        Needs `read-call`, now and for each event: whoever may not read any more hears nothing.
        Answers the function that ends it.
        """
        if not callable(listener):
            raise InvalidInput("listener", "a function of a user id and a JSON object")

        def hear(sender: str, custom: Mapping[str, Any]) -> None:
            try:
                self._readable()
            except Refused:
                return
            listener(sender, custom)

        return self._core.then(
            self._done(people.read(), None), lambda _: self._core.watchers.watch(self.cid, hear)
        )

    # What answers read on demand

    def current_session(self, *, at_least: int) -> SessionState | None:
        """The session that is on, with everybody in it."""
        self._readable()
        return self._core.current_session(self.cid, at_least)

    def member_page(self, *, limit: int, at_least: int) -> tuple[MemberItem, ...]:
        """The first members, oldest first."""
        return self.query_members(limit=limit, at_least=at_least).items

    def member_count(self, *, at_least: int) -> int:
        """How many members there are."""
        self._readable()
        found = self._core.queried(at_least, of=self.cid).lookups.call(self.cid)
        return 0 if found is None else found.member_count

    def _readable(self) -> None:
        self._core.rehearse(self.cid, self._claim, people.read())

    def _done(self, operation: Operation[CallTurn], request_id: str | None) -> Done:
        return self._ask(operation, done, DONE, request_id)

    def _ask(
        self,
        operation: Operation[CallTurn],
        answer: Callable[[CallTurn], A],
        kind: TypeAdapter[A],
        request_id: str | None,
    ) -> A:
        return self._core.ask(
            self.cid, self._claim, operation, answer=answer, kind=kind, request_id=request_id
        )
