"""Hypothetical questions: what an operation would be answered, and by which rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from greenroom.domain import checks
from greenroom.domain.access import Capability, sources
from greenroom.domain.admission import Reason
from greenroom.domain.call_state import Existence
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.decider import Asker
from greenroom.domain.errors import CallNotFound, InvalidInput, NotAllowed, Refused, WrongTeam
from greenroom.domain.message import Actor, EntryId
from greenroom.domain.operations import life, people, presence, recording, rings
from greenroom.domain.operations.operation import Operation

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


class ExaminedTurn(CallTurn):
    """A turn that notes which capabilities were asked for."""

    asked: list[Capability]

    def asker(self, actor: Actor) -> Asker:
        """Somebody whose capabilities are noted as they are asked for."""
        if not hasattr(self, "asked"):
            self.asked = []
        plain = super().asker(actor)
        return _Watched(plain.actor, plain.capabilities, self.asked)


class _Watched(Asker, frozen=True):
    asked: list[Capability]

    def must(self, capability: Capability) -> None:
        if capability not in self.asked:
            self.asked.append(capability)
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
    turn: ExaminedTurn, name: str, arguments: Mapping[str, Any]
) -> tuple[tuple[Reason, ...], Refused | None]:
    """The rules that were asked, and the refusal if there was one; the turn has what it decided."""
    operation = operation_named(name, arguments)
    if name == "join":
        return _examine_join(turn, operation, create=bool(arguments.get("create")))
    existence = turn.call.existence
    try:
        operation.decide(turn)
    except Refused as refusal:
        return _reasons(turn, existence, refusal), refusal
    return _reasons(turn, existence, None), None


def _examine_join(
    turn: ExaminedTurn, operation: Operation[CallTurn], *, create: bool
) -> tuple[tuple[Reason, ...], Refused | None]:
    verdict = presence.admission(turn, create=create)
    if verdict.refusal is not None:
        return verdict.reasons, verdict.refusal
    try:
        operation.decide(turn)
    except Refused as refusal:  # the ring that should go with it
        reason = Reason(refusal.code, passed=False, because=str(refusal))
        return (*verdict.reasons, reason), refusal
    return verdict.reasons, None


def _reasons(
    turn: ExaminedTurn, existence: Existence, refusal: Refused | None
) -> tuple[Reason, ...]:
    found = not isinstance(refusal, CallNotFound)
    reasons = [Reason("exists", found, f"the call is {existence}")]
    if not found:  # nothing is told of a call that is gone
        return tuple(reasons)
    team = turn.call.team
    if team is not None:
        wall = isinstance(refusal, WrongTeam)
        reasons.append(Reason("team", not wall, f"the call is for team {team}"))
    for capability in getattr(turn, "asked", []):
        denied = isinstance(refusal, NotAllowed) and refusal.capability == capability
        reasons.append(
            Reason(str(capability), not denied, f"{capability}: {_why(turn, capability)}")
        )
    if refusal is not None and all(reason.passed for reason in reasons):
        reasons.append(Reason(refusal.code, passed=False, because=str(refusal)))
    return tuple(reasons)


def _why(turn: ExaminedTurn, capability: Capability) -> str:
    if turn.actor.system:
        return "the system holds every capability"
    found = ", ".join(sources(turn.call_type.grants, turn.standing, capability))
    return found or "no role grants it"
