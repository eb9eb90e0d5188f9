"""What was wished for, in sentences and as code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, Final

from greenroom.domain.turn import Claim
from greenroom.testing.history import Wish

_VERBS: Final[Mapping[str, str]] = {
    "accept": "accepts the ring",
    "add_members": "adds members",
    "block": "blocks",
    "cancel_ring": "cancels the ring",
    "create": "creates the call",
    "delete": "deletes the call",
    "end": "ends the call",
    "get": "looks at the call",
    "go_live": "goes live",
    "grant_permissions": "grants permissions",
    "join": "joins",
    "kick": "kicks",
    "leave": "leaves",
    "mute": "mutes",
    "media.connect": "connects",
    "media.end": "ends the connection",
    "media.fail_recording": "cannot go on recording",
    "media.lose": "loses the connection",
    "media.obstacle": "says what is in the way of recording",
    "media.publish": "publishes",
    "media.unpublish": "publishes no more",
    "notify": "notifies",
    "pin": "pins",
    "reject": "rejects the ring",
    "remove_members": "removes members",
    "request_permissions": "requests permissions",
    "restore": "restores the call",
    "revoke_permissions": "revokes permissions",
    "ring": "rings",
    "send_event": "sends an event",
    "query_calls": "asks for calls",
    "query_members": "asks for members",
    "query_participants": "asks for participants",
    "query_sessions": "asks for sessions",
    "start_recording": "records the call",
    "stop_live": "stops being live",
    "stop_recording": "stops the recording",
    "types.create": "defines the type",
    "types.grant": "grants to a role",
    "types.revoke": "revokes from a role",
    "types.update": "changes the type's settings",
    "unblock": "unblocks",
    "unmute": "unmutes",
    "unpin": "unpins",
    "update": "updates the call",
    "update_members": "updates members",
    "users.erase": "has a user forgotten",
    "users.upsert": "tells of a user",
}


def sentence(wish: Wish) -> str:
    """A wish in words: `5 seconds later, alice joins (ring=True)`."""
    later = f"{wish.after:g} seconds later, " if wish.after else ""
    if wish.name == "timers":
        return f"{later or 'now, '}what is due happens"
    verb = _VERBS.get(wish.name, f"asks to {wish.name.replace('_', ' ')}")
    said = ", ".join(f"{name}={code(value)}" for name, value in wish.arguments.items())
    return f"{later}{actor(wish.by)} {verb}{f' ({said})' if said else ''}"


def actor(by: Claim) -> str:
    """Who acts, in words."""
    if by.system:
        return f"system:{by.name}"
    brought = [] if by.role is None else [f"as {by.role}"]
    brought += [] if by.teams is None else [f"in teams {', '.join(by.teams) or 'none'}"]
    return f"{by.name} ({', '.join(brought)})" if brought else by.name


def code(value: object) -> str:
    """The expression that makes the value, without what is left at its default."""
    match value:
        case datetime():
            parts = [value.year, value.month, value.day, value.hour, value.minute, value.second]
            micro = [value.microsecond] if value.microsecond else []
            return f"datetime({', '.join(map(str, [*parts, *micro]))}, tzinfo=UTC)"
        case Mapping():
            inner = ", ".join(f"{key!r}: {code(one)}" for key, one in value.items())
            return f"{{{inner}}}"
        case list():
            return f"[{', '.join(map(code, value))}]"
        case tuple():
            return f"({', '.join(map(code, value))}{',' if len(value) == 1 else ''})"
        case str():
            return repr(str(value))
    if is_dataclass(value) and not isinstance(value, type):
        return _made(value)
    return repr(value)


def wish_code(wish: Wish) -> str:
    """The call of `wish` that makes this one."""
    by = wish.by
    if by.role is None and by.teams is None:
        who = repr(f"system:{by.name}" if by.system else by.name)
    else:
        who = f"Claim({by.name!r}, {code(by.role)}, {code(by.teams)})"
    after = [f"after={wish.after:g}"] if wish.after else []
    said = [f"{name}={code(value)}" for name, value in wish.arguments.items()]
    return f"wish({', '.join([who, repr(wish.name), *after, *said])})"


def as_test(machine: type, cid: str, wishes: Sequence[Wish]) -> str:
    """A test for pytest that replays the wishes, with all that it imports."""
    lines = [wish_code(one) for one in wishes]
    body = "\n".join(f"            {line}," for line in lines)
    return (
        f"{_imports(machine, lines)}\n\n\n"
        "def test_the_application_keeps_to_the_rules() -> None:\n"
        f"    {machine.__qualname__}.replay(\n"
        f"        {cid!r},\n"
        f"        [\n{body}\n        ],\n"
        "    )\n"
    )


def numbered(lines: Iterable[str]) -> str:
    """One under the other."""
    return "\n".join(f"  {n:>2}. {line}" for n, line in enumerate(lines, start=1))


def _imports(machine: type, lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    found = ["from datetime import UTC, datetime\n"] if "datetime(" in text else []
    greenroom = [name for name in ("Backstage", "Member") if f"{name}(" in text]
    testing = ["Claim"] if "Claim(" in text else []
    found += [f"from greenroom import {', '.join(greenroom)}"] if greenroom else []
    found += [f"from greenroom.testing import {', '.join([*testing, 'wish'])}"]
    if machine.__module__ != "__main__":
        found += [f"from {machine.__module__} import {machine.__qualname__.partition('.')[0]}"]
    return "\n".join(found)


def _made(value: Any) -> str:
    first, *rest = [one for one in fields(value) if one.init]
    defaults = {one.name: one.default for one in rest}
    said = (
        [code(getattr(value, first.name))]
        if type(value).__name__ == "Member"
        else [f"{first.name}={code(getattr(value, first.name))}"]
    )
    said += [
        f"{name}={code(getattr(value, name))}"
        for name, default in defaults.items()
        if getattr(value, name) != default
    ]
    return f"{type(value).__name__}({', '.join(said)})"
