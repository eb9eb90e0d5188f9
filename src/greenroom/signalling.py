"""What the handles of a room ask of media, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol

from greenroom.domain.message import CallId, EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.port import Invitation, Source
from greenroom.media_stats import RoomMediaStats

if TYPE_CHECKING:
    from greenroom.live import LiveCore


class Signalling(Protocol):
    """Media of one room, in this process (`MediaLink`) or in workers (`MediaRouter`).

    Whatever is about an entry raises EntryNotFound where it is not in the call, MediaError where
    media cannot do it, and MediaUnavailable where the process that could cannot be asked.
    """

    def start(self, core: LiveCore) -> None:
        """Get ready; again does nothing."""
        ...

    def offer(self, cid: CallId, entry_id: EntryId, sdp: str) -> str:
        """The answer to a participant's session description."""
        ...

    def candidates(self, cid: CallId, entry_id: EntryId, fragment: str) -> None:
        """Addresses of a participant that it learned of after its offer."""
        ...

    def hang_up(self, cid: CallId, entry_id: EntryId, ufrag: str) -> bool:
        """Drop one connection of a participant, if there is such; whether there is another."""
        ...

    def invite(self, cid: CallId, entry_id: EntryId, after: int) -> Invitation | None:
        """The offer of a connection on which a participant receives; None if there is no other."""
        ...

    def accept(self, cid: CallId, entry_id: EntryId, number: int, sdp: str) -> None:
        """A participant's answer to an invitation."""
        ...

    def invitation_due(self, cid: CallId, entry_id: EntryId) -> Future[None]:
        """Done as soon as a participant should ask to be invited again; cancel it if you tire."""
        ...

    def slots(self, cid: CallId, entry_id: EntryId) -> Mapping[str, Source | None]:
        """Whom a participant receives on which of their media lines."""
        ...

    def statistics(self, cid: CallId) -> Mapping[EntryId, MediaStatistics]:
        """What went through the connections of a call that stand now, by entry."""
        ...

    def stats(self) -> RoomMediaStats:
        """What goes through all media, and went through it."""
        ...

    def recording_obstacle(self) -> str:
        """Why nothing can be recorded; empty where it can."""
        ...

    def stop(self) -> None:
        """Have nothing to do with media any more. Who is in the call stays recorded."""
        ...
