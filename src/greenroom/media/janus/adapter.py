"""Media at a Janus: the port's operations, for threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from greenroom.domain.errors import MediaError
from greenroom.domain.message import EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.description import Description
from greenroom.media.fragment import Fragment
from greenroom.media.janus.admin import Admin
from greenroom.media.janus.rooms import Rooms
from greenroom.media.janus.session import Message, Way
from greenroom.media.janus.stage import Stage
from greenroom.media.port import Invitation, MediaEntry, MediaObserver, Source
from greenroom.media.relay import Relay
from greenroom.media.summing import together
from greenroom.media.thread import MediaThread
from greenroom.media.unrecorded import RecordsNothing

_LAST_WORDS: Final = 2.0
"""Seconds that an operation may take longer than Janus's own answer."""


class JanusMedia(RecordsNothing):
    """The MediaPort whose audio and video go through a Janus (VideoRoom plugin, 1.1 or later).

    Participants send by `offer`, on lines that only send, and receive by `invite` and `accept`:
    Janus offers what can be received, and never answers such an offer. Each session of a call has
    a room of its own there, whose secrets no client learns. What may not be sent is muted at
    Janus, and offered to nobody.

    Nothing connects before somebody sends. When Janus is gone, everybody's connections are lost;
    it is looked for again with the next offer or invitation.

    Args:
        url: of Janus's API over WebSockets, e.g. `ws://127.0.0.1:8188`.
        secret: `api_secret` of Janus. Give it one: without, whoever reaches the API goes round
            the rules.
        admin_url: of the admin API over WebSockets, for statistics; without, connections count
            their seconds alone.
        admin_secret: `admin_secret` of Janus.
        admin_key: `admin_key` of the VideoRoom plugin, if it asks for one to make rooms.
        bitrate: of the pictures of one participant, bits a second; 0 for no limit.
        join_deadline: seconds from an answer until the peer must have connected; else it is lost.
        timeout: seconds that an answer of Janus may take, then operations raise MediaError.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str | None = None,
        admin_url: str | None = None,
        admin_secret: str = "",
        admin_key: str | None = None,
        bitrate: int = 0,
        join_deadline: float = 10.0,
        timeout: float = 5.0,
    ) -> None:
        self._relay = Relay("greenroom-janus-news")
        self._thread = MediaThread("greenroom-janus", timeout + _LAST_WORDS)
        credentials = {} if secret is None else {"apisecret": secret}
        way = Way(url, "janus-protocol", credentials, timeout)

        def rooms(heard: Callable[[int, Message], None], gone: Callable[[], None]) -> Rooms:
            return Rooms(way=way, admin_key=admin_key, bitrate=bitrate, heard=heard, gone=gone)

        admin = Admin(admin_url, admin_secret) if admin_url is not None else None
        self._stage = Stage(rooms, admin, join_deadline, self._relay)
        """Only the thread touches it."""

    def start(self, observer: MediaObserver) -> None:
        """Get ready; the thread starts with the first entry, Janus is met with the first offer."""
        self._relay.start(observer)

    def open(self, entry: MediaEntry) -> None:
        """Expect this participant; again with another `may_send` to change what they may send."""
        if not self._relay.running:
            raise MediaError("media is not running; start it first")
        self._thread.run(self._stage.open(entry))

    def close(self, entry_id: EntryId) -> None:
        """Have Janus let go of the participant's connections."""
        if self._thread.runs:
            self._thread.run(self._stage.close(entry_id))

    def offer(self, entry_id: EntryId, sdp: str) -> str:
        """Janus's answer to a participant who offers to send; again to renegotiate.

        Raises:
            MediaError: the entry is not open, the description cannot be used or has lines that
                receive, or Janus cannot be reached.
        """
        return self._with(entry_id).run(self._stage.offer(entry_id, Description.of_offer(sdp)))

    def invite(self, entry_id: EntryId, after: int = 0) -> Invitation | None:
        """Janus's offer of what the participant is to receive."""
        return self._with(entry_id).run(self._stage.invite(entry_id, after))

    def accept(self, entry_id: EntryId, number: int, sdp: str) -> None:
        """The participant's answer to an invitation."""
        self._with(entry_id).run(self._stage.accept(entry_id, number, sdp))

    def candidates(self, entry_id: EntryId, fragment: str) -> None:
        """Addresses that the peer learned of after its description."""
        self._with(entry_id).run(self._stage.trickle(entry_id, Fragment.of(fragment)))

    def hang_up(self, entry_id: EntryId, ufrag: str) -> bool:
        """Drop the connection under this ICE user name of the peer's; the entry stays open."""
        known = entry_id in self.entries()
        return known and self._thread.run(self._stage.hang_up(entry_id, ufrag))

    def slots(self, entry_id: EntryId) -> Mapping[str, Source | None]:
        """What the entry receives: source by `mid` of each line of its last invitation."""
        return self._with(entry_id).run(self._stage.slots(entry_id))

    def statistics(self) -> Mapping[EntryId, MediaStatistics]:
        """What went through the connections that stand now, summed up by entry."""
        if not self._thread.runs:
            return {}
        found = self._thread.run(self._stage.statistics())
        return {entry_id: together(some) for entry_id, some in found.items()}

    def entries(self) -> frozenset[EntryId]:
        """Those open now."""
        return self._stage.entries()

    def stop(self) -> None:
        """Have Janus destroy the rooms, and end the threads. Twice is fine."""
        self._thread.stop(self._stage.stop)
        self._relay.stop()

    def _with(self, entry_id: EntryId) -> MediaThread:
        """The thread, to ask something of an entry that is open."""
        if entry_id not in self._stage.entries():
            raise MediaError(f"entry {entry_id} is not open; join first")
        return self._thread
