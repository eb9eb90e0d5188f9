"""Where media sessions live, said without any of a media library's types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from greenroom.domain.message import CallId, EntryId, UserId

Kind = Literal["audio", "video", "screenshare"]


@dataclass(frozen=True, slots=True)
class MediaEntry:
    """One participant's connection, as the rules want it."""

    entry_id: EntryId
    cid: CallId
    session: int
    user_id: UserId
    may_send: frozenset[Kind]
    """What the others may receive of it; the rest is dropped."""


class MediaObserver(Protocol):
    """Who is told what media learns. Calls come from any thread, and may block."""

    def connected(self, entry_id: EntryId, fingerprint: str) -> None:
        """Audio and video flow; `fingerprint` is the peer's DTLS certificate's."""
        ...

    def lost(self, entry_id: EntryId) -> None:
        """The peer is gone without having left."""
        ...


class MediaPort(Protocol):
    """Opens, forwards and closes media. Every operation is idempotent by entry, safe from any thread."""

    def start(self, observer: MediaObserver) -> None:
        """Get ready; report to `observer` from now on."""
        ...

    def open(self, entry: MediaEntry) -> None:
        """Expect this participant; again with another `may_send` to change what they may send."""
        ...

    def close(self, entry_id: EntryId) -> None:
        """The participant is gone: stop forwarding to and from them, drop the connection."""
        ...

    def offer(self, entry_id: EntryId, sdp: str) -> str:
        """The answer to a participant's session description; again to renegotiate.

        Everybody receives the others' tracks of the same session on the media lines they offered.

        Raises:
            MediaError: no such entry is open, or the description cannot be understood.
        """
        ...

    def entries(self) -> frozenset[EntryId]:
        """Those open now."""
        ...

    def stop(self) -> None:
        """Close everything; nothing is running when this returns."""
        ...
