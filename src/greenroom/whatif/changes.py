"""What may be supposed: another policy, another rule, events that never were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from greenroom.domain import checks
from greenroom.domain.access import Capability
from greenroom.domain.admission import RULES, JoinFacts, Occupancy, Outcome, Rule, Rules
from greenroom.domain.call_type import CallType
from greenroom.domain.errors import InvalidInput
from greenroom.domain.message import Event, Recorded, Role, StreamId
from greenroom.domain.settings import SettingsPatch
from greenroom.domain.streams import type_stream
from greenroom.domain.turn import Folded

NewRule = Callable[[JoinFacts, Occupancy, Outcome], Outcome]
"""A rule of joining, told what the rule in its place says; answers what it saw, its refusal if
any, and the special grant it needed, if any."""
Gone = Callable[[Recorded[Event]], bool]
"""Whether a record never was."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Suppose that a role always held a capability in calls of a type."""

    call_type: str
    role: str
    capability: str

    def over(self, found: CallType) -> CallType:
        """The type with it."""
        return _granted(found, Role(self.role), Capability(self.capability), held=True)


@dataclass(frozen=True, slots=True)
class Revoke:
    """Suppose that a role never held a capability in calls of a type."""

    call_type: str
    role: str
    capability: str

    def over(self, found: CallType) -> CallType:
        """The type without it."""
        return _granted(found, Role(self.role), Capability(self.capability), held=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """Suppose that these were always settings of a type; calls with their own keep their own."""

    call_type: str
    settings: SettingsPatch

    def over(self, found: CallType) -> CallType:
        """The type with them."""
        return replace(found, settings=found.settings.overridden(self.settings))


@dataclass(frozen=True, slots=True)
class NewJoinRule:
    """Suppose that a rule of joining was another."""

    name: str
    rule: NewRule


@dataclass(frozen=True, slots=True)
class Without:
    """Suppose that some events never were."""

    gone: Gone


PolicyChange = Grant | Revoke | Settings
Change = PolicyChange | NewJoinRule | Without
"""What may be supposed."""
RULE_NAMES: Final = tuple(name for name, _ in RULES)


def grant(call_type: str, *, role: str, capability: str) -> Grant:
    """Suppose that `role` held `capability` in calls of this type, all along."""
    return Grant(*_policy(call_type, role, capability))


def revoke(call_type: str, *, role: str, capability: str) -> Revoke:
    """Suppose that `role` did not hold `capability` in calls of this type, all along."""
    return Revoke(*_policy(call_type, role, capability))


def settings(call_type: str, said: Mapping[str, Any]) -> Settings:
    """Suppose other settings of a type, all along, e.g. `{"limits": {"max_participants": 10}}`."""
    return Settings(checks.name(call_type, "call_type"), checks.settings(said))


def rule(name: str, said: NewRule) -> NewJoinRule:
    """Suppose another rule of joining.

    Args:
        name: `exists not_deleted team not_blocked join_call not_ended open capacity`.
        said: takes the facts, the occupancy and what the rule says as it is; to replace the rule
            it ignores the last. Defined in a module, it can be run on several cores.
    """
    if checks.plain(checks.text(name, "name", 64)) not in RULE_NAMES:
        raise InvalidInput("name", "a rule of joining", checks.nearest(name, RULE_NAMES))
    if not callable(said):
        raise InvalidInput("said", "a function of facts, occupancy and an outcome")
    return NewJoinRule(name, said)


def without(gone: Gone | Iterable[int]) -> Without:
    """Suppose that some events never were.

    Args:
        gone: their positions; or a function of a record, true for each of them.
    """
    if callable(gone):
        return Without(gone)
    positions = frozenset(checks.integer(one, "positions", 1, 2**63 - 1) for one in gone)
    return Without(partial(_stands_at, positions))


def _stands_at(positions: frozenset[int], record: Recorded[Event]) -> bool:
    return record.position in positions


def _policy(call_type: str, role: str, capability: str) -> tuple[str, str, str]:
    return (
        checks.name(call_type, "call_type"),
        checks.role(role, "role"),
        checks.capability(capability, "capability"),
    )


def _granted(found: CallType, role: Role, capability: Capability, *, held: bool) -> CallType:
    before = found.grants.get(role, frozenset())
    after = before | {capability} if held else before - {capability}
    return replace(found, grants={**found.grants, role: after})


class Supposed:
    """Everything that is supposed, together."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self.changes: Final = tuple(changes)
        self.rules: Final = _rules([one for one in changes if isinstance(one, NewJoinRule)])
        """None of its own where they are as they are."""
        self._gone = [one.gone for one in changes if isinstance(one, Without)]
        self._policies: dict[StreamId, list[PolicyChange]] = {}
        for one in changes:
            if isinstance(one, PolicyChange):
                self._policies.setdefault(type_stream(one.call_type), []).append(one)

    @property
    def removes(self) -> bool:
        """Whether events are taken away."""
        return bool(self._gone)

    @property
    def only_grants(self) -> bool:
        """Whether nothing but grants is other than it was."""
        return all(isinstance(one, Grant | Revoke) for one in self.changes)

    def stands(self, record: Recorded[Event]) -> bool:
        """Whether a record counts."""
        return not any(gone(record) for gone in self._gone)

    def changed(self, stream: StreamId, folded: Folded[Any]) -> Folded[Any]:
        """A call type or user as it would be."""
        state = folded.state
        for one in self._policies.get(stream, ()):
            state = one.over(state)
        return Folded(state, folded.version)


def _rules(said: Sequence[NewJoinRule]) -> Rules:
    if not said:
        return ()
    rules: dict[str, Rule] = dict(RULES)
    for one in said:
        rules[one.name] = partial(_instead, one.rule, rules[one.name])
    return tuple(rules.items())


def _instead(new: NewRule, old: Rule, facts: JoinFacts, occupancy: Occupancy) -> Outcome:
    return new(facts, occupancy, old(facts, occupancy))
