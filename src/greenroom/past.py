"""The room as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from greenroom.answers import Answer
from greenroom.core import Core
from greenroom.domain import checks
from greenroom.domain.attempts import Attempts
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import ReadOnly, StoreClosed
from greenroom.domain.message import CallId, EntryId, StreamId
from greenroom.domain.operations import people
from greenroom.domain.operations.operation import Operation
from greenroom.domain.ports import EventStore
from greenroom.domain.streams import ERASING, type_stream
from greenroom.domain.turn import Claim, Folded, Turn
from greenroom.folding import fold
from greenroom.handles import Room
from greenroom.live import LiveCore
from greenroom.past_policy import PastCallTypes, PastUsers
from greenroom.policy import EMBEDDER
from greenroom.projections import forks
from greenroom.projections.as_of import Kept, Replayed, Seen
from greenroom.projections.log_index import LogIndex
from greenroom.watchers import Watchers

A = TypeVar("A", bound=Answer)


class PastCore(Core):
    """The room as it was at a position of the log. Nothing is read before it is asked for."""

    def __init__(self, live: LiveCore, store: EventStore, position: int, at: datetime) -> None:
        super().__init__(store, live.ids, Watchers())
        self.position = position
        self._live = live
        self._at = at
        self._folded: dict[StreamId, Folded[Any]] = {}
        self._opening = forks.lock()
        self._read: Replayed | None = None
        self._kept: Kept | None = None
        self._closed = False
        self._followed = store.position()

    def now(self) -> datetime:
        """Then."""
        return self._at

    def load(self, stream: StreamId) -> Folded[Any]:
        """Folded from the beginning up to then."""
        if stream not in self._folded:
            self._folded[stream] = fold(self._store, stream, self.position)
        return self._folded[stream]

    def follow(self) -> int:
        """Forget what was erased since: nobody shall see it, in the past neither."""
        since, self._followed = self._followed, self._store.position()
        if self._followed != since and any(
            head.name in ERASING for head in self._store.heads(since)
        ):
            self._folded.clear()
            if self._read is not None:
                self._read.anew()
        return self._followed

    def until(self) -> int | None:
        """What had been recorded then."""
        return self.position

    def seen(
        self, at_least: int | None = None, *, of: CallId | None = None, followed: int | None = None
    ) -> Seen:
        """The views as they were."""
        if at_least is not None:
            checks.integer(at_least, "at_least", 0, self.position)
        if self._closed:
            raise StoreClosed("this room of the past is closed; ask `at` for another")
        if followed is None:
            followed = self.follow()
        return self._from_tables(followed) or self._from_the_log(of)

    def index(self) -> LogIndex:
        """That of now: where something stands has not changed."""
        return self._live.index()

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
        """Read; nothing else was ever done in the past."""
        del kind, request_id
        turn = self.rehearse(cid, claim, operation)
        if turn.steps or operation.name not in {"get", "create"}:
            raise ReadOnly(
                f"{operation.name}: the room is shown as it was at position {self.position};"
                " ask the room of now, or `explain` what would have been answered"
            )
        return answer(turn).placed(self.position)

    def look(self, answer: Callable[[Turn], A]) -> A:
        """At what belongs to no call, as the embedder."""
        self.follow()
        return answer(Turn(EMBEDDER, self._at, self.load)).placed(self.position)

    def call_types(self) -> Sequence[str]:
        """The names of those that were defined by then; none has ever been taken away."""
        self.follow()
        names = self._live.seen().lookups.call_types()
        return [name for name in names if self.load(type_stream(name)).version]

    def attempts(self, cid: CallId, claim: Claim, user: str | None, limit: int) -> Attempts:
        """Who had been turned away by then."""
        self.rehearse(cid, claim, people.see_attempts())
        return self._live.doorkeeper.told(cid, user, self._at, limit)

    def offer(self, cid: CallId, entry_id: EntryId, sdp: str) -> str:
        """There is no media in the past."""
        del sdp
        raise ReadOnly(f"there is no media in the past (entry {entry_id} of {cid})")

    def close(self) -> None:
        """Release what was read."""
        with self._opening:
            self._closed = True
            if self._read is not None:
                self._read.close()

    def _from_tables(self, followed: int) -> Seen | None:
        """The views as they were, where the past is kept, and has seen all that was erased."""
        views = self._live.seen(followed=followed)
        if not views.past.is_whole():
            return None
        if self._kept is None:
            self._kept = Kept(views, self.position)
        return self._kept

    def _from_the_log(self, of: CallId | None) -> Seen:
        """The same, made for this room alone."""
        with self._opening:
            if self._read is None:
                self._read = Replayed(self._store, self.index, self.position)
        return self._read.of_house() if of is None else self._read.of_call(of)


class PastRoom(Room[PastCore]):
    """The room as it was at a moment: the same reads, no commands."""

    def __init__(self, core: PastCore) -> None:
        super().__init__(core)
        self.call_types: Final = PastCallTypes(core)
        """Call types: settings and grants."""
        self.users: Final = PastUsers(core)
        """What was known of users."""

    @property
    def position(self) -> int:
        """Of the last event that counts."""
        return self._core.position

    def close(self) -> None:
        """Release it. The room of now is not touched."""
        self._core.close()
