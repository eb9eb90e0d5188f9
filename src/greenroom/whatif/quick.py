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
from greenroom.domain.message import Actor, EntryId, Event, Role, UserId
from greenroom.domain.session_events import Joined, Left, LeftReason
from greenroom.domain.settings import Settings
from greenroom.domain.streams import call_stream, member_stream, type_stream
from greenroom.whatif.deeds import Deed

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

    changes: int
    """Of call types and users, when it was looked up."""
    version: int
    """Of the call."""
    call: Call
    call_type: CallType
    settings: Settings
    steady: bool
    """Whether joining depends neither on the time nor on who is there."""
    decided: dict[Any, Grants | Refused]
    """By what else it depends on."""


class Quick:
    """Joins and leaves of one call."""

    __slots__ = (
        "_call", "_commons", "_crowds", "_exact", "_known", "_members", "_streams", "_type"
    )  # fmt: skip

    def __init__(self, world: CallWorld, commons: Commons, *, exact: bool) -> None:
        """Go on from how it is.

        Args:
            world: the call; it tells what is recorded next.
            commons: call types and users.
            exact: whether a join that needs other special grants than it did comes out otherwise.
        """
        self._commons = commons
        self._exact = exact
        self._crowds: dict[int, Crowd] = {}
        self._known: _Known | None = None
        self._type = type_stream(world.cid.partition(":")[0])
        self._members = member_stream(world.cid, UserId(""))
        for stream, one in world.streams.items():
            if stream.startswith("session-"):
                number = int(stream.rpartition("/")[2])
                self._crowds[number] = _crowd_of(one.state)
        self._streams = world.streams
        self._call = world.stream(call_stream(world.cid))

    def take(self, event: Event) -> None:
        """What was recorded next."""
        if type(event) is Joined:
            self._crowd(event.session).enter(event)
        elif type(event) is Left:
            self._crowd(event.session).leave(event)

    def decide(self, deed: Deed) -> Refused | bool:
        """Whether it comes out as it did, or why it is refused; False where a turn has to tell."""
        event = deed.records[-1].event
        if type(event) is Joined:
            return self._join(deed, event)
        return type(event) is Left and self._leaves(deed, event)

    def _join(self, deed: Deed, event: Joined) -> Refused | bool:
        by = deed.records[-1].by
        if by.system or (len(deed.records) > 1 and not _opens(deed)):
            return False
        known, name = self._known, by.name
        if (
            known is None
            or known.version != self._call.version
            or known.changes != self._commons.changes
        ):
            known = self._known = self._look_up()
        standing = self._streams.get(self._members + name)  # type: ignore[call-overload]  # a name
        member = _NO_MEMBER if standing is None else standing.state
        owner = name == known.call.created_by
        if known.steady:
            blocked = name in known.call.blocked
            about = by.role, by.teams, member.role, member.granted, member.revoked, owner, blocked
            found = known.decided.get(about)
            if found is None:
                facts = self._facts(known, by, member, event, owner=owner)
                found = known.decided[about] = _decided(facts, _STEADY)
        else:
            crowd = self._crowd(event.session)
            facts = self._facts(known, by, member, event, owner=owner)
            found = _decided(facts, Occupancy(crowd.counted, name in crowd.users))
        if isinstance(found, Refused):
            return found
        return not self._exact or event.evidence.grants == found

    def _leaves(self, deed: Deed, event: Left) -> bool:
        """Whether somebody left by themselves, through an entry of theirs that was there."""
        if len(deed.records) > 1 or event.reason is not LeftReason.LEFT:
            return False
        return self._crowd(event.session).entries.get(event.entry_id) == deed.records[0].by.name

    def _crowd(self, number: int) -> Crowd:
        found = self._crowds.get(number)
        if found is None:
            found = self._crowds[number] = Crowd()
        return found

    def _look_up(self) -> _Known:
        """The call as it is, and what was decided of it as far as that still holds."""
        known = self._known
        call_type: CallType = self._commons.load(self._type).state
        call: Call = self._call.state
        version, changes = self._call.version, self._commons.changes
        # A session that starts or ends changes the call, and nothing that joining depends on.
        if known is not None and known.call_type is call_type and _same(known.call, call):
            return known._replace(changes=changes, version=version, call=call)
        settings = call_type.settings.overridden(call.settings)
        return _Known(
            changes=changes,
            version=version,
            call=call,
            call_type=call_type,
            settings=settings,
            steady=settings.limits.max_participants is None
            and not (call.backstage and call.opens_at(settings) is not None),
            decided={},
        )

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


def _opens(deed: Deed) -> bool:
    """Whether it is a join that opens the session, and no more; nothing fell due on the way."""
    first, joined = deed.records[0], deed.records[-1]
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
