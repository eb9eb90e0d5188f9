"""An open entry, and its peer connections."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from greenroom.media.connection import Connection
from greenroom.media.incoming import Incoming
from greenroom.media.invitations import Invitations
from greenroom.media.invited import Invited, Place
from greenroom.media.port import MediaEntry
from greenroom.media.roster import Room


@dataclass(eq=False)
class Participant:
    """An open entry."""

    entry: MediaEntry
    ready: Connection | None = None
    """Opened with the entry, for its first offer."""
    connections: list[Connection] = field(default_factory=list)
    """One that sends and one that receives, at most; or one that does both."""
    invitations: Invitations[Invited, Place] = field(
        default_factory=lambda: Invitations(exact=False)
    )
    epoch: int = 0
    """Of the last connection."""
    negotiating: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def room(self) -> Room:
        """Where it is."""
        return self.entry.cid, self.entry.session

    def under(self, ufrag: str) -> Connection | None:
        """The connection whose offer had this ICE user name."""
        for connection in self.connections:
            if connection.offered is not None and connection.offered.ufrag == ufrag:
                return connection
        return None

    def tracks(self) -> Iterator[Incoming]:
        """What the others may receive of it now."""
        for connection in self.connections:
            if connection.connected:
                for track in connection.tracks():
                    if track.source.kind in self.entry.may_send:
                        yield track
