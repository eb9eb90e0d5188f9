"""What commands and reads answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import BaseModel, ConfigDict, JsonValue, PrivateAttr, TypeAdapter

from greenroom.domain.access import Capability, effective
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.message import CallId, EntryId, Role, SessionId, StreamId, Team, UserId
from greenroom.domain.reasons import Reason
from greenroom.domain.session_events import MediaStatistics
from greenroom.domain.settings import Settings
from greenroom.domain.streams import call_stream, member_stream, session_id
from greenroom.domain.turn import Turn
from greenroom.media.summing import together
from greenroom.projections.items import MemberItem, ParticipantItem

if TYPE_CHECKING:
    from greenroom.call_handle import CallHandle


class Answer(BaseModel):
    """What every command answers."""

    model_config = ConfigDict(frozen=True)

    version: int
    """Version of the call's stream; of the call type's or user's, where it is about one."""
    position: int = 0
    """Place in the whole log of the last event recorded; where nothing had to be recorded, of the
    log as it was. A query sees at least this with `at_least=`."""
    recorded: tuple[str, ...] = ()
    """Stored names of the events recorded, in order; empty where it was already so."""

    def placed(self, position: int) -> Self:
        """With the position that only the store knew. For who has just made it, and nobody else."""
        object.__setattr__(self, "position", position)  # a copy would cost as much as deciding
        return self

    def impersonal(self) -> Self:
        """The same without what an erasure must reach: fit to be kept beside the log."""
        return self

    def personal_again(self, state: Callable[[StreamId], Any]) -> Self:
        """The same with it, as far as it was not erased since.

        Args:
            state: of a stream, as of this answer's position.
        """
        del state
        return self


@dataclass(frozen=True, slots=True)
class MediaStats:
    """What goes through the media connections of a call that stand now."""

    room: MediaStatistics
    """All of them together: counters are added up, times are the longest of any."""
    entries: Mapping[EntryId, MediaStatistics]

    @classmethod
    def of(cls, entries: Mapping[EntryId, MediaStatistics]) -> Self:
        """Of what was counted of each entry."""
        return cls(together(list(entries.values())), entries)


class MemberState(BaseModel):
    """One user's membership in a call."""

    model_config = ConfigDict(frozen=True)

    user_id: UserId
    role: Role
    custom: Mapping[str, JsonValue]
    created_at: datetime
    updated_at: datetime


class SessionState(BaseModel):
    """The session that is on."""

    model_config = ConfigDict(frozen=True)

    id: SessionId
    started_at: datetime
    ended_at: datetime | None
    live_started_at: datetime | None
    live_ended_at: datetime | None
    timer_ends_at: datetime | None
    participants: tuple[ParticipantItem, ...]
    participants_count_by_role: Mapping[Role, int]
    accepted_by: Mapping[str, datetime]
    rejected_by: Mapping[str, datetime]
    missed_by: Mapping[str, datetime]


class CallState(Answer):
    """A call as its asker may see it (semantics 2)."""

    _handle: CallHandle | None = PrivateAttr(default=None)

    created: bool = False
    """Whether this very command created the call."""
    cid: CallId
    type: str
    id: str
    created_by: UserId
    team: Team | None
    custom: Mapping[str, JsonValue]
    created_at: datetime | None
    updated_at: datetime | None
    starts_at: datetime | None
    ended_at: datetime | None
    backstage: bool
    join_ahead_time_seconds: int
    settings: Settings
    """In force: the call's own over its type's."""
    blocked_user_ids: tuple[UserId, ...]
    current_session: SessionId | None
    own_capabilities: tuple[Capability, ...]
    """Everything the asker may do in this call, sorted."""
    membership: MemberState | None
    """The asker's own; None for somebody who is no member."""

    @property
    def session(self) -> SessionState | None:
        """The session that is on, with who is in it; read when asked for."""
        return self._source().current_session(at_least=self.position)

    @property
    def members(self) -> tuple[MemberItem, ...]:
        """The first 100 members, oldest first, read when asked for.

        `member_count` says how many there are; `call.query_members` pages through all of them.
        """
        return self._source().member_page(limit=100, at_least=self.position)

    @property
    def member_count(self) -> int:
        """How many members the call has; read when asked for."""
        return self._source().member_count(at_least=self.position)

    def impersonal(self) -> Self:
        """Without custom data."""
        member = self.membership
        bare = None if member is None else member.model_copy(update={"custom": {}})
        return self.model_copy(update={"custom": {}, "membership": bare})

    def personal_again(self, state: Callable[[StreamId], Any]) -> Self:
        """With custom data, read from the streams it stands in."""
        member = self.membership
        if member is not None:
            custom = dict(state(member_stream(self.cid, member.user_id)).custom)
            member = member.model_copy(update={"custom": custom})
        custom = dict(state(call_stream(self.cid)).custom)
        return self.model_copy(update={"custom": custom, "membership": member})

    def _source(self) -> CallHandle:
        assert self._handle is not None, "answers are made by handles"  # noqa: S101 - a bug here
        return self._handle

    def bound(self, handle: CallHandle) -> CallState:
        """The same, able to read on."""
        self._handle = handle
        return self


def recorded(turn: Turn) -> tuple[str, ...]:
    """Stored names of what a turn decided."""
    return tuple(step.event.name for step in turn.steps)


def call_state(turn: CallTurn) -> CallState:
    """The call as it is after the turn, as its actor may see it."""
    call, settings, actor = turn.call, turn.settings, turn.actor
    member = turn.member(actor.user_id)
    if actor.system:
        held = frozenset(Capability)
    else:
        held = effective(turn.call_type.grants, turn.standing)
    type_, _, id_ = turn.cid.partition(":")
    return CallState(
        version=turn.version(call_stream(turn.cid)),
        recorded=recorded(turn),
        created=bool(turn.steps) and turn.steps[0].event.name == "call.created",
        cid=turn.cid,
        type=type_,
        id=id_,
        created_by=call.created_by,
        team=call.team,
        custom=dict(call.custom),
        created_at=call.created_at,
        updated_at=call.updated_at,
        starts_at=call.starts_at,
        ended_at=call.ended_at,
        backstage=call.backstage,
        join_ahead_time_seconds=settings.backstage.join_ahead_time_seconds,
        settings=settings,
        blocked_user_ids=tuple(sorted(call.blocked)),
        current_session=session_id(turn.cid, call.session) if call.session else None,
        own_capabilities=tuple(sorted(held)),
        membership=None
        if member.role is None or member.added_at is None or member.updated_at is None
        else MemberState(
            user_id=actor.user_id,
            role=member.role,
            custom=dict(member.custom),
            created_at=member.added_at,
            updated_at=member.updated_at,
        ),
    )


class EntryState(Answer):
    """An admission."""

    cid: CallId
    entry_id: EntryId
    session_id: SessionId
    user_id: UserId
    created: bool = False
    """Whether the join created the call."""


class Done(Answer):
    """A command whose effect is all there is to say."""


DONE: Final = TypeAdapter(Done)
"""How it is kept for a repeat."""


def done(turn: CallTurn) -> Done:
    """What most commands answer."""
    return Done(version=turn.version(call_stream(turn.cid)), recorded=recorded(turn))


class HistoryEvent(BaseModel):
    """One event of a call's history."""

    model_config = ConfigDict(frozen=True)

    seq: int
    """Place in the call's own history: 1, 2, 3 ... without gaps."""
    position: int
    at: datetime
    """When it was decided, by the room's clock."""
    recorded_at: datetime | None = None
    """When its record was made, a moment before it was written, by the clock of the machine that
    did; to the millisecond, from the event id. None for ids that are no uuids of version 7."""
    name: str
    """The stored name, e.g. `session.joined`."""
    by: str
    """User id of whoever asked; `system:<name>` for the system."""
    role: str
    """Their user role, as the decision used it."""
    stream: str
    version: int
    event: Mapping[str, Any]
    """Its fields; those about a person are empty once erased."""
    event_id: str
    request_id: str
    """Of the command; shared by all events that it brought about."""
    correlation_id: str
    """Of the first command of the chain that this one belongs to."""
    causation_id: str | None
    """The event that made the system act; None where somebody asked."""


class Explanation(BaseModel):
    """What an operation would be answered, and why."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    operation: str
    user_id: str
    at: datetime
    position: int
    """The place in the log that the answer rests on."""
    allowed: bool
    code: str | None
    """Of the refusal; None where it is allowed."""
    message: str
    """What the refusal says; empty where it is allowed."""
    reasons: tuple[Reason, ...]
    """The rules asked, in order; ends at the first that refuses."""
    would_record: tuple[str, ...]
    """Stored names of the events it would record."""
