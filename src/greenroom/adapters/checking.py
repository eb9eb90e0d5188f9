"""Whether a store is whole: everything that must hold of its rows, looked at one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.json import Decoder

from greenroom.adapters.attempts import SqlAttempts
from greenroom.adapters.codec import Row, decode
from greenroom.adapters.key_store import opened_keys
from greenroom.adapters.keyring import BOUND, HOW_TO_NAME
from greenroom.adapters.repairing import UNFOUNDED, views_ahead
from greenroom.adapters.sealing import KEY_BYTES, Sealed, SubjectKey
from greenroom.adapters.tables import Tables, open_tables
from greenroom.domain.errors import KeysUnavailable, NotOurStore, StoreError
from greenroom.domain.keys import KeyStore
from greenroom.domain.message import StreamId
from greenroom.domain.streams import ERASING, erased_by, subjects

Progress = Callable[[str, int, int], None]
"""Told what is being looked at, how much of it is done, and how much there is; 0 for unknown."""

MOST_NAMED: Final = 20
"""Faults that are named; the others are counted."""
FindSecrets = Callable[[Collection[int]], Mapping[int, bytes]]
"""The secrets of these numbers, where they are not in the store."""

_PLACES: Final = 10_000
"""Rows without documents that are read at once."""
_RECORDS: Final = 1_000
"""Rows with documents that are read at once."""
_ERASURES: Final = 10_000
"""Subjects whose erasure is remembered."""


@dataclass(slots=True)
class Findings:
    """What a check has looked at, and what is wrong with it."""

    position: int = 0
    """Up to which the log was looked at."""
    events: int = 0
    streams: int = 0
    requests: int = 0
    sealed: int = 0
    """Records with personal data."""
    erased: int = 0
    """Those of them that nobody can read any more, as it was asked for."""
    fault_count: int = 0
    faults: list[str] = field(default_factory=list)
    """The first `MOST_NAMED` of them."""

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return self.fault_count == 0

    def fault(self, said: str) -> None:
        """Note one."""
        self.fault_count += 1
        if len(self.faults) < MOST_NAMED:
            self.faults.append(said)


_BOUND: Final = "SELECT secret FROM subject_keys WHERE subject = ?"


def _finder(tables: Tables, keys: KeyStore | None) -> FindSecrets:
    """Finds secrets that are not in the store.

    Raises:
        KeysUnavailable, NotOurStore: they are elsewhere, which nobody, or another one, has named.
    """
    bound = tables.ask(_BOUND, BOUND)
    if not bound:
        return lambda _: {}
    if keys is None:
        raise KeysUnavailable(f"the keys of this store are elsewhere; {HOW_TO_NAME}")
    if keys.identity != bytes(bound[0][0]):
        raise NotOurStore("these are the keys of another store; name this one's")
    return keys.find


def must_find_keys(url: str, keys: KeyStore | str | None) -> None:
    """The keys of the store at `url` are within it, or where they are said to be.

    Raises:
        InvalidInput: no such URL.
        KeysUnavailable: they are elsewhere, and cannot be asked for there.
        StoreError: there is no store, or it cannot be used.
    """
    with open_tables(url) as tables, opened_keys(keys, create=False) as key_store:
        tables.must_be_current()
        _finder(tables, key_store)


def check(
    url: str, progress: Progress = lambda *_: None, *, keys: KeyStore | str | None = None
) -> Findings:
    """Look at every row of the store at `url`; others may work with it meanwhile.

    Versions rise by one in each stream, and positions with them; none is missing; every document
    can be read; what is sealed can be opened, or was erased; what requests and the outbox refer to
    is there. It takes no more memory for more events.

    Args:
        url: of a store that outlives a process.
        progress: told how far it is, from time to time.
        keys: where its keys are, if not in the store.

    Raises:
        InvalidInput: no such URL.
        WrongSchema, NotOurStore: the store is not of this greenroom.
        KeysUnavailable: its keys are elsewhere, and cannot be asked for there.
        StoreError: there is no store, or it cannot be used at all.
    """
    with open_tables(url) as tables, opened_keys(keys, create=False) as key_store:
        tables.must_be_current()
        find = _finder(tables, key_store)
        found = Findings(position=tables.position())
        for step in (*_STEPS, partial(_read_records, find=find), *_FURTHER_STEPS):
            try:
                step(tables, found, progress)
            except StoreError as error:  # what is damaged cannot be read either: go on with others
                found.fault(str(error))
        return found


def _look_for_damage(tables: Tables, found: Findings, progress: Progress) -> None:
    progress("file" if tables.kind == "sqlite" else "indexes", 0, 0)
    for said in tables.damage():
        found.fault(f"{tables.name}: {said}")


def _follow_streams(tables: Tables, found: Findings, progress: Progress) -> None:
    """Along the index: every stream from version 1 on, without holes, in the order of the log."""
    seen = 0
    stream, version, position = "", 0, 0
    while rows := tables.ask(_BY_STREAM, stream, version, found.position, _PLACES):
        seen += len(rows)
        for name, number, place in rows:
            if name != stream:
                stream, version, position = name, 0, 0
                found.streams += 1
            if number != version + 1:
                found.fault(f"{name}: version {number} stands where {version + 1} should")
            if place <= position:
                found.fault(f"{name}: version {number} at position {place} stands before {version}")
            version, position = number, place
        progress("versions", seen, found.position)
    count = tables.number(_COUNT, found.position)
    if seen != count:
        found.fault(f"of {count} records, {seen} are found along the index by stream")


_BY_STREAM: Final = (
    "SELECT originator_id, originator_version, event_position FROM stored_events"
    " WHERE (originator_id, originator_version) > (?, ?) AND event_position <= ?"
    " ORDER BY originator_id, originator_version LIMIT ?"
)
_COUNT: Final = "SELECT count(*) FROM stored_events WHERE event_position <= ?"


def _read_records(
    tables: Tables, found: Findings, progress: Progress, *, find: FindSecrets
) -> None:
    """In the order of the log: every document, and every key it needs."""
    last = 0
    erasures = _Erasures(tables)
    while rows := tables.ask(_LOG, last, found.position, _RECORDS):
        keys = _Keys(tables, rows, find)
        for row in rows:
            if row[0] != last + 1:
                found.fault(f"nothing stands between positions {last} and {row[0]}")
            last = row[0]
            _record(row, keys, erasures, found)
        found.events += len(rows)
        progress("records", last, found.position)


_LOG: Final = (
    "SELECT event_position, originator_id, originator_version, topic, state FROM stored_events"
    " WHERE event_position > ? AND event_position <= ? ORDER BY event_position LIMIT ?"
)


def _record(row: Row, keys: _Keys, erasures: _Erasures, found: Findings) -> None:
    try:
        decode(row, keys)
    except StoreError as error:
        found.fault(str(error))
        return
    sealed = _sealed(row)
    if sealed is None:
        return
    found.sealed += 1
    about = subjects(StreamId(row[1]))
    if tuple(key.key_id for key in keys(about) if key is not None) == sealed.keys:
        return
    if any(erasures.after(subject, row[0]) for subject in about):
        found.erased += 1
    else:
        found.fault(
            f"record {row[1]} version {row[2]} at position {row[0]} needs a key that is gone,"
            " and nobody erased it"
        )


class _Seal(Struct):
    """Of a document, which keys it takes."""

    sealed: Sealed | UnsetType = UNSET


_SEAL: Final = Decoder(_Seal)


def _sealed(row: Row) -> Sealed | None:
    if b'"sealed"' not in row[4]:  # most are not, and this tells at once
        return None
    sealed = _SEAL.decode(row[4]).sealed
    return None if sealed is UNSET else sealed


class _Keys:
    """The keys that a page of records may need, looked up at once."""

    def __init__(self, tables: Tables, rows: Sequence[Row], find: FindSecrets) -> None:
        about = {one for row in rows if b'"sealed"' in row[4] for one in subjects(StreamId(row[1]))}
        self._held: Mapping[str, SubjectKey] = {}
        if about:
            places = ", ".join("?" * len(about))
            question = (
                f"SELECT subject, key_id, secret FROM subject_keys WHERE subject IN ({places})"
            )
            keys = tables.ask(question, *about)
            apart = find([key_id for _, key_id, secret in keys if not secret])
            self._held = {
                subject: SubjectKey(key_id, secret or apart[key_id])
                for subject, key_id, secret in keys
                if secret or key_id in apart
            }

    def __call__(self, subjects: Sequence[str]) -> Sequence[SubjectKey | None]:
        """The keys of `subjects`, in their order."""
        return [self._held.get(one) for one in subjects]


class _Erasures:
    """When subjects were erased last."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._last = lru_cache(_ERASURES)(self._look_up)

    def after(self, subject: str, position: int) -> bool:
        """Whether `subject` was erased past `position`."""
        # What was remembered may be from before somebody erased them again.
        return self._last(subject) > position or self._look_up(subject) > position

    def _look_up(self, subject: str) -> int:
        names = sorted(ERASING)
        for row in self._tables.ask(_ERASED, subject, *names):
            try:
                event = decode((*row,), lambda about: [None] * len(about)).event
            except StoreError:
                continue  # its own check names it
            if erased_by(event) == subject:
                return int(row[0])
        return 0


_ERASED: Final = (
    "SELECT event_position, originator_id, originator_version, topic, state FROM stored_events"
    " WHERE originator_id = ? AND topic IN (?, ?) ORDER BY originator_version DESC"
)


def _find_requests(tables: Tables, found: Findings, progress: Progress) -> None:
    found.requests = tables.number("SELECT count(*) FROM requests")
    progress("requests", 0, found.requests)
    astray = tables.ask(_ASTRAY)
    for request_id, position in astray:
        found.fault(f"request {request_id!r} refers to position {position}, where nothing stands")
    progress("requests", found.requests, found.requests)


_ASTRAY: Final = (
    "SELECT request_id, position FROM requests WHERE position <> 0 AND NOT EXISTS"
    " (SELECT 1 FROM stored_events WHERE event_position = requests.position)"
    " ORDER BY position LIMIT 1000"
)


def _look_at_keys(tables: Tables, found: Findings, progress: Progress) -> None:
    progress("keys", 0, 0)
    apart = bool(tables.ask(_BOUND, BOUND))
    short = tables.ask(
        "SELECT subject FROM subject_keys WHERE length(secret) NOT IN (?, ?) LIMIT 1000",
        KEY_BYTES,
        0 if apart else KEY_BYTES,
    )
    for (subject,) in short:
        found.fault(f"the key of {subject} is damaged")
    secrets = tables.ask("SELECT secret FROM store_secret")
    if [len(secret) for (secret,) in secrets] != [KEY_BYTES]:
        found.fault("the store's own secret is missing or damaged: cursors and views depend on it")


def _look_at_outbox(tables: Tables, found: Findings, progress: Progress) -> None:
    progress("outbox", 0, 0)
    if not tables.has("greenroom_effects_follower"):
        return
    read = tables.ask("SELECT position FROM greenroom_effects_follower")
    head = tables.position()
    if len(read) != 1:
        found.fault(f"the outbox says {len(read)} times how far it has read the log, not once")
    elif read[0][0] > head:
        found.fault(
            f"the outbox has read up to position {read[0][0]}, but the log ends at {head}: {_OLDER}"
        )


def _look_beside(tables: Tables, found: Findings, progress: Progress) -> None:
    """What has seen more than the log holds: an older backup of the log was restored."""
    progress("beside", 0, 0)
    head = tables.position()
    if ahead := views_ahead(tables, head):
        found.fault(
            f"the log ends at {head}, and views have seen more of it ({', '.join(ahead)}): {_OLDER}"
        )
    unfounded = tables.ask(f"SELECT stream FROM snapshots WHERE {UNFOUNDED} LIMIT 1000")
    for (stream,) in unfounded:
        found.fault(f"a snapshot of {stream} is of a later version than it has: {_OLDER}")
    if tables.has_attempts():
        with closing(SqlAttempts.open(tables.attempts_at)) as noted:
            many = noted.past(head)
        if many:
            found.fault(f"{many} refused attempts were decided past the end of the log: {_OLDER}")


_OLDER: Final = "an older backup was restored; `greenroom db repair` puts that right"


_STEPS: Final = (
    _look_for_damage,
    _follow_streams,
)
_FURTHER_STEPS: Final = (
    _find_requests,
    _look_at_keys,
    _look_at_outbox,
    _look_beside,
)
