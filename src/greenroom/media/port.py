"""Where media sessions live, said without any of a media library's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.domain.session_events import MediaStatistics, RecordedFile

Kind = Literal["audio", "video", "screenshare", "screenshare_audio"]


@dataclass(frozen=True, slots=True)
class MediaEntry:
    """One participant, as the rules want them."""

    entry_id: EntryId
    cid: CallId
    session: int
    user_id: UserId
    may_send: frozenset[Kind]
    """What the others may receive of it; the rest is dropped."""
    epoch: int = 0
    """Number of the last connection on record; the next one to be made gets a higher one."""


@dataclass(frozen=True, slots=True)
class Source:
    """One track of one participant: what is heard or seen on a media line."""

    entry_id: EntryId
    """Whose it is."""
    kind: Kind


@dataclass(frozen=True, slots=True)
class Invitation:
    """The server's offer of a connection on which a participant receives, as it should be now."""

    number: int
    """Counted from 1 in its entry; what was accepted last is named to be invited further."""
    sdp: str
    """A session description, with a line for each track; all candidates stand in it."""


@dataclass(frozen=True, slots=True)
class MediaRecording:
    """A recording of one session, as the rules want it."""

    cid: CallId
    session: int
    number: int
    """Among those of its session."""
    elapsed: float = field(default=0.0, compare=False)
    """Seconds since it was started, which may have been in another process."""


@dataclass(frozen=True, slots=True)
class RecordedTrack:
    """What stands in a file: one track of one connection."""

    entry_id: EntryId
    user_id: UserId
    epoch: int
    kind: Kind


class MediaObserver(Protocol):
    """Who is told what media learns. Calls come one after another from a thread that may block.

    An epoch numbers the connections of one entry, from 1 on. At most one connection sends and one
    receives; a new one for a direction takes the place of the one before.
    """

    def connected(self, entry_id: EntryId, epoch: int, fingerprint: str) -> None:
        """Audio and video can flow; `fingerprint` is `<hash> <hex>` of the peer's certificate.

        Told once a connection: again when the peer came back with a new one.
        """
        ...

    def published(self, entry_id: EntryId, epoch: int, kind: Kind) -> None:
        """Something of this kind arrives, and the others may receive it."""
        ...

    def unpublished(self, entry_id: EntryId, epoch: int, kind: Kind) -> None:
        """Nothing of this kind arrives any more, or the others may not receive it."""
        ...

    def lost(self, entry_id: EntryId, epoch: int) -> None:
        """The peer is gone without having left, or did not connect in time.

        The entry stays open until it is closed; another offer may bring the peer back.
        """
        ...

    def ended(self, entry_id: EntryId, epoch: int, statistics: MediaStatistics) -> None:
        """A connection that had stood is over, for whatever reason; told last of what concerns it.

        It was lost, was replaced by another one, or its entry was closed.
        """
        ...

    def outdated(self, entry_id: EntryId) -> None:
        """Who was invited should ask again: there is other audio and video to receive now.

        Told once until it asks; to whom nothing could be offered when it asked, too.
        """
        ...

    def recorded(self, recording: MediaRecording, track: RecordedTrack, file: RecordedFile) -> bool:
        """A file is finished, maybe one that another process began and did not live to finish.

        Returns:
            Whether that is on record; else it is told again when media starts the next time.
        """
        ...

    def recording_failed(self, recording: MediaRecording, because: str) -> None:
        """Nothing can be written any more; what was written is told of as far as there is any."""
        ...


class MediaPort(Protocol):
    """Opens, forwards and closes media. Each operation is idempotent by entry and thread-safe."""

    def start(self, observer: MediaObserver) -> None:
        """Get ready; report to `observer` from now on. Once in a life, before anything else."""
        ...

    def open(self, entry: MediaEntry) -> None:
        """Expect this participant; again with another `may_send` to change what they may send.

        The number of the next connection is above the highest `epoch` that was named so far.
        What may no longer be sent reaches nobody any more when this returns.

        Raises:
            MediaError: not started, or stopped.
        """
        ...

    def close(self, entry_id: EntryId) -> None:
        """The participant is gone: stop forwarding to and from them, drop the connection.

        It is not reported as lost; what was connected is reported as ended. Twice is fine, an
        unknown entry is fine.
        """
        ...

    def offer(self, entry_id: EntryId, sdp: str) -> str:
        """The answer to a participant's session description; again to renegotiate.

        An offer under the certificate and the credentials of a connection renegotiates that one.
        Any other makes a new connection, in the place of those whose directions it takes: that
        sends if it has lines that send, and receives if it has lines that receive or none that
        send.

        Everybody receives the others' tracks of the same session on the media lines they offered
        as able to receive, first come, first served. A line says `a=content:slides` where it
        shares a screen, or its sound (RFC 4796). All candidates stand in the answer.

        Raises:
            MediaError: no such entry is open, or the description cannot be used; a connection
                that is running goes on as before.
        """
        ...

    def invite(self, entry_id: EntryId, after: int = 0) -> Invitation | None:
        """The server's offer of a connection that only receives, as it should be now.

        It has a line for each track of the others in the same session that may be received. The
        observer is told `outdated` when that changes: then whoever accepted asks `after` it.

        Args:
            entry_id: who is invited.
            after: number of the invitation that was accepted last, to go on with its connection;
                0 for a new connection, which takes the place of the one that receives when it is
                accepted.

        Returns:
            None where there is nothing new since; the invitation that waits to be accepted, if
            there is one.

        Raises:
            MediaError: no such entry is open, `after` was not accepted last, or this adapter
                does not invite.
        """
        ...

    def accept(self, entry_id: EntryId, number: int, sdp: str) -> None:
        """Take a participant's answer to an invitation. Twice is fine.

        Raises:
            MediaError: no such entry is open, another invitation has been made since, or the
                description cannot be used.
        """
        ...

    def candidates(self, entry_id: EntryId, fragment: str) -> None:
        """Addresses that the peer learned of after its description (RFC 8840), some at a time.

        Those of a sort that is not used here are left out, and so are those that are too many.

        Raises:
            MediaError: no such entry is open, the fragment cannot be used, or it names no
                connection of the entry: an ICE restart is a new connection here.
        """
        ...

    def hang_up(self, entry_id: EntryId, ufrag: str) -> bool:
        """Drop the connection under this ICE user name of the peer's; the entry stays open.

        It is not reported as lost. No such connection, or no such entry, is fine.

        Returns:
            Whether the entry has another connection.
        """
        ...

    def slots(self, entry_id: EntryId) -> Mapping[str, Source | None]:
        """What the entry receives: source by `mid` of each line that can receive, in their order.

        None stands on a free line. It changes as participants come and go: without an offer,
        unless the participant was invited.

        Raises:
            MediaError: no such entry is open.
        """
        ...

    def statistics(self) -> Mapping[EntryId, MediaStatistics]:
        """What went through the connections that stand now, summed up by entry."""
        ...

    def recording_obstacle(self) -> str:
        """Why this media cannot record, for whoever wants it to; empty where it can."""
        ...

    def record(self, recording: MediaRecording) -> None:
        """Write what is published in a session to files, from now on; again changes nothing.

        A session has one recording at a time: another one takes its place.
        A track of a connection goes to one file, in which it has its place in time: what may not
        be sent for a while is missing there. What fails later is reported; the call goes on.

        Raises:
            MediaError: not started, stopped, or there is an obstacle.
        """
        ...

    def stop_recording(self, recording: MediaRecording) -> None:
        """Write no more of it; its files are finished and reported in the moment after.

        Twice is fine, an unknown recording is fine.
        """
        ...

    def recordings(self) -> frozenset[MediaRecording]:
        """Those that go on now."""
        ...

    def entries(self) -> frozenset[EntryId]:
        """Those open now."""
        ...

    def stop(self) -> None:
        """Close everything; nothing is running when this returns. Twice is fine.

        The observer has been told of every end by then.
        """
        ...
