"""The baseline of catching up: views as the eventsourcing library's documents teach to keep them.

A page of notifications is read, each is decoded by the library's mapper, and the rows that the
event changes are written with SQL, together with its tracking, in one transaction an event. The
tables are fewer and narrower than greenroom's, and have no index but their keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final

from benchmarks._stock import StockApplication
from eventsourcing.persistence import Tracking
from eventsourcing.sqlite import SQLiteFactory

PAGE: Final = 1000

_TABLES: Final = {
    "evenings": "cid text PRIMARY KEY, created_by text, custom text, ongoing integer,"
    " member_count integer",
    "sessions": "cid text PRIMARY KEY, started_by text, entry_count integer",
    "members": "cid text, user_id text, role text, custom text, PRIMARY KEY (cid, user_id)",
    "participants": "cid text, entry_id text, user_id text, role text, connected integer,"
    " PRIMARY KEY (cid, entry_id)",
    "timeline": "cid text, version integer, name text, PRIMARY KEY (cid, version)",
}
_ALWAYS: Final = "INSERT INTO timeline VALUES (:cid, :version, :event)"
_BY_KIND: Final[Mapping[str, Sequence[str]]] = {
    "Opened": (
        """INSERT INTO evenings VALUES (:cid, :created_by, :custom, 0, 0)
           ON CONFLICT (cid) DO UPDATE SET custom = excluded.custom""",
    ),
    "SessionStarted": (
        """INSERT INTO sessions VALUES (:cid, :started_by, 0)
           ON CONFLICT (cid) DO UPDATE SET started_by = excluded.started_by""",
        "UPDATE evenings SET ongoing = 1 WHERE cid = :cid",
    ),
    "MemberAdded": (
        """INSERT INTO members VALUES (:cid, :user_id, :role, :custom)
           ON CONFLICT (cid, user_id)
           DO UPDATE SET role = excluded.role, custom = excluded.custom""",
        "UPDATE evenings SET member_count = member_count + 1 WHERE cid = :cid",
    ),
    "Joined": (
        """INSERT INTO participants VALUES (:cid, :entry_id, :user_id, :role, 0)
           ON CONFLICT (cid, entry_id) DO UPDATE SET role = excluded.role""",
        "UPDATE sessions SET entry_count = entry_count + 1 WHERE cid = :cid",
    ),
    "MediaConnected": (
        "UPDATE participants SET connected = 1 WHERE cid = :cid AND entry_id = :entry_id",
    ),
    "Left": ("DELETE FROM participants WHERE cid = :cid AND entry_id = :entry_id",),
}
_NAMED: Final = re.compile(r":(\w+)")
"""As SQLite calls a value; psycopg has another way."""


class StockViews:
    """The tables, beside the events of `application`.

    Args:
        application: whose recorder, mapper and database are used.
        at_once: events in one transaction; the library has 1.
    """

    def __init__(self, application: StockApplication, at_once: int = 1) -> None:
        self._application = application
        self._at_once = at_once
        factory: Any = application.factory
        self._tracking = factory.tracking_recorder()
        """Those of both databases have the same methods, but no type in common that says so."""
        on_sqlite = isinstance(factory, SQLiteFactory)
        self._statements = {
            kind: [sql if on_sqlite else _NAMED.sub(r"%(\1)s", sql) for sql in (*own, _ALWAYS)]
            for kind, own in _BY_KIND.items()
        }
        self._options: Mapping[str, Any] = {} if on_sqlite else {"prepare": True}
        self._transaction = partial(self._tracking.datastore.transaction, commit=True)
        with self._transaction() as cursor:
            for name, columns in _TABLES.items():
                cursor.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")

    def empty(self) -> None:
        """No rows are left."""
        tracking = getattr(self._tracking, "tracking_table_name", "tracking")
        with self._transaction() as cursor:
            for name in _TABLES:
                cursor.execute(f"DELETE FROM {name}")
            cursor.execute(f"DELETE FROM {tracking} WHERE application_name = 'stock'")

    def catch_up(self, events: int) -> None:
        """Apply the first so many events of the log."""
        wanted = islice(self._notifications(), events)
        while some := list(islice(wanted, self._at_once)):
            with self._transaction() as cursor:
                for notification in some:
                    self._apply(cursor, self._application.mapper.to_domain_event(notification))
                tracking = Tracking("stock", some[-1].id)
                self._tracking._insert_tracking(cursor, tracking)  # noqa: SLF001 - its way to write beside

    def _notifications(self) -> Iterator[Any]:
        last, recorder = 0, self._application.recorder
        while found := recorder.select_notifications(last, PAGE, inclusive_of_start=False):
            yield from found
            last = found[-1].id

    def _apply(self, cursor: Any, event: Any) -> None:
        values = vars(event) | {
            "cid": str(event.originator_id),
            "version": event.originator_version,
            "event": type(event).__name__,
        }
        if "custom" in values:
            values["custom"] = json.dumps(values["custom"])
        for sql in self._statements[values["event"]]:
            cursor.execute(sql, values, **self._options)
