"""Media in this process: peer connections by aiortc, packets forwarded as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from greenroom.domain.errors import MediaError
from greenroom.domain.message import EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.description import Description
from greenroom.media.fragment import Fragment
from greenroom.media.lines import LineStatistics
from greenroom.media.port import Invitation, MediaEntry, MediaObserver, MediaRecording, Source
from greenroom.media.recording.recorder import Recorder
from greenroom.media.relay import Relay
from greenroom.media.stage import Stage
from greenroom.media.thread import MediaThread
from greenroom.media.unrecorded import HOW_TO_RECORD


class AiortcMedia:
    """The MediaPort that carries audio and video itself, in one thread of this process.

    Everybody sends Opus, and VP8 or H.264 (baseline); packets are forwarded without being decoded.
    A participant receives on as many lines as they offered; the others are put on them in the
    order in which they were opened, and move up as lines become free. Who sends a codec that a
    participant's lines do not take is not put on them.

    Args:
        addresses: of this machine, to offer to peers; None for all but loopback. Name the one
            that peers reach where there are several, and `127.0.0.1` to stay on the machine.
        join_deadline: seconds from an answered offer until the peer must have connected; else it
            is lost. A peer that vanishes later is noticed within 5 seconds.
        busy_limit: share of its time that the media thread may compute before new connections are
            refused; beyond its limit all of them would break down at once.
        timeout: seconds that one operation may take, then it raises MediaError.
        recordings: folder that recordings go to, of this store alone; without one, nothing is
            recorded. Sound goes to Ogg, VP8 to WebM and H.264 to Matroska, a file for each track.
    """

    def __init__(
        self,
        *,
        addresses: Sequence[str] | None = None,
        join_deadline: float = 10.0,
        busy_limit: float = 0.7,
        timeout: float = 10.0,
        recordings: Path | str | None = None,
    ) -> None:
        self._relay = Relay("greenroom-media-news")
        self.recordings_folder = None if recordings is None else Path(recordings)
        """Where files go; None where nothing is recorded."""
        self._recorder = None if recordings is None else Recorder(Path(recordings), self._relay)
        self._stage = Stage(
            addresses=None if addresses is None else tuple(addresses),
            join_deadline=join_deadline,
            busy_limit=busy_limit,
            observer=self._relay,
            recorder=self._recorder,
        )
        """Only the thread touches it."""
        self._thread = MediaThread("greenroom-media", timeout, self._stage.begin)

    def start(self, observer: MediaObserver) -> None:
        """Get ready; the media thread starts with the first entry."""
        self._relay.start(observer)
        if self._recorder is not None:
            self._recorder.start()

    def open(self, entry: MediaEntry) -> None:
        """Expect this participant; again with another `may_send` to change what they may send."""
        self._running().run(self._stage.open(entry))

    def close(self, entry_id: EntryId) -> None:
        """Stop forwarding to and from the participant, drop their connections."""
        if self._thread.runs:
            self._thread.run(self._stage.close(entry_id))

    def offer(self, entry_id: EntryId, sdp: str) -> str:
        """The answer to a participant's session description; again to renegotiate.

        An offer under another certificate comes from a new connection, and replaces the old one
        of the same direction.

        Raises:
            MediaOverloaded: the media thread is too busy for another participant.
            MediaError: the entry is not open, or the description cannot be used.
        """
        return self._with(entry_id).run(self._stage.offer(entry_id, Description.of_offer(sdp)))

    def invite(self, entry_id: EntryId, after: int = 0) -> Invitation | None:
        """The offer of a connection to receive on, with as many lines as there are tracks.

        Who comes later is put on lines that became free; the participant should ask again only
        when there are too few.

        Raises:
            MediaOverloaded: the media thread is too busy for another participant.
            MediaError: the entry is not open, or `after` was not accepted last.
        """
        return self._with(entry_id).run(self._stage.invite(entry_id, after))

    def accept(self, entry_id: EntryId, number: int, sdp: str) -> None:
        """The participant's answer to an invitation."""
        self._with(entry_id).run(self._stage.accept(entry_id, number, sdp))

    def candidates(self, entry_id: EntryId, fragment: str) -> None:
        """Addresses of the peer that it learned of after its offer."""
        self._with(entry_id).run(self._stage.trickle(entry_id, Fragment.of(fragment)))

    def hang_up(self, entry_id: EntryId, ufrag: str) -> bool:
        """Drop the connection whose offer had this ICE user name; the entry stays open."""
        known = entry_id in self.entries()
        return known and self._running().run(self._stage.hang_up(entry_id, ufrag))

    def slots(self, entry_id: EntryId) -> Mapping[str, Source | None]:
        """What the entry receives: source by `mid` of each line that can receive."""
        return self._with(entry_id).run(self._stage.slots(entry_id))

    def unseen(self, entry_id: EntryId) -> Sequence[Source]:
        """What the entry cannot receive, for none of its lines takes the codec."""
        return self._with(entry_id).run(self._stage.unseen(entry_id))

    def statistics(self) -> Mapping[EntryId, MediaStatistics]:
        """What went through the connections that stand now, summed up by entry."""
        return self._thread.run(self._stage.statistics()) if self._thread.runs else {}

    def lines(self) -> Mapping[EntryId, Sequence[LineStatistics]]:
        """What goes through each media line, by entry."""
        return self._thread.run(self._stage.lines()) if self._thread.runs else {}

    @property
    def load(self) -> float:
        """The share of its time that the media thread computes, from 0 to 1."""
        return self._stage.load.share

    @property
    def fullness(self) -> float:
        """How much of what it can take it has taken; from 1 on nobody new is let in."""
        return self._stage.fullness

    def recording_obstacle(self) -> str:
        """Why nothing can be recorded; empty where it can."""
        if self._recorder is None:
            return f"this media has no folder for recordings: {HOW_TO_RECORD}"
        return self._recorder.obstacle()

    def record(self, recording: MediaRecording) -> None:
        """Write what is published in a session to files, from now on."""
        obstacle = self.recording_obstacle()
        if obstacle:
            raise MediaError(obstacle)
        self._running().run(self._stage.record(recording))

    def stop_recording(self, recording: MediaRecording) -> None:
        """Write no more of it; its files are reported in the moment after."""
        if self._thread.runs:
            self._thread.run(self._stage.stop_recording(recording))

    def recordings(self) -> frozenset[MediaRecording]:
        """Those that go on now."""
        return self._stage.recordings()

    def entries(self) -> frozenset[EntryId]:
        """Those open now."""
        return self._stage.entries()

    def stop(self) -> None:
        """Close everything, end both threads. Twice is fine."""
        self._thread.stop(self._stage.stop)
        if self._recorder is not None:
            self._recorder.stop()
        self._relay.stop()

    def _running(self) -> MediaThread:
        if not self._relay.running:
            raise MediaError("media is not running; start it first")
        return self._thread

    def _with(self, entry_id: EntryId) -> MediaThread:
        """The thread, to ask something of an entry that is open."""
        if entry_id not in self._stage.entries():
            raise MediaError(f"entry {entry_id} is not open; join first")
        return self._running()
