"""One's own connection to a call."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from time import monotonic
from typing import TYPE_CHECKING, Final

from greenroom.answers import Done, EntryState
from greenroom.domain import checks
from greenroom.domain.message import EntryId
from greenroom.domain.operations import people, presence

if TYPE_CHECKING:
    from greenroom.call_handle import CallHandle
    from greenroom.ice import IceAccess
    from greenroom.media.port import Invitation, Source
    from greenroom.tickets import Use


_MOST_INVITATIONS: Final = 2**53


def patience(seconds: int) -> int:
    """How long somebody may wait for an invitation."""
    return checks.integer(seconds, "seconds", 0, 3600)


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

    def invite(self, *, after: int = 0) -> Invitation | None:
        """Media signalling, begun by the server: its offer of a connection to receive on.

        It has a line for each track of the others; `slots` says whose is on which. Where people
        come and go, who accepted an invitation should ask for the next: see `next_invitation`.

        Args:
            after: number of the invitation that this client accepted last, to go on with its
                connection; 0 for a new connection, in the place of the one that receives.

        Returns:
            None while there is nobody to receive, or nothing new.

        Raises:
            EntryNotFound: the entry has left, or was put out.
            MediaError: `after` is not what was accepted last (begin anew, with 0), or this media
                does not invite.
        """
        after = checks.integer(after, "after", 0, _MOST_INVITATIONS)
        return self._call._core.invite(self._call.cid, self.entry_id, after)  # noqa: SLF001 - as above

    def accept(self, number: int, sdp: str) -> None:
        """The answer of this client to an invitation; again changes nothing.

        Raises:
            EntryNotFound: the entry has left, or was put out.
            MediaError: there is a later invitation, or the description cannot be understood.
        """
        number = checks.integer(number, "number", 0, _MOST_INVITATIONS)
        self._call._core.accept(self._call.cid, self.entry_id, number, sdp)  # noqa: SLF001 - as above

    def next_invitation(self, *, after: int = 0, seconds: int = 25) -> Invitation | None:
        """As `invite`, waiting until there is one: for a long poll, or a stream of events.

        Args:
            after: as for `invite`.
            seconds: how long to wait, up to an hour; None is answered when they are over.

        Raises:
            EntryNotFound: the entry has left, or was put out, now or meanwhile.
            MediaError: as for `invite`; also when the connection is lost meanwhile.
        """
        over = monotonic() + patience(seconds)
        while True:
            due = invitation_due(self)  # first, not to miss what comes between the two
            try:
                invitation = self.invite(after=after)
                if invitation is not None:
                    return invitation
                due.result(max(0.0, over - monotonic()))
            except TimeoutError:
                return None
            finally:
                due.cancel()

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


def invitation_due(entry: Entry) -> Future[None]:
    """Done as soon as a client should ask to be invited again; cancel it if you tire.

    Raises:
        EntryNotFound: the entry has left, or was put out.
    """
    call = entry._call  # noqa: SLF001 - the entry's own part
    return call._core.invitation_due(call.cid, entry.entry_id)  # noqa: SLF001 - as above
