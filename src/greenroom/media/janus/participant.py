"""An open entry, and its connections to a Janus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from greenroom.media.invitations import Invitations
from greenroom.media.janus.connections import Connection, Publishing, Receiving, Track
from greenroom.media.port import MediaEntry
from greenroom.media.roster import Room


@dataclass(eq=False)
class Participant:
    """An open entry."""

    entry: MediaEntry
    publishing: Publishing | None = None
    invitations: Invitations[Receiving, Track] = field(default_factory=Invitations)
    epoch: int = 0
    """Of the last connection."""
    negotiating: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def room(self) -> Room:
        """Where it is."""
        return self.entry.cid, self.entry.session

    def connections(self) -> Iterator[Connection]:
        """All that it has, those included that it was only invited to."""
        invitations = self.invitations
        for one in (self.publishing, invitations.standing, invitations.fresh):
            if one is not None:
                yield one

    def under(self, ufrag: str) -> Connection | None:
        """The connection whose peer has this ICE user name."""
        for one in self.connections():
            if one.described is not None and one.described.ufrag == ufrag:
                return one
        return None

    def tracks(self) -> Iterator[Track]:
        """What the others may receive of it now."""
        if self.publishing is not None:
            yield from self.publishing.tracks(self.entry.may_send)

    def drop(self, connection: Connection) -> None:
        """It is over."""
        if connection is self.publishing:
            self.publishing = None
        if isinstance(connection, Receiving):
            self.invitations.drop(connection)
