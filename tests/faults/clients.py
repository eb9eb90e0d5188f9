"""What clients ask for while things break: each request id says what it stands for."""

from __future__ import annotations

from typing import Final

from greenroom import Greenroom, Member

CALL: Final = ("default", "123")
KINDS: Final = ("update", "join", "add", "upsert", "erase")
"""Of a change in the call, somebody in it, a member with personal data, a user, none of that."""


def begin(room: Greenroom) -> None:
    """Let there be the call that all of it is about."""
    room.as_user("thierry").call(*CALL).create()


def requests(who: str, first: int, count: int) -> list[str]:
    """The ids of so many requests, of all kinds in turn."""
    numbers = range(first, first + count)
    return [f"{KINDS[number % len(KINDS)]}:{who}:{number}" for number in numbers]


def ask(room: Greenroom, request_id: str) -> None:
    """Ask for what it stands for, which always records something."""
    kind, who, number = request_id.split(":")
    call = room.as_user("thierry").call(*CALL)
    match kind:
        case "update":
            call.update(custom={who: int(number)}, request_id=request_id)
        case "join":
            room.as_user(who).call(*CALL).join(request_id=request_id)
        case "add":
            member = Member(f"guest-{who}-{number}", custom={"phone": number})
            call.add_members([member], request_id=request_id)
        case "upsert":
            room.users.upsert(f"{who}-{number}", name=who.title(), request_id=request_id)
        case "erase":
            room.users.erase(f"guest-{who}-{int(number) - 2}", request_id=request_id)
