"""The CallType aggregate: a named bundle of settings and grants.

Streams: `type-<name>`. The built-in types are defined by the first events of every store,
so that a decision can be derived again from the log alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Literal, assert_never

from greenroom.domain.access import Capability, Grants
from greenroom.domain.decider import Command, Decider
from greenroom.domain.errors import CallTypeExists, CallTypeNotFound
from greenroom.domain.message import Event, Role
from greenroom.domain.settings import Settings, SettingsPatch

FieldKind = Literal["string", "number", "boolean", "instant"]
Place = Literal["members", "calls"]
PLACES: Final[tuple[Place, ...]] = ("members", "calls")
IndexedCustom = Mapping[Place, Mapping[str, FieldKind]]
"""Declared custom fields: checked on write, indexed for queries."""


class CallTypeDefined(Event, frozen=True, kw_only=True):
    """The type exists; first in every type's stream."""

    name: ClassVar[str] = "type.defined"
    call_type: str
    based_on: str | None = None
    """The type it was copied from; its later changes do not reach this one."""
    settings: dict[str, dict[str, Any]] = {}
    """All of them, by group and field."""
    grants: dict[Role, tuple[Capability, ...]] = {}
    indexed_custom: IndexedCustom = {}


class SettingsChanged(Event, frozen=True, kw_only=True):
    """The type's settings moved, for running calls as well."""

    name: ClassVar[str] = "type.settings_changed"
    settings: SettingsPatch


class FieldsDeclared(Event, frozen=True, kw_only=True):
    """Other custom fields are declared from now on; what was written before stays as it is."""

    name: ClassVar[str] = "type.fields_declared"
    call_type: str
    indexed_custom: IndexedCustom
    """All that are declared."""


class Granted(Event, frozen=True, kw_only=True):
    """Whoever holds the role may do more in calls of this type."""

    name: ClassVar[str] = "type.granted"
    role: Role
    capability: Capability


class Revoked(Event, frozen=True, kw_only=True):
    """Holding the role no longer brings this capability."""

    name: ClassVar[str] = "type.revoked"
    role: Role
    capability: Capability


CallTypeEvent = CallTypeDefined | SettingsChanged | FieldsDeclared | Granted | Revoked


class DefineCallType(Command, frozen=True, kw_only=True):
    call_type: str
    based_on: str | None
    settings: Settings
    grants: Grants
    indexed_custom: IndexedCustom


class ChangeSettings(Command, frozen=True, kw_only=True):
    call_type: str
    settings: SettingsPatch


class DeclareFields(Command, frozen=True, kw_only=True):
    call_type: str
    indexed_custom: Mapping[Place, Mapping[str, FieldKind | None]]
    """What changes; None declares a field no longer."""


class Grant(Command, frozen=True, kw_only=True):
    call_type: str
    role: Role
    capability: Capability


class Revoke(Command, frozen=True, kw_only=True):
    call_type: str
    role: Role
    capability: Capability


CallTypeCommand = DefineCallType | ChangeSettings | DeclareFields | Grant | Revoke


@dataclass(frozen=True, slots=True)
class CallType:
    """What deciding needs to know of a call type."""

    name: str | None = None
    """None until defined."""
    settings: Settings = Settings()
    grants: Grants = field(default_factory=dict)
    indexed_custom: IndexedCustom = field(default_factory=dict)


def decide(call_type: CallType, command: CallTypeCommand) -> Sequence[CallTypeEvent]:
    """The events that `command` brings about; none where it is already so.

    Raises:
        CallTypeNotFound: it was never defined.
        CallTypeExists: it was defined differently.
    """
    if call_type.name is None and not isinstance(command, DefineCallType):
        raise CallTypeNotFound(command.call_type)
    match command:
        case DefineCallType():
            return _define(call_type, command)
        case ChangeSettings(settings=patch):
            if call_type.settings.overridden(patch) == call_type.settings:
                return []
            return [SettingsChanged(at=command.at, settings=patch)]
        case DeclareFields(indexed_custom=changes):
            declared = _redeclared(call_type.indexed_custom, changes)
            if declared == _redeclared(call_type.indexed_custom, {}):
                return []
            return [
                FieldsDeclared(at=command.at, call_type=command.call_type, indexed_custom=declared)
            ]
        case Grant(role=role, capability=capability):
            if capability in call_type.grants.get(role, frozenset()):
                return []
            return [Granted(at=command.at, role=role, capability=capability)]
        case Revoke(role=role, capability=capability):
            if capability not in call_type.grants.get(role, frozenset()):
                return []
            return [Revoked(at=command.at, role=role, capability=capability)]
        case _:
            assert_never(command)


def evolve(call_type: CallType, event: CallTypeEvent) -> CallType:
    """The type after `event`. Never refuses: what is recorded has happened."""
    match event:
        case CallTypeDefined():
            return CallType(
                event.call_type,
                Settings.model_validate(event.settings),
                {role: frozenset(held) for role, held in event.grants.items()},
                event.indexed_custom,
            )
        case SettingsChanged(settings=patch):
            return replace(call_type, settings=call_type.settings.overridden(patch))
        case FieldsDeclared(indexed_custom=declared):
            return replace(call_type, indexed_custom=declared)
        case Granted(role=role, capability=capability):
            held = call_type.grants.get(role, frozenset()) | {capability}
            return replace(call_type, grants={**call_type.grants, role: held})
        case Revoked(role=role, capability=capability):
            held = call_type.grants.get(role, frozenset()) - {capability}
            return replace(call_type, grants={**call_type.grants, role: held})
        case _:
            assert_never(event)


def _define(call_type: CallType, command: DefineCallType) -> Sequence[CallTypeEvent]:
    wanted = CallType(command.call_type, command.settings, command.grants, command.indexed_custom)
    if call_type.name is not None:
        if call_type == wanted:
            return []
        raise CallTypeExists(command.call_type)
    return [
        CallTypeDefined(
            at=command.at,
            call_type=command.call_type,
            based_on=command.based_on,
            settings=command.settings.model_dump(mode="json"),
            grants={role: tuple(sorted(held)) for role, held in sorted(command.grants.items())},
            indexed_custom=command.indexed_custom,
        )
    ]


def _redeclared(
    declared: IndexedCustom,
    changes: Mapping[Place, Mapping[str, FieldKind | None]],
) -> IndexedCustom:
    """What is declared after `changes`; places that nothing is declared of are left out."""
    after: dict[Place, dict[str, FieldKind]] = {}
    for place in PLACES:
        fields = {**declared.get(place, {}), **changes.get(place, {})}
        kept = {field: kind for field, kind in fields.items() if kind is not None}
        if kept:
            after[place] = kept
    return after


CALL_TYPE: Final = Decider(CallType(), decide, evolve)
