"""What connects a room to its media: the feed to the reactor, and what media learns to commands."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from time import monotonic
from typing import TYPE_CHECKING, Final, get_args

from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import EntryNotFound, MediaError
from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.domain.operations import people
from greenroom.domain.ports import Drive
from greenroom.domain.session_events import Joined, Left, MediaStatistics, Track
from greenroom.domain.session_media import NO_MEDIA, SENDING, Media
from greenroom.holding import LEASE, Stirred
from greenroom.media.leases import Worker
from greenroom.media.port import Invitation, Kind, MediaEntry, MediaPort, Source
from greenroom.media.reactor import MediaReactor, Presence
from greenroom.media_recordings import MediaRecordings
from greenroom.media_reports import CLAIM, MediaReports, Place
from greenroom.media_stats import RoomMediaStats
from greenroom.waiting import Listener

if TYPE_CHECKING:
    from greenroom.live import LiveCore
    from greenroom.projections.items import ParticipantItem

_LOOKED_OVER_EVERY: Final = 5.0
"""Seconds between two looks at whether media is as it should be, though nothing was recorded."""
_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class MediaLink(MediaReports):
    """Media of one room; started by the first offer, or at once where an adapter is given.

    It carries the calls that this process holds, and has nothing of the others.

    Args:
        media: where connections live.
        url: where other processes ask for it; empty where none is to.
        adopts: whether every call that somebody enters is to be carried here, unless another
            process does already; else only those that this one is given.
        lease: seconds after which this process counts as dead where it says nothing.
    """

    def __init__(
        self, media: MediaPort, *, url: str = "", adopts: bool = True, lease: float = LEASE
    ) -> None:
        super().__init__()
        self._media = media
        self.recordings: Final = MediaRecordings(
            media, self._turn, self._is_mine, self._note_recording
        )
        self._url = url
        self._adopts = adopts
        self._lease = lease
        self.takes = True
        """Whether this process is to be given further calls."""
        self._lock = threading.RLock()
        self._reactor: MediaReactor | None = None
        self._looked_over = 0.0
        self._unclaimed: set[CallId] = set()
        """Calls that somebody has entered of late."""
        self._stirred = False
        """Whether there is news of which calls are carried here."""

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

        Raises:
            StoreError: which calls are carried elsewhere cannot be found out.
        """
        with self._lock:
            if self._reactor is not None:
                return
            self._core = core
            self._holding = core.holding(self._described, adopts=self._adopts, seconds=self._lease)
            views = core.seen()
            position = views.position()
            present = [_presence(cid, one) for cid, one in views.lookups.everybody()]
            self._places = {
                one.entry_id: Place(one.cid, one.session, one.user_id) for one in present
            }
            self._media.start(self)
            self._reactor = MediaReactor(
                self._media,
                self._wanted,
                present=present,
                position=position,
                mine=self._is_mine,
            )
            self._looked_over = monotonic()
            drive = core.start_media_ticker(self)
            self._holding.start(lambda: self._stir(drive))
            self._claim(self._reactor.calls())
            self._reactor.settle()
            for cid in self._reactor.calls():
                self.recordings.take(cid)
            self.recordings.erase_files_of(core)
        self._tell()

    def follow(self) -> None:
        """Bring media in step with everything recorded so far."""
        with self._lock:
            if self._reactor is None or self._core is None:
                return
            for _, record in self._core.feed(self._reactor.position):
                match record.event:
                    case Joined(entry_id=entry_id, cid=cid, session=number, user_id=user_id):
                        self._places[entry_id] = Place(cid, number, user_id, record)
                        self._unclaimed.add(cid)
                    case Left(entry_id=entry_id):
                        self._leave(entry_id)
                self._reactor.react(record)
                self.recordings.react(record.event)
            self._reactor.settle()
            self._claim(self._unclaimed)
            self._unclaimed.clear()
            self._heed(self._holding.stir())
            self.recordings.settle()
        self._tell()

    def look_over(self) -> None:
        """Mend what is not as the record says, for whatever reason."""
        with self._lock:
            self._looked_over = monotonic()
            if self._reactor is not None:
                self._claim(self._reactor.calls())
                self._holding.release(self._carried(), ())
                self._reactor.reconcile()
                self.recordings.reconcile()
        self._tell()

    def due(self) -> bool:
        """Whether it is time to look media over again."""
        long_ago = monotonic() - self._looked_over > _LOOKED_OVER_EVERY
        return self._reactor is not None and (long_ago or self._stirred)

    def busy(self) -> bool:
        """Whether anybody is in a call."""
        return bool(self._places)

    @property
    def name(self) -> str:
        """Of this process among those that share the store."""
        return self._holding.name

    def carries(self) -> bool:
        """Whether anybody is in a call that is carried here."""
        return any(self._holding.term(cid) is not None for cid in self._carried())

    def watched(self, listener: Listener) -> AbstractContextManager[None]:
        """Let `listener` hear of each entry whose client should ask to be invited again."""
        return self._waiting.watched(listener)

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
        if place is None or place.gone or place.cid != cid:
            return False
        self._hold(cid)
        return self._media.hang_up(entry_id, ufrag)

    def invite(self, cid: CallId, entry_id: EntryId, after: int) -> Invitation | None:
        """The offer of a connection on which a participant receives; None if there is no other.

        Raises:
            EntryNotFound: the entry is not in the call.
            MediaError: `after` was not accepted last, or the adapter does not invite.
        """
        self._require(cid, entry_id)
        invitation = self._media.invite(entry_id, after)
        if invitation is not None:
            # Media tells an entry once, and no more when somebody asked before it could.
            self._waiting.wake(entry_id)
        return invitation

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

    def recording_obstacle(self) -> str:
        """Why nothing can be recorded here; empty where it can."""
        return self.recordings.obstacle()

    def stats(self) -> RoomMediaStats:
        """What goes through all media here, and went through it."""
        places = tuple(self._places.items())
        here = self._media.entries()
        return self._tally.stats(
            self._media, [(one.cid, key, one.user_id) for key, one in places if key in here]
        )

    def stop(self) -> None:
        """Close every connection; nothing is running then. Who is in the call stays recorded."""
        with self._lock:
            self._reactor = None
        try:
            self._media.stop()
        finally:
            self._holding.stop()
            self._waiting.wake_all()

    def _require(self, cid: CallId, entry_id: EntryId) -> None:
        """Go on only if the entry is in the call, by everything recorded so far, and it is here."""
        self.follow()
        place = self._places.get(entry_id)
        if place is None or place.gone or place.cid != cid:
            raise EntryNotFound(entry_id)
        self._hold(cid)

    def _hold(self, cid: CallId) -> None:
        """Go on only if the call's media is carried here, from now on at the latest."""
        if self._holding.obtain(cid):
            with self._lock:
                self._take(cid)

    def _stir(self, drive: Drive) -> None:
        self._stirred = True
        drive.wake()

    def _claim(self, calls: Iterable[CallId]) -> None:
        """Carry those of these calls that are nobody's."""
        wanted = [cid for cid in calls if self.takes and self._holding.wants(cid)]
        for cid in self._holding.claim(wanted) if wanted else ():
            self._take(cid)

    def _heed(self, stirred: Stirred) -> None:
        """Do what follows from which calls are carried here by now."""
        self._stirred = False
        if self._reactor is None or not stirred:
            return
        for cid in stirred.lost:
            for presence in self._reactor.present(cid):
                self._media.close(presence.entry_id)
                self._waiting.wake(presence.entry_id)
            self.recordings.drop(cid)
        for cid in stirred.gained:
            self._take(cid)
        present = [cid for cid in stirred.orphaned if cid in self._reactor.calls()]
        for cid in self._holding.claim(present) if present else ():
            self._take(cid)
        gone = [cid for cid in stirred.orphaned if cid not in self._reactor.calls()]
        self._holding.release(self._carried(), gone)

    def _carried(self) -> Collection[CallId]:
        """Calls that somebody is in, that are recorded, or that are not measured yet."""
        present = {place.cid for place in tuple(self._places.values())}
        return present.union(self.recordings.calls())

    def _described(self, name: str) -> Worker:
        """This process, as others are to see it."""
        return Worker(name, self._url, getattr(self._media, "fullness", 0.0), self.takes)

    def _take(self, cid: CallId) -> None:
        """Begin to carry the media of a call; what whoever did before had open is lost."""
        if self._reactor is None:
            return
        self._reactor.revisit(cid)
        for presence in self._reactor.present(cid):
            running = self._places[presence.entry_id].running
            for epoch in self._media_of(presence).standing:
                if epoch not in running:
                    self.lost(presence.entry_id, epoch)
        self.recordings.take(cid)

    def _is_mine(self, cid: CallId) -> bool:
        return self._holding.term(cid) is not None

    def _leave(self, entry_id: EntryId) -> None:
        place = self._places.get(entry_id)
        if place is not None:
            place.gone = True
            self._waiting.wake(entry_id)
            if not place.running:
                self._places.pop(entry_id, None)

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
        return self._core.rehearse(cid, CLAIM, people.glance())


def _allowed(turn: CallTurn, user_id: UserId) -> frozenset[Kind]:
    """What the rules let somebody who is in the call send now, muted or not."""
    settings = turn.settings
    switched_on = {
        "audio": True,
        "video": settings.video.enabled,
        "screenshare": settings.screensharing.enabled,
        "screenshare_audio": settings.screensharing.enabled,
    }
    return frozenset(
        kind for kind in _KINDS if switched_on[kind] and turn.holds(user_id, SENDING[Track(kind)])
    )


def _presence(cid: CallId, one: ParticipantItem) -> MediaEntry:
    number = int(one.session_id.rpartition("/")[2])
    return MediaEntry(one.entry_id, cid, number, one.user_id, frozenset())
