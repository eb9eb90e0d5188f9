"""A room for tasks."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from contextvars import copy_context
from datetime import datetime
from functools import partial, wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self

from greenroom import engine, past
from greenroom.adapters.outbox import Outbox
from greenroom.aio.asking import Asking, AskingNow, AskingThePast
from greenroom.aio.desk import AsyncDesk
from greenroom.aio.handles import (
    CallHandle,
    CallTypes,
    Entry,
    PastCallTypes,
    PastUsers,
    UserHandle,
    Users,
)
from greenroom.aio.mirror import blocking
from greenroom.handles import claim, claim_of, system_claim
from greenroom.tickets import Use
from greenroom.whatif import asking

if TYPE_CHECKING:
    from greenroom.whatif.changes import Change

P = ParamSpec("P")


class Room(ABC):
    """What a room offers to tasks, as it is or as it was."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def __aenter__(self) -> Self:
        """The room itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()

    def as_user(
        self, user_id: str, *, role: str | None = None, teams: Iterable[str] | None = None
    ) -> UserHandle:
        """The room as a user sees it; arguments as for `greenroom.Greenroom.as_user`."""
        return UserHandle(self._asking, claim(user_id, role, teams))

    def system(self, name: str) -> UserHandle:
        """The embedder itself, named in the record; exempt from grants, not from the rules."""
        return UserHandle(self._asking, system_claim(name))

    @abstractmethod
    async def close(self) -> None:
        """Release it."""


class Coming:
    """A room that is about to be opened: await it, or use it with `async with` right away."""

    def __init__(self, open_: Callable[[], engine.Greenroom]) -> None:
        self._open = open_
        self._room: Greenroom | None = None

    def __await__(self) -> Generator[Any, Any, Greenroom]:
        """The room, open."""
        return self._opened().__await__()

    async def __aenter__(self) -> Greenroom:
        """The room, open."""
        self._room = await self._opened()
        return self._room

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        if self._room is not None:
            await self._room.close()

    async def _opened(self) -> Greenroom:
        opening = _Opening(self._open)
        try:
            return Greenroom(await asyncio.to_thread(opening.run))
        except asyncio.CancelledError:
            opening.give_up()
            raise


class _Opening:
    """Opens a room in a thread, and closes it there where nobody waits for it any more.

    That is up to the thread: the loop may have ended by the time that the room is open.
    """

    def __init__(self, open_: Callable[[], engine.Greenroom]) -> None:
        self._open = open_
        self._lock = threading.Lock()
        self._wanted = True
        self._room: engine.Greenroom | None = None

    def run(self) -> engine.Greenroom:
        """Open it. In the thread."""
        room = self._open()
        with self._lock:
            self._room = room
            wanted = self._wanted
        if not wanted:
            room.close()
        return room

    def give_up(self) -> None:
        """Nobody wants it any more. On the loop, which does not wait until it is closed."""
        with self._lock:
            self._wanted = False
            room = self._room
        if room is not None:
            asyncio.get_running_loop().run_in_executor(None, room.close)


def _opens(method: Callable[P, engine.Greenroom]) -> Callable[P, Coming]:
    """The same way to open a room, for tasks."""

    @wraps(method)
    def open_(*args: P.args, **kwargs: P.kwargs) -> Coming:
        return Coming(partial(method, *args, **kwargs))

    return open_


class Greenroom(Room):
    """A room for the tasks of one event loop: everything that `greenroom.Greenroom` does, awaited.

    For example::

        async with Greenroom.open("sqlite:///calls.db") as room:
            entry = await room.as_user("thierry").call("default", "123").join(create=True)

    Thousands of commands may be on their way at once. A command that is cancelled leaves either
    its whole effect or none; asking again under the same request id tells which.
    """

    open = staticmethod(_opens(engine.Greenroom.open))

    def __init__(self, room: engine.Greenroom) -> None:
        """Take over an open room; `Greenroom.open` is the way in."""
        core = room._core  # noqa: SLF001 - the same house
        self.desk: Final = AsyncDesk(core)
        asking = AskingNow(core, self.desk)
        super().__init__(asking)
        self._closing: asyncio.Future[None] | None = None
        self.asking: Final = room
        self.reading: Final = room
        """The same room, for threads."""
        self.call_types: Final = CallTypes(asking)
        """Call types: settings and grants."""
        self.users: Final = Users(asking)
        """What the embedder tells of its users."""

    media_stats = blocking(engine.Greenroom.media_stats)
    positions = blocking(engine.Greenroom.positions)
    parked = blocking(engine.Greenroom.parked)
    retry_parked = blocking(engine.Greenroom.retry_parked)
    rebuild = blocking(engine.Greenroom.rebuild)
    keep_past = blocking(engine.Greenroom.keep_past)
    drop_past = blocking(engine.Greenroom.drop_past)
    kept_past = blocking(engine.Greenroom.kept_past)

    def entry(self, ticket: str, use: Use | None = None) -> Entry:
        """The entry that `ticket` was made for; arguments as for `greenroom.Greenroom.entry`."""
        state = self.reading.entry(ticket, use).state
        return Entry.of(CallHandle(self._asking, claim_of(state.user_id), state.cid), state)

    async def position(self) -> int:
        """Of the last event in the log."""
        return await self.desk.in_thread(lambda: self.reading.position)

    @property
    def outbox(self) -> Outbox:
        """Notifications and what became of them. Its methods block: call them in a thread."""
        return self.reading.outbox

    async def at(self, moment: datetime | int) -> PastRoom:
        """The room as it was: read-only. Arguments as for `greenroom.Greenroom.at`."""
        return PastRoom(self.desk, await self.desk.in_thread(self.reading.at, moment))

    def what_if(self, *changes: Change) -> WhatIf:
        """What would have come of it all. Arguments as for `greenroom.Greenroom.what_if`."""
        return WhatIf(self.desk, self.reading.what_if(*changes))

    async def close(self) -> None:
        """Stop everything and release the store; what is being recorded is finished first.

        Acknowledged is recorded; whatever else is asked for is refused with StoreClosed.
        """
        if self._closing is None:  # no task: it goes on to the end even where the loop ends
            close = partial(copy_context().run, self._close)
            self._closing = asyncio.get_running_loop().run_in_executor(None, close)
        await asyncio.shield(self._closing)

    def _close(self) -> None:
        try:
            self.reading.close()
        finally:
            self.desk.close()


class WhatIf:
    """The recorded decisions, ready to be made again under a change, for tasks."""

    def __init__(self, desk: AsyncDesk, asked: asking.WhatIf) -> None:
        self.desk: Final = desk
        self.reading: Final = asked
        self.asking: Final = asked

    over = blocking(asking.WhatIf.over)


class PastRoom(Room):
    """The room as it was at a moment, for tasks: the same reads, no commands."""

    def __init__(self, desk: AsyncDesk, room: past.PastRoom) -> None:
        super().__init__(AskingThePast(room._core, desk))  # noqa: SLF001 - the same house
        self._room = room
        self._desk = desk
        self.call_types: Final = PastCallTypes(desk, room)
        """Call types: settings and grants."""
        self.users: Final = PastUsers(desk, room)
        """What was known of users."""

    @property
    def position(self) -> int:
        """Of the last event that counts."""
        return self._room.position

    async def close(self) -> None:
        """Release it. The room of now is not touched."""
        await self._desk.in_thread(self._room.close)
