"""Everything greenroom raises, in one tree.

GreenroomError
|-- Refused                     the rules say no; nothing was recorded; `.code` never changes
|   |-- CallNotFound            call_not_found
|   |-- WrongTeam               wrong_team
|   |-- Blocked                 blocked
|   |-- NotAllowed              not_allowed            .capability
|   |-- CallEnded               call_ended             .ended_at
|   |-- NotLiveYet              not_live_yet           .opens_at
|   |-- CallFull                call_full              .limit
|   |-- EntryNotFound           entry_not_found
|   |-- NotPresent              not_present
|   |-- MemberNotFound          member_not_found
|   |-- NotRung                 not_rung
|   |-- AnswerFinal             answer_final
|   |-- RequestsDisabled        requests_disabled
|   |-- RingingDisabled         ringing_disabled
|   |-- RecordingDisabled       recording_disabled
|   |-- NoSession               no_session
|   |-- CallTypeNotFound        call_type_not_found
|   |-- CallTypeExists          call_type_exists
|   `-- TicketExpired           ticket_expired         .expired_at
|-- InvalidInput                invalid_input          .path .expected .nearest
|   |-- InvalidFilter           invalid_filter
|   |-- InvalidSort             invalid_sort
|   |-- InvalidCursor           invalid_cursor
|   |-- InvalidTicket           invalid_ticket
|   `-- QueryTooSlow            query_too_slow
|-- Conflict                    conflict               others wrote first, again and again
|   `-- Repeated                repeated               the request id is known: ask for its answer
|-- ReadOnly                    read_only              a room as it was takes no commands
|-- RequestMismatch             request_mismatch       the request id was used for another command
|-- MediaError                  media_error            no media session, or its signalling failed
|   |-- MediaOverloaded         media_overloaded       its thread is too busy for one more
|   `-- MediaUnavailable        media_unavailable      no process that can be asked carries it
`-- StoreError                  store_error            the store cannot be used
    |-- OutcomeUnknown          outcome_unknown        whether it was recorded is not known
    |-- Overloaded              overloaded             too much waits to be recorded
    |-- StoreClosed             store_closed
    |-- KeysUnavailable         keys_unavailable       the keys of personal data cannot be asked for
    |-- NotOurStore             not_our_store
    |-- LogRewritten            log_rewritten          it is not what it was
    `-- WrongSchema             wrong_schema           .found .supported
"""

from __future__ import annotations

from datetime import datetime

from greenroom.domain.refusing import GreenroomError as GreenroomError  # noqa: PLC0414 - offered here
from greenroom.domain.refusing import Refused as Refused  # noqa: PLC0414 - offered here


class CallNotFound(Refused):
    """No such call, or it was deleted."""

    code = "call_not_found"

    def __init__(self, cid: str) -> None:
        super().__init__(f"there is no call {cid}; create it first, or join with create=True")
        self.cid = cid


class WrongTeam(Refused):
    """The call belongs to a team that the actor is not in."""

    code = "wrong_team"

    def __init__(self, team: str) -> None:
        super().__init__(f"the call is for team {team!r} only; the user must carry that team")
        self.team = team


class Blocked(Refused):
    """The user was blocked in this call."""

    code = "blocked"

    def __init__(self, user_id: str) -> None:
        super().__init__(f"{user_id} is blocked in this call; unblock them first")
        self.user_id = user_id


class NotAllowed(Refused):
    """The actor lacks a capability that the command needs."""

    code = "not_allowed"

    def __init__(self, actor: str, capability: str) -> None:
        super().__init__(f"{actor} lacks {capability}; grant it to one of their roles, or to them")
        self.actor = actor
        self.capability = str(capability)


class CallEnded(Refused):
    """The call has ended, and the actor may not join or use an ended call."""

    code = "call_ended"

    def __init__(self, ended_at: datetime) -> None:
        remedy = "go live to open it again, or hold join-ended-call"
        super().__init__(f"the call ended at {ended_at.isoformat()}; {remedy}")
        self.ended_at = ended_at


class NotLiveYet(Refused):
    """The call is in backstage and not open to this user yet."""

    code = "not_live_yet"

    def __init__(self, opens_at: datetime | None) -> None:
        opening = f"it opens at {opens_at.isoformat()}" if opens_at else "it opens on going live"
        super().__init__(f"the call is in backstage; {opening}")
        self.opens_at = opens_at
        """From when the user may join in backstage; None where only going live opens it."""


class CallFull(Refused):
    """As many distinct users as the call admits are present."""

    code = "call_full"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the call is full: {limit} participants at most")
        self.limit = limit


class EntryNotFound(Refused):
    """The entry is not in the call (any more)."""

    code = "entry_not_found"

    def __init__(self, entry_id: str) -> None:
        super().__init__(f"there is no entry {entry_id} in the call now; join again")
        self.entry_id = entry_id


class NotPresent(Refused):
    """The user is not in the call now."""

    code = "not_present"

    def __init__(self, user_id: str) -> None:
        super().__init__(f"{user_id} is not in the call now")
        self.user_id = user_id


class MemberNotFound(Refused):
    """The user is not a member of the call."""

    code = "member_not_found"

    def __init__(self, user_id: str) -> None:
        super().__init__(f"{user_id} is not a member of this call; add them first")
        self.user_id = user_id


class NotRung(Refused):
    """There is no ring that the user could answer or withdraw."""

    code = "not_rung"

    def __init__(self, user_id: str) -> None:
        super().__init__(f"{user_id} has no ring to answer or withdraw in this call")
        self.user_id = user_id


class AnswerFinal(Refused):
    """Somebody who has joined on a ring cannot change their answer to it."""

    code = "answer_final"

    def __init__(self, user_id: str) -> None:
        super().__init__(f"{user_id} has joined already; the answer to the ring stands")
        self.user_id = user_id


class RequestsDisabled(Refused):
    """The settings do not let users ask for this permission."""

    code = "requests_disabled"

    def __init__(self, permission: str) -> None:
        remedy = "a host may grant it all the same"
        super().__init__(f"asking for {permission} is off (access_request_enabled); {remedy}")
        self.permission = permission


class RingingDisabled(Refused):
    """Calls of this type do not ring."""

    code = "ringing_disabled"

    def __init__(self, call_type: str) -> None:
        remedy = "set ring.auto_cancel_timeout_ms and ring.missed_call_timeout_ms"
        super().__init__(f"calls of type {call_type!r} do not ring; {remedy}")
        self.call_type = call_type


class RecordingDisabled(Refused):
    """The settings allow no recording of the call."""

    code = "recording_disabled"


class NoSession(Refused):
    """Nobody is in the call, nor was a moment ago."""

    code = "no_session"


class CallTypeNotFound(Refused):
    """No such call type."""

    code = "call_type_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no call type {name!r}; create it with room.call_types.create")
        self.name = name


class CallTypeExists(Refused):
    """A call type of that name was defined before, and differently."""

    code = "call_type_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"call type {name!r} exists already; change it with update, grant, revoke")
        self.name = name


class TicketExpired(Refused):
    """The ticket was valid once; what was begun with it goes on, and may be ended with it."""

    code = "ticket_expired"

    def __init__(self, expired_at: datetime) -> None:
        super().__init__(f"the ticket expired at {expired_at.isoformat()}; ask for another")
        self.expired_at = expired_at


class InvalidInput(GreenroomError):
    """What was passed in cannot be meant; nothing was recorded."""

    code = "invalid_input"

    def __init__(self, path: str, expected: str, nearest: str | None = None) -> None:
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(f"{path}: expected {expected}{hint}")
        self.path = path
        """Where the fault is, e.g. `members[3].custom.color`."""
        self.expected = expected
        self.nearest = nearest
        """The known name closest to the unknown one; None where nothing comes near."""


class InvalidFilter(InvalidInput):
    """The filter names no such field or operator, or gives it a value it cannot have."""

    code = "invalid_filter"


class InvalidSort(InvalidInput):
    """The query cannot be sorted like that."""

    code = "invalid_sort"


class InvalidCursor(InvalidInput):
    """The cursor is damaged, forged, or of another query."""

    code = "invalid_cursor"


class InvalidTicket(InvalidInput):
    """The ticket is damaged, forged, or of another store."""

    code = "invalid_ticket"


class QueryTooSlow(InvalidInput):
    """The query ran into its time limit."""

    code = "query_too_slow"


class Conflict(GreenroomError):
    """Another writer got in first; nothing was recorded."""

    code = "conflict"


class Repeated(Conflict):
    """The request was recorded before; told to those alone who write to a store themselves."""

    code = "repeated"

    def __init__(self, request_id: str) -> None:
        super().__init__(f"request {request_id!r} was recorded before")
        self.request_id = request_id


class ReadOnly(GreenroomError):
    """The room is shown as it was; commands go to the room of now."""

    code = "read_only"


class RequestMismatch(GreenroomError):
    """The request id was used before, for another command."""

    code = "request_mismatch"

    def __init__(self, request_id: str) -> None:
        super().__init__(f"request id {request_id!r} belongs to another command; use a new one")
        self.request_id = request_id


class MediaError(GreenroomError):
    """No media session for the entry, or its signalling cannot be understood."""

    code = "media_error"


class MediaOverloaded(MediaError):
    """The media thread is too busy for another connection: try again in a moment."""

    code = "media_overloaded"


class MediaUnavailable(MediaError):
    """No process that can be asked carries the call's media now; ask again in a moment."""

    code = "media_unavailable"


class StoreError(GreenroomError):
    """The store cannot be read or written."""

    code = "store_error"


class OutcomeUnknown(StoreError):
    """The store was lost while recording; asking again under the same id tells, or does it."""

    code = "outcome_unknown"


class Overloaded(StoreError):
    """More commands wait to be recorded than may wait; nothing was recorded, ask again later."""

    code = "overloaded"


class StoreClosed(StoreError):
    """The room or its store was closed."""

    code = "store_closed"


class KeysUnavailable(StoreError):
    """The key store is away, or is not named: personal data can be neither written nor read."""

    code = "keys_unavailable"


class NotOurStore(StoreError):
    """The file or database holds something else."""

    code = "not_our_store"


class LogRewritten(StoreError):
    """The log is not what it was: to a room that has it open, or by a signed checkpoint."""

    code = "log_rewritten"


class WrongSchema(StoreError):
    """The store was written by a version of greenroom that this one cannot read."""

    code = "wrong_schema"

    def __init__(self, found: int, supported: int) -> None:
        remedy = "upgrade greenroom" if found > supported else "migrate the store"
        super().__init__(f"the store has schema {found}, not {supported} as expected; {remedy}")
        self.found = found
        self.supported = supported
