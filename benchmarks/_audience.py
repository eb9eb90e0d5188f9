"""The data set of the read side: one call with an audience of any size, the same for every seed.

A real room makes the call and its type. The audience then comes to the views as events, through
the projections that every event goes through, but not by way of the log: a million commands would
take longer than everything that is measured. In the end the views are told that they stand where
the log ends, so that a room opens them as its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import count, islice
from pathlib import Path
from time import perf_counter
from typing import Final

import psycopg

from greenroom import Greenroom
from greenroom.adapters.stores import open_store
from greenroom.domain.call_type import FieldKind
from greenroom.domain.membership import MemberAdded, MemberUpdated
from greenroom.domain.message import (
    Actor,
    CallId,
    Decided,
    Event,
    EventId,
    Recorded,
    RequestId,
    Role,
    StreamId,
    UserId,
)
from greenroom.domain.streams import member_stream, user_stream
from greenroom.domain.user import UserUpserted
from greenroom.projections.projection import Projection
from greenroom.projections.views import PROJECTIONS, Views

TYPE: Final = "arena"
CID: Final = CallId(f"{TYPE}:crowd")
OWNER: Final = "thierry"
DECLARED: Final[Mapping[str, tuple[FieldKind, ...]]] = {
    "tier": ("string",),
    "block": ("string",),
    "badge": ("string",),
}
"""5 % of the members share a tier, 0.1 % a block, nobody a badge."""
UNDECLARED: Final = "color"
TIERS: Final = 20
BLOCKS: Final = 1000
AT_ONCE: Final = 100
"""Members added in one request, at one instant: as many as the public limit allows."""
COMMON: Final = "jo"
RARE: Final = "xan"
"""Beginnings of names: of one name in ten, and of twenty names in all."""

BEGIN: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When the first of them came."""

_READ: Final = [each for each in PROJECTIONS if each.name in {"calls", "members", "users"}]
"""The projections that queries of members read."""
_COMMIT: Final = 2000
_STRIDE: Final = 7919
"""A prime: steps of it reach everybody once."""
_FIELDS: Final = Decided.__struct_fields__
_BY: Final = Actor(name="importer", system=True)
_RARE_NAMES: Final = 20
_FIRST: Final = (
    *("Joan", "Jonas", "Jolanda", "Johan", "Ada", "Alma", "Anton", "Berta", "Bruno", "Carla"),
    *("Chiara", "David", "Elena", "Emil", "Felix", "Flora", "Greta", "Hanna", "Hugo", "Ida"),
    *("Ilse", "Jun", "Karim", "Lena", "Luca", "Maria", "Milan", "Nadia", "Nils", "Olga"),
    *("Paula", "Quentin", "Rosa", "Samir", "Tessa", "Ugo", "Vera", "Wanda", "Yuki", "Zora"),
)
_LAST: Final = ("Adler", "Berg", "Conti", "Dubois", "Evans", "Fischer", "Garcia", "Haas", "Ito")


@dataclass(frozen=True)
class Audience:
    """So many members of one call, each with a name and data of their own."""

    size: int
    seed: int = 1

    def user_id(self, number: int) -> UserId:
        """Of the member added as the `number`th; ids come in no order."""
        return UserId(f"user-{self._lot(number).hex()[:12]}")

    def name(self, number: int) -> str:
        """What they are called."""
        first, last = self._lot(number)[6:8]
        if number % max(1, self.size // _RARE_NAMES) == 0:
            return f"Xanthippe {_LAST[last % len(_LAST)]}"
        return f"{_FIRST[first % len(_FIRST)]} {_LAST[last % len(_LAST)]}"

    def custom(self, number: int) -> dict[str, str]:
        """Their own data in the call."""
        lot = int.from_bytes(self._lot(number)[8:16])
        return {
            "tier": f"tier-{lot % TIERS}",
            "block": f"block-{lot // TIERS % BLOCKS}",
            "badge": f"badge-{number}",
            UNDECLARED: ("red", "green", "blue")[lot % 3],
        }

    def arrivals(self, first: int = 0) -> Iterator[tuple[StreamId, int, Event]]:
        """(stream, version, event) of each user, then of the same as a member.

        Args:
            first: how many of all these events to leave out.
        """
        for step in range(first, 2 * self.size):
            number, joins = divmod(step, 2)
            user_id = self.user_id(number)
            at = BEGIN + timedelta(milliseconds=number // AT_ONCE * AT_ONCE)
            if joins:
                yield member_stream(CID, user_id), 1, self._added(number, at)
            else:
                name, custom = self.name(number), {"plan": "gold"}
                upserted = UserUpserted(at=at, user_id=user_id, display_name=name, custom=custom)
                yield user_stream(user_id), 1, upserted

    def records(self, head: int, after: int) -> Iterator[tuple[int, Recorded[Event]]]:
        """(position, record) pairs of the arrivals past `after`; the first is at `head + 1`."""
        first = max(after - head, 0)
        for position, arrival in enumerate(self.arrivals(first), head + first + 1):
            stream, version, event = arrival
            record = decided(stream, version, event, position)
            yield position, Recorded(**{n: getattr(record, n) for n in _FIELDS}, position=position)

    def last(self, head: int) -> int:
        """The position of the last record, where `head` is before all of them."""
        return head + 2 * self.size

    def changes(self) -> Iterator[tuple[StreamId, int, Event]]:
        """(stream, version, event) of what becomes of members: once of all, twice of 40 %."""
        at = BEGIN + timedelta(days=1)
        for version, share in ((2, 1.0), (3, 0.4)):
            for step in range(int(self.size * share)):
                number = step * _STRIDE % self.size  # in no order of time or name
                user_id, custom = self.user_id(number), {**self.custom(number), "n": str(version)}
                role = Role("host" if version == 2 else "guest")
                at += timedelta(milliseconds=1)
                updated = MemberUpdated(at=at, cid=CID, user_id=user_id, role=role, custom=custom)
                yield member_stream(CID, user_id), version, updated

    def _added(self, number: int, at: datetime) -> MemberAdded:
        custom = self.custom(number)
        return MemberAdded(at=at, cid=CID, user_id=self.user_id(number), custom=custom)

    def _lot(self, number: int) -> bytes:
        """16 bytes drawn for that member."""
        return blake2b(f"{self.seed}/{number}".encode(), digest_size=16).digest()


def decided(stream: StreamId, version: int, event: Event, number: int) -> Decided[Event]:
    """`event` as an importer would record it; `number` tells its ids from all others."""
    request = RequestId(f"request-{number}")
    return Decided(
        stream=stream,
        version=version,
        event=event,
        event_id=EventId(f"01940000-0000-7000-8000-{number:012}"),
        by=_BY,
        request_id=request,
        correlation_id=request,
    )


def record(url: str, events: Iterator[tuple[StreamId, int, Event]]) -> None:
    """Write `events` into the log of the store at `url`, many in one commit."""
    with closing(open_store(url)) as store:
        numbers = count(store.position() + 1)
        drafts = (decided(*event, number) for event, number in zip(events, numbers, strict=False))
        while some := list(islice(drafts, _COMMIT)):
            store.append(some)


def found(url: str) -> int:
    """Make the call, unless there is one, in the store at `url`; the last position then."""
    with Greenroom.open(url, timers=False) as room:
        if CID not in {call.cid for call in room.as_user(OWNER).query_calls().items}:
            declared = {"members": {field: kind for field, (kind,) in DECLARED.items()}}
            room.call_types.create(TYPE, based_on="livestream", indexed_custom=declared)
            room.as_user(OWNER).call(TYPE, "crowd").create()
        assert members(room) == 0
        return room.position


def gather(url: str, audience: Audience) -> float:
    """Bring the audience to the views of the fresh store at `url`; the seconds it took."""
    began = perf_counter()
    head = found(url)
    with views_of(url, _READ) as views:
        last = audience.last(head)
        views.catch_up(lambda after: audience.records(head, after), until=last)
    _settle(url, head)
    tidy(url)
    with Greenroom.open(url, timers=False) as room:
        assert members(room) == audience.size
    return perf_counter() - began


def members(room: Greenroom) -> int:
    """How many members the call has, as the views know it."""
    (call,) = room.as_user(OWNER).query_calls({"cid": CID}).items
    return call.member_count


def views_of(url: str, projections: Sequence[Projection] = PROJECTIONS) -> closing[Views]:
    """The views of the store at `url`, without a room around them."""
    with closing(open_store(url)) as store:
        secret = store.secret
    return closing(Views.open(views_at(url), secret=secret, projections=projections))


def views_at(url: str) -> Path | str:
    """Where the views of the store at `url` stand."""
    if not url.startswith("sqlite:///"):
        return url
    path = Path(url.removeprefix("sqlite:///"))
    return path.with_name(f"{path.stem}.views{path.suffix}")


def _settle(url: str, head: int) -> None:
    """Let the views stand at `head`."""
    where = views_at(url)
    if isinstance(where, Path):
        with closing(sqlite3.connect(where, isolation_level=None)) as file:
            file.execute("UPDATE positions SET position = ?", [head])
        return
    with psycopg.connect(where, autocommit=True) as server:
        server.execute("UPDATE greenroom_views.positions SET position = %s", [head])


def tidy(url: str) -> None:
    """Leave nothing of what was written to be tidied up while somebody measures."""
    where = views_at(url)
    if isinstance(where, Path):
        with closing(sqlite3.connect(where, isolation_level=None)) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with psycopg.connect(where, autocommit=True) as server:
        server.execute("SET search_path TO greenroom_views")  # functions of indexes are there
        server.execute("VACUUM ANALYZE")  # as the server does by itself a little later
        server.execute("CHECKPOINT")


def size_of(url: str) -> int:
    """Bytes of the views at `url`."""
    where = views_at(url)
    if isinstance(where, Path):
        return where.stat().st_size
    with psycopg.connect(where) as server:
        asked = server.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
            " WHERE relnamespace = 'greenroom_views'::regnamespace AND relkind = 'r'"
        )
        (size,) = asked.fetchone() or (0,)
    return int(size)
