"""Everybody's connections, and who is put on whose slots. Lives on the media loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from greenroom.domain.errors import MediaError, MediaOverloaded
from greenroom.domain.message import EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.connection import Connection, State
from greenroom.media.description import Description, Media
from greenroom.media.farewells import Farewells
from greenroom.media.fragment import Fragment
from greenroom.media.incoming import Incoming
from greenroom.media.invited import Invited, Place, places
from greenroom.media.lines import LineStatistics
from greenroom.media.load import Load
from greenroom.media.outgoing import Outgoing
from greenroom.media.participant import Participant
from greenroom.media.port import Invitation, MediaEntry, MediaObserver, MediaRecording, Source
from greenroom.media.recording.recorder import Recorder
from greenroom.media.recording.taps import Taps
from greenroom.media.relay import report_published
from greenroom.media.roster import Room, Roster
from greenroom.media.slots import arrange
from greenroom.media.summing import together

log: Final = logging.getLogger(__name__)

MEDIA: Final[tuple[Media, ...]] = ("audio", "video")


class Stage:
    """Opens, forwards and closes what `AiortcMedia` is told to.

    Args:
        addresses: to offer to peers; None for all of the machine's but loopback.
        join_deadline: seconds from an answered offer until the peer must have connected.
        busy_limit: share of its time that the media thread may compute, from 0 to 1, before no
            more connections are made.
        observer: is told, and does not block.
        recorder: writes recordings; None where nothing is recorded.
    """

    def __init__(
        self,
        *,
        addresses: Sequence[str] | None,
        join_deadline: float,
        busy_limit: float,
        observer: MediaObserver,
        recorder: Recorder | None = None,
    ) -> None:
        self.load = Load()
        self._addresses = addresses
        self._join_deadline = join_deadline
        self._busy_limit = busy_limit
        self._observer = observer
        self._roster: Roster[Participant] = Roster()
        self._farewells = Farewells()
        self._taps = Taps(recorder)
        self._closing = False

    def begin(self) -> None:
        """Look after the load from now on, and keep what aiortc leaves behind out of the log."""
        asyncio.get_running_loop().set_exception_handler(_note)
        self.load.start()

    async def open(self, entry: MediaEntry) -> None:
        """Expect a participant, or change what one may send."""
        if self._closing:
            raise MediaError("media was stopped")
        known = self._roster.get(entry.entry_id)
        if known is None:
            ready = Connection(entry.entry_id, self._addresses, self._told)
            self._roster.add(Participant(entry, ready, epoch=entry.epoch))
            return
        known.epoch = max(known.epoch, entry.epoch)
        if known.entry.may_send != entry.may_send:
            known.entry = replace(known.entry, may_send=entry.may_send)
            self._arrange(known.room)
            self._report_published(known)

    async def close(self, entry_id: EntryId) -> None:
        """Let a participant go, and wait until its sockets are gone."""
        participant = self._roster.remove(entry_id)
        if participant is None:
            return
        for unused in (participant.ready, participant.invitations.fresh):
            if unused is not None:
                self._dismiss(participant, unused)
        farewells = [self._dismiss(participant, one) for one in tuple(participant.connections)]
        self._arrange(participant.room)
        if farewells:
            await asyncio.wait(farewells)

    async def offer(self, entry_id: EntryId, offer: Description) -> str:
        """The answer to a participant's offer."""
        participant = self._roster.require(entry_id)
        async with participant.negotiating:
            for running in participant.connections:
                if running.offered is not None and offer.continues(running.offered):
                    return await self._renegotiate(participant, running, offer)
            return await self._connect(participant, offer)

    async def invite(self, entry_id: EntryId, after: int) -> Invitation | None:
        """The offer of a connection for a participant to receive on."""
        participant = self._roster.require(entry_id)
        async with participant.negotiating:
            invitations, wanted = participant.invitations, _places(self._tracks(participant))
            invited = invitations.asked(after)
            if invited is None:
                invited = self._fresh(participant) if wanted else None
            waiting = None if invited is None else invitations.pending(invited)
            if waiting is not None:
                return waiting
            if invited is None or not invitations.outdated(invited, wanted):
                invitations.nothing_new()
                return None
            try:
                offer = await invited.invite(wanted)
                self._roster.require_still(participant)
            except BaseException:
                self._give_up(participant, invited)
                raise
            return invitations.issue(invited, offer, invited.places)

    async def accept(self, entry_id: EntryId, number: int, sdp: str) -> None:
        """The answer of a participant to what it was offered."""
        participant = self._roster.require(entry_id)
        async with participant.negotiating:
            invitations = participant.invitations
            invited = invitations.awaiting(number)
            if invited is None:
                return
            try:
                await invited.accept(Description.of_answer(sdp), self._join_deadline)
                self._roster.require_still(participant)
            except MediaError:
                raise  # the offer stands
            except Exception as error:
                self._give_up(participant, invited)
                raise MediaError(f"the answer cannot be used: {error}") from error
            invitations.accept(invited)
            self._include(participant, invited)

    async def trickle(self, entry_id: EntryId, fragment: Fragment) -> None:
        """Try more addresses of a participant's peer."""
        participant = self._roster.require(entry_id)
        async with participant.negotiating:
            connection = participant.under(fragment.ufrag)
            if connection is None:
                raise MediaError("no connection has this a=ice-ufrag; offer from a new connection")
            await connection.add_candidates(fragment.candidates)

    async def hang_up(self, entry_id: EntryId, ufrag: str) -> bool:
        """End the connection of this ICE user name; whether there is another one."""
        participant = self._roster.get(entry_id)
        if participant is None:
            return False
        async with participant.negotiating:
            connection = participant.under(ufrag)
            if connection is not None:
                farewell = self._dismiss(participant, connection)
                self._arrange(participant.room)
                await asyncio.shield(farewell)
            return bool(participant.connections)

    async def slots(self, entry_id: EntryId) -> Mapping[str, Source | None]:
        """What a participant receives, by line."""
        return {
            slot.line.mid: slot.incoming.source if slot.incoming is not None else None
            for slot in self._slots(self._roster.require(entry_id))
        }

    async def statistics(self) -> Mapping[EntryId, MediaStatistics]:
        """What went through the connections that stand, by entry."""
        counted = {
            participant.entry.entry_id: [
                counts
                for one in participant.connections
                if (counts := one.statistics()) is not None
            ]
            for participant in self._roster.everybody()
        }
        return {entry_id: together(some) for entry_id, some in counted.items() if some}

    async def lines(self) -> Mapping[EntryId, Sequence[LineStatistics]]:
        """What goes through each line, by entry."""
        return {
            participant.entry.entry_id: [
                line for one in participant.connections for line in one.lines()
            ]
            for participant in self._roster.everybody()
        }

    async def unseen(self, entry_id: EntryId) -> Sequence[Source]:
        """What a participant could receive but for its codec: none of their lines takes it."""
        viewer = self._roster.require(entry_id)
        slots = list(self._slots(viewer))
        return [
            track.source
            for track in self._tracks(viewer)
            if any(slot.line.media == track.line.media for slot in slots)
            and not any(slot.takes(track) for slot in slots)
        ]

    async def record(self, recording: MediaRecording) -> None:
        """Record what is published in a session."""
        if self._closing:
            raise MediaError("media was stopped")
        room = recording.cid, recording.session
        self._taps.begin(recording, self._roster.within(room))

    async def stop_recording(self, recording: MediaRecording) -> None:
        """Record no more of it."""
        self._taps.end(recording)

    def recordings(self) -> frozenset[MediaRecording]:
        """Those that go on; from any thread."""
        return self._taps.recordings()

    async def stop(self) -> None:
        """Close everything."""
        self._closing = True
        self._taps.end_all()
        self.load.stop()
        await asyncio.gather(*(self.close(entry_id) for entry_id in self.entries()))
        await self._farewells.wait()

    @property
    def fullness(self) -> float:
        """How busy the thread is, of what it may be; from any thread."""
        return self.load.share / self._busy_limit if self._busy_limit > 0 else 1.0

    def entries(self) -> frozenset[EntryId]:
        """Those open now; from any thread."""
        return self._roster.entries()

    async def _connect(self, participant: Participant, offer: Description) -> str:
        """Answer from a new connection, in place of those whose directions it takes."""
        entry_id = participant.entry.entry_id
        self._admit(participant)
        ready, participant.ready = participant.ready, None
        connection = ready or Connection(entry_id, self._addresses, self._told)
        try:
            answer = await connection.answer(offer, self._join_deadline)
            self._roster.require_still(participant)
        except BaseException as error:
            self._dismiss(participant, connection)
            if isinstance(error, MediaError) or not isinstance(error, Exception):
                raise
            raise MediaError(f"the offer cannot be answered: {error}") from error
        self._include(participant, connection)
        return answer

    def _fresh(self, participant: Participant) -> Invited:
        """A connection to be offered, in place of one that was and that nobody accepted."""
        unused = participant.invitations.fresh
        if unused is not None:
            self._dismiss(participant, unused)
        self._admit(participant)
        return Invited(participant.entry.entry_id, self._addresses, self._told)

    def _give_up(self, participant: Participant, connection: Connection) -> None:
        """The two ends disagree on what was negotiated, and cannot go on."""
        self._told(connection, "dead")
        self._dismiss(participant, connection)

    def _include(self, participant: Participant, connection: Connection) -> None:
        """It is one of the participant's now, if it was not before."""
        if connection not in participant.connections:
            participant.epoch += 1
            connection.epoch = participant.epoch
            participant.connections.append(connection)
            if connection.connected:  # it was quicker, and nobody's
                self._told(connection, "connected")
        self._take_over(participant, connection)

    async def _renegotiate(
        self, participant: Participant, running: Connection, offer: Description
    ) -> str:
        try:
            answer = await running.answer(offer, self._join_deadline)
        except Exception as error:
            # Our reader lets nothing through that is known to fail halfway; if something does,
            # the two ends disagree on what was negotiated and cannot go on.
            self._told(running, "dead")
            raise MediaError(f"the offer cannot be answered: {error}") from error
        self._take_over(participant, running)
        return answer

    def _admit(self, participant: Participant) -> None:
        """Refuse another connection where the thread is full; one for another is no more work."""
        if not participant.connections and self.load.share > self._busy_limit:
            raise MediaOverloaded(
                f"media computes {self.load.share:.0%} of the time, more than"
                f" {self._busy_limit:.0%}: try again in a moment, or let another process serve"
                " some of the calls"
            )

    def _take_over(self, participant: Participant, connection: Connection) -> None:
        """End the others that do what `connection` now does; put everybody on their slots."""
        for other in tuple(participant.connections):
            both_send = other.sends and connection.sends
            both_receive = other.receives and connection.receives
            if other is not connection and (both_send or both_receive):
                self._dismiss(participant, other)
        self._arrange(participant.room)
        self._report_published(participant)

    def _told(self, connection: Connection, state: State) -> None:
        """News of a connection; of one that is no longer anybody's, it is none."""
        participant = self._roster.get(connection.entry_id)
        if participant is None or connection not in participant.connections:
            return
        entry_id, epoch, offered = connection.entry_id, connection.epoch, connection.offered
        match state:
            case "connected" if offered is not None:
                self._arrange(participant.room)
                self._observer.connected(entry_id, epoch, offered.fingerprint)
            case "flow":
                self._arrange(participant.room)
                self._report_published(participant)
            case _:
                self._observer.lost(entry_id, epoch)
                self._dismiss(participant, connection)
                self._arrange(participant.room)

    def _report_published(self, participant: Participant) -> None:
        """Tell what has come to be published since the last time, and what has ceased to be."""
        entry_id = participant.entry.entry_id
        for connection in participant.connections:
            if not connection.connected:
                continue
            before = connection.published
            connection.published = now = connection.flowing & participant.entry.may_send
            report_published(self._observer, entry_id, connection.epoch, before, now)

    def _dismiss(self, participant: Participant, connection: Connection) -> asyncio.Task[None]:
        """Let nothing through any more, and close it in the background."""
        if connection in participant.connections:
            participant.connections.remove(connection)
            counts = connection.statistics()
            if counts is not None:
                self._observer.ended(connection.entry_id, connection.epoch, counts)
        if isinstance(connection, Invited):
            participant.invitations.drop(connection)
        connection.stop_forwarding()
        return self._farewells.say(connection.close())

    def _arrange(self, room: Room) -> None:
        """Put everybody's tracks on the others' slots, as the rules and the lines allow."""
        there = self._roster.within(room)
        self._taps.arrange(room, there)
        # In an audience few send: who does is looked up once, not once for each viewer.
        sent = [(sender, track) for sender in there for track in sender.tracks()]
        for viewer in there:
            tracks = [track for sender, track in sent if sender is not viewer]
            slots = list(self._slots(viewer))
            for media in MEDIA:
                wanted = [track for track in tracks if track.line.media == media]
                carried = {slot: slot.incoming for slot in slots if slot.line.media == media}
                for slot, track in arrange(carried, wanted, Outgoing.takes).items():
                    slot.carry(track)
            if viewer.invitations.tell(_places(tracks)):
                self._observer.outdated(viewer.entry.entry_id)

    def _tracks(self, viewer: Participant) -> Sequence[Incoming]:
        """What the others send."""
        return [track for other in self._roster.beside(viewer) for track in other.tracks()]

    def _slots(self, viewer: Participant) -> Iterator[Outgoing]:
        for connection in viewer.connections:
            yield from connection.slots()


def _note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody waited for has failed."""
    log.debug("%s", context["message"], exc_info=context.get("exception"))


def _places(tracks: Sequence[Incoming]) -> Sequence[Place]:
    """The lines that it takes to receive these."""
    return places([track.line.media for track in tracks])
