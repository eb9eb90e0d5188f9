"""Who is there, and with whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from greenroom.domain.errors import MediaError
from greenroom.domain.message import CallId, EntryId
from greenroom.media.port import MediaEntry

Room = tuple[CallId, int]
"""Call and session: who hears and sees each other."""


class Present(Protocol):
    """Whoever is there."""

    entry: MediaEntry

    @property
    def room(self) -> Room:
        """Where it is."""
        ...


P = TypeVar("P", bound=Present)


class Roster(Generic[P]):
    """The participants of all open entries."""

    def __init__(self) -> None:
        self._participants: dict[EntryId, P] = {}
        self._rooms: dict[Room, dict[EntryId, P]] = defaultdict(dict)

    def add(self, participant: P) -> None:
        """One more."""
        entry_id = participant.entry.entry_id
        self._participants[entry_id] = participant
        self._rooms[participant.room][entry_id] = participant

    def remove(self, entry_id: EntryId) -> P | None:
        """Who is not there any more; None if it was not."""
        participant = self._participants.pop(entry_id, None)
        if participant is not None:
            room = self._rooms[participant.room]
            del room[entry_id]
            if not room:
                del self._rooms[participant.room]
        return participant

    def get(self, entry_id: EntryId) -> P | None:
        """The participant of this entry, if it is open."""
        return self._participants.get(entry_id)

    def require(self, entry_id: EntryId) -> P:
        """The participant of this entry.

        Raises:
            MediaError: it is not open.
        """
        participant = self._participants.get(entry_id)
        if participant is None:
            raise MediaError(f"entry {entry_id} is not open; join first")
        return participant

    def require_still(self, participant: P) -> None:
        """Go on only if the entry was not closed meanwhile.

        Raises:
            MediaError: it was, or it was opened anew.
        """
        entry_id = participant.entry.entry_id
        if self._participants.get(entry_id) is not participant:
            raise MediaError(f"entry {entry_id} was closed meanwhile")

    def within(self, room: Room) -> Sequence[P]:
        """Everybody there, in the order in which they came."""
        return tuple(self._rooms.get(room, {}).values())

    def beside(self, participant: P) -> Sequence[P]:
        """The others there."""
        return [other for other in self.within(participant.room) if other is not participant]

    def entries(self) -> frozenset[EntryId]:
        """Those open now; from any thread."""
        return frozenset(tuple(self._participants))

    def everybody(self) -> Sequence[P]:
        """All participants of all rooms."""
        return tuple(self._participants.values())
