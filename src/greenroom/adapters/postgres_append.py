"""Appending in one round trip: a function of the server that checks a draft, and writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from greenroom.adapters.postgres_arrays import Blobs, Integers, Texts
from greenroom.adapters.recorder import Draft, Objection, Written
from greenroom.domain.message import RequestId

CHANNEL: Final = "greenroom"
"""Where the server tells of appends (LISTEN)."""

# A function of its own, because a query sees one moment of the log, and a procedure many.
_CHECK: Final = """\
CREATE FUNCTION greenroom.check_draft(
    streams text[], expected bigint[], request_ids text[], subjects text[], key_ids bigint[]
) RETURNS TABLE (kind text, name text, found bigint) LANGUAGE sql STABLE AS $$
    SELECT 'version', looked.stream, looked.found
    FROM (
        SELECT stream, version, (
            SELECT coalesce(max(originator_version), 0)
            FROM greenroom.stored_events WHERE originator_id = stream
        ) AS found
        FROM unnest(streams, expected) AS asked (stream, version)
    ) AS looked
    WHERE looked.found <> looked.version
  UNION ALL
    SELECT 'request', request_id, NULL
    FROM unnest(request_ids) AS asked (id) JOIN greenroom.requests ON request_id = id
  UNION ALL
    SELECT 'key', asked.subject, held.key_id
    FROM unnest(subjects, key_ids) AS asked (subject, key_id)
    LEFT JOIN greenroom.subject_keys AS held ON held.subject = asked.subject
    WHERE held.key_id IS DISTINCT FROM asked.key_id
  UNION ALL
    SELECT 'position', NULL, coalesce(max(notification_id), 0) FROM greenroom.stored_events
$$"""
"""What is against a draft, and the log's last position: `(kind, name, found)` of one moment."""

LOCK: Final = "LOCK TABLE greenroom.append_turn IN EXCLUSIVE MODE"
"""Whoever has it is the only one who appends; it is given in the order of asking."""

# The lock makes the order of positions the order of commits. It is on a table of its own: one on
# the events would wait for whoever vacuums or analyses them, and they for it.
_APPEND: Final = f"""\
CREATE FUNCTION greenroom.append_draft(
    streams text[], expected bigint[], request_ids text[], subjects text[], key_ids bigint[],
    row_streams text[], row_versions bigint[], row_names text[], row_states bytea[],
    fingerprints text[], answers bytea[], request_rows bigint[],
    new_subjects text[], new_key_ids bigint[], new_secrets bytea[], forgotten text[]
) RETURNS TABLE (kind text, name text, found bigint) LANGUAGE plpgsql AS $$
DECLARE
    said bigint;
    before bigint;
BEGIN
    IF cardinality(row_streams) > 0 THEN
        {LOCK};
    END IF;
    RETURN QUERY SELECT * FROM greenroom.check_draft(
        streams, expected, request_ids, subjects, key_ids
    );
    GET DIAGNOSTICS said = ROW_COUNT;
    IF said > 1 THEN
        RETURN;
    END IF;
    IF cardinality(row_streams) > 0 THEN
        SELECT coalesce(max(notification_id), 0) INTO before FROM greenroom.stored_events;
        INSERT INTO greenroom.stored_events
            (originator_id, originator_version, topic, state, notification_id)
        SELECT stream, version, name_, state, before + number
        FROM unnest(row_streams, row_versions, row_names, row_states)
            WITH ORDINALITY AS rows (stream, version, name_, state, number);
        NOTIFY {CHANNEL};
    END IF;
    IF cardinality(request_ids) > 0 THEN
        INSERT INTO greenroom.requests
        SELECT id, fingerprint, answer, coalesce(before + row_ + 1, 0),
            floor(extract(epoch FROM clock_timestamp()) * 1000000)
        FROM unnest(request_ids, fingerprints, answers, request_rows)
            AS asked (id, fingerprint, answer, row_);
    END IF;
    IF cardinality(new_subjects) > 0 THEN
        INSERT INTO greenroom.subject_keys (key_id, subject, secret)
        SELECT * FROM unnest(new_key_ids, new_subjects, new_secrets);
    END IF;
    IF cardinality(forgotten) > 0 THEN
        DELETE FROM greenroom.subject_keys WHERE subject = ANY (forgotten);
    END IF;
END $$"""
"""Writes a draft, unless something is against it; answers as `check_draft`, of before."""

FUNCTIONS: Final = (_CHECK, _APPEND)

CHECK: Final = "SELECT * FROM greenroom.check_draft(%b, %b, %b, %b, %b)"
_CALL: Final[LiteralString] = (
    "SELECT * FROM greenroom.append_draft("
    "%b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b)"
)


def checked(draft: Draft) -> tuple[Any, ...]:
    """The parameters of `CHECK`."""
    return (
        Texts(draft.versions),
        Integers(draft.versions.values()),
        Texts(one.request.request_id for one in draft.requests),
        Texts(draft.keys),
        Integers(draft.keys.values()),
    )


def packed(draft: Draft) -> tuple[Any, ...]:
    """The parameters of the whole draft."""
    rows, requests, new_keys = draft.rows, draft.requests, draft.new_keys
    return (
        *checked(draft),
        Texts(str(row.originator_id) for row in rows),
        Integers(row.originator_version for row in rows),
        Texts(row.topic for row in rows),
        Blobs(row.state for row in rows),
        Texts(one.request.fingerprint for one in requests),
        Blobs(one.request.answer for one in requests),
        Integers(one.row for one in requests),
        Texts(new_keys),
        Integers(key.key_id for key in new_keys.values()),
        Blobs(key.secret for key in new_keys.values()),
        Texts(draft.forgets),
    )


def append(
    connection: Connection[TupleRow], parameters: Sequence[Any], rows: int
) -> Written | Objection:
    """Write what was packed, in one transaction; `rows` of it are for the log."""
    cursor = connection.execute(_CALL, parameters, prepare=True, binary=True)
    return answer(cursor.fetchall(), rows)


def answer(said: Sequence[TupleRow], rows: int) -> Written | Objection:
    """What the server said, for a draft with so many rows."""
    if len(said) > 1:
        return Objection(
            {name: found for kind, name, found in said if kind == "version"},
            frozenset(RequestId(name) for kind, name, _ in said if kind == "request"),
            {name: found for kind, name, found in said if kind == "key"},
        )
    before: int = said[0][2]
    return Written(range(before + 1, before + 1 + rows), before)
