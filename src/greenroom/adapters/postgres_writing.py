"""Writing a draft so that its outcome is known, also where the connection breaks on the way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat
from math import inf
from time import monotonic, sleep
from typing import Any, Final

from eventsourcing.persistence import IntegrityError
from psycopg import Connection
from psycopg.errors import UniqueViolation
from psycopg.rows import TupleRow

from greenroom.adapters.postgres_append import append, packed
from greenroom.adapters.postgres_connections import Connections
from greenroom.adapters.recorder import Draft, Objection, Written
from greenroom.domain.errors import OutcomeUnknown, StoreError

_PATIENCE: Final = 10.0
"""Seconds that a server may be gone; after that nobody knows what became of the draft."""
_PAUSES: Final = (0.02, 0.1, 0.3, 1.0)
"""Seconds between attempts to reach it; the last one again and again."""

_ROW: Final = (
    "SELECT notification_id FROM greenroom.stored_events"
    " WHERE originator_id = %b AND originator_version = %b AND state = %b"
)
_REQUEST: Final = (
    "SELECT (SELECT coalesce(max(notification_id), 0) FROM greenroom.stored_events)"
    " FROM greenroom.requests WHERE request_id = %b AND fingerprint = %b AND answer = %b"
)
_KEY: Final = (
    "SELECT (SELECT coalesce(max(notification_id), 0) FROM greenroom.stored_events)"
    " FROM greenroom.subject_keys WHERE subject = %b AND key_id = %b"
)


def write(connections: Connections, draft: Draft) -> Written | Objection:
    """Write all of `draft` in one transaction, durable on return; or say what is against it.

    Where the connection breaks, it is written again on another one, which waits for what the
    server still does of the first. What objects then may be the draft itself: recorded already,
    its acknowledgement lost.

    Raises:
        IntegrityError: a row's version stands already, and the draft expected nothing of it.
        OutcomeUnknown: the server was not to be reached again for some seconds.
        StoreError: it cannot be written; nothing was.
    """
    parameters = packed(draft)
    lost: OutcomeUnknown | None = None
    deadline = inf
    for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
        try:
            with connections.writing() as connection:
                return _append(connection, draft, parameters, again=lost is not None)
        except OutcomeUnknown as error:
            lost = error
            deadline = min(deadline, monotonic() + _PATIENCE)
        except StoreError:
            if lost is None:
                raise
        if connections.closed or monotonic() > deadline:
            break
        sleep(pause)
    raise OutcomeUnknown(
        f"{lost}; whether it was recorded is not known: ask again under the same request id"
    ) from lost


def _append(
    connection: Connection[TupleRow], draft: Draft, parameters: Sequence[Any], *, again: bool
) -> Written | Objection:
    try:
        answer = append(connection, parameters, len(draft.rows))
    except UniqueViolation as error:
        if error.diag.table_name == "stored_events":
            found = _recorded(connection, draft) if again else None
            if found is None:
                raise IntegrityError(error.diag.message_primary) from error
            return found
        # Somebody recorded the same request or key since it was checked: now the check sees it.
        answer = append(connection, parameters, len(draft.rows))
    if again and isinstance(answer, Objection):
        return _recorded(connection, draft) or answer
    return answer


def _recorded(connection: Connection[TupleRow], draft: Draft) -> Written | None:
    """The answer that was lost, where `draft` stands in the log already."""
    if draft.rows:
        row = draft.rows[0]
        place = (str(row.originator_id), row.originator_version, row.state)
        first = connection.execute(_ROW, place).fetchone()
        if first is None:
            return None
        return Written(range(first[0], first[0] + len(draft.rows)), first[0] - 1)
    before: TupleRow | None = None
    if draft.requests:
        asked = draft.requests[0].request
        trace = (asked.request_id, asked.fingerprint, asked.answer)
        before = connection.execute(_REQUEST, trace).fetchone()
    elif draft.new_keys:
        subject, key = next(iter(draft.new_keys.items()))
        before = connection.execute(_KEY, (subject, key.key_id)).fetchone()
    return None if before is None else Written((), before[0])
