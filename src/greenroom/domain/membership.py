"""The Membership aggregate: one user's standing in one call.

Streams: `member-<cid>/<user>`; one per user, so that a million members are a million small
streams. It also holds what was granted to, revoked from or answered by somebody who is no member.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, assert_never

from greenroom.domain.access import CALL_MEMBER, Capability
from greenroom.domain.decider import Command, Decider
from greenroom.domain.errors import AnswerFinal, NotRung
from greenroom.domain.merge import merge_patch, same_json
from greenroom.domain.message import CallId, Event, Json, Role, UserId


class MemberAdded(Event, frozen=True, kw_only=True):
    """The user belongs to the call, until removed."""

    name: ClassVar[str] = "member.added"
    personal: ClassVar[tuple[str, ...]] = ("custom",)
    cid: CallId
    user_id: UserId
    role: Role = CALL_MEMBER
    custom: dict[str, Any] = {}


class MemberUpdated(Event, frozen=True, kw_only=True):
    """The member's role or custom data changed."""

    name: ClassVar[str] = "member.updated"
    personal: ClassVar[tuple[str, ...]] = ("custom",)
    cid: CallId
    user_id: UserId
    role: Role
    """As it is from now on."""
    custom: dict[str, Any] = {}
    """As it is from now on, whole."""


class MemberRemoved(Event, frozen=True, kw_only=True):
    """The user no longer belongs to the call."""

    name: ClassVar[str] = "member.removed"
    cid: CallId
    user_id: UserId


class PermissionRequested(Event, frozen=True, kw_only=True):
    """The user asks to be allowed to send audio, video or their screen."""

    name: ClassVar[str] = "member.permission_requested"
    cid: CallId
    user_id: UserId
    permissions: tuple[Capability, ...]


class PermissionsGranted(Event, frozen=True, kw_only=True):
    """The user may do this in this call, whatever their roles say."""

    name: ClassVar[str] = "member.permissions_granted"
    cid: CallId
    user_id: UserId
    permissions: tuple[Capability, ...]


class PermissionsRevoked(Event, frozen=True, kw_only=True):
    """The user may not do this in this call, whatever their roles say."""

    name: ClassVar[str] = "member.permissions_revoked"
    cid: CallId
    user_id: UserId
    permissions: tuple[Capability, ...]


class RingAccepted(Event, frozen=True, kw_only=True):
    """The user took the call; their other devices stop ringing."""

    name: ClassVar[str] = "member.accepted"
    cid: CallId
    user_id: UserId
    ring: int
    joined: bool = False
    """Whether by joining: then the answer stands."""


class RingRejected(Event, frozen=True, kw_only=True):
    """The user declined; their other devices stop ringing."""

    name: ClassVar[str] = "member.rejected"
    personal: ClassVar[tuple[str, ...]] = ("reason",)
    cid: CallId
    user_id: UserId
    ring: int
    reason: str = "decline"
    """`busy decline cancel timeout` or the user's own words."""


class RingMissed(Event, frozen=True, kw_only=True):
    """The user did not answer in time, or before the ring was withdrawn."""

    name: ClassVar[str] = "member.missed"
    cid: CallId
    user_id: UserId
    ring: int


MembershipEvent = (
    MemberAdded
    | MemberUpdated
    | MemberRemoved
    | PermissionRequested
    | PermissionsGranted
    | PermissionsRevoked
    | RingAccepted
    | RingRejected
    | RingMissed
)


class _OfMember(Command, frozen=True, kw_only=True):
    cid: CallId
    user_id: UserId


class PutMember(_OfMember, frozen=True, kw_only=True):
    """Add, or update who is there. None keeps the role; `custom` is a JSON Merge Patch."""

    role: Role | None = None
    custom: Json = {}
    founding: bool = False
    """Whether it belongs to the creation of the call, which needs no further capability."""


class RemoveMember(_OfMember, frozen=True, kw_only=True): ...


class RequestPermissions(_OfMember, frozen=True, kw_only=True):
    permissions: tuple[Capability, ...]


class GrantPermissions(_OfMember, frozen=True, kw_only=True):
    permissions: tuple[Capability, ...]


class RevokePermissions(_OfMember, frozen=True, kw_only=True):
    permissions: tuple[Capability, ...]


class Accept(_OfMember, frozen=True, kw_only=True):
    ring: int
    joined: bool = False
    """Whether by joining."""


class Reject(_OfMember, frozen=True, kw_only=True):
    ring: int
    reason: str
    present: bool
    """Whether the user is in the call: then the answer stands."""


class Miss(_OfMember, frozen=True, kw_only=True):
    ring: int


MembershipCommand = (
    PutMember
    | RemoveMember
    | RequestPermissions
    | GrantPermissions
    | RevokePermissions
    | Accept
    | Reject
    | Miss
)


class Answer(StrEnum):
    """What became of a member's latest ring."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Membership:
    """What deciding needs to know of one user in one call."""

    role: Role | None = None
    """None for somebody who is not a member (any more)."""
    custom: Json = field(default_factory=dict)
    added_at: datetime | None = None
    updated_at: datetime | None = None
    granted: frozenset[Capability] = frozenset()
    revoked: frozenset[Capability] = frozenset()
    requested: frozenset[Capability] = frozenset()
    ring: int = 0
    """The ring that `answer` is to; 0 for none yet."""
    answer: Answer | None = None
    final: bool = False
    """Whether the answer stands, because they have joined on it."""

    def answer_to(self, ring: int) -> Answer | None:
        """What became of ring number `ring`; None while it is open, or was never theirs."""
        return self.answer if self.ring == ring else None


def decide(member: Membership, command: MembershipCommand) -> Sequence[MembershipEvent]:
    """The events that `command` brings about; none where it is already so.

    Raises:
        NotAllowed: a capability is missing (semantics 2).
        NotRung, AnswerFinal: there is nothing to answer, or no way back.
    """
    at, cid, user = command.at, command.cid, command.user_id
    match command:
        case PutMember():
            return _put(member, command)
        case RemoveMember(by=by):
            by.must(Capability.REMOVE_CALL_MEMBER)
            return [] if member.role is None else [MemberRemoved(at=at, cid=cid, user_id=user)]
        case RequestPermissions(permissions=asked):
            command.by.must(Capability.REQUEST_PERMISSIONS)
            new = _missing(asked, member.requested)
            return (
                [PermissionRequested(at=at, cid=cid, user_id=user, permissions=new)] if new else []
            )
        case GrantPermissions(permissions=asked):
            command.by.must(Capability.UPDATE_CALL_PERMISSIONS)
            new = _missing(asked, member.granted)
            return (
                [PermissionsGranted(at=at, cid=cid, user_id=user, permissions=new)] if new else []
            )
        case RevokePermissions(permissions=asked):
            command.by.must(Capability.UPDATE_CALL_PERMISSIONS)
            new = _missing(asked, member.revoked)
            return (
                [PermissionsRevoked(at=at, cid=cid, user_id=user, permissions=new)] if new else []
            )
        case Accept() | Reject() | Miss():
            return _answer(member, command)
        case _:
            assert_never(command)


def evolve(member: Membership, event: MembershipEvent) -> Membership:
    """The standing after `event`. Never refuses: what is recorded has happened."""
    match event:
        case MemberAdded(at=at, role=role, custom=custom):
            return replace(member, role=role, custom=custom, added_at=at, updated_at=at)
        case MemberUpdated(at=at, role=role, custom=custom):
            return replace(member, role=role, custom=custom, updated_at=at)
        case MemberRemoved():
            return replace(member, role=None, custom={}, added_at=None, updated_at=None)
        case PermissionRequested(permissions=asked):
            return replace(member, requested=member.requested.union(asked))
        case PermissionsGranted(permissions=given):
            return replace(
                member,
                granted=member.granted.union(given),
                revoked=member.revoked.difference(given),
                requested=member.requested.difference(given),
            )
        case PermissionsRevoked(permissions=taken):
            return replace(
                member,
                granted=member.granted.difference(taken),
                revoked=member.revoked.union(taken),
                requested=member.requested.difference(taken),
            )
        case RingAccepted(ring=ring, joined=joined):
            return replace(member, ring=ring, answer=Answer.ACCEPTED, final=joined)
        case RingRejected(ring=ring):
            return replace(member, ring=ring, answer=Answer.REJECTED, final=False)
        case RingMissed(ring=ring):
            return replace(member, ring=ring, answer=Answer.MISSED, final=False)
        case _:
            assert_never(event)


def _put(member: Membership, command: PutMember) -> Sequence[MembershipEvent]:
    at, cid, user = command.at, command.cid, command.user_id
    before = CALL_MEMBER if member.role is None else member.role
    role = before if command.role is None else command.role
    if not command.founding:
        command.by.must(Capability.UPDATE_CALL_MEMBER)
        if role != before:
            command.by.must(Capability.UPDATE_CALL_MEMBER_ROLE)
    custom = merge_patch(member.custom, command.custom)
    if member.role is None:
        return [MemberAdded(at=at, cid=cid, user_id=user, role=role, custom=custom)]
    if role == member.role and same_json(custom, member.custom):
        return []
    return [MemberUpdated(at=at, cid=cid, user_id=user, role=role, custom=custom)]


def _answer(member: Membership, command: Accept | Reject | Miss) -> Sequence[MembershipEvent]:
    at, cid, user, ring = command.at, command.cid, command.user_id, command.ring
    if ring == 0:
        raise NotRung(user)
    answer = member.answer_to(ring)
    match command:
        case Accept():
            if answer is Answer.ACCEPTED and (member.final or not command.joined):
                return []
            joined = command.joined
            return [RingAccepted(at=at, cid=cid, user_id=user, ring=ring, joined=joined)]
        case Reject(reason=reason):
            if answer is Answer.REJECTED:
                return []
            if command.present or (answer is not None and member.final):
                raise AnswerFinal(user)
            return [RingRejected(at=at, cid=cid, user_id=user, ring=ring, reason=reason)]
        case Miss():
            if answer is not None or ring < member.ring:  # who was rung again was done with it
                return []
            return [RingMissed(at=at, cid=cid, user_id=user, ring=ring)]
        case _:
            assert_never(command)


def _missing(asked: tuple[Capability, ...], held: frozenset[Capability]) -> tuple[Capability, ...]:
    return tuple(sorted(set(asked) - held))


MEMBERSHIP: Final = Decider(Membership(), decide, evolve)
