"""What connects a room to its media: the feed to the reactor, and what media learns to commands."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from greenroom.answers import Done, done
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import EntryNotFound, GreenroomError, MediaError, Refused, StoreClosed
from greenroom.domain.message import CallId, EntryId, Event, Recorded, UserId
from greenroom.domain.operations import media as reports
from greenroom.domain.operations import people
from greenroom.domain.operations.operation import Operation
from greenroom.domain.session_events import Joined, Left, MediaStatistics, Track
from greenroom.domain.session_media import NO_MEDIA, SENDING, Media
from greenroom.domain.turn import Claim
from greenroom.media.port import Invitation, Kind, MediaEntry, MediaPort, Source
from greenroom.media.reactor import MediaReactor, Presence
from greenroom.media_stats import RoomMediaStats, Tally
from greenroom.waiting import Waiting

if TYPE_CHECKING:
    from greenroom.live import LiveCore
    from greenroom.projections.items import ParticipantItem

_log = logging.getLogger(__name__)
_CLAIM: Final = Claim("media", system=True)
_DONE: Final = TypeAdapter(Done)
_LOOKED_OVER_EVERY: Final = 5.0
"""Seconds between two looks at whether media is as it should be, though nothing was recorded."""
_KINDS: Final[tuple[Kind, ...]] = ("audio", "video", "screenshare")


@dataclass(eq=False, slots=True)
class _Place:
    """Where an entry is, for what media reports of it."""

    cid: CallId
    session: int
    user_id: UserId
    joined: Recorded[Event] | None = None
    """The record that let it in, of those who came since media started."""
    running: set[int] = field(default_factory=set)
    """Epochs that were reported to stand and not to have ended."""
    gone: bool = False
    """Whether it has left; it is forgotten when nothing of it runs any more."""


class MediaLink:
    """Media of one room; started by the first offer, or at once where an adapter is given."""

    def __init__(self, media: MediaPort) -> None:
        self._media = media
        self._lock = threading.RLock()
        self._places: dict[EntryId, _Place] = {}
        self._core: LiveCore | None = None
        self._reactor: MediaReactor | None = None
        self._tally = Tally()
        self._waiting = Waiting()
        """Who wants to know when to ask for another invitation."""
        self._looked_over = 0.0
        self._untold: deque[tuple[_Place, Operation[CallTurn]]] = deque()
        """What media reported and is not on record yet, in order."""
        self._telling = threading.Lock()

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

        Connections that an earlier process had are lost with it.
        """
        with self._lock:
            if self._reactor is not None:
                return
            self._core = core
            views = core.seen()
            position = views.position()
            present = [_presence(cid, one) for cid, one in views.lookups.everybody()]
            self._places = {
                one.entry_id: _Place(one.cid, one.session, one.user_id) for one in present
            }
            self._media.start(self)
            self._reactor = MediaReactor(
                self._media, self._wanted, present=present, position=position
            )
            self._reactor.settle()
            self._looked_over = monotonic()
            core.start_media_ticker(self)
        for presence in present:
            for epoch in self._media_of(presence).standing:
                self.lost(presence.entry_id, epoch)

    def follow(self) -> None:
        """Bring media in step with everything recorded so far."""
        with self._lock:
            if self._reactor is None or self._core is None:
                return
            for _, record in self._core.feed(self._reactor.position):
                match record.event:
                    case Joined(entry_id=entry_id, cid=cid, session=number, user_id=user_id):
                        self._places[entry_id] = _Place(cid, number, user_id, record)
                    case Left(entry_id=entry_id):
                        self._leave(entry_id)
                self._reactor.react(record)
            self._reactor.settle()
        self._tell()

    def look_over(self) -> None:
        """Mend what is not as the record says, for whatever reason."""
        with self._lock:
            self._looked_over = monotonic()
            if self._reactor is not None:
                self._reactor.reconcile()
        self._tell()

    def due(self) -> bool:
        """Whether it is time to look media over again."""
        return self._reactor is not None and monotonic() - self._looked_over > _LOOKED_OVER_EVERY

    def busy(self) -> bool:
        """Whether anybody is in a call."""
        return bool(self._places)

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
        place = self._places.get(entry_id)
        known = place is not None and not place.gone and place.cid == cid
        return known and self._media.hang_up(entry_id, ufrag)

    def invite(self, cid: CallId, entry_id: EntryId, after: int) -> Invitation | None:
        """The offer of a connection on which a participant receives; None if there is no other.

        Raises:
            EntryNotFound: the entry is not in the call.
            MediaError: `after` was not accepted last, or the adapter does not invite.
        """
        self._require(cid, entry_id)
        return self._media.invite(entry_id, after)

    def accept(self, cid: CallId, entry_id: EntryId, number: int, sdp: str) -> None:
        """A participant's answer to an invitation.

        Raises:
            EntryNotFound: the entry is not in the call.
            MediaError: it is not the last invitation, or the answer cannot be understood.
        """
        self._require(cid, entry_id)
        self._media.accept(entry_id, number, sdp)

    def invitation_due(self, cid: CallId, entry_id: EntryId) -> Future[None]:
        """Done as soon as a participant should ask to be invited again; cancel it if you tire.

        Raises:
            EntryNotFound: the entry is not in the call.
        """
        due = self._waiting.on(entry_id)
        self._require(cid, entry_id)
        return due

    def slots(self, cid: CallId, entry_id: EntryId) -> Mapping[str, Source | None]:
        """Whom a participant receives on which of their media lines.

        Raises:
            EntryNotFound: the entry is not in the call.
        """
        self._require(cid, entry_id)
        return self._media.slots(entry_id)

    def statistics(self, cid: CallId) -> Mapping[EntryId, MediaStatistics]:
        """What went through the connections of a call that stand now, by entry."""
        found = self._media.statistics()
        return {
            entry_id: statistics
            for entry_id, statistics in found.items()
            if (place := self._places.get(entry_id)) is not None and place.cid == cid
        }

    def stats(self) -> RoomMediaStats:
        """What goes through all media here, and went through it."""
        places = tuple(self._places.items())
        here = self._media.entries()
        return self._tally.stats(
            self._media, [(one.cid, key, one.user_id) for key, one in places if key in here]
        )

    # What media reports

    def connected(self, entry_id: EntryId, epoch: int, fingerprint: str) -> None:
        """Media flows for an entry."""
        place = self._places.get(entry_id)
        if place is not None:
            place.running.add(epoch)
            self._tally.began(place.cid)
            self._note(place, reports.connected(entry_id, epoch, fingerprint))

    def published(self, entry_id: EntryId, epoch: int, kind: Kind) -> None:
        """Others may receive this of an entry."""
        self._note(self._places.get(entry_id), reports.published(entry_id, epoch, Track(kind)))

    def unpublished(self, entry_id: EntryId, epoch: int, kind: Kind) -> None:
        """Others do not receive this of an entry any more."""
        self._note(self._places.get(entry_id), reports.unpublished(entry_id, epoch, Track(kind)))

    def lost(self, entry_id: EntryId, epoch: int) -> None:
        """The peer behind a connection is gone."""
        self._note(self._places.get(entry_id), reports.lost(entry_id, epoch))
        self.outdated(entry_id)

    def ended(self, entry_id: EntryId, epoch: int, statistics: MediaStatistics) -> None:
        """A connection of an entry is over, which may have left."""
        place = self._places.get(entry_id)
        if place is None:
            return
        self._note(place, reports.measured(entry_id, place.session, epoch, statistics))
        if epoch in place.running:
            place.running.remove(epoch)
            self._tally.ended(place.cid, statistics)
        if place.gone and not place.running:
            self._places.pop(entry_id, None)

    def outdated(self, entry_id: EntryId) -> None:
        """Whoever waits for another invitation of an entry is to ask for it."""
        self._waiting.wake(entry_id)

    def stop(self) -> None:
        """Close every connection; nothing is running then. Who is in the call stays recorded."""
        with self._lock:
            self._reactor = None
        self._media.stop()
        self._waiting.wake_all()

    def _require(self, cid: CallId, entry_id: EntryId) -> None:
        """Go on only if the entry is in the call, by everything recorded so far."""
        self.follow()
        place = self._places.get(entry_id)
        if place is None or place.gone or place.cid != cid:
            raise EntryNotFound(entry_id)

    def _leave(self, entry_id: EntryId) -> None:
        place = self._places.get(entry_id)
        if place is not None:
            place.gone = True
            self._waiting.wake(entry_id)
            if not place.running:
                self._places.pop(entry_id, None)

    def _note(self, place: _Place | None, report: Operation[CallTurn]) -> None:
        if place is not None:
            self._untold.append((place, report))
            self._tell()

    def _tell(self) -> None:
        """Record what media reported, one after another; what fails is tried again later.

        Nobody waits for whoever is at it: they look again before they end.
        """
        while self._untold and self._telling.acquire(blocking=False):
            try:
                while self._untold:
                    if not self._record(*self._untold[0]):
                        return
                    self._untold.popleft()
            finally:
                self._telling.release()

    def _record(self, place: _Place, report: Operation[CallTurn]) -> bool:
        """Whether that is done with."""
        assert self._core is not None, "reports come once media was started"  # noqa: S101 - a bug here
        try:
            self._core.ask(place.cid, _CLAIM, report, answer=done, kind=_DONE, cause=place.joined)
        except StoreClosed:
            return False  # the next room on the store will find that nothing stands any more
        except Refused:
            _log.exception("what media reported was refused: %s", report.arguments)
        except GreenroomError:
            _log.exception("what media reported is not recorded yet: %s", report.arguments)
            return False
        return True

    def _wanted(self, presence: Presence) -> MediaEntry:
        """Somebody in a call, as the rules and the record want them now."""
        cid, entry_id, user_id = presence.cid, presence.entry_id, presence.user_id
        turn = self._turn(cid)
        entry = turn.session_numbered(presence.session).entries.get(entry_id)
        if entry is None:  # it has left; the feed will say so
            return MediaEntry(entry_id, cid, presence.session, user_id, frozenset())
        may_send = _allowed(turn, user_id).difference(entry.media.muted)
        epoch = entry.media.epoch
        return MediaEntry(entry_id, cid, presence.session, user_id, may_send, epoch)

    def _media_of(self, presence: Presence) -> Media:
        """What the record says of the media of somebody in a call."""
        session = self._turn(presence.cid).session_numbered(presence.session)
        entry = session.entries.get(presence.entry_id)
        return NO_MEDIA if entry is None else entry.media

    def _turn(self, cid: CallId) -> CallTurn:
        assert self._core is not None, "asked by the reactor, which start made"  # noqa: S101 - a bug here
        return self._core.rehearse(cid, _CLAIM, people.glance())


def _allowed(turn: CallTurn, user_id: UserId) -> frozenset[Kind]:
    """What the rules let somebody who is in the call send now, muted or not."""
    settings = turn.settings
    switched_on = {
        "audio": True,
        "video": settings.video.enabled,
        "screenshare": settings.screensharing.enabled,
    }
    return frozenset(
        kind for kind in _KINDS if switched_on[kind] and turn.holds(user_id, SENDING[Track(kind)])
    )


def _presence(cid: CallId, one: ParticipantItem) -> MediaEntry:
    number = int(one.session_id.rpartition("/")[2])
    return MediaEntry(one.entry_id, cid, number, one.user_id, frozenset())
