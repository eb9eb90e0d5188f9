"""A call of production as a fixture: its history in a file, without anybody's data, and replayed.

```python
from greenroom.testing import Captured

captured = Captured.load("captured.json")
with captured.room("sqlite:///replayed.db") as room:
    assert captured.differences(room) == []
```
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Self

from msgspec import convert, to_builtins

from greenroom import Greenroom
from greenroom.adapters.stores import open_store
from greenroom.domain import checks
from greenroom.domain.errors import CallNotFound, InvalidInput
from greenroom.domain.message import CallId, Decided, Event, Recorded, UserId
from greenroom.domain.ports import Clock
from greenroom.domain.streams import EVENTS, type_stream, user_stream
from greenroom.testing.clock import VirtualClock
from greenroom.testing.redacting import Redaction

_FORMAT: Final = 1


@dataclass(frozen=True)
class Captured:
    """The history of one call, with its type's and its users', in the order of the log."""

    cid: CallId
    records: Sequence[Decided[Event]]

    @classmethod
    def of(cls, room: Greenroom, cid: str, *, redact: bool = True) -> Self:
        """What a room has recorded of a call.

        Args:
            room: it is in.
            cid: of the call, deleted or not.
            redact: whether ids and everything said by people is replaced.

        Raises:
            CallNotFound: nothing was recorded of it.
            InvalidInput: no cid.
        """
        call_type, colon, call_id = cid.partition(":")
        if not colon:
            raise InvalidInput("cid", "type:id of the call")
        known = checks.call_id(call_type, call_id)
        core, store = room._core, room._store  # noqa: SLF001 - there is no public way to the log
        places = [one for one, _ in core.index().places(known, until=room.position)]
        if not places:
            raise CallNotFound(cid)
        found = [record for _, record in store.pick(places)]
        for stream in (type_stream(call_type), *map(user_stream, _users(found))):
            found += store.read(stream)
        ordered = sorted(found, key=lambda record: record.position)
        records: Sequence[Decided[Event]] = [_decided(record) for record in ordered]
        if redact:
            redaction = Redaction(known)
            return cls(redaction.cid, [redaction.record(one) for one in records])
        return cls(known, records)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The one in a file.

        Raises:
            ValueError: it holds none, or one of a later format.
        """
        document = json.loads(Path(path).read_text())
        if document.get("format") != _FORMAT:
            raise ValueError(f"{path}: expected a captured call of format {_FORMAT}")
        return cls(CallId(document["cid"]), [_read(one) for one in document["records"]])

    def save(self, path: str | Path) -> None:
        """Write it to a file."""
        rows = ",\n".join(json.dumps(_written(one)) for one in self.records)
        head = json.dumps({"format": _FORMAT, "cid": self.cid})
        Path(path).write_text(f'{head[:-1]}, "records": [\n{rows}\n]}}\n')

    @property
    def last(self) -> datetime:
        """When the last of it was decided."""
        return max(record.at for record in self.records)

    def room(self, url: str, clock: Clock | None = None) -> Greenroom:
        """A room in which exactly this has happened; close it.

        Args:
            url: of a store that does not exist yet, in a file or on PostgreSQL.
            clock: of the room; by default it stands where the history ends, and timers wait.
        """
        with closing(open_store(url)) as store:
            for _, records in groupby(self.records, key=lambda record: record.request_id):
                store.append([*records])
        standing = VirtualClock(self.last) if clock is None else clock
        return Greenroom.open(url, clock=standing, timers=clock is not None)

    def differences(self, room: Greenroom) -> list[str]:
        """Where the call's history in a room says something else; empty where all is the same."""
        core, store = room._core, room._store  # noqa: SLF001 - as above
        places = [one for one, _ in core.index().places(self.cid, until=room.position)]
        there = {(one.stream, one.version): one for _, one in store.pick(places)}
        expected = [one for one in self.records if getattr(one.event, "cid", None) == self.cid]
        wrong = [
            f"{one.stream} {one.version}: {one.event.name}"
            for one in expected
            if (one.stream, one.version) not in there
            or there[one.stream, one.version].event != one.event
        ]
        extra = len(there) - len(expected)
        return [*wrong, f"{extra} more than were captured"] if extra > 0 else wrong


def _users(records: Iterable[Recorded[Event]]) -> list[UserId]:
    """Whoever acted, or was concerned."""
    found: dict[UserId, None] = {}
    for record in records:
        fields = to_builtins(record.event)
        named = [fields.get("user_id"), *fields.get("user_ids", ())]
        if not record.by.system:
            named.append(record.by.name)
        found.update(dict.fromkeys(UserId(one) for one in named if one))
    return [one for one in found if not one.startswith("system:")]


def _decided(record: Recorded[Event]) -> Decided[Event]:
    return Decided(
        stream=record.stream,
        version=record.version,
        event=record.event,
        event_id=record.event_id,
        by=record.by,
        request_id=record.request_id,
        correlation_id=record.correlation_id,
        causation_id=record.causation_id,
    )


def _written(record: Decided[Event]) -> Mapping[str, Any]:
    return {"name": record.event.name, **to_builtins(record)}


def _read(row: Mapping[str, Any]) -> Decided[Event]:
    kind = EVENTS[row["name"]]
    said = {name: value for name, value in row.items() if name != "name"}
    found: Decided[Event] = convert(said, Decided[kind])  # type: ignore[valid-type]  # by its name
    return found
