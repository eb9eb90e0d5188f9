"""Who may do what: capabilities, roles, and the built-in grants (semantics 4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from greenroom.domain.message import Role


class Capability(StrEnum):
    """What a grant allows."""

    BLOCK_USERS = "block-users"
    CHANGE_MAX_DURATION = "change-max-duration"
    CREATE_CALL = "create-call"
    CREATE_REACTION = "create-reaction"
    DELETE_CALL = "delete-call"
    ENABLE_NOISE_CANCELLATION = "enable-noise-cancellation"
    END_CALL = "end-call"
    JOIN_BACKSTAGE = "join-backstage"
    JOIN_CALL = "join-call"
    JOIN_ENDED_CALL = "join-ended-call"
    KICK_USER = "kick-user"
    MUTE_USERS = "mute-users"
    PIN_FOR_EVERYONE = "pin-for-everyone"
    READ_CALL = "read-call"
    REMOVE_CALL_MEMBER = "remove-call-member"
    REQUEST_PERMISSIONS = "request-permissions"
    SCREENSHARE = "screenshare"
    SEND_AUDIO = "send-audio"
    SEND_CLOSED_CAPTIONS_CALL = "send-closed-captions-call"
    SEND_EVENT = "send-event"
    SEND_VIDEO = "send-video"
    START_BROADCAST_CALL = "start-broadcast-call"
    START_CLOSED_CAPTIONS_CALL = "start-closed-captions-call"
    START_RECORD_CALL = "start-record-call"
    START_TRANSCRIPTION_CALL = "start-transcription-call"
    STOP_BROADCAST_CALL = "stop-broadcast-call"
    STOP_CLOSED_CAPTIONS_CALL = "stop-closed-captions-call"
    STOP_RECORD_CALL = "stop-record-call"
    STOP_TRANSCRIPTION_CALL = "stop-transcription-call"
    UPDATE_CALL = "update-call"
    UPDATE_CALL_MEMBER = "update-call-member"
    UPDATE_CALL_MEMBER_ROLE = "update-call-member-role"
    UPDATE_CALL_PERMISSIONS = "update-call-permissions"
    UPDATE_CALL_SETTINGS = "update-call-settings"


ALL: Final = frozenset(Capability)
PERMISSIONS: Final = frozenset(
    {Capability.SEND_AUDIO, Capability.SEND_VIDEO, Capability.SCREENSHARE}
)
"""What can be requested, granted and revoked for one user in one call."""

OWNER: Final = Role("owner")
"""The implicit role of whoever created the call."""
CALL_MEMBER: Final = Role("call_member")
USER: Final = Role("user")

Grants = Mapping[Role, frozenset[Capability]]
"""What each role may do in calls of one type; roles that are not named may do nothing."""


class Standing(Struct, frozen=True, gc=False):
    """What decides a user's capabilities in one call."""

    user_role: Role
    member_role: Role | None = None
    """None for somebody who is not a member."""
    owner: bool = False
    granted: frozenset[Capability] = frozenset()
    revoked: frozenset[Capability] = frozenset()


_NONE: Final[frozenset[Capability]] = frozenset()


def effective(grants: Grants, standing: Standing) -> frozenset[Capability]:
    """Everything a user of this standing may do (semantics 4)."""
    held = grants.get(standing.user_role, _NONE)
    if standing.member_role is not None:
        held |= grants.get(standing.member_role, _NONE)
    if standing.owner:
        held |= grants.get(OWNER, _NONE)
    if standing.granted:
        held |= standing.granted
    return held - standing.revoked if standing.revoked else held


def sources(grants: Grants, standing: Standing, capability: Capability) -> Iterator[str]:
    """Why the capability is held or not: each grant, special grant and revocation in force."""
    for role in roles(standing):
        if capability in grants.get(role, frozenset()):
            yield f"role {role}"
    if capability in standing.granted:
        yield "granted in this call"
    if capability in standing.revoked:
        yield "revoked in this call"


def roles(standing: Standing) -> Iterator[Role]:
    """The roles in play, the user's own first."""
    yield standing.user_role
    if standing.member_role is not None:
        yield standing.member_role
    if standing.owner:
        yield OWNER


def _table(*rows: tuple[str, Iterable[Capability]]) -> Grants:
    return {Role(role): frozenset(capabilities) for role, capabilities in rows}


_READ_JOIN = frozenset({Capability.READ_CALL, Capability.JOIN_CALL})
_AUDIO_VIDEO = frozenset({Capability.SEND_AUDIO, Capability.SEND_VIDEO})
_REACT = frozenset({Capability.CREATE_REACTION})
_REQUEST = frozenset({Capability.REQUEST_PERMISSIONS})
_EVENT = frozenset({Capability.SEND_EVENT})
_CREATE = frozenset({Capability.CREATE_CALL})
_MODERATE = frozenset(
    {
        Capability.JOIN_BACKSTAGE,
        Capability.MUTE_USERS,
        Capability.BLOCK_USERS,
        Capability.KICK_USER,
        Capability.REMOVE_CALL_MEMBER,
        Capability.UPDATE_CALL_PERMISSIONS,
        Capability.PIN_FOR_EVERYONE,
    }
)
_HOST = frozenset(
    {
        Capability.UPDATE_CALL,
        Capability.UPDATE_CALL_SETTINGS,
        Capability.UPDATE_CALL_MEMBER,
        Capability.UPDATE_CALL_MEMBER_ROLE,
        Capability.CHANGE_MAX_DURATION,
        Capability.END_CALL,
        Capability.JOIN_ENDED_CALL,
        Capability.DELETE_CALL,
        Capability.START_RECORD_CALL,
        Capability.STOP_RECORD_CALL,
        Capability.START_BROADCAST_CALL,
        Capability.STOP_BROADCAST_CALL,
        Capability.START_TRANSCRIPTION_CALL,
        Capability.STOP_TRANSCRIPTION_CALL,
        Capability.START_CLOSED_CAPTIONS_CALL,
        Capability.STOP_CLOSED_CAPTIONS_CALL,
    }
)


def _grants(
    anonymous: frozenset[Capability],
    guest: frozenset[Capability],
    member: frozenset[Capability],
    moderator: frozenset[Capability],
    host: frozenset[Capability],
    *,
    user: frozenset[Capability],
) -> Grants:
    return _table(
        ("anonymous", anonymous),
        ("guest", guest),
        ("user", user),
        ("call_member", member),
        ("moderator", member | _MODERATE | moderator),
        ("host", member | _MODERATE | moderator | _HOST | host),
        ("owner", member | _MODERATE | moderator | _HOST | host),
        ("admin", ALL),
    )


_SHARE = frozenset({Capability.SCREENSHARE})
_TALK = _READ_JOIN | _AUDIO_VIDEO | _SHARE | _REACT | _EVENT | _REQUEST
_LISTEN = _READ_JOIN | _REACT | _REQUEST

BUILT_IN_GRANTS: Final[Mapping[str, Grants]] = {
    "default": _grants(
        frozenset(),
        _READ_JOIN | _AUDIO_VIDEO,
        _TALK,
        frozenset(),
        _AUDIO_VIDEO | _SHARE,
        user=_CREATE | _TALK,
    ),
    "audio_room": _grants(
        _READ_JOIN,
        _LISTEN,
        _LISTEN | _EVENT,
        frozenset({Capability.SEND_AUDIO}),
        frozenset({Capability.SEND_AUDIO}),
        user=_CREATE | _LISTEN,
    ),
    "livestream": _grants(
        _READ_JOIN,
        _READ_JOIN | _REACT,
        _LISTEN | _EVENT,
        frozenset(),
        _AUDIO_VIDEO | _SHARE,
        user=_CREATE | _LISTEN,
    ),
    "development": _grants(ALL, ALL, ALL, ALL, ALL, user=ALL),
}
