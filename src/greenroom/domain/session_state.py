"""What deciding needs to know of one occupation of a call."""

from __future__ import annotations

from datetime import datetime

from immutables import Map
from msgspec import Struct

from greenroom.domain.admission import Occupancy
from greenroom.domain.message import EntryId, Role, UserId
from greenroom.domain.session_events import Joined, MediaEvent, UsersMuted, UserUnmuted
from greenroom.domain.session_media import NO_MEDIA, Media, muted, unmuted
from greenroom.domain.session_media import evolve as media_after
from greenroom.domain.session_recording import NO_RECORDINGS, Recordings


class Entry(Struct, frozen=True, gc=False):
    """One connection that is in the call."""

    user_id: UserId
    joined_at: datetime
    media: Media = NO_MEDIA


class Occupant(Struct, frozen=True, gc=False):
    """A user who is in the call, through one or several connections."""

    entry_ids: tuple[EntryId, ...]
    claimed: Role | None
    """Their user role as their last admission was told it; None where the User record says it."""
    counts: bool
    """Whether they count against the limit of participants."""


class Session(Struct, frozen=True, gc=False):
    """What deciding needs to know of one occupation of a call."""

    entries: Map[EntryId, Entry] = Map()
    occupants: Map[UserId, Occupant] = Map()
    counted: int = 0
    """Distinct users present who count against the limit."""
    closes_at: datetime | None = None
    """When it closes if nobody comes; None while somebody is there."""
    pinned: frozenset[UserId] = frozenset()
    unmeasured: Map[EntryId, tuple[int, ...]] = Map()
    """Connections that were there when their entry left, and are not measured yet."""
    recordings: Recordings = NO_RECORDINGS

    def occupancy(self, user_id: UserId) -> Occupancy:
        """What admitting `user_id` depends on."""
        return Occupancy(self.counted, user_id in self.occupants)


def entered(joined: Joined) -> Entry:
    """The entry that somebody came through."""
    media = Media(muted=joined.muted) if joined.muted else NO_MEDIA
    return Entry(joined.user_id, joined.at, media)


def claimed(joined: Joined) -> Role | None:
    """The role that whoever came said they have; None where the User record says it."""
    return joined.role if joined.claimed else None


def told_of(entry: Entry, event: MediaEvent | UsersMuted | UserUnmuted) -> Entry:
    """The entry after something happened to its media."""
    match event:
        case UsersMuted(tracks=tracks):
            media = muted(entry.media, tracks)
        case UserUnmuted(tracks=tracks):
            media = unmuted(entry.media, tracks)
        case _:
            media = media_after(entry.media, event)
    return Entry(entry.user_id, entry.joined_at, media)


def unmeasured_of(entry: Entry) -> tuple[int, ...]:
    """Connections of an entry that are not measured yet."""
    return (*entry.media.standing, *entry.media.fallen)
