"""Deciding again on joins and leaves, which most of a log is: on their facts alone.

It comes to what a whole turn comes to, ten times as fast. Where it cannot tell, a turn decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from greenroom.domain.access import Capability, Standing, effective
from greenroom.domain.admission import JoinFacts, Occupancy, special_grants
from greenroom.domain.call_events import SessionStarted
from greenroom.domain.call_state import Call, Existence
from greenroom.domain.call_type import CallType
from greenroom.domain.decider import Asker
from greenroom.domain.errors import Refused
from greenroom.domain.membership import Membership
from greenroom.domain.message import Actor, EntryId, Role, StreamId, UserId
from greenroom.domain.session_events import Joined, Left, LeftReason
from greenroom.domain.settings import Settings
from greenroom.domain.streams import call_stream, member_stream, type_stream
from greenroom.domain.turn import Step
from greenroom.whatif.deeds import Deed, Record

if TYPE_CHECKING:
    from greenroom.whatif.worlds import CallWorld, Commons


Grants = tuple[Capability, ...]
_NO_MEMBER: Final = Membership()
_STEADY: Final = Occupancy()


class Crowd:
    """Who is in a call's session, as far as joining depends on it."""

    __slots__ = ("counted", "entries", "users")

    def __init__(self) -> None:
        self.entries: dict[EntryId, UserId] = {}
        self.users: dict[UserId, tuple[int, bool]] = {}
        """How many entries each has, and whether they count against the limit."""
        self.counted = 0

    def enter(self, event: Joined) -> None:
        """Somebody came."""
        user_id = event.user_id
        self.entries[event.entry_id] = user_id
        before = self.users.get(user_id)
        if before is None:
            self.users[user_id] = (1, event.counts)
            self.counted += event.counts
        else:
            self.users[user_id] = (before[0] + 1, before[1])

    def leave(self, event: Left) -> None:
        """Somebody went."""
        user_id = self.entries.pop(event.entry_id, None)
        if user_id is None:
            return
        number, counts = self.users[user_id]
        if number > 1:
            self.users[user_id] = (number - 1, counts)
        else:
            del self.users[user_id]
            self.counted -= counts


class _Known(NamedTuple):
    """A call and its type, and what follows from them."""

    call_version: int
    call: Call
    call_type: CallType
    settings: Settings
    steady: bool
    """Whether joining depends neither on the time nor on who is there."""
    decided: dict[Any, Grants | Refused]
    """By what else it depends on."""


class Quick:
    """Joins and leaves of one call."""

    __slots__ = ("_call", "_commons", "_crowds", "_known", "_members", "_type", "_world")

    def __init__(self, world: CallWorld, commons: Commons) -> None:
        self._world = world
        self._commons = commons
        self._crowds: dict[int, Crowd] = {}
        self._known: _Known | None = None
        self._type = type_stream(world.cid.partition(":")[0])
        self._call = call_stream(world.cid)
        self._members = member_stream(world.cid, UserId(""))
        for stream, one in world.streams.items():
            if stream.startswith("session-"):
                number = int(stream.rpartition("/")[2])
                self._crowds[number] = _crowd_of(one.folded(stream).state)

    def take(self, record: Record | Step) -> None:
        """What was recorded next."""
        event = record.event
        if isinstance(event, Joined):
            self._crowd(event.session).enter(event)
        elif isinstance(event, Left):
            self._crowd(event.session).leave(event)

    def join(self, deed: Deed) -> Grants | Refused | None:
        """The special grants it needed, or why it is refused; None where a turn has to tell."""
        record = deed.records[-1]
        event, by = record.event, record.by
        first = deed.records[0]
        if type(event) is not Joined or by.system:
            return None
        if first is not record and not _opens(first, deed):
            return None
        known = self._now()
        member = self._member(by.name)
        user_id = UserId(by.name)
        blocked = user_id in known.call.blocked
        owner = known.call.created_by == user_id
        if not known.steady:
            crowd = self._crowd(event.session)
            facts = self._facts(known, by, member, event, owner=owner)
            return _decided(facts, Occupancy(crowd.counted, user_id in crowd.users))
        about = by.role, by.teams, member.role, member.granted, member.revoked, owner, blocked
        found = known.decided.get(about)
        if found is None:
            facts = self._facts(known, by, member, event, owner=owner)
            found = known.decided[about] = _decided(facts, _STEADY)
        return found

    @staticmethod
    def grants_of(joined: Any) -> Grants:
        """The special grants that a recorded join says it needed."""
        grants: Grants = joined.evidence.grants
        return grants

    def leaves(self, deed: Deed) -> bool:
        """Whether somebody left by themselves, through an entry of theirs that was there."""
        record = deed.records[0]
        event = record.event
        if len(deed.records) > 1 or type(event) is not Left or event.reason is not LeftReason.LEFT:
            return False
        return self._crowd(event.session).entries.get(event.entry_id) == record.by.name

    def _crowd(self, number: int) -> Crowd:
        found = self._crowds.get(number)
        if found is None:
            found = self._crowds[number] = Crowd()
        return found

    def _member(self, name: str) -> Membership:
        stream = StreamId(self._members + name)
        found = self._world.streams.get(stream)
        if found is None:
            return _NO_MEMBER
        state: Membership = found.folded(stream).state
        return state

    def _now(self) -> _Known:
        """The call as it is; looked up again when it has changed."""
        known = self._known
        call_type: CallType = self._commons.load(self._type).state
        written = self._world.streams.get(self._call)
        version = 0 if written is None else written.version
        # A session that starts or ends changes the call, and nothing that joining depends on.
        if known is not None and known.call_type is call_type and known.call_version == version:
            return known
        call: Call = self._world.load(self._call).state
        settings = call_type.settings.overridden(call.settings)
        if known is not None and known.call_type is call_type and _same(known.call, call):
            decided = known.decided
        else:
            decided = {}
        steady = settings.limits.max_participants is None and not (
            call.backstage and call.opens_at(settings) is not None
        )
        self._known = _Known(version, call, call_type, settings, steady, decided)
        return self._known

    def _facts(
        self, known: _Known, by: Actor, member: Membership, event: Joined, *, owner: bool
    ) -> JoinFacts:
        call, settings, grants = known.call, known.settings, known.call_type.grants
        user_id = UserId(by.name)
        standing = Standing(by.role, member.role, owner, member.granted, member.revoked)
        return JoinFacts(
            cid=call.cid,
            at=event.at,
            by=Asker(by, effective(grants, standing)),
            standing=standing,
            claimed=event.claimed,
            grants=grants,
            exists=call.existence is not Existence.ABSENT,
            created=False,
            deleted=call.existence in _GONE,
            team=call.team,
            blocked=user_id in call.blocked,
            ended_at=call.ended_at,
            backstage=call.backstage,
            opens_at=call.opens_at(settings),
            max_participants=settings.limits.max_participants,
            counts=_counts(settings, by.role, member.role, owner=owner),
            versions=(0, 0, 0, 0),
        )


def _opens(first: Record, deed: Deed) -> bool:
    """Whether it is a join that opens the session, and no more; nothing fell due on the way."""
    joined = deed.records[-1]
    alone = len(deed.records) == 2  # noqa: PLR2004 - the two
    return alone and isinstance(first.event, SessionStarted) and first.by == joined.by


_GONE: Final = (Existence.DELETED, Existence.ERASED)


def _counts(settings: Settings, role: Role, member_role: Role | None, *, owner: bool) -> bool:
    limits = settings.limits
    excluded = {role, member_role}.intersection(limits.max_participants_exclude_roles)
    return not (excluded or (owner and limits.max_participants_exclude_owner))


def _decided(facts: JoinFacts, occupancy: Occupancy) -> Grants | Refused:
    try:
        return special_grants(facts, occupancy)
    except Refused as refusal:
        return refusal


def _same(one: Call, other: Call) -> bool:
    """Whether joining depends on nothing that is different."""
    return all(getattr(one, name) == getattr(other, name) for name in _MATTERS)


_MATTERS: Final = (
    "existence", "created_by", "team", "settings", "starts_at", "ended_at", "backstage", "blocked"
)  # fmt: skip


def _crowd_of(session: Any) -> Crowd:
    crowd = Crowd()
    crowd.entries = {one: entry.user_id for one, entry in session.entries.items()}
    crowd.users = {
        user_id: (len(one.entry_ids), one.counts) for user_id, one in session.occupants.items()
    }
    crowd.counted = session.counted
    return crowd
