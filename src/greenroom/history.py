"""The history of a call: which of it is wanted, and reading it page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from math import inf
from typing import Final, cast
from uuid import RFC_4122, UUID

from msgspec import Struct, to_builtins

from greenroom.answers import HistoryEvent
from greenroom.domain import checks
from greenroom.domain.concerned import concerned
from greenroom.domain.errors import InvalidInput
from greenroom.domain.message import (
    SYSTEM,
    CallId,
    EntryId,
    Event,
    EventId,
    Recorded,
    UserId,
    recorded_as,
)
from greenroom.domain.ports import EventStore
from greenroom.domain.session_events import Joined
from greenroom.domain.streams import EVENTS
from greenroom.projections.log_index import LogIndex

BREATH_SECONDS: Final = 0.02
"""From news to a look at them: where much is recorded, one look takes in more of it."""
_PAGE: Final = 500
_MOST: Final = 2**53
_LONGEST_NAME: Final = 100
_LONGEST_WAIT: Final = 366 * 24 * 3600
_TIMED: Final = 7
"""The version of uuids that begin with an instant."""
_OF_CALLS: Final = tuple(name for name in EVENTS if not name.startswith(("type.", "user.")))


class Wanted(Struct, frozen=True, kw_only=True):
    """Which events of a history: those of which all of this holds."""

    user: UserId | None = None
    """They did it, or it is about them."""
    names: frozenset[str] = frozenset()
    """Stored names; all where it is empty."""
    start: datetime | None = None
    """Decided then or later."""
    end: datetime | None = None
    """Decided before then."""
    after: int = 0
    """Past this place in the call's history."""


EVERYTHING: Final = Wanted()


def wanted(
    *,
    user: object = None,
    kinds: object = (),
    start: object = None,
    end: object = None,
    after: object = 0,
) -> Wanted:
    """The same from what a stranger says, checked.

    Raises:
        InvalidInput: with the path of the fault.
    """
    return Wanted(
        user=None if user is None else _actor(user),
        names=_names(kinds),
        start=None if start is None else checks.instant(start, "start"),
        end=None if end is None else checks.instant(end, "end"),
        after=checks.integer(after, "after", 0, _MOST),
    )


def recorded_at(event_id: EventId) -> datetime | None:
    """When the process that recorded an event made its record, by the clock of its machine.

    In milliseconds, a moment before it was written; None for ids that say nothing of the kind,
    as tests have them.
    """
    try:
        uuid = UUID(event_id)
    except ValueError:
        return None
    if uuid.variant != RFC_4122 or uuid.version != _TIMED:
        return None
    return datetime.fromtimestamp((uuid.int >> 80) / 1000, UTC)


class HistoryReader:
    """Reads what is wanted of a call's history, and goes on where it was. For one at a time."""

    def __init__(self, cid: CallId, wanted: Wanted = EVERYTHING) -> None:
        self.cid: Final = cid
        self._wanted = wanted
        self._users: dict[EntryId, UserId] = {}
        """Whose entries are whose, as media tells of entries alone."""
        self._looked = 0 if wanted.user is not None else wanted.after
        self.until = -1
        """The position of the log up to which all has been read."""

    def records(
        self, store: EventStore, index: LogIndex, until: int
    ) -> Iterator[Sequence[tuple[int, Recorded[Event]]]]:
        """What there is up to position `until` of the log and was not read before, page by page.

        Each record comes with its place in the call's history.
        """
        places = index.places(
            self.cid,
            until=until,
            after=self._looked,
            names=self._names(),
            start=None if self._wanted.user is not None else self._wanted.start,
            end=self._wanted.end,
        )
        while page := dict(islice(places, _PAGE)):
            found = [(page[position], record) for position, record in store.pick(page)]
            yield [(seq, record) for seq, record in found if self._keeps(seq, record)]
            self._looked = max(page.values())
        self.until = until

    def _names(self) -> frozenset[str]:
        """What has to be read: for the events of one user, whose entries are whose as well."""
        names = self._wanted.names
        return names | {Joined.name} if names and self._wanted.user is not None else names

    def _keeps(self, seq: int, record: Recorded[Event]) -> bool:
        event, wanted = record.event, self._wanted
        if isinstance(event, Joined) and wanted.user is not None:
            self._users[event.entry_id] = event.user_id
        return (
            seq > wanted.after
            and (not wanted.names or event.name in wanted.names)
            and (wanted.start is None or record.at >= wanted.start)
            and (wanted.user is None or wanted.user in self._people(record))
        )

    def _people(self, record: Recorded[Event]) -> Iterator[UserId]:
        yield record.by.user_id
        yield from concerned(record.event)
        entry = self._users.get(getattr(record.event, "entry_id", EntryId("")))
        if entry is not None:
            yield entry


def numbered(
    feed: Iterable[tuple[int, Recorded[Event]]], index: LogIndex, after: int, until: int
) -> Iterator[tuple[int | None, Recorded[Event]]]:
    """A stretch of the log, each record with its place in its call's history; None for others."""
    places = index.seqs(after, until)
    place = next(places, None)
    for position, record in feed:
        if position > until:
            return
        while place is not None and place[0] < position:
            place = next(places, None)
        yield place[1] if place is not None and place[0] == position else None, record


def shown(records: Iterable[tuple[int, Recorded[Event]]]) -> list[HistoryEvent]:
    """Records as histories show them."""
    return [history_event(seq, record) for seq, record in records]


def history_event(seq: int, record: Recorded[Event]) -> HistoryEvent:
    """A record as histories show it.

    Args:
        seq: its place in the call's history.
        record: of an event of the call.
    """
    return HistoryEvent(
        seq=seq,
        position=record.position,
        at=record.at,
        recorded_at=recorded_at(record.event_id),
        name=record.event.name,
        by=record.by.user_id,
        role=record.by.role,
        stream=record.stream,
        version=record.version,
        event=to_builtins(record.event),
        event_id=record.event_id,
        request_id=record.request_id,
        correlation_id=record.correlation_id,
        causation_id=record.causation_id,
    )


def _actor(user: object) -> UserId:
    """A user, or a part of the system as records name it."""
    said = checks.plain(cast("str", user)) if checks.is_a(user, str) else ""
    if said.startswith(SYSTEM):
        return recorded_as(checks.name(said.removeprefix(SYSTEM), "user"), system=True)
    return checks.user_id(user, "user")


def _names(kinds: object) -> frozenset[str]:
    """The stored names of these kinds: a name itself, or the first part of several."""
    found: set[str] = set()
    for path, kind in checks.listed(kinds, "kinds"):
        said = checks.text(kind, path, _LONGEST_NAME)
        named = {name for name in _OF_CALLS if name == said or name.startswith(f"{said}.")}
        if not named:
            known = (*_OF_CALLS, *{name.partition(".")[0] for name in _OF_CALLS})
            raise InvalidInput(path, "the stored name of an event", checks.nearest(said, known))
        found |= named
    return frozenset(found)


def patience(seconds: object) -> float:
    """How long to wait for the next event, checked; for good where it is None."""
    return inf if seconds is None else checks.integer(seconds, "seconds", 0, _LONGEST_WAIT)
