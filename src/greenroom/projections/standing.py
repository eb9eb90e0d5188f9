"""Where projections stand in the log, whose log it is, and what they have parked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, Column, Connection, Integer, LargeBinary, Table, select

from greenroom.domain.errors import WrongSchema
from greenroom.domain.message import StreamId
from greenroom.domain.streams import call_of
from greenroom.projections.columns import TEXT, metadata
from greenroom.projections.projection import Projection

positions: Final = Table(
    "positions",
    metadata,
    Column("projection", TEXT, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
)
identity: Final = Table("identity", metadata, Column("store", LargeBinary, primary_key=True))
parked: Final = Table(
    "parked",
    metadata,
    Column("projection", TEXT, primary_key=True),
    Column("key", TEXT, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("stream", TEXT, nullable=False),
    Column("version", Integer, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("error", TEXT, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
)

BOOKKEEPING: Final[Sequence[Table]] = (identity, positions, parked)
"""The tables that are no projection's."""

_STANDING: Final = select(
    positions.c.projection, positions.c.version, positions.c.position, parked.c.key
).select_from(positions.outerjoin(parked, parked.c.projection == positions.c.projection))


@dataclass(frozen=True, slots=True)
class ProjectionStatus:
    """How far one projection has come, and what it holds back."""

    name: str
    version: int
    """Of its tables."""
    current: bool
    """Whether that is this greenroom's version; else they are filled anew on opening."""
    position: int
    """Of the last record it has seen."""
    lag: int
    """From there to the end of the log."""
    since: datetime | None
    """When the first record was decided that it has not seen; None where there is none, or nobody
    looked."""
    parked: int
    """Calls, users and call types of which it takes no events, since one of them failed."""


def key_of(stream: StreamId) -> str:
    """What is parked together: the call that `stream` belongs to, or else the stream itself."""
    return call_of(stream) or stream


@dataclass(frozen=True, slots=True)
class Standing:
    """Where each projection stands, as one statement saw it."""

    positions: Mapping[str, int]
    """By projection: up to where it has seen the log."""
    parked: Mapping[str, frozenset[str]]
    """By projection: the keys whose events it does not take. Missing for none."""

    versions: Mapping[str, int]
    """By projection: of its tables."""

    others: Mapping[str, tuple[int, int]]
    """Projections that were not asked for: version and position."""

    def optional(self, name: str, version: int) -> int | None:
        """Up to where one of those has seen the log; None where it is not kept, or another."""
        found, position = self.others.get(name, (None, None))
        return position if found == version else None

    @property
    def least(self) -> int:
        """Up to where all of them have seen the log."""
        return min(self.positions.values())


def standing(connection: Connection, projections: Iterable[Projection]) -> Standing:
    """Where `projections` stand.

    Raises:
        WrongSchema: the tables of one of them were taken over by another version.
    """
    versions: dict[str, int] = {}
    reached: dict[str, int] = {}
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for name, version, position, key in connection.execute(_STANDING):
        versions[name], reached[name] = version, position
        if key is not None:
            keys[name].add(key)
    for projection in projections:
        if versions[projection.name] != projection.version:
            raise WrongSchema(versions[projection.name], projection.version)
    ours = [projection.name for projection in projections]
    return Standing(
        {name: reached[name] for name in ours},
        {name: frozenset(keys[name]) for name in ours if name in keys},
        {name: versions[name] for name in ours},
        {name: (versions[name], reached[name]) for name in versions if name not in ours},
    )
