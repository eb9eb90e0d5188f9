"""The tables of semantics 4 and 5, as they are printed there."""

from __future__ import annotations

from typing import Any, Final

SHORT: Final = {
    "create": "create-call",
    "read": "read-call",
    "join": "join-call",
    "audio": "send-audio",
    "video": "send-video",
    "react": "create-reaction",
    "request": "request-permissions",
    "mute": "mute-users",
    "block": "block-users",
    "kick": "kick-user",
    "pin": "pin-for-everyone",
}
"""What the table of grants says shorter than the list of capabilities."""

_SERVICES: Final = "record broadcast transcription closed-captions"
_STAFF: Final = "join-backstage mute block kick remove-call-member update-call-permissions pin"
_HOSTS: Final = (
    "update-call update-call-settings update-call-member update-call-member-role"
    " change-max-duration end-call join-ended-call delete-call "
) + " ".join(
    f"{what}-{service}-call" for what in ("start", "stop") for service in _SERVICES.split()
)

_ROLES: Final = {
    "default": {
        "anonymous": "",
        "guest": "read join audio video",
        "user": "create read join audio video screenshare react send-event request",
        "call_member": "read join audio video screenshare react send-event request",
        "moderator": f"read join audio video screenshare react send-event request {_STAFF}",
        "host": f"read join audio video screenshare react send-event request {_STAFF} {_HOSTS}",
    },
    "audio_room": {
        "anonymous": "read join",
        "guest": "read join react request",
        "user": "create read join react request",
        "call_member": "read join react send-event request",
        "moderator": f"read join react send-event request {_STAFF} audio",
        "host": f"read join react send-event request {_STAFF} {_HOSTS} audio",
    },
    "livestream": {
        "anonymous": "read join",
        "guest": "read join react",
        "user": "create read join react request",
        "call_member": "read join react send-event request",
        "moderator": f"read join react send-event request {_STAFF}",
        "host": f"read join react send-event request {_STAFF} {_HOSTS} audio video screenshare",
    },
}

BUILT_IN: Final = frozenset({*_ROLES, "development"})
"""The types that there are from the beginning."""

EVERYTHING: Final = frozenset(
    SHORT.get(word, word)
    for word in (
        f"{_ROLES['default']['host']} create enable-noise-cancellation send-closed-captions-call"
    ).split()
)
"""All 34 capabilities."""


def grants(call_type: str) -> dict[str, set[str]]:
    """What each role may do in calls of a built-in type."""
    if call_type == "development":
        roles = ("anonymous", "guest", "user", "call_member", "moderator", "host")
        found = {role: set(EVERYTHING) for role in roles}
    else:
        found = {
            role: {SHORT.get(word, word) for word in words.split()}
            for role, words in _ROLES[call_type].items()
        }
    found["owner"] = set(found["host"])
    found["admin"] = set(EVERYTHING)
    return found


def settings(call_type: str) -> dict[str, dict[str, Any]]:
    """The settings of a built-in type that rules depend on."""
    staged = call_type in {"audio_room", "livestream"}
    rings = None if staged else 15_000
    return {
        "backstage": {"enabled": staged, "join_ahead_time_seconds": 0},
        "audio": {"access_request_enabled": call_type != "livestream"},
        "video": {"access_request_enabled": not staged},
        "screensharing": {"access_request_enabled": not staged},
        "ring": {"auto_cancel_timeout_ms": rings, "missed_call_timeout_ms": rings},
        "limits": {
            "max_duration_seconds": None,
            "max_participants": None,
            "max_participants_exclude_roles": [],
            "max_participants_exclude_owner": False,
        },
        "recording": {"mode": "available"},
        "session": {"inactivity_timeout_seconds": 30, "reconnection_timeout_seconds": 15},
    }
