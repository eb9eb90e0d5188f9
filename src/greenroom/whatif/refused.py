"""From what was refused back to what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from greenroom.domain.attempts import Attempt
from greenroom.domain.errors import (
    Blocked,
    CallEnded,
    CallFull,
    CallNotFound,
    NotAllowed,
    NotLiveYet,
    WrongTeam,
)
from greenroom.domain.message import SYSTEM, EntryId
from greenroom.domain.operations import life, presence
from greenroom.domain.turn import Claim
from greenroom.explaining import Asked, operation_named
from greenroom.whatif.wishes import Wish

_WITHOUT_ARGUMENTS: Final = frozenset(
    {
        "accept",
        "cancel_ring",
        "end",
        "go_live",
        "start_recording",
        "stop_live",
        "stop_recording",
    }
)
"""Operations of which nothing was said but their name."""
_RULES: Final[Mapping[str, str]] = {
    CallNotFound.code: "exists",
    WrongTeam.code: "team",
    Blocked.code: "not_blocked",
    NotAllowed.code: "join_call",
    CallEnded.code: "not_ended",
    NotLiveYet.code: "open",
    CallFull.code: "capacity",
}
"""Rules of joining, by the code of their refusal."""


def wish_of_attempt(attempt: Attempt) -> Wish | None:
    """What was refused; None where what is kept of it is not all that was asked for."""
    if attempt.operation in _WITHOUT_ARGUMENTS:
        operation = operation_named(attempt.operation, {})
    elif attempt.operation == "join" and not attempt.calls_out:
        entry_id = EntryId(f"refused-at-{attempt.position}-{attempt.user_id}")
        create = life.new_call() if attempt.create else None
        operation = presence.join(entry_id, create=create)
    else:
        return None
    name = attempt.user_id.removeprefix(SYSTEM)
    system = name != attempt.user_id
    return Wish(Claim(name, attempt.role, attempt.teams, system), operation)


def rule_that_refused(attempt: Attempt, asked: Sequence[Asked]) -> Asked:
    """The rule that stood in the way, as it says now; if it is not asked any more, the last."""
    rule = _RULES.get(attempt.code) if attempt.operation == "join" else attempt.rule
    return next((one for one in asked if one.rule == rule), asked[-1])
