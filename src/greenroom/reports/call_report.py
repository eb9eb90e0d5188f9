"""The report of one call: everything that was recorded of it, on a page of one file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final, Literal

from msgspec import to_builtins

from greenroom.attendance import Attendance, Attending
from greenroom.domain.errors import CallNotFound
from greenroom.domain.message import CallId, Event, EventId, Recorded, RequestId
from greenroom.projections.stepping import Change, Facts, Steps
from greenroom.recordings import RECORDING, recordings
from greenroom.reports.lanes import CALM, Lane, Lanes, Span, told
from greenroom.reports.page import lasted, moment, page, printable
from greenroom.reports.recorded import listed, recording_lane
from greenroom.reports.scale import WIDTH, Scale, Tick

MOST_LANES: Final = 400
"""Of those who were there longest; everybody is in the table of attendance."""
_LEGEND: Final = (
    ("invited", "member"), ("rung", "being called"), ("there", "in the call"), ("audio", "heard"),
    ("video", "seen"), ("shared", "sharing"), ("blocked", "blocked"), ("recorded", "recorded"),
)  # fmt: skip  # pairs
_THINNEST: Final = 0.12
_PLAIN: Final = frozenset({"at", "cid", "call_type", "evidence", "fingerprint", "counts"})
"""Fields that say nothing to a reader that does not stand elsewhere in the row."""

_NOTHING: Final[tuple[object, ...]] = (None, "", [], (), {}, False)

Records = Iterable[tuple[int, Recorded[Event]]]
"""(place in the call's history, record) pairs, both rising."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the proof of a call stands."""

    kind: Literal["proven", "broken", "open"]
    says: str
    """In a sentence."""
    details: Sequence[str] = ()
    """What it rests on, or what is wrong, one by one."""


NO_CHECKPOINT: Final = Standing(
    "open",
    "Not proven: no checkpoint",
    ("Nothing that was signed before says that these records are whole and as they were written.",),
)
"""Where nobody keeps a ledger of the log."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event as the list shows it."""

    seq: int
    at: str
    name: str
    by: str
    fields: Sequence[tuple[str, str]]
    because: int | None
    """The event of this call that made the system act."""
    alongside: int | None
    """The first event of the same command, where it is not this one."""
    by_cause: str
    """The cause where it stands elsewhere in the log; empty in most cases."""


def call_report(
    cid: CallId,
    records: Records,
    *,
    at: datetime,
    proof: Standing = NO_CHECKPOINT,
    personal: bool = False,
) -> str:
    """The page, as HTML.

    Args:
        cid: of the call.
        records: all of its history.
        at: as of when it is; whoever is still there, is there up to then.
        proof: that these are all records, and as they were written.
        personal: whether names, custom data and the like are shown as far as they can be read.

    Raises:
        CallNotFound: there are no records.
    """
    read = _Read(cid, personal=personal)
    for seq, record in records:
        read.take(seq, record)
    if not read.rows:
        raise CallNotFound(cid)
    return page("call_report.html.jinja", **read.told(at), proof=proof)


class _Read:
    """What the page shows, gathered record by record."""

    def __init__(self, cid: CallId, *, personal: bool) -> None:
        self._cid = cid
        self._personal = personal
        self._steps, self._lanes, self._attending = Steps(), Lanes(), Attending(cid)
        self._by_event: dict[EventId, int] = {}
        self._by_request: dict[RequestId, int] = {}
        self._instants: list[datetime] = []
        self._positions: list[int] = []
        self._changes: list[Sequence[Change]] = []
        self._recording: list[Recorded[Event]] = []
        self.rows: list[EventRow] = []

    def take(self, seq: int, record: Recorded[Event]) -> None:
        """Go on with the next record."""
        changes = self._steps.step(record)
        self._lanes.take(record, changes)
        self._attending.take((record,))
        self._changes.append(changes)
        self._instants.append(record.at)
        self._positions.append(record.position)
        if record.event.name in RECORDING:
            self._recording.append(record)
        self.rows.append(self._row(seq, record))

    def told(self, at: datetime) -> Mapping[str, Any]:
        """What the template is given."""
        attendance = self._attending.attendance(at)
        there_still = any(session.ended_at is None for session in attendance.sessions)
        sessions = _when(attendance, self._instants[-1])
        scale = Scale(self._instants, sessions, goes_on=there_still)
        lanes = _longest(self._lanes.lanes(), attendance)
        recorded = recordings(self._recording)
        return {
            "cid": self._cid,
            "at": at,
            "version": version("greenroom"),
            "first": self._instants[0],
            "last": self._instants[-1],
            "positions": (self._positions[0], self._positions[-1]),
            "personal": self._personal,
            "rows": self.rows,
            "kinds": sorted({row.name for row in self.rows}),
            "attendance": attendance,
            "lanes": [_drawn(lane, scale) for lane in lanes],
            "recording": _drawn(recording_lane(recorded), scale) if recorded else None,
            "recordings": [*listed(recorded)],
            "left_out": len(attendance.users) - len(lanes),
            "legend": _LEGEND,
            "ticks": [_written(tick) for tick in scale.ticks()],
            "steps": _compact(self._changes, [scale.x(one) for one in self._instants]),
        }

    def _row(self, seq: int, record: Recorded[Event]) -> EventRow:
        first = self._by_request.setdefault(record.request_id, seq)
        self._by_event[record.event_id] = seq
        cause = record.causation_id
        because = None if cause is None else self._by_event.get(cause)
        return EventRow(
            seq=seq,
            at=f"{moment(record.at)}.{record.at.microsecond // 1000:03}",
            name=record.event.name,
            by=record.by.user_id,
            fields=[*_fields(record, personal=self._personal)],
            because=because,
            alongside=None if first == seq else first,
            by_cause=cause if cause is not None and because is None else "",
        )


def _fields(record: Recorded[Event], *, personal: bool) -> Iterator[tuple[str, str]]:
    """What is worth knowing of an event beside who, what and when."""
    event = record.event
    for name, value in to_builtins(event).items():
        if name in _PLAIN or value in _NOTHING or value == record.by.user_id:
            continue
        if name in event.personal and not personal:
            yield name, "(personal, left out)"
        elif isinstance(value, dict) and name == "file":
            yield name, printable(value["name"])  # the rest is in the table of recordings
        else:
            yield name, printable(value)


def _compact(changes: Sequence[Sequence[Change]], places: Sequence[float]) -> Mapping[str, Any]:
    """What the page folds: by event [kind, key, facts], or [kind, key] where something is gone.

    Kinds and keys are places in lists; facts are without their names, in their order.
    """
    keys: dict[str, int] = {}
    kinds: dict[str, int] = {}
    written = [
        [
            [
                kinds.setdefault(one.kind, len(kinds)),
                keys.setdefault(one.key, len(keys)),
                *([] if one.facts is None else [_shown(one.facts)]),
            ]
            for one in some
        ]
        for some in changes
    ]
    return {"kinds": [*kinds], "keys": [*keys], "x": places, "changes": written}


def _shown(facts: Facts) -> Sequence[Any]:
    """Facts as the page shows them: instants are text."""
    return [moment(one) if isinstance(one, datetime) else one for one in facts.values()]


def _when(attendance: Attendance, last: datetime) -> Iterator[tuple[datetime, datetime]]:
    """From when to when people were there; up to the last event where they are there still."""
    for session in attendance.sessions:
        yield session.started_at, max(session.ended_at or last, session.started_at)


def _longest(lanes: Sequence[Lane], attendance: Attendance) -> Sequence[Lane]:
    """As many lanes as a page can show, in their order: of those who were there longest."""
    if len(lanes) <= MOST_LANES:
        return lanes
    spent: dict[str, float] = {user.user_id: user.seconds for user in attendance.users}
    kept = sorted(lanes, key=lambda lane: -spent.get(lane.user_id, -1.0))[:MOST_LANES]
    chosen = {lane.user_id for lane in kept}
    return [lane for lane in lanes if lane.user_id in chosen]


def _drawn(lane: Lane, scale: Scale) -> Mapping[str, Any]:
    return {
        "user_id": lane.user_id,
        "role": lane.role,
        "told": "; ".join(told(lane)),
        "spans": [_span(span, scale) for span in sorted(lane.spans, key=_above)],
    }


def _span(span: Span, scale: Scale) -> Mapping[str, Any]:
    start = scale.x(span.start)
    end = WIDTH if span.end is None else scale.x(span.end)
    out = span.kind == "there" and span.how and span.how not in CALM
    until = "now" if span.end is None else f"{span.end:%H:%M:%S}"
    length = "" if span.end is None else f", {lasted((span.end - span.start).total_seconds())}"
    return {
        "kind": span.kind,
        "x": start,
        "width": round(max(end - start, _THINNEST), 2),
        "end": end if out else None,
        "title": f"{span.kind} {span.start:%H:%M:%S} to {until}{length}"
        f"{f', {span.how}' if span.how else ''}",
    }


_ORDER: Final = ("invited", "blocked", "rung", "there", "video", "shared", "audio", "recorded")


def _above(span: Span) -> tuple[int, datetime]:
    """What is drawn later stands above."""
    return _ORDER.index(span.kind), span.start


def _written(tick: Tick) -> Mapping[str, Any]:
    return {"x": tick.x, "date": f"{tick.at:%Y-%m-%d}", "time": f"{tick.at:%H:%M:%S}"}
