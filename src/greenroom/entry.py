"""One's own connection to a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from greenroom.answers import Done, EntryState
from greenroom.domain import checks
from greenroom.domain.message import EntryId
from greenroom.domain.operations import people, presence

if TYPE_CHECKING:
    from greenroom.call_handle import CallHandle
    from greenroom.ice import IceAccess
    from greenroom.media.port import Source
    from greenroom.tickets import Use


class Entry:
    """One's own connection to a call, from the join on."""

    def __init__(self, call: CallHandle, state: EntryState) -> None:
        self._call = call
        self.state = state

    def __repr__(self) -> str:
        """The entry and its call."""
        return f"<entry {self.entry_id} of {self.user_id} in {self._call.cid}>"

    @property
    def entry_id(self) -> EntryId:
        """This connection."""
        return self.state.entry_id

    @property
    def session_id(self) -> str:
        """The call's session that it belongs to."""
        return self.state.session_id

    @property
    def user_id(self) -> str:
        """Whose connection it is."""
        return self.state.user_id

    @property
    def created(self) -> bool:
        """Whether the join created the call."""
        return self.state.created

    @property
    def version(self) -> int:
        """Version of the call's stream after the join."""
        return self.state.version

    @property
    def position(self) -> int:
        """Place in the whole log of the join's last event."""
        return self.state.position

    def offer(self, sdp: str) -> str:
        """Media signalling: the answer to this client's session description (extra `media`).

        Offer again to renegotiate. Everybody receives the others' audio and video on the media
        lines they offered.

        Raises:
            EntryNotFound: the entry has left, or was put out.
            MediaError: the description cannot be understood, or media is not installed.
        """
        return self._call._core.offer(self._call.cid, self.entry_id, sdp)  # noqa: SLF001 - the handle's own part

    def candidates(self, fragment: str) -> None:
        """Media signalling: addresses that this client learned of after its offer (trickle ICE).

        Args:
            fragment: as RFC 8840 has it; under the `ice-ufrag` of the offer they belong to.

        Raises:
            EntryNotFound: the entry has left, was put out, or offered nothing yet.
            MediaError: they cannot be understood, or belong to no connection of this client.
        """
        self._call._core.candidates(self._call.cid, self.entry_id, fragment)  # noqa: SLF001 - as above

    def hang_up(self, ufrag: str) -> bool:
        """Drop the connection whose offer had this `ice-ufrag`; the entry stays in the call.

        No such connection is fine.

        Returns:
            Whether this client has another connection.
        """
        ufrag = checks.text(ufrag, "ufrag", 256)
        return self._call._core.hang_up(self._call.cid, self.entry_id, ufrag)  # noqa: SLF001 - as above

    def slots(self) -> Mapping[str, Source | None]:
        """Whom this client receives: by `mid` of each media line it offered to receive on.

        Sources name the other's `entry_id` and `kind`; None for a line that is free. It changes as
        people come and go.
        """
        return self._call._core.slots(self._call.cid, self.entry_id)  # noqa: SLF001 - as above

    def ticket(self, *uses: Use, seconds: int = 60) -> str:
        """What this client shows to set its media up over HTTP (`greenroom.http`); a secret.

        It is good for this entry alone, and dies with it; a new one does not undo an old one.

        Args:
            uses: what it may begin: `publish` (WHIP), `watch` (WHEP); both without.
            seconds: how long it may begin something, up to a day; what was begun goes on.

        Raises:
            InvalidInput: with the path of the fault.
        """
        return self._call._core.ticket(self.state, uses, seconds)  # noqa: SLF001 - as above

    def ice_servers(self) -> tuple[IceAccess, ...]:
        """The STUN and TURN servers that this client is to use, with credentials of its own.

        Those that `Greenroom.open(ice_servers=...)` named; none by default. Ask again where the
        credentials are about to expire.

        Raises:
            EntryNotFound: the entry has left, or was put out.
        """
        return self._call._core.ice(self._call.cid, self.entry_id)  # noqa: SLF001 - as above

    def unmute(
        self,
        *,
        audio: bool = False,
        video: bool = False,
        screenshare: bool = False,
        screenshare_audio: bool = False,
        request_id: str | None = None,
    ) -> Done:
        """Be heard and seen again after having been muted, through all of one's connections.

        What was not muted is as it was.

        Raises:
            EntryNotFound: the entry has left, or was put out.
            NotAllowed: sending it takes `send-audio`, `send-video` or `screenshare`.
        """
        operation = people.unmute(
            self.entry_id,
            audio=audio,
            video=video,
            screenshare=screenshare,
            screenshare_audio=screenshare_audio,
        )
        return self._call._done(operation, request_id)  # noqa: SLF001 - as above

    def leave(self, *, request_id: str | None = None) -> Done:
        """Close this connection; again records nothing."""
        return self._call._done(presence.leave(self.entry_id), request_id)  # noqa: SLF001 - as above
