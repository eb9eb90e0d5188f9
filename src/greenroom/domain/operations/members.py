"""Members as they are asked for: checked, then added or updated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from greenroom.domain import checks
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import InvalidInput
from greenroom.domain.membership import PutMember
from greenroom.domain.message import Json, Role, UserId


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody to be added to a call, or updated in it.

    Args:
        user_id: the embedder's own id of the user.
        role: any role; None keeps the present one, and is `call_member` for a new member.
        custom: JSON of at most 8 KiB, merged into what is there (null removes a key).
    """

    user_id: str
    role: str | None = None
    custom: Mapping[str, Any] | None = None


def checked_members(members: Iterable[Member]) -> tuple[tuple[UserId, Role | None, Json], ...]:
    """(user id, role, custom) of each member, each user once."""
    found: dict[UserId, tuple[UserId, Role | None, Json]] = {}
    for path, item in checks.listed(members, "members"):
        user_id, role, custom = checked_member(item, path)
        if user_id in found:
            raise InvalidInput(f"{path}.user_id", f"every user once, not {user_id} again")
        found[user_id] = (user_id, role, custom)
    return tuple(found.values())


def checked_member(item: object, path: str) -> tuple[UserId, Role | None, Json]:
    """(user id, role, custom) of one member."""
    if type(item) is not Member:
        raise InvalidInput(path, "a Member")
    role = None if item.role is None else checks.role(item.role, f"{path}.role")
    said = {} if item.custom is None else item.custom
    custom = checks.custom(said, f"{path}.custom", checks.MEMBER_CUSTOM_BYTES)
    return checks.user_id(item.user_id, f"{path}.user_id"), role, custom


def put_members(
    turn: CallTurn,
    members: Iterable[tuple[UserId, Role | None, Json]],
    *,
    founding: bool = False,
    paths: Sequence[str] | None = None,
) -> None:
    """Add or update members; `paths` say where each of them stands in what was asked."""
    by = turn.by
    declared = turn.call_type.indexed_custom.get("members", {})
    for n, (user_id, role, custom) in enumerate(members):
        turn.user(user_id)  # so that data that is being erased meanwhile is not written again
        turn.tell_member(
            PutMember(
                at=turn.at,
                by=by,
                cid=turn.cid,
                user_id=user_id,
                role=role,
                custom=custom,
                founding=founding,
            )
        )
        whole = turn.member(user_id).custom
        path = f"members[{n}].custom" if paths is None else f"{paths[n]}.custom"
        checks.typed(whole, declared, path)
        if whole != custom:  # else that was looked at already
            checks.custom(whole, path, checks.MEMBER_CUSTOM_BYTES)
