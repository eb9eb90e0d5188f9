"""The projection `past`: every version of every row, for whoever asks often about long ago."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, update

from greenroom.domain.call_events import CallCreated, CallDeleted, SessionStarted
from greenroom.domain.membership import (
    MemberAdded,
    MemberRemoved,
    RingAccepted,
    RingMissed,
    RingRejected,
)
from greenroom.domain.message import Event, Recorded
from greenroom.domain.session_events import Joined, Left
from greenroom.domain.user import UserErased, UserUpserted
from greenroom.projections.bulk import Key
from greenroom.projections.calls import Calls, answers, calls
from greenroom.projections.members import Members, members
from greenroom.projections.participants import Participants, participants
from greenroom.projections.past_tables import (
    ASIDE,
    CALLS,
    KEPT,
    MEMBERS,
    TABLES,
    USERS,
)
from greenroom.projections.projection import Projection
from greenroom.projections.sessions import Sessions, sessions
from greenroom.projections.users import Users, users
from greenroom.projections.versions import Versions, held
from greenroom.projections.workspace import Rows

_OF_NOW: Final[Sequence[Projection]] = (Calls(), Members(), Participants(), Sessions(), Users())


def _heeding() -> Mapping[type[Event], Sequence[Projection]]:
    heeding: defaultdict[type[Event], list[Projection]] = defaultdict(list)
    for projection in _OF_NOW:
        for kind in projection.events:
            heeding[kind].append(projection)
    return heeding


_HEEDING: Final = _heeding()
_NOBODYS: Final[Mapping[str, Any]] = {"custom": "{}"}
_UNKNOWN: Final[Mapping[str, Any]] = {"name": None, "name_folded": None, "custom": "{}"}


class Past:
    """Keeps the versions that the projections of now would have overwritten.

    What is erased is blank in all of them; that there was somebody, or something, stays, as it
    does in the log. Whoever is a member of a call that was erased is left as they are: nobody is
    shown the members of such a call.
    """

    name = "past"
    version = 1
    tables = TABLES
    events: frozenset[type[Event]] = frozenset(_HEEDING)

    def needs(self, recorded: Recorded[Event]) -> Iterable[tuple[Table, Key]]:
        """See `Projection`."""
        for projection in _HEEDING[type(recorded.event)]:
            for table, key in projection.needs(recorded):
                yield _kept_at(table, key)
        for table, key in _written(recorded.event):
            yield _kept_at(table, key)

    def apply(self, recorded: Recorded[Event], rows: Rows) -> None:
        """See `Projection`."""
        event = recorded.event
        if isinstance(event, CallDeleted) and event.hard:
            for table in (CALLS.versions, MEMBERS.versions):
                rows.erase_where(table, "cid", event.cid, **_NOBODYS)
        if isinstance(event, UserErased):
            rows.erase_where(USERS.versions, "user_id", event.user_id, **_UNKNOWN)
        versions = Versions(rows, recorded.position)
        for projection in _HEEDING[type(event)]:
            projection.apply(recorded, versions)


def blank(connection: Connection, event: Event) -> Iterable[Table]:
    """Do away with what `event` erases, in tables that are not filled as far as that yet.

    Returns:
        The tables that may have held some of it.
    """
    match event:
        case CallDeleted(hard=True, cid=cid):
            for table in (CALLS.versions, MEMBERS.versions):
                connection.execute(update(table).where(table.c.cid == cid).values(_NOBODYS))
            return (CALLS.versions, MEMBERS.versions)
        case UserErased(user_id=user_id):
            for table, nothing in ((MEMBERS.versions, _NOBODYS), (USERS.versions, _UNKNOWN)):
                connection.execute(update(table).where(table.c.user_id == user_id).values(nothing))
            return (MEMBERS.versions, USERS.versions)
        case _:
            return ()


def _kept_at(table: Table, key: Key) -> tuple[Table, Key]:
    """Where the row stands that holds still."""
    if table in KEPT:
        return KEPT[table].versions, held(KEPT[table], key)
    return ASIDE[table], key


def _written(event: Event) -> Iterator[tuple[Table, Key]]:
    """Rows that are written without a look at them, except by those who keep what was."""
    match event:
        case MemberAdded(cid=cid, user_id=user_id) | MemberRemoved(cid=cid, user_id=user_id):
            yield members, (cid, user_id)
        case Joined(cid=cid, entry_id=entry_id) | Left(cid=cid, entry_id=entry_id):
            yield participants, (cid, entry_id)
        case RingAccepted() | RingRejected() | RingMissed():
            yield answers, (event.cid, event.user_id)
        case SessionStarted(cid=cid, session=number):
            yield sessions, (cid, number)
        case CallCreated(cid=cid):
            yield calls, (cid,)
        case UserUpserted(user_id=user_id) | UserErased(user_id=user_id):
            yield users, (user_id,)
        case _:
            pass
