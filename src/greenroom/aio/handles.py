"""What users hold, for tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator
from datetime import datetime
from time import monotonic
from typing import Any, Final

from pydantic import ConfigDict, PrivateAttr

from greenroom import answers, call_handle, entry, handles, past, past_policy, policy
from greenroom.aio.asking import Asking, AskingNow
from greenroom.aio.desk import AsyncDesk
from greenroom.aio.mirror import answering, blocking, command
from greenroom.answers import HistoryEvent
from greenroom.domain.message import CallId, EntryId
from greenroom.domain.turn import Claim
from greenroom.history import BREATH_SECONDS, HistoryReader, patience, wanted
from greenroom.media.port import Invitation
from greenroom.projections.items import MemberItem
from greenroom.tickets import Use


class CallState(answers.CallState):
    """A call as its asker may see it; what is read when asked for is awaited."""

    model_config = ConfigDict(frozen=True)

    _call: CallHandle | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, call: CallHandle, state: answers.CallState) -> CallState:
        """The same for tasks."""
        made = cls.model_construct(state.model_fields_set, **dict(state))
        return made._bound_to(call)  # noqa: SLF001 - its own class

    def _bound_to(self, call: CallHandle) -> CallState:
        self._call = call
        return self

    @property
    def session(self) -> Coroutine[Any, Any, answers.SessionState | None]:  # type: ignore[override]  # awaited here
        """The session that is on, with who is in it; to be awaited."""
        return self._read_from().current_session(at_least=self.position)

    @property
    def members(self) -> Coroutine[Any, Any, tuple[MemberItem, ...]]:  # type: ignore[override]  # awaited here
        """The first 100 members, oldest first; to be awaited."""
        return self._read_from().member_page(limit=100, at_least=self.position)

    @property
    def member_count(self) -> Coroutine[Any, Any, int]:  # type: ignore[override]  # awaited here
        """How many members the call has; to be awaited."""
        return self._read_from().member_count(at_least=self.position)

    def _read_from(self) -> CallHandle:
        assert self._call is not None, "answers are made by handles"  # noqa: S101 - a bug here
        return self._call


class Entry:
    """One's own connection to a call, from the join on."""

    def __init__(self, call: CallHandle, asking: entry.Entry) -> None:
        self.desk: Final = call.desk
        self.asking: Final = asking
        self.state: Final = asking.state
        self._call = call

    def __repr__(self) -> str:
        """The entry and its call."""
        return repr(self.asking)

    @classmethod
    def of(cls, call: CallHandle, state: answers.EntryState) -> Entry:
        """The entry that a join was answered."""
        return cls(call, entry.Entry(call.asking, state))

    @property
    def reading(self) -> entry.Entry:
        """The same for threads."""
        return entry.Entry(self._call.reading, self.state)

    @property
    def entry_id(self) -> EntryId:
        """This connection."""
        return self.state.entry_id

    @property
    def session_id(self) -> str:
        """The call's session that it belongs to."""
        return self.state.session_id

    @property
    def user_id(self) -> str:
        """Whose connection it is."""
        return self.state.user_id

    @property
    def created(self) -> bool:
        """Whether the join created the call."""
        return self.state.created

    @property
    def version(self) -> int:
        """Version of the call's stream after the join."""
        return self.state.version

    @property
    def position(self) -> int:
        """Place in the whole log of the join's last event."""
        return self.state.position

    def ticket(self, *uses: Use, seconds: int = 60) -> str:
        """What this client shows over HTTP; arguments as for `greenroom.Entry.ticket`."""
        return self.reading.ticket(*uses, seconds=seconds)

    async def next_invitation(self, *, after: int = 0, seconds: int = 25) -> Invitation | None:
        """As `invite`, waiting until there is one; as for `greenroom.Entry.next_invitation`."""
        over = monotonic() + entry.patience(seconds)
        while True:
            due = await self.desk.in_thread(entry.invitation_due, self.reading)
            try:
                invitation = await self.invite(after=after)
                if invitation is not None:
                    return invitation
                async with asyncio.timeout(max(0.0, over - monotonic())):
                    await asyncio.wrap_future(due)
            except TimeoutError:
                return None
            finally:
                due.cancel()

    offer = blocking(entry.Entry.offer)
    invite = blocking(entry.Entry.invite)
    accept = blocking(entry.Entry.accept)
    candidates = blocking(entry.Entry.candidates)
    hang_up = blocking(entry.Entry.hang_up)
    slots = blocking(entry.Entry.slots)
    ice_servers = blocking(entry.Entry.ice_servers)
    unmute = command(entry.Entry.unmute)
    leave = command(entry.Entry.leave)


def _next(pages: Iterator[list[HistoryEvent]]) -> list[HistoryEvent] | None:
    return next(pages, None)


class CallHandle:
    """One call, as one actor: everything that `greenroom.CallHandle` does, awaited."""

    def __init__(self, asking: Asking, claim: Claim, cid: CallId) -> None:
        self.desk: Final[AsyncDesk] = asking.desk
        self.asking: Final = call_handle.CallHandle(asking.instead(), claim, cid)
        self.cid: Final = cid
        self._core = asking.core
        self._claim = claim
        self.type, _, self.id = cid.partition(":")

    def __repr__(self) -> str:
        """The call and who looks at it."""
        return repr(self.asking)

    @property
    def reading(self) -> call_handle.CallHandle:
        """The same for threads."""
        return call_handle.CallHandle(self._core, self._claim, self.cid)

    # The call's life

    create = answering(call_handle.CallHandle.create, CallState.of)
    get = answering(call_handle.CallHandle.get, CallState.of)
    update = answering(call_handle.CallHandle.update, CallState.of)
    go_live = answering(call_handle.CallHandle.go_live, CallState.of)
    stop_live = answering(call_handle.CallHandle.stop_live, CallState.of)
    end = answering(call_handle.CallHandle.end, CallState.of)
    restore = answering(call_handle.CallHandle.restore, CallState.of)
    delete = command(call_handle.CallHandle.delete)

    # Coming and going

    join = answering(call_handle.CallHandle.join, Entry)
    leave = command(call_handle.CallHandle.leave)

    # Members

    add_members = command(call_handle.CallHandle.add_members)
    update_members = command(call_handle.CallHandle.update_members)
    remove_members = command(call_handle.CallHandle.remove_members)
    block = command(call_handle.CallHandle.block)
    unblock = command(call_handle.CallHandle.unblock)
    kick = command(call_handle.CallHandle.kick)
    mute = command(call_handle.CallHandle.mute)
    pin = command(call_handle.CallHandle.pin)
    unpin = command(call_handle.CallHandle.unpin)
    request_permissions = command(call_handle.CallHandle.request_permissions)
    grant_permissions = command(call_handle.CallHandle.grant_permissions)
    revoke_permissions = command(call_handle.CallHandle.revoke_permissions)

    # Recording

    start_recording = blocking(call_handle.CallHandle.start_recording)  # it asks media first
    stop_recording = command(call_handle.CallHandle.stop_recording)

    # Rings and messages

    ring = command(call_handle.CallHandle.ring)
    cancel_ring = command(call_handle.CallHandle.cancel_ring)
    accept = command(call_handle.CallHandle.accept)
    reject = command(call_handle.CallHandle.reject)
    notify = command(call_handle.CallHandle.notify)
    send_event = blocking(call_handle.CallHandle.send_event)
    watch = blocking(call_handle.CallHandle.watch)

    # Reads

    import_members = blocking(call_handle.CallHandle.import_members)
    query_members = blocking(call_handle.CallHandle.query_members)
    query_participants = blocking(call_handle.CallHandle.query_participants)
    query_sessions = blocking(call_handle.CallHandle.query_sessions)
    history = blocking(call_handle.CallHandle.history)

    async def follow_history(
        self,
        *,
        user: str | None = None,
        kinds: Iterable[str] = (),
        start: datetime | None = None,
        end: datetime | None = None,
        after: int = 0,
        seconds: int | None = None,
    ) -> AsyncGenerator[HistoryEvent, None]:
        """The history one by one, then each event as it is recorded, whoever records it.

        Arguments as for `greenroom.CallHandle.follow_history`. Any number of tasks may follow:
        one thread waits for all of them.
        """
        reader = HistoryReader(
            self.cid, wanted(user=user, kinds=kinds, start=start, end=end, after=after)
        )
        patient, last = patience(seconds), monotonic()
        while True:
            pages = await self.desk.in_thread(self.reading._read_on, reader)  # noqa: SLF001 - the same for threads
            while (page := await self.desk.in_thread(_next, pages)) is not None:
                for event in page:
                    yield event
                last = monotonic() if page else last
            left = last + patient - monotonic()
            if left <= 0 or self._core.until() is not None:
                return
            if await self.desk.tail.past(reader.until, left):
                await asyncio.sleep(min(left, BREATH_SECONDS))

    attendance = blocking(call_handle.CallHandle.attendance)
    recordings = blocking(call_handle.CallHandle.recordings)
    media_stats = blocking(call_handle.CallHandle.media_stats)
    explain = blocking(call_handle.CallHandle.explain)
    attempts = blocking(call_handle.CallHandle.attempts)
    current_session = blocking(call_handle.CallHandle.current_session)
    member_page = blocking(call_handle.CallHandle.member_page)
    member_count = blocking(call_handle.CallHandle.member_count)


class UserHandle:
    """The room as one user sees it, for tasks."""

    def __init__(self, asking: Asking, claim: Claim) -> None:
        self.desk: Final[AsyncDesk] = asking.desk
        self._core = asking
        self._claim = claim

    @property
    def user_id(self) -> str:
        """Who acts; for the system, the name of the part that acts."""
        return self._claim.name

    @property
    def asking(self) -> handles.UserHandle:
        """The same for threads; it issues no commands."""
        return self.reading

    @property
    def reading(self) -> handles.UserHandle:
        """The same for threads."""
        return handles.UserHandle(self._core.core, self._claim)

    def call(self, call_type: str, id: str | None = None) -> CallHandle:
        """One call of that type, whether it exists or not; without an id, one is generated."""
        return CallHandle(self._core, self._claim, handles.cid_of(self._core.core, call_type, id))

    import_members = blocking(handles.UserHandle.import_members)
    explain_query = blocking(handles.UserHandle.explain_query)
    query_calls = blocking(handles.UserHandle.query_calls)


class CallTypes:
    """Call types, for tasks."""

    def __init__(self, asking: AskingNow) -> None:
        self.desk: Final[AsyncDesk] = asking.desk
        self.asking: Final = policy.CallTypes(asking.instead())
        self.reading: Final = policy.CallTypes(asking.live)

    create = command(policy.CallTypes.create)
    update = command(policy.CallTypes.update)
    grant = command(policy.CallTypes.grant)
    revoke = command(policy.CallTypes.revoke)
    get = command(policy.CallTypes.get)
    list = blocking(policy.CallTypes.list)


class Users:
    """What the embedder tells of its users, for tasks."""

    def __init__(self, asking: AskingNow) -> None:
        self.desk: Final[AsyncDesk] = asking.desk
        self.asking: Final = policy.Users(asking.instead())
        self.reading: Final = policy.Users(asking.live)

    upsert = command(policy.Users.upsert)
    get = command(policy.Users.get)
    erase = command(policy.Users.erase)


class PastCallTypes:
    """Call types as they were, for tasks."""

    def __init__(self, desk: AsyncDesk, room: past.PastRoom) -> None:
        self.desk: Final = desk
        self.asking: Final = room.call_types
        self.reading: Final = room.call_types

    get = blocking(past_policy.PastCallTypes.get)
    list = blocking(past_policy.PastCallTypes.list)


class PastUsers:
    """What was known of users, for tasks."""

    def __init__(self, desk: AsyncDesk, room: past.PastRoom) -> None:
        self.desk: Final = desk
        self.asking: Final = room.users
        self.reading: Final = room.users

    get = blocking(past_policy.PastUsers.get)
