"""The whole log, and all attendance, as Parquet files for programs that analyse tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import to_builtins
from msgspec.json import encode

from greenroom.attendance import Attending, Stay
from greenroom.domain.call_events import SessionEnded, SessionStarted
from greenroom.domain.errors import InvalidInput
from greenroom.domain.message import CallId, Event, Recorded
from greenroom.domain.session_events import Joined, Left
from greenroom.domain.streams import call_in
from greenroom.history import recorded_at

ROWS_IN_A_GROUP: Final = 16_384
"""What is in memory at a time."""
GROUPS_IN_A_FILE: Final = 64
"""A million rows, about: one file is a fair share of the work for one of many machines."""

_AT, _RECORDED = pa.timestamp("us", tz="UTC"), pa.timestamp("ms", tz="UTC")
EVENTS: Final = pa.schema(
    [
        ("position", pa.int64()), ("cid", pa.string()), ("call_type", pa.string()),
        ("seq", pa.int32()), ("at", _AT), ("recorded_at", _RECORDED), ("name", pa.string()),
        ("by", pa.string()), ("role", pa.string()), ("session", pa.int32()),
        ("entry_id", pa.string()), ("user_id", pa.string()), ("fields", pa.string()),
        ("personal", pa.string()), ("stream", pa.string()), ("version", pa.int32()),
        ("event_id", pa.string()), ("request_id", pa.string()), ("correlation_id", pa.string()),
        ("causation_id", pa.string()),
    ]
)  # fmt: skip  # pairs
"""The columns of events. `fields` and `personal` are JSON objects; what is about no call has no
`cid` and no `seq`."""
STAYS: Final = pa.schema(
    [
        ("cid", pa.string()), ("call_type", pa.string()), ("session_id", pa.string()),
        ("entry_id", pa.string()), ("user_id", pa.string()), ("role", pa.string()),
        ("joined_at", _AT), ("left_at", _AT), ("seconds", pa.float64()), ("reason", pa.string()),
        ("left_by", pa.string()),
    ]
)  # fmt: skip  # pairs
"""The columns of attendance: a row for each entry, as `greenroom.attendance.Stay`."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    position: int
    """Of the last event; the next export goes on `after` it."""
    events: int
    stays: int
    files: Sequence[Path]


def export(
    records: Iterable[tuple[int | None, Recorded[Event]]],
    directory: Path,
    *,
    now: datetime,
    after: int = 0,
    personal: bool = False,
    rows: int = ROWS_IN_A_GROUP,
    groups: int = GROUPS_IN_A_FILE,
    progress: Callable[[int], None] = lambda _: None,
) -> Exported:
    """Write `events/` and `attendance/` below a directory; a file appears when it is whole.

    Args:
        records: of the log past `after`, each with its place in its call's history, if any.
        directory: made where there is none.
        now: whoever is in a call still is counted up to then.
        after: only events past this position, and then no attendance: sessions may have begun
            before.
        personal: whether personal fields are written, as far as they can be read.
        rows: in a row group.
        groups: in a file.
        progress: told the position reached, after every row group.

    Raises:
        InvalidInput: there are files of events past `after` already.
        StoreError: the store cannot be read.
    """
    _must_be_new(directory, after)
    reached, attending = after, _Everybody()
    with ExitStack() as opened:
        events = opened.enter_context(_Files(directory / "events", EVENTS, rows, groups))
        stays = opened.enter_context(_Files(directory / "attendance", STAYS, rows, groups))
        for seq, record in records:
            reached = record.position
            if events.add(record.position, _event(seq, record, personal=personal)):
                progress(reached)
            if after == 0:
                stays.add_all(attending.take(record))
        if after == 0:
            stays.add_all(attending.rest(now))
    progress(reached)
    return Exported(reached, events.count, stays.count, (*events.written, *stays.written))


class _Files:
    """Rows on their way into files, a row group in memory at a time."""

    def __init__(self, directory: Path, schema: pa.Schema, rows: int, groups: int) -> None:
        self.count = 0
        self.written: list[Path] = []
        self._directory, self._schema = directory, schema
        self._rows, self._groups = rows, groups
        self._waiting: list[Mapping[str, Any]] = []
        self._writer: pq.ParquetWriter | None = None
        self._path = directory
        self._first = self._in_file = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._flush()
        self._close(whole=error is None)

    def add(self, number: int, row: Mapping[str, Any]) -> bool:
        """One more row; whether a row group was written. Files are named by their first number."""
        if not self._waiting:
            self._first = number
        self._waiting.append(row)
        self.count += 1
        full = len(self._waiting) >= self._rows
        if full:
            self._flush()
        return full

    def add_all(self, rows: Iterator[Mapping[str, Any]]) -> None:
        """These rows, numbered on."""
        for row in rows:
            self.add(self.count + 1, row)

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._path = self._directory / f"{self._first:012}.parquet"
            self._writer = pq.ParquetWriter(
                _unfinished(self._path), self._schema, compression="zstd"
            )
        self._writer.write_table(pa.Table.from_pylist(self._waiting, schema=self._schema))
        self._waiting = []
        self._in_file += 1
        if self._in_file >= self._groups:
            self._close(whole=True)

    def _close(self, *, whole: bool) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer, self._in_file = None, 0
        if whole:
            _unfinished(self._path).replace(self._path)
            self.written.append(self._path)
        else:
            _unfinished(self._path).unlink()


class _Everybody:
    """The attendance of all calls: what of a session is over is handed on, and forgotten."""

    def __init__(self) -> None:
        self._open: dict[CallId, Attending] = {}

    def take(self, record: Recorded[Event]) -> Iterator[Mapping[str, Any]]:
        """Go on with the next record of the log; the entries of a session that is over with it."""
        event = record.event
        if not isinstance(event, SessionStarted | Joined | Left | SessionEnded):
            return
        if isinstance(event, SessionStarted):
            self._open[event.cid] = Attending(event.cid)
        attending = self._open.get(event.cid)
        if attending is not None:
            attending.take((record,))
            if isinstance(event, SessionEnded):
                del self._open[event.cid]
                stays = attending.attendance(event.at).stays
                yield from (_stay(event.cid, stay) for stay in stays)

    def rest(self, now: datetime) -> Iterator[Mapping[str, Any]]:
        """The entries of the sessions that are on."""
        for cid, attending in self._open.items():
            for stay in attending.attendance(now).stays:
                yield _stay(cid, stay)


def _event(seq: int | None, record: Recorded[Event], *, personal: bool) -> Mapping[str, Any]:
    event = record.event
    fields = to_builtins(event)
    hidden = {name: fields.pop(name) for name in event.personal}
    cid = call_in(event)
    return {
        "position": record.position,
        "cid": cid,
        "call_type": None if cid is None else cid.partition(":")[0],
        "seq": seq,
        "at": record.at,
        "recorded_at": recorded_at(record.event_id),
        "name": event.name,
        "by": record.by.user_id,
        "role": record.by.role,
        "session": getattr(event, "session", None),
        "entry_id": getattr(event, "entry_id", None),
        "user_id": getattr(event, "user_id", None),
        "fields": encode(fields).decode(),
        "personal": encode(hidden).decode() if personal and hidden else None,
        "stream": record.stream,
        "version": record.version,
        "event_id": record.event_id,
        "request_id": record.request_id,
        "correlation_id": record.correlation_id,
        "causation_id": record.causation_id,
    }


def _stay(cid: CallId, stay: Stay) -> Mapping[str, Any]:
    told = stay.model_dump()
    reason = None if stay.reason is None else stay.reason.value
    return {**told, "cid": cid, "call_type": cid.partition(":")[0], "reason": reason}


def _must_be_new(directory: Path, after: int) -> None:
    """Nothing is written over, and nothing twice."""
    there = sorted((directory / "events").glob("*.parquet"))
    if there and int(there[-1].stem) > after:
        raise InvalidInput("--parquet", f"a directory without events past position {after}")


def _unfinished(path: Path) -> Path:
    return path.with_suffix(".part")
