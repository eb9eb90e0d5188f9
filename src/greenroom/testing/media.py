"""Media without media: a port that opens nothing, and offers of peers that do not exist.

Nothing in here loads a media library. The exam that every port has to pass is in
`greenroom.testing.media_contract`, a real peer for tests in `greenroom.testing.peer`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

from greenroom.domain.errors import MediaError
from greenroom.domain.message import EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.description import Description
from greenroom.media.fragment import Fragment
from greenroom.media.invitations import Invitations
from greenroom.media.port import Invitation, Kind, MediaEntry, MediaObserver, Source
from greenroom.testing.descriptions import (
    FINGERPRINT,
    HOSTILE,
    HOSTILE_FRAGMENTS,
    TRICKLE,
    TWO_WAY,
    offer_sdp,
)
from greenroom.testing.recording import FakeRecordings
from greenroom.testing.witness import News, Witness

__all__ = [
    "FINGERPRINT",
    "HOSTILE",
    "HOSTILE_FRAGMENTS",
    "TRICKLE",
    "TWO_WAY",
    "FakeMedia",
    "News",
    "Told",
    "Witness",
    "offer_sdp",
]


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that a port was told to do."""

    what: Literal["start", "open", "close", "offer", "invite", "accept", "hang_up", "stop"]
    entry_id: EntryId | None = None
    may_send: frozenset[Kind] | None = None
    """Only with `open`."""


class FakeMedia(FakeRecordings):
    """A MediaPort that opens nothing, remembers what it was told, and does as the test says.

    `connect`, `publish`, `unpublish` and `lose` report to the observer on the calling thread, as
    a peer's doings would; so does what ends a connection. `fail` makes it refuse an entry until
    `recover`.
    """

    def __init__(self) -> None:
        self.told: list[Told] = []
        """Everything that was asked of it, in order, refused or not."""
        self._observer: MediaObserver | None = None
        self._entries: dict[EntryId, MediaEntry] = {}
        self._offers: dict[EntryId, Description] = {}
        self._epochs: dict[EntryId, int] = {}
        """The last connection of each open entry."""
        self._connections: dict[EntryId, dict[int, MediaStatistics]] = {}
        """Those that stand."""
        self._published: dict[EntryId, set[Kind]] = {}
        self._invitations: dict[EntryId, Invitations[str, Source]] = {}
        self._answers: dict[EntryId, Description] = {}
        """Of those whose invitation was accepted, and stands."""
        self._failing: set[EntryId] = set()
        self._stopped = False
        self._lock = threading.RLock()
        FakeRecordings.__init__(self, lambda: None if self._stopped else self._observer)

    def start(self, observer: MediaObserver) -> None:
        """Get ready; report to `observer` from now on."""
        self.told.append(Told("start"))
        self._observer = observer

    def open(self, entry: MediaEntry) -> None:
        """Remember the entry, instead of the one of the same id."""
        with self._lock:
            self.told.append(Told("open", entry.entry_id, entry.may_send))
            if self._observer is None or self._stopped:
                raise MediaError("media is not running; start it first")
            self._refuse_failing(entry.entry_id)
            self._entries[entry.entry_id] = entry
            before = self._epochs.get(entry.entry_id, 0)
            self._epochs[entry.entry_id] = max(before, entry.epoch)
        self._tell_outdated()

    def close(self, entry_id: EntryId) -> None:
        """Forget the entry."""
        with self._lock:
            self.told.append(Told("close", entry_id))
            self._refuse_failing(entry_id)
        self._forget(entry_id)

    def offer(self, entry_id: EntryId, sdp: str) -> str:
        """A description that answers nothing; hostile offers are refused as any port does."""
        with self._lock:
            self.told.append(Told("offer", entry_id))
            self._open_entry(entry_id)
            self._offers[entry_id] = Description.of_offer(sdp)
            return "v=0\r\ns=fake\r\n"

    def invite(self, entry_id: EntryId, after: int = 0) -> Invitation | None:
        """An offer with a line for whatever the test said that the others of the call publish."""
        with self._lock:
            self.told.append(Told("invite", entry_id))
            wanted = self._receivable(self._open_entry(entry_id))
            invitations = self._invitations.setdefault(entry_id, Invitations())
            connection = invitations.asked(after) or uuid4().hex
            waiting = invitations.pending(connection)
            if waiting is not None:
                return waiting
            if not invitations.outdated(connection, wanted):
                invitations.nothing_new()
                return None
            lines = [("audio" if "audio" in one.kind else "video", "sendonly") for one in wanted]
            return invitations.issue(connection, offer_sdp(*lines), wanted)

    def accept(self, entry_id: EntryId, number: int, sdp: str) -> None:
        """Remember which invitation was accepted; hostile answers are refused as any port does."""
        with self._lock:
            self.told.append(Told("accept", entry_id))
            self._open_entry(entry_id)
            invitations = self._invitations.setdefault(entry_id, Invitations())
            connection = invitations.awaiting(number)
            if connection is not None:
                self._answers[entry_id] = Description.of_answer(sdp)
                invitations.accept(connection)

    def candidates(self, entry_id: EntryId, fragment: str) -> None:
        """Refused where they belong to no connection of the entry, else forgotten."""
        with self._lock:
            self._open_entry(entry_id)
            known, told = (self._offers, self._answers), Fragment.of(fragment)
            if all(entry_id not in one or one[entry_id].ufrag != told.ufrag for one in known):
                raise MediaError("no connection has this a=ice-ufrag")

    def hang_up(self, entry_id: EntryId, ufrag: str) -> bool:
        """End the connection of this offer, or of this answer to an invitation."""
        with self._lock:
            self.told.append(Told("hang_up", entry_id))
            answered = self._answers.get(entry_id)
            if answered is not None and answered.ufrag == ufrag:
                self._drop_invited(entry_id)
            offered = self._offers.get(entry_id)
            if offered is None or offered.ufrag != ufrag:
                return offered is not None or entry_id in self._answers
            del self._offers[entry_id]
        if self._connections.get(entry_id):
            self.end(entry_id)
        return entry_id in self._answers

    def slots(self, entry_id: EntryId) -> Mapping[str, Source | None]:
        """The lines of the entry's offer that can receive; nothing is ever put on them."""
        with self._lock:
            self._open_entry(entry_id)
            offered = self._offers.get(entry_id)
            return {line.mid: None for line in offered.lines if line.receives} if offered else {}

    def statistics(self) -> Mapping[EntryId, MediaStatistics]:
        """As the test said last: of each entry that is connected."""
        with self._lock:
            return {
                entry_id: list(connections.values())[-1]
                for entry_id, connections in self._connections.items()
                if connections
            }

    def entries(self) -> frozenset[EntryId]:
        """Those open now."""
        with self._lock:
            return frozenset(self._entries)

    def stop(self) -> None:
        """Forget every entry."""
        self.told.append(Told("stop"))
        self._stopped = True
        for entry_id in tuple(self._entries):
            self._forget(entry_id)

    def entry(self, entry_id: EntryId) -> MediaEntry:
        """An open entry as it was told last.

        Raises:
            MediaError: it is not open.
        """
        return self._open_entry(entry_id)

    def connect(self, entry_id: EntryId, fingerprint: str = FINGERPRINT) -> int:
        """A peer of this entry came through, over a connection more.

        Returns:
            The epoch of that connection.

        Raises:
            MediaError: the entry is not open.
        """
        with self._lock:
            self._open_entry(entry_id)
            epoch = self._epochs[entry_id] = self._epochs[entry_id] + 1
            self._connections.setdefault(entry_id, {})[epoch] = MediaStatistics()
        self._observing().connected(entry_id, epoch, fingerprint)
        return epoch

    def publish(self, entry_id: EntryId, kind: Kind, *, epoch: int | None = None) -> None:
        """Something of this kind arrives, over the entry's last connection or the one named.

        Who was invited is told, if they are to see or hear it.
        """
        self._published.setdefault(entry_id, set()).add(kind)
        self._tell_outdated()
        self._observing().published(entry_id, self._last(entry_id, epoch), kind)

    def unpublish(self, entry_id: EntryId, kind: Kind, *, epoch: int | None = None) -> None:
        """Nothing of this kind arrives any more; who was invited is told."""
        self._published.get(entry_id, set()).discard(kind)
        self._tell_outdated()
        self._observing().unpublished(entry_id, self._last(entry_id, epoch), kind)

    def measure(
        self, entry_id: EntryId, statistics: MediaStatistics, *, epoch: int | None = None
    ) -> None:
        """So much went through a connection, by now."""
        with self._lock:
            self._connections[entry_id][self._last(entry_id, epoch)] = statistics

    def lose(self, entry_id: EntryId, *, epoch: int | None = None) -> None:
        """A peer of this entry is gone without having left; one that never came, if none had.

        Without an epoch, what it was invited to is gone with it.
        """
        with self._lock:
            if epoch is None:
                self._drop_invited(entry_id)
            if epoch is None and not self._connections.get(entry_id):
                epoch = self._epochs[entry_id] = self._last(entry_id, None) + 1
        epoch = self._last(entry_id, epoch)
        self._observing().lost(entry_id, epoch)
        self.end(entry_id, epoch=epoch)

    def end(self, entry_id: EntryId, *, epoch: int | None = None) -> None:
        """A connection is over; one that is over already is not told of again."""
        epoch = self._last(entry_id, epoch)
        with self._lock:
            statistics = self._connections.get(entry_id, {}).pop(epoch, None)
        if statistics is not None:
            self._observing().ended(entry_id, epoch, statistics)

    def fail(self, entry_id: EntryId) -> None:
        """Refuse to open or close this entry from now on."""
        self._failing.add(entry_id)

    def recover(self, entry_id: EntryId) -> None:
        """Do as told again."""
        self._failing.discard(entry_id)

    def _forget(self, entry_id: EntryId) -> None:
        """End the entry's connections, and know it no more."""
        for epoch in tuple(self._connections.get(entry_id, ())):
            self.end(entry_id, epoch=epoch)
        with self._lock:
            for known in (
                self._entries,
                self._offers,
                self._epochs,
                self._connections,
                self._published,
                self._invitations,
                self._answers,
            ):
                known.pop(entry_id, None)
        self._tell_outdated()

    def _drop_invited(self, entry_id: EntryId) -> None:
        """End the connection that the entry was invited to, if there is one."""
        self._answers.pop(entry_id, None)
        invitations = self._invitations.get(entry_id)
        if invitations is not None and invitations.standing is not None:
            invitations.drop(invitations.standing)

    def _receivable(self, viewer: MediaEntry) -> list[Source]:
        """What the others publish, as far as they may."""
        return [
            Source(other.entry_id, kind)
            for other in self._entries.values()
            if other.entry_id != viewer.entry_id
            and (other.cid, other.session) == (viewer.cid, viewer.session)
            for kind in sorted(self._published.get(other.entry_id, set()) & other.may_send)
        ]

    def _tell_outdated(self) -> None:
        with self._lock:
            outdated = [
                entry_id
                for entry_id, entry in self._entries.items()
                if entry_id in self._invitations
                and self._invitations[entry_id].tell(self._receivable(entry))
            ]
        for entry_id in outdated:
            self._observing().outdated(entry_id)

    def _last(self, entry_id: EntryId, epoch: int | None) -> int:
        return self._epochs.get(entry_id, 0) if epoch is None else epoch

    def _observing(self) -> MediaObserver:
        assert self._observer is not None, "start the media first"
        return self._observer

    def _open_entry(self, entry_id: EntryId) -> MediaEntry:
        entry = self._entries.get(entry_id)
        if entry is None:
            raise MediaError(f"entry {entry_id} is not open; join first")
        return entry

    def _refuse_failing(self, entry_id: EntryId) -> None:
        if entry_id in self._failing:
            raise MediaError(f"told to fail for entry {entry_id}")
