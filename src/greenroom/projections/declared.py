"""Indexes of declared custom fields: what call types declare is made, everything else dropped."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Final, NamedTuple

from sqlalchemy import Column, Connection, Table, select

from greenroom.domain.call_type import FieldKind
from greenroom.domain.errors import StoreError
from greenroom.projections.call_types import declared
from greenroom.projections.calls import calls
from greenroom.projections.dialect import Dialect
from greenroom.projections.forks import survives_forks
from greenroom.projections.members import members

PREFIX: Final = "of_custom_"
"""How the names of these indexes begin, and of no others."""
_PAUSES: Final = (0.2, 1.0, 5.0, 30.0)
"""Seconds until the next attempt, where others are at it or it failed."""

_LAYOUTS: Final[Mapping[str, tuple[Table, Sequence[str], Sequence[str]]]] = {
    "members": (members, ["cid"], ["created_at", "user_id"]),
    "calls": (calls, [], ["created_at", "cid"]),
}
"""By place: the table, and what stands before and behind the value in an index of it.

Whoever asks for one value finds its rows together, in the order that they are sorted in.
"""

_log = logging.getLogger(__name__)


class Index(NamedTuple):
    """One that there should be."""

    name: str
    """Another one wherever anything else is."""
    table: str
    keys: str
    value: str
    """The one among the keys that is the field; null in rows that have none of its kind."""
    field: str
    """As filters name it: `custom.color`."""


def wanted(connection: Connection, dialect: Dialect) -> Mapping[str, Index]:
    """The indexes there should be, by name."""
    rows = connection.execute(
        select(declared.c.place, declared.c.field, declared.c.kind).distinct()
    ).all()
    found = (_index(place, field, kind, dialect) for place, field, kind in map(tuple, rows))
    return {index.name: index for index in sorted(found)}


def _index(place: str, field: str, kind: FieldKind, dialect: Dialect) -> Index:
    table, before, behind = _LAYOUTS[place]
    value = f"({written(dialect, table.c.custom, field, kind)})"
    keys = ", ".join([*before, value, *behind])
    digest = hashlib.sha256(f"{table.name} {keys}".encode()).hexdigest()[:16]
    return Index(f"{PREFIX}{digest}", table.name, keys, value, f"custom.{field}")


def written(dialect: Dialect, column: Column[str], field: str, kind: FieldKind) -> str:
    """The typed value of `field` in the words that statements use, without the table's name."""
    typed = dialect.typed(column, (field,), kind)
    kwargs = {"literal_binds": True, "include_table": False}
    return str(typed.compile(dialect=dialect.driver, compile_kwargs=kwargs))


class DeclaredIndexes:
    """Keeps the indexes in step with the declarations, beside everything else that goes on.

    Any number of processes may do so: each index is made once. Safe for many threads.
    """

    def __init__(self, reindex: Callable[[], bool], interrupt: Callable[[], None]) -> None:
        """Do nothing yet.

        Args:
            reindex: `Database.reindex`.
            interrupt: `Database.interrupt_reindexing`.
        """
        self._reindex = reindex
        self._interrupt = interrupt
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._behind = False
        survives_forks(self)

    def follow(self) -> None:
        """Have made what is missing, and dropped what is left over. Returns at once."""
        with self._lock:
            self._behind = True
            if self._thread is None and not self._closing.is_set():
                thread = threading.Thread(target=self._run, name="greenroom-indexes", daemon=True)
                thread.start()
                self._thread = thread

    def settle(self, seconds: float = 60.0) -> bool:
        """Wait until nothing is missing or left over; whether that is so."""
        ends = monotonic() + seconds
        while (thread := self._thread) is not None:
            thread.join(max(0.0, ends - monotonic()))
            if thread.is_alive():
                return False
        return not self._behind

    def close(self) -> None:
        """Stop; what was begun is not there, and is made when the views are opened again."""
        self._closing.set()
        while (thread := self._thread) is not None and thread.is_alive():
            self._interrupt()
            thread.join(0.1)

    def after_fork_in_child(self) -> None:
        """The thread is the parent's."""
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = None

    def _run(self) -> None:
        attempts = 0
        while not self._is_done():
            self._behind = False
            if self._reindexed():
                attempts = 0
                continue
            self._behind = True
            self._closing.wait(_PAUSES[min(attempts, len(_PAUSES) - 1)])
            attempts += 1

    def _is_done(self) -> bool:
        """Whether the thread may end; then another one follows what is declared next."""
        with self._lock:
            done = not self._behind or self._closing.is_set()
            if done:
                self._thread = None
            return done

    def _reindexed(self) -> bool:
        try:
            return self._reindex()
        except StoreError as error:
            if not self._closing.is_set():
                _log.warning("an index of declared fields could not be made yet: %s", error)
            return False
