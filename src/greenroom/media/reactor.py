"""Keeps media in step with the record: who is present has a connection, nobody else has."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol, TypeVar

from greenroom.domain.call_events import CallUpdated
from greenroom.domain.call_type import CallTypeEvent, Granted, Revoked, SettingsChanged
from greenroom.domain.membership import (
    MemberAdded,
    MemberRemoved,
    MemberUpdated,
    PermissionsGranted,
    PermissionsRevoked,
)
from greenroom.domain.message import CallId, EntryId, Event, Recorded, StreamId, UserId
from greenroom.domain.session_events import Joined, Left, UsersMuted, UserUnmuted
from greenroom.domain.user import UserErased, UserUpserted
from greenroom.media.port import MediaEntry, MediaPort

log: Final = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")


class Presence(Protocol):
    """Somebody in a call: a `Joined` event, a `MediaEntry`, or a row that says the same."""

    @property
    def entry_id(self) -> EntryId:
        """The connection."""
        ...

    @property
    def cid(self) -> CallId:
        """The call."""
        ...

    @property
    def session(self) -> int:
        """Number of the session in its call."""
        ...

    @property
    def user_id(self) -> UserId:
        """Who it is."""
        ...


Wanted = Callable[[Presence], MediaEntry]
"""Somebody in a call, as media is to have them now: what they may send, and their last epoch."""


class MediaReactor:
    """Follows the feed and brings media to what it says. For one thread at a time.

    It works towards a desired state: what media refuses is logged and tried again at the next
    event, and never keeps the others waiting.

    Args:
        media: where connections live; started by whoever owns it.
        wanted: asked anew at every change that may bear on it. It may know more than the feed
            has told so far.
        present: everybody who was present at `position`, so that a restart need not read the past.
        position: of the last record that `present` includes; up to there, records are ignored.
        mine: whether this process carries the media of a call; where it does not, it has nothing
            of it. Asked anew each time: after a change, `revisit`.
    """

    def __init__(
        self,
        media: MediaPort,
        wanted: Wanted,
        *,
        present: Iterable[Presence] = (),
        position: int = 0,
        mine: Callable[[CallId], bool] = lambda _: True,
    ) -> None:
        self._media = media
        self._wanted = wanted
        self._mine = mine
        self._position = position
        self._present: dict[EntryId, Presence] = {}
        self._of_call: dict[CallId, set[EntryId]] = defaultdict(set)
        self._of_user: dict[UserId, set[EntryId]] = defaultdict(set)
        self._of_type: dict[str, set[CallId]] = defaultdict(set)
        self._unsettled: dict[EntryId, None] = dict.fromkeys(media.entries())
        self._failed: set[EntryId] = set()
        for presence in present:
            self._enter(presence)

    @property
    def position(self) -> int:
        """Of the last record that was followed."""
        return self._position

    def react(self, recorded: Recorded[Event]) -> None:
        """Follow one record; one that was followed before changes nothing."""
        if recorded.position <= self._position:
            return
        self._position = recorded.position
        match recorded.event:
            case Joined() as joined:
                self._enter(joined)
            case Left(entry_id=entry_id):
                self._leave(entry_id)
            case event:
                self._unsettled.update(dict.fromkeys(self._touched(event, recorded.stream)))
        self.settle()

    def reconcile(self) -> None:
        """Look at all that media has, whether or not anything was recorded, and mend it."""
        ours = {one for one, presence in self._present.items() if self._mine(presence.cid)}
        drifted = self._media.entries() ^ ours
        self._unsettled.update(dict.fromkeys(sorted(drifted)))
        self.settle()

    def revisit(self, cid: CallId) -> None:
        """Look at everybody in a call again: whether its media is carried here has changed."""
        self._unsettled.update(dict.fromkeys(self._of_call.get(cid, ())))
        self.settle()

    def present(self, cid: CallId) -> Collection[Presence]:
        """Everybody who is in a call."""
        return [self._present[entry_id] for entry_id in self._of_call.get(cid, ())]

    def calls(self) -> Collection[CallId]:
        """Those that somebody is in."""
        return self._of_call.keys()

    def settle(self) -> None:
        """Bring media to the desired state wherever it is not known to be there."""
        for entry_id in tuple(self._unsettled):
            try:
                self._settle_one(entry_id)
            except Exception:
                # Not a bare log.exception each time: an entry that fails for long is tried at
                # every event of the whole log.
                if entry_id not in self._failed:
                    log.exception("media of entry %s is not as it should be yet", entry_id)
                self._failed.add(entry_id)
            else:
                del self._unsettled[entry_id]
                self._failed.discard(entry_id)

    def _settle_one(self, entry_id: EntryId) -> None:
        presence = self._present.get(entry_id)
        if presence is None or not self._mine(presence.cid):
            self._media.close(entry_id)
            return
        self._media.open(self._wanted(presence))

    def _enter(self, presence: Presence) -> None:
        entry_id, cid = presence.entry_id, presence.cid
        self._present[entry_id] = presence
        self._of_call[cid].add(entry_id)
        self._of_user[presence.user_id].add(entry_id)
        self._of_type[_type_of(cid)].add(cid)
        self._unsettled[entry_id] = None

    def _leave(self, entry_id: EntryId) -> None:
        self._unsettled[entry_id] = None
        presence = self._present.pop(entry_id, None)
        if presence is None:
            return
        cid = presence.cid
        _drop(self._of_user, presence.user_id, entry_id)
        _drop(self._of_call, cid, entry_id)
        if cid not in self._of_call:
            _drop(self._of_type, _type_of(cid), cid)

    def _touched(self, event: Event, stream: StreamId) -> Collection[EntryId]:
        """The entries whose right to send may be another after `event`."""
        match event:
            case (
                PermissionsGranted(cid=cid, user_id=user)
                | PermissionsRevoked(cid=cid, user_id=user)
                | MemberAdded(cid=cid, user_id=user)
                | MemberUpdated(cid=cid, user_id=user)
                | MemberRemoved(cid=cid, user_id=user)
            ):
                return self._of_user.get(user, set()) & self._of_call.get(cid, set())
            case UsersMuted(entry_ids=entry_ids) | UserUnmuted(entry_ids=entry_ids):
                return self._present.keys() & {*entry_ids}
            case UserUpserted(user_id=user) | UserErased(user_id=user):
                return self._of_user.get(user, set())
            case CallUpdated(cid=cid):
                return self._of_call.get(cid, set())
            case Granted() | Revoked() | SettingsChanged():
                calls = self._of_type.get(_type_in(event, stream), set())
                return [entry_id for cid in calls for entry_id in self._of_call[cid]]
            case _:
                return ()


def _type_of(cid: CallId) -> str:
    return cid.partition(":")[0]


def _type_in(_: CallTypeEvent, stream: StreamId) -> str:
    """The type an event is about: only its stream says."""
    return stream.partition("-")[2]


def _drop(index: dict[K, set[V]], key: K, value: V) -> None:
    """Take `value` out, and the key with its last one: the index is as big as who is present."""
    index[key].discard(value)
    if not index[key]:
        del index[key]
