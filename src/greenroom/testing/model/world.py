"""What is so in the model, and what everything else is told with."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from greenroom.testing.model import tables

if TYPE_CHECKING:
    from greenroom.domain.turn import Claim

NOT_SAID: Final[Any] = object()
"""Of an argument that was not given, where None means something."""


class Refusal(Exception):  # noqa: N818 - as the errors it stands for
    """The rules say no: the `code` is why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Outcome:
    """What became of a wish."""

    code: str | None = None
    """Of the refusal; None where it was carried out."""
    recorded: tuple[str, ...] | None = None
    """Stored names of the events recorded, sorted; None where that is not told."""
    answer: Any = None
    """What a query answered; None of anything else, and where that is not told."""


@dataclass(frozen=True)
class Who:
    """Somebody who asks for something, as the rules see them."""

    user_id: str
    role: str
    teams: tuple[str, ...]
    system: bool
    claimed: bool
    """Whether they brought their role, and it does not follow their record."""


@dataclass
class State:
    """Everything that is so, in plain containers."""

    now: datetime
    grants: dict[str, set[str]]
    """Of the call's type, by role."""
    type_settings: dict[str, dict[str, Any]]
    declared: dict[str, dict[str, str]] = field(default_factory=dict)
    """By the type: of `calls` and `members`, custom fields and their kinds."""
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    existence: str = "absent"
    """`absent here deleted erased`."""
    created_at: datetime | None = None
    created_by: str = ""
    team: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)
    starts_at: datetime | None = None
    ended_at: datetime | None = None
    backstage: bool = False
    own_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    members: dict[str, dict[str, Any]] = field(default_factory=dict)
    member_since: dict[str, datetime] = field(default_factory=dict)
    granted: dict[str, set[str]] = field(default_factory=dict)
    revoked: dict[str, set[str]] = field(default_factory=dict)
    requested: dict[str, set[str]] = field(default_factory=dict)
    sessions: int = 0
    session: dict[str, Any] | None = None
    """Of the session that is on: see `Sessions.begin_session`."""
    session_ended_at: datetime | None = None
    past_sessions: list[dict[str, Any]] = field(default_factory=list)
    """Number, start and end of each that there ever was."""
    entries: list[str] = field(default_factory=list)
    """The user of each entry that there ever was, in the order of joining."""
    stays: list[dict[str, Any]] = field(default_factory=list)
    """User, and from when until when, of each entry that there ever was."""
    obstacle: str = ""
    """What is in the way of recording."""
    history: dict[str, int] = field(default_factory=dict)
    """How many events of each name there are of the call, of its sessions and members."""
    rings: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Those that ring still."""
    ring_count: int = 0
    rung: dict[str, int] = field(default_factory=dict)
    """The last ring that named each user."""
    callers: dict[str, int] = field(default_factory=dict)
    """The last ring that began while each user rang others."""
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What became of each user's last ring: its number, the answer, when, and if it is final."""
    beside: dict[str, Any] = field(default_factory=dict)
    """What an application of your own knows beside it."""


class World:
    """What is so, who may do what, and what time brings."""

    def __init__(self, cid: str, now: datetime) -> None:
        self.cid: Final = cid
        self.type: Final = cid.partition(":")[0]
        self.state = State(now, {}, tables.settings("default"))
        if self.type in tables.BUILT_IN:
            self.state.grants = tables.grants(self.type)
            self.state.type_settings = tables.settings(self.type)
        self.names: list[str] = []
        """Stored names of what the wish at hand has recorded."""
        self.answer: Any = None
        """What is answered to the query at hand."""

    def who(self, by: Claim) -> Who:
        """Role and teams as they are said, else as they are in the user's record."""
        if by.system:
            return Who(f"system:{by.name}", "system", (), system=True, claimed=True)
        record = self.state.users.get(by.name, {"role": "user", "teams": ()})
        role = record["role"] if by.role is None else by.role
        teams = record["teams"] if by.teams is None else by.teams
        return Who(by.name, role, tuple(teams), system=False, claimed=by.role is not None)

    def capabilities(self, user_id: str, role: str) -> set[str]:
        """What somebody with this user role may do in the call (semantics 4)."""
        state = self.state
        roles = [role]
        if user_id in state.members:
            roles.append(state.members[user_id]["role"])
        if state.created_by == user_id:
            roles.append("owner")
        held: set[str] = set()
        for one in roles:
            held |= state.grants.get(one, set())
        return (held | state.granted.get(user_id, set())) - state.revoked.get(user_id, set())

    def may(self, who: Who, capability: str) -> bool:
        """Whether they hold it; the system holds all."""
        return who.system or capability in self.capabilities(who.user_id, who.role)

    def must(self, who: Who, capability: str) -> None:
        """Refuse whoever does not hold it."""
        if not self.may(who, capability):
            raise Refusal("not_allowed")

    def must_exist(self, who: Who) -> None:
        """The call is there, and who asks may know of it."""
        state = self.state
        if state.existence != "here":
            raise Refusal("call_not_found")
        if state.team is None or who.system or state.team in who.teams:
            return
        if who.user_id != state.created_by and who.user_id not in state.members:
            raise Refusal("wrong_team")

    def must_be_as_declared(self, place: str, custom: Mapping[str, Any]) -> None:
        """Refuse custom data of `calls` or `members` that is not of the declared kinds."""
        for name, kind in self.state.declared.get(place, {}).items():
            if custom.get(name) is not None and not _is_a(kind, custom[name]):
                raise Refusal("invalid_input")

    def setting(self, group: str, name: str) -> Any:
        """In force: the call's own, else its type's."""
        own = self.state.own_settings.get(group, {}).get(name)
        return self.state.type_settings[group][name] if own is None else own

    def wait(self, seconds: float) -> None:
        """Let time pass: each thing happens at its own instant."""
        until = self.state.now + timedelta(seconds=seconds)
        while True:
            due = min(self._dues(), key=lambda one: one[:2], default=None)
            if due is None or due[0] > until:
                break
            self.state.now = max(self.state.now, due[0])
            due[2]()
        self.state.now = until

    def _dues(self) -> Iterator[tuple[datetime, int, Callable[[], None]]]:
        """(when, rank among what is due then, what happens)."""
        raise NotImplementedError

    def copied(self) -> State:
        """What is so, to be come back to."""
        return deepcopy(self.state)


def instant(text: object) -> datetime | None:
    """The instant that a text names; None where it names none."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return None if found is None or found.tzinfo is None else found


def _is_a(kind: str, value: object) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return instant(value) is not None


def same(one: object, other: object) -> bool:
    """Whether two values are the same JSON."""
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(
        other, sort_keys=True, default=str
    )


def merged(old: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON Merge Patch: given keys replace, null removes, objects are gone into."""
    new = {key: value for key, value in old.items() if key not in patch}
    for key, value in patch.items():
        if isinstance(value, dict):
            before = old.get(key)
            new[key] = merged(before if isinstance(before, dict) else {}, value)
        elif value is not None:
            new[key] = value
    return new


def chosen(users: Collection[str] | None, among: Collection[str]) -> set[str]:
    """Those of them who are named; all where nobody is."""
    return set(among) if users is None else set(users) & set(among)
