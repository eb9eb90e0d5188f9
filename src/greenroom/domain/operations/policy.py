"""What the embedder decides for all calls: call types and users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from greenroom.domain import checks
from greenroom.domain.access import BUILT_IN_GRANTS
from greenroom.domain.call_type import (
    ChangeSettings,
    DeclareFields,
    DefineCallType,
    Grant,
    IndexedCustom,
    Revoke,
)
from greenroom.domain.decider import Asker
from greenroom.domain.errors import CallTypeNotFound, InvalidInput
from greenroom.domain.operations.operation import Operation
from greenroom.domain.settings import BUILT_IN_SETTINGS
from greenroom.domain.turn import Turn
from greenroom.domain.user import EraseUser, UpsertUser

_KINDS = ("string", "number", "boolean", "instant")
_MOST_FIELDS: Final = 16
"""Declared of one place: each is an index, which every write keeps."""


def define_type(
    name: str,
    *,
    based_on: str,
    settings: Mapping[str, Any] | None = None,
    indexed_custom: Mapping[str, Mapping[str, str]] | None = None,
) -> Operation[Turn]:
    """Define a call type as a copy of another one, with other settings where given."""
    name = checks.name(name, "name")
    based_on = checks.name(based_on, "based_on")
    patch = {} if settings is None else checks.settings(settings)
    declared = _declared({} if indexed_custom is None else indexed_custom)

    def decide(turn: Turn) -> None:
        base = turn.type_named(based_on)
        if base.name is None:
            raise CallTypeNotFound(based_on)
        turn.tell_type(
            name,
            DefineCallType(
                at=turn.at,
                by=_by(turn),
                call_type=name,
                based_on=based_on,
                settings=base.settings.overridden(patch),
                grants=base.grants,
                indexed_custom=declared,
            ),
        )

    return Operation(
        "define_type",
        decide,
        {"name": name, "based_on": based_on, "settings": patch, "indexed_custom": declared},
    )


def change_type(
    name: str,
    settings: Mapping[str, Any] | None = None,
    indexed_custom: Mapping[str, Mapping[str, str | None]] | None = None,
) -> Operation[Turn]:
    """Change a call type: settings, which running calls follow, and declared custom fields."""
    name = checks.name(name, "name")
    patch = checks.settings({} if settings is None else settings)
    fields = _declared({} if indexed_custom is None else indexed_custom, undeclaring=True)

    def decide(turn: Turn) -> None:
        said: dict[str, Any] = {"at": turn.at, "by": _by(turn), "call_type": name}
        turn.tell_type(name, ChangeSettings(**said, settings=patch))
        turn.tell_type(name, DeclareFields(**said, indexed_custom=fields))
        _few(turn.type_named(name).indexed_custom)

    arguments = {"name": name, "settings": patch}
    if indexed_custom is not None:
        arguments["indexed_custom"] = fields
    return Operation("change_type", decide, arguments)


def grant(name: str, role: str, capability: str) -> Operation[Turn]:
    """Let a role do more in calls of a type."""
    name = checks.name(name, "name")
    who, what = checks.role(role, "role"), checks.capability(capability, "capability")

    def decide(turn: Turn) -> None:
        turn.tell_type(
            name, Grant(at=turn.at, by=_by(turn), call_type=name, role=who, capability=what)
        )

    return Operation("grant", decide, {"name": name, "role": who, "capability": what})


def revoke(name: str, role: str, capability: str) -> Operation[Turn]:
    """Let a role do less in calls of a type."""
    name = checks.name(name, "name")
    who, what = checks.role(role, "role"), checks.capability(capability, "capability")

    def decide(turn: Turn) -> None:
        turn.tell_type(
            name, Revoke(at=turn.at, by=_by(turn), call_type=name, role=who, capability=what)
        )

    return Operation("revoke", decide, {"name": name, "role": who, "capability": what})


def upsert_user(
    user_id: str,
    *,
    name: str | None = None,
    role: str | None = None,
    teams: Iterable[str] | None = None,
    custom: Mapping[str, Any] | None = None,
) -> Operation[Turn]:
    """Tell greenroom about a user; None leaves a property as it is."""
    user = checks.user_id(user_id, "user_id")
    command: dict[str, Any] = {
        "role": None if role is None else checks.role(role, "role"),
        "teams": None if teams is None else checks.teams(teams, "teams"),
        "display_name": None if name is None else checks.text(name, "name", 200),
        "custom": checks.custom(
            {} if custom is None else custom, "custom", checks.MEMBER_CUSTOM_BYTES
        ),
    }

    def decide(turn: Turn) -> None:
        turn.tell_user(user, UpsertUser(at=turn.at, by=_by(turn), user_id=user, **command))
        whole = turn.user(user).custom
        checks.custom(whole, "custom", checks.MEMBER_CUSTOM_BYTES)

    return Operation("upsert_user", decide, {"user_id": user, **command})


def erase_user(user_id: str) -> Operation[Turn]:
    """Forget everything personal about a user, in every call."""
    user = checks.user_id(user_id, "user_id")

    def decide(turn: Turn) -> None:
        turn.tell_user(user, EraseUser(at=turn.at, by=_by(turn), user_id=user))

    return Operation("erase_user", decide, {"user_id": user})


def look_at_type(name: str) -> Operation[Turn]:
    """Read a call type."""
    return Operation("look_at_type", lambda _: None, {"name": name})


def look_at_user(user_id: str) -> Operation[Turn]:
    """Read what is known of a user."""
    return Operation("look_at_user", lambda _: None, {"user_id": user_id})


def define_built_in_types() -> Operation[Turn]:
    """Write the built-in types down, so that the log explains itself without this code."""

    def decide(turn: Turn) -> None:
        for name, settings in BUILT_IN_SETTINGS.items():
            if turn.type_named(name).name is None:
                turn.tell_type(
                    name,
                    DefineCallType(
                        at=turn.at,
                        by=_by(turn),
                        call_type=name,
                        based_on=None,
                        settings=settings,
                        grants=BUILT_IN_GRANTS[name],
                        indexed_custom={},
                    ),
                )

    return Operation("define_built_in_types", decide)


def _by(turn: Turn) -> Asker:
    return Asker(turn.actor, frozenset())


def _declared(value: object, *, undeclaring: bool = False) -> IndexedCustom:
    said = checks.custom(value, "indexed_custom", checks.MEMBER_CUSTOM_BYTES)
    for place, fields in said.items():
        at = f"indexed_custom.{checks.shown(place)}"
        if place not in {"members", "calls"}:
            near = checks.nearest(place, ("members", "calls"))
            raise InvalidInput(at, "members or calls", near)
        if not isinstance(fields, dict):
            raise InvalidInput(at, "an object of fields and their kinds")
        for field, kind in fields.items():
            checks.field(field, f"{at}.{checks.shown(field)}")
            if undeclaring and kind is None:
                continue
            if kind not in _KINDS:
                raise InvalidInput(
                    f"{at}.{field}", f"one of {', '.join(_KINDS)}", checks.nearest(kind, _KINDS)
                )
    return _few(cast("IndexedCustom", said))


def _few(declared: IndexedCustom) -> IndexedCustom:
    for place, fields in declared.items():
        if len(fields) > _MOST_FIELDS:
            raise InvalidInput(f"indexed_custom.{place}", f"at most {_MOST_FIELDS} fields")
    return declared
