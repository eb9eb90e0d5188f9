"""What connects a room to its media: the feed to the reactor, and what media learns to commands."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from greenroom.answers import Done, done
from greenroom.domain.access import Capability
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import EntryNotFound, GreenroomError, MediaError
from greenroom.domain.message import CallId, EntryId, Event, Recorded, UserId
from greenroom.domain.operations import people, presence
from greenroom.domain.operations.operation import Operation
from greenroom.domain.session_events import Joined, Left, MediaStatistics
from greenroom.domain.turn import Claim
from greenroom.media.port import Kind, MediaEntry, MediaPort, Source
from greenroom.media.reactor import MediaReactor

if TYPE_CHECKING:
    from greenroom.live import LiveCore
    from greenroom.projections.items import ParticipantItem

_log = logging.getLogger(__name__)
_CLAIM: Final = Claim("media", system=True)
_DONE: Final = TypeAdapter(Done)


class MediaLink:
    """Media of one room; started by the first offer, or at once where an adapter is given."""

    def __init__(self, media: MediaPort) -> None:
        self._media = media
        self._lock = threading.RLock()
        self._calls: dict[EntryId, CallId] = {}
        self._joins: dict[EntryId, Recorded[Event]] = {}
        """The record that let each in, of those who came since media started."""
        self._core: LiveCore | None = None
        self._reactor: MediaReactor | None = None

    @classmethod
    def installed(cls) -> MediaLink:
        """The adapter on aiortc.

        Raises:
            MediaError: the extra `media` is not installed.
        """
        try:
            from greenroom.media.aiortc_media import AiortcMedia  # noqa: PLC0415 - an extra, loaded by the first who needs it
        except ImportError as error:
            raise MediaError("media needs the extra: pip install 'greenroom[media]'") from error
        return cls(AiortcMedia())

    def start(self, core: LiveCore) -> None:
        """Get ready, with everybody who is present; again does nothing.

        Entries that an earlier process had connected are lost with it.
        """
        with self._lock:
            if self._reactor is not None:
                return
            self._core = core
            views = core.seen()
            position = views.position()
            present = tuple(views.lookups.everybody())
            self._calls = {one.entry_id: cid for cid, one in present}
            self._media.start(self)
            self._reactor = MediaReactor(
                self._media,
                self._may_send,
                present=[_presence(cid, one) for cid, one in present],
                position=position,
            )
            self._reactor.settle()
            core.start_media_ticker(self)
        for _, one in present:
            if one.connected:
                self.lost(one.entry_id, 1)

    def follow(self) -> None:
        """Bring media in step with everything recorded so far."""
        with self._lock:
            if self._reactor is None or self._core is None:
                return
            for _, record in self._core.feed(self._reactor.position):
                match record.event:
                    case Joined(entry_id=entry_id, cid=cid):
                        self._calls[entry_id] = cid
                        self._joins[entry_id] = record
                    case Left(entry_id=entry_id):
                        self._calls.pop(entry_id, None)
                        self._joins.pop(entry_id, None)
                self._reactor.react(record)
            self._reactor.settle()

    def position(self) -> int:
        """Up to where media has followed the log."""
        with self._lock:
            return 0 if self._reactor is None else self._reactor.position

    def offer(self, cid: CallId, entry_id: EntryId, sdp: str) -> str:
        """The answer to a participant's session description.

        Raises:
            EntryNotFound: the entry is not in the call.
            MediaError: the description cannot be understood.
        """
        self._require(cid, entry_id)
        return self._media.offer(entry_id, sdp)

    def candidates(self, cid: CallId, entry_id: EntryId, fragment: str) -> None:
        """Addresses of a participant that it learned of after its offer.

        Raises:
            EntryNotFound: the entry is not in the call.
            MediaError: they cannot be understood, or are of no connection of the entry.
        """
        self._require(cid, entry_id)
        self._media.candidates(entry_id, fragment)

    def hang_up(self, cid: CallId, entry_id: EntryId, ufrag: str) -> bool:
        """Drop one connection of a participant, if there is such; whether there is another."""
        return self._calls.get(entry_id) == cid and self._media.hang_up(entry_id, ufrag)

    def slots(self, cid: CallId, entry_id: EntryId) -> Mapping[str, Source | None]:
        """Whom a participant receives on which of their media lines.

        Raises:
            EntryNotFound: the entry is not in the call.
        """
        self._require(cid, entry_id)
        return self._media.slots(entry_id)

    def connected(self, entry_id: EntryId, epoch: int, fingerprint: str) -> None:
        """Media flows for an entry."""
        del epoch
        self._tell(entry_id, presence.connected(entry_id, fingerprint))

    def published(self, entry_id: EntryId, epoch: int, kind: Kind) -> None:
        """Something of this kind arrives from an entry."""

    def unpublished(self, entry_id: EntryId, epoch: int, kind: Kind) -> None:
        """Nothing of this kind arrives from an entry any more."""

    def lost(self, entry_id: EntryId, epoch: int) -> None:
        """The peer behind an entry is gone."""
        del epoch
        self._tell(entry_id, presence.lost(entry_id))

    def ended(self, entry_id: EntryId, epoch: int, statistics: MediaStatistics) -> None:
        """A connection of an entry is over."""

    def stop(self) -> None:
        """Close every connection; nothing is running then. Who is in the call stays recorded."""
        with self._lock:
            self._reactor = None
        self._media.stop()

    def _require(self, cid: CallId, entry_id: EntryId) -> None:
        """Go on only if the entry is in the call, by everything recorded so far."""
        self.follow()
        if self._calls.get(entry_id) != cid:
            raise EntryNotFound(entry_id)

    def _tell(self, entry_id: EntryId, operation: Operation[CallTurn]) -> None:
        cid = self._calls.get(entry_id)
        if cid is None or self._core is None:
            return
        try:
            cause = self._joins.get(entry_id)
            self._core.ask(cid, _CLAIM, operation, answer=done, kind=_DONE, cause=cause)
        except GreenroomError:
            _log.exception("what media learned of entry %s could not be recorded", entry_id)

    def _may_send(self, cid: CallId, user_id: UserId) -> frozenset[Kind]:
        """What the rules let a participant send now."""
        assert self._core is not None, "asked by the reactor, which start made"  # noqa: S101 - a bug here
        turn = self._core.rehearse(cid, _CLAIM, people.glance())
        if user_id not in turn.session.occupants:
            return frozenset()
        settings = turn.settings
        switched_on = {
            "audio": True,
            "video": settings.video.enabled,
            "screenshare": settings.screensharing.enabled,
        }
        return frozenset(
            kind
            for kind, capability in _CAPABILITIES.items()
            if switched_on[kind] and turn.holds(user_id, capability)
        )


def _presence(cid: CallId, one: ParticipantItem) -> MediaEntry:
    number = int(one.session_id.rpartition("/")[2])
    return MediaEntry(one.entry_id, cid, number, one.user_id, frozenset())


_CAPABILITIES: Final[dict[Kind, Capability]] = {
    "audio": Capability.SEND_AUDIO,
    "video": Capability.SEND_VIDEO,
    "screenshare": Capability.SCREENSHARE,
}


class MediaTicker:
    """Keeps media following the log."""

    def __init__(
        self, link: MediaLink, head: Callable[[], int], now: Callable[[], datetime]
    ) -> None:
        self._link = link
        self._head = head
        self._now = now

    def next_due(self) -> datetime | None:
        """Now, where something was recorded that media has not followed."""
        return self._now() if self._link.position() < self._head() else None

    def fire_due(self) -> None:
        """Follow."""
        self._link.follow()
