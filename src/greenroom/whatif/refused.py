"""From what was refused back to what was asked for."""

from __future__ import annotations

from greenroom.domain.attempts import Attempt
from greenroom.domain.message import SYSTEM, EntryId
from greenroom.domain.operations import life, presence, recording, rings
from greenroom.domain.turn import Claim
from greenroom.whatif.wishes import Wanted, Wish


def wish_of_attempt(attempt: Attempt) -> Wish | None:
    """What was refused; None where what is kept of it is not all that was asked for."""
    operation: Wanted
    match attempt.operation:
        case "join" if not attempt.calls_out:
            entry_id = EntryId(f"refused-at-{attempt.position}-{attempt.user_id}")
            create = life.new_call() if attempt.create else None
            operation = presence.join(entry_id, create=create)
        case "go_live":
            operation = life.go_live()
        case "stop_live":
            operation = life.stop_live()
        case "end":
            operation = life.end()
        case "start_recording":
            operation = recording.start()
        case "stop_recording":
            operation = recording.stop()
        case "accept":
            operation = rings.accept()
        case "cancel_ring":
            operation = rings.cancel_ring()
        case _:
            return None
    name = attempt.user_id.removeprefix(SYSTEM)
    system = name != attempt.user_id
    return Wish(Claim(name, attempt.role, attempt.teams, system), operation)
