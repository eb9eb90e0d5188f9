"""Hypothetical questions: what an operation would be answered, and by which rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

from greenroom.domain import checks
from greenroom.domain.access import Capability, Standing, sources
from greenroom.domain.call_events import CallCreated
from greenroom.domain.call_state import Call, Existence
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.decider import Asker
from greenroom.domain.errors import (
    AnswerFinal,
    CallEnded,
    CallNotFound,
    CallTypeNotFound,
    EntryNotFound,
    InvalidInput,
    MemberNotFound,
    NotAllowed,
    NotPresent,
    NotRung,
    Refused,
    RequestsDisabled,
    RingingDisabled,
    WrongTeam,
)
from greenroom.domain.message import Actor, CallId, EntryId, UserId
from greenroom.domain.operations import life, people, presence, recording, rings
from greenroom.domain.operations.operation import Operation
from greenroom.domain.reasons import Fact, Reason
from greenroom.domain.turn import Claim, Load
from greenroom.facts import Facts, Finder, Sighted, of_join

_ENTRY: Final = EntryId("hypothetical")


def _create(**options: Any) -> Operation[CallTurn]:
    out = {key: options.pop(key) for key in ("ring", "notify", "video") if key in options}
    return life.create(life.new_call(**options), **out)


def _join(*, create: bool = False, **out: bool) -> Operation[CallTurn]:
    wanted = checks.flag(create, "create")
    return presence.join(_ENTRY, create=life.new_call() if wanted else None, **out)


def _leave(*, entry_id: str | None = None) -> Operation[CallTurn]:
    return presence.leave(None if entry_id is None else checks.entry_id(entry_id, "entry_id"))


def _unmute(*, entry_id: str, **tracks: bool) -> Operation[CallTurn]:
    return people.unmute(checks.entry_id(entry_id, "entry_id"), **tracks)


OPERATIONS: Final[Mapping[str, Callable[..., Operation[CallTurn]]]] = {
    "accept": rings.accept,
    "add_members": people.put,
    "block": people.block,
    "cancel_ring": rings.cancel_ring,
    "create": _create,
    "delete": life.delete,
    "end": life.end,
    "get": life.get,
    "go_live": life.go_live,
    "grant_permissions": people.grant_permissions,
    "join": _join,
    "kick": people.kick,
    "leave": _leave,
    "mute": people.mute,
    "notify": rings.notify,
    "pin": people.pin,
    "reject": rings.reject,
    "remove_members": people.remove,
    "request_permissions": people.request_permissions,
    "restore": life.restore,
    "revoke_permissions": people.revoke_permissions,
    "ring": rings.ring,
    "send_event": people.send_event,
    "start_recording": recording.start,
    "stop_live": life.stop_live,
    "stop_recording": recording.stop,
    "unblock": people.unblock,
    "unmute": _unmute,
    "unpin": people.unpin,
    "update": life.update,
    "update_members": people.put,
}
"""By the name of the handle's method."""


class Asked(NamedTuple):
    """One rule that was asked, and what it looked at."""

    rule: str
    because: str
    facts: Facts
    code: str | None = None
    """Of the refusal, where it did not pass."""


class ExaminedTurn(CallTurn):
    """A turn that notes which rules were asked, and what they saw just then."""

    def __init__(
        self,
        cid: CallId,
        claim: Claim,
        at: datetime,
        load: Load,
        member_ids: Callable[[CallId], Iterable[UserId]],
    ) -> None:
        super().__init__(cid, claim, at, load, member_ids)
        self.asked: dict[str, Asked] = {}
        """By the name of the rule, in their order."""

    def existing(self) -> Call:
        """The call, for somebody who may know of it; what keeps others from it is noted."""
        team = self.call.team
        if team is not None and self.call.existence is Existence.HERE:
            facts = Finder(self).team(members_too=True)
            code = None if facts[-1].favours else WrongTeam.code
            self.asked["team"] = Asked("team", f"the call is for team {team}", facts, code)
        return super().existing()

    def asker(self, actor: Actor) -> Asker:
        """Somebody whose capabilities are noted as they are asked for."""
        plain = super().asker(actor)
        standing = self.standing_of(actor.user_id, actor.role)
        return _Watched(plain.actor, plain.capabilities, partial(self._note, standing))

    def _note(self, standing: Standing, capability: Capability) -> None:
        """It was asked for, of somebody whose standing may have changed since."""
        facts = Finder(self).capability(capability, standing)
        code = None if facts[-1].favours else NotAllowed.code
        self.asked.pop(capability, None)
        why = _why(self, capability, standing)
        self.asked[capability] = Asked(capability, why, facts, code)


class _Watched(Asker, frozen=True):
    note: Callable[[Capability], None]

    def must(self, capability: Capability) -> None:
        self.note(capability)
        super().must(capability)


def operation_named(name: str, arguments: Mapping[str, Any]) -> Operation[CallTurn]:
    """The operation of that name.

    Raises:
        InvalidInput: there is none, or it does not take these arguments.
    """
    make = OPERATIONS.get(checks.plain(name)) if checks.is_a(name, str) else None
    if make is None:
        near = checks.nearest(name, OPERATIONS)
        raise InvalidInput("operation", "the name of a command, e.g. join", near)
    try:
        return make(**arguments)
    except TypeError as error:
        raise InvalidInput("arguments", f"what {name} takes ({error})") from None


def examine(
    turn: ExaminedTurn, operation: Operation[CallTurn]
) -> tuple[Sequence[Asked], Refused | None]:
    """The rules that were asked, and the refusal if there was one; the turn has what it decided."""
    asked: list[Asked] = []
    joins = operation.name == "join"
    existence = turn.call.existence
    if joins:
        asked, refusal = _admission(turn, create=operation.arguments["create"] is not None)
        if refusal is not None:
            return asked, refusal
        turn.asked.clear()  # what was asked for on the way is told by the rules
    try:
        operation.decide(turn)
    except Refused as refused:
        refusal = refused
    else:
        refusal = None
    if not joins:
        asked = [_existence(turn, existence, refusal)]
        if asked[0].code is not None:  # nothing is told of a call that is gone
            return asked, refusal
    asked += turn.asked.values()
    if refusal is not None and not any(one.code for one in asked):
        asked.append(Asked(refusal.code, str(refusal), _against(turn, refusal), refusal.code))
    return asked, refusal


def reason_of(one: Asked) -> Reason:
    """The rule as it is told where nobody asks for the events behind its facts."""
    facts = tuple(Fact(fact.says, fact.favours) for fact in one.facts)
    return Reason(one.rule, one.code is None, one.because, facts, one.code)


def _admission(turn: ExaminedTurn, *, create: bool) -> tuple[list[Asked], Refused | None]:
    verdict = presence.admission(turn, create=create)
    created = any(isinstance(step.event, CallCreated) for step in turn.steps)
    by = turn.by
    seen = of_join(turn, turn.join_facts(by, created=created), turn.session.occupancy(by.user_id))
    asked = [Asked(one.rule, one.because, _as_told(one, seen[one.rule])) for one in verdict.reasons]
    if verdict.refusal is not None:
        asked[-1] = asked[-1]._replace(code=verdict.refusal.code)
    return asked, verdict.refusal


def _as_told(reason: Reason, facts: Facts) -> Facts:
    """What the rule looked at; where it is not the rule that there is, what it says itself."""
    if facts[-1].favours is reason.passed:
        return facts
    return [Sighted(reason.because, reason.passed)]


def _existence(turn: CallTurn, existence: Existence, refusal: Refused | None) -> Asked:
    """Whether there is a call to speak of; some operations want one that there is not."""
    found = not isinstance(refusal, CallNotFound)
    finder = Finder(turn)
    *rest, last = [*finder.existence(), *finder.not_deleted()]
    if existence is Existence.ABSENT:
        last = rest.pop()
    code = None if found else CallNotFound.code
    return Asked("exists", f"the call is {existence}", [*rest, last._replace(favours=found)], code)


def _against(turn: CallTurn, refusal: Refused) -> Facts:
    """What speaks against it, where no capability is missing."""
    finder = Finder(turn)
    match refusal:
        case CallEnded():
            return [finder.ended()]
        case RequestsDisabled(permission=permission):
            group = _GROUPS[Capability(permission)]
            return [finder.setting(group, "access_request_enabled", favours=False)]
        case RingingDisabled():
            fields = ("auto_cancel_timeout_ms", "missed_call_timeout_ms")
            return [finder.setting("ring", field, favours=False) for field in fields]
        case MemberNotFound(user_id=user_id):
            return [finder.membership(UserId(user_id))]
        case NotRung(user_id=user_id):
            return [finder.rung(UserId(user_id))]
        case AnswerFinal(user_id=user_id):
            return [finder.answered(UserId(user_id))]
        case NotPresent(user_id=user_id):
            return [finder.presence(UserId(user_id))]
        case EntryNotFound(entry_id=entry_id):
            return [finder.entry(EntryId(entry_id))]
        case CallTypeNotFound():
            return [finder.defined()]
        case NotAllowed(actor=actor):
            return [Sighted(f"{actor} is not the system", favours=False)]
        case _:
            return [Sighted(str(refusal), favours=False)]


_GROUPS: Final = {
    Capability.SEND_AUDIO: "audio",
    Capability.SEND_VIDEO: "video",
    Capability.SCREENSHARE: "screensharing",
}
"""The settings that say whether a permission may be asked for."""


def _why(turn: CallTurn, capability: Capability, standing: Standing) -> str:
    if turn.actor.system:
        return f"{capability}: the system holds every capability"
    found = ", ".join(sources(turn.call_type.grants, standing, capability))
    return f"{capability}: {found or 'no role grants it'}"
