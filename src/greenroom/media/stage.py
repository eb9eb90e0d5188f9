"""Everybody's connections, and who is put on whose slots. Lives on the media loop."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from greenroom.domain.errors import MediaError, MediaOverloaded
from greenroom.domain.message import EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.connection import Connection, State
from greenroom.media.description import Description, Media
from greenroom.media.fragment import Fragment
from greenroom.media.incoming import Incoming
from greenroom.media.invited import Invited, Place, places
from greenroom.media.lines import LineStatistics
from greenroom.media.load import Load
from greenroom.media.outgoing import Outgoing
from greenroom.media.participant import Participant, Room
from greenroom.media.port import Invitation, Kind, MediaEntry, MediaObserver, Source
from greenroom.media.slots import arrange
from greenroom.media.summing import together

log: Final = logging.getLogger(__name__)

MEDIA: Final[tuple[Media, ...]] = ("audio", "video")

Tell = Callable[[Callable[[MediaObserver], None]], None]
"""Hands a report to the observer, later and elsewhere."""


class Stage:
    """Opens, forwards and closes what `AiortcMedia` is told to.

    Args:
        addresses: to offer to peers; None for all of the machine's but loopback.
        join_deadline: seconds from an answered offer until the peer must have connected.
        busy_limit: share of its time that the media thread may compute, from 0 to 1, before no
            more connections are made.
        tell: takes the reports for the observer.
    """

    def __init__(
        self,
        *,
        addresses: Sequence[str] | None,
        join_deadline: float,
        busy_limit: float,
        tell: Tell,
    ) -> None:
        self.load = Load()
        self._addresses = addresses
        self._join_deadline = join_deadline
        self._busy_limit = busy_limit
        self._tell = tell
        self._participants: dict[EntryId, Participant] = {}
        self._rooms: dict[Room, dict[EntryId, Participant]] = defaultdict(dict)
        self._farewells: set[asyncio.Task[None]] = set()
        self._closing = False

    async def begin(self) -> None:
        """Look after the load from now on."""
        self.load.start()

    async def open(self, entry: MediaEntry) -> None:
        """Expect a participant, or change what one may send."""
        if self._closing:
            raise MediaError("media was stopped")
        known = self._participants.get(entry.entry_id)
        if known is None:
            ready = Connection(entry.entry_id, self._addresses, self._told)
            known = Participant(entry, ready, epoch=entry.epoch)
            self._participants[entry.entry_id] = known
            self._rooms[known.room][entry.entry_id] = known
            return
        known.epoch = max(known.epoch, entry.epoch)
        if known.entry.may_send != entry.may_send:
            known.entry = replace(known.entry, may_send=entry.may_send)
            self._arrange(known.room)
            self._report_published(known)

    async def close(self, entry_id: EntryId) -> None:
        """Let a participant go, and wait until its sockets are gone."""
        participant = self._participants.pop(entry_id, None)
        if participant is None:
            return
        self._rooms[participant.room].pop(entry_id)
        if not self._rooms[participant.room]:
            del self._rooms[participant.room]
        for unused in (participant.ready, participant.invitations.fresh):
            if unused is not None:
                self._dismiss(participant, unused)
        farewells = [self._dismiss(participant, one) for one in tuple(participant.connections)]
        self._arrange(participant.room)
        if farewells:
            await asyncio.wait(farewells)

    async def offer(self, entry_id: EntryId, offer: Description) -> str:
        """The answer to a participant's offer."""
        participant = self._require(entry_id)
        async with participant.negotiating:
            for running in participant.connections:
                if running.offered is not None and offer.continues(running.offered):
                    return await self._renegotiate(participant, running, offer)
            return await self._connect(participant, offer)

    async def invite(self, entry_id: EntryId, after: int) -> Invitation | None:
        """The offer of a connection for a participant to receive on."""
        participant = self._require(entry_id)
        async with participant.negotiating:
            invitations, wanted = participant.invitations, self._places(participant)
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
                self._require_open(participant)
            except BaseException:
                self._give_up(participant, invited)
                raise
            return invitations.issue(invited, offer, invited.places)

    async def accept(self, entry_id: EntryId, number: int, sdp: str) -> None:
        """The answer of a participant to what it was offered."""
        participant = self._require(entry_id)
        async with participant.negotiating:
            invitations = participant.invitations
            invited = invitations.awaiting(number)
            if invited is None:
                return
            try:
                await invited.accept(Description.of_answer(sdp), self._join_deadline)
                self._require_open(participant)
            except MediaError:
                raise  # the offer stands
            except Exception as error:
                self._give_up(participant, invited)
                raise MediaError(f"the answer cannot be used: {error}") from error
            invitations.accept(invited)
            self._include(participant, invited)

    async def trickle(self, entry_id: EntryId, fragment: Fragment) -> None:
        """Try more addresses of a participant's peer."""
        participant = self._require(entry_id)
        async with participant.negotiating:
            connection = participant.under(fragment.ufrag)
            if connection is None:
                raise MediaError("no connection has this a=ice-ufrag; offer from a new connection")
            await connection.add_candidates(fragment.candidates)

    async def hang_up(self, entry_id: EntryId, ufrag: str) -> bool:
        """End the connection of this ICE user name; whether there is another one."""
        participant = self._participants.get(entry_id)
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
            for slot in self._slots(self._require(entry_id))
        }

    async def statistics(self) -> Mapping[EntryId, MediaStatistics]:
        """What went through the connections that stand, by entry."""
        counted = {
            entry_id: [
                counts
                for one in participant.connections
                if (counts := one.statistics()) is not None
            ]
            for entry_id, participant in self._participants.items()
        }
        return {entry_id: together(some) for entry_id, some in counted.items() if some}

    async def lines(self) -> Mapping[EntryId, Sequence[LineStatistics]]:
        """What goes through each line, by entry."""
        return {
            entry_id: [line for one in participant.connections for line in one.lines()]
            for entry_id, participant in self._participants.items()
        }

    async def unseen(self, entry_id: EntryId) -> Sequence[Source]:
        """What a participant could receive but for its codec: none of their lines takes it."""
        viewer = self._require(entry_id)
        slots = list(self._slots(viewer))
        return [
            track.source
            for track in self._tracks(viewer)
            if any(slot.line.media == track.line.media for slot in slots)
            and not any(slot.takes(track) for slot in slots)
        ]

    async def stop(self) -> None:
        """Close everything."""
        self._closing = True
        self.load.stop()
        await asyncio.gather(*(self.close(entry_id) for entry_id in self.entries()))
        while self._farewells:
            await asyncio.wait(self._farewells)

    def entries(self) -> frozenset[EntryId]:
        """Those open now; from any thread."""
        return frozenset(tuple(self._participants))

    def _require(self, entry_id: EntryId) -> Participant:
        participant = self._participants.get(entry_id)
        if participant is None:
            raise MediaError(f"entry {entry_id} is not open; join first")
        return participant

    async def _connect(self, participant: Participant, offer: Description) -> str:
        """Answer from a new connection, in place of those whose directions it takes."""
        entry_id = participant.entry.entry_id
        self._admit(participant)
        ready, participant.ready = participant.ready, None
        connection = ready or Connection(entry_id, self._addresses, self._told)
        try:
            answer = await connection.answer(offer, self._join_deadline)
        except MediaError:
            self._dismiss(participant, connection)
            raise
        except Exception as error:
            self._dismiss(participant, connection)
            raise MediaError(f"the offer cannot be answered: {error}") from error
        except asyncio.CancelledError:
            self._dismiss(participant, connection)
            raise
        if self._participants.get(entry_id) is not participant:
            self._dismiss(participant, connection)
            raise MediaError(f"entry {entry_id} was closed meanwhile")
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

    def _require_open(self, participant: Participant) -> None:
        entry_id = participant.entry.entry_id
        if self._participants.get(entry_id) is not participant:
            raise MediaError(f"entry {entry_id} was closed meanwhile")

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
        participant = self._participants.get(connection.entry_id)
        if participant is None or connection not in participant.connections:
            return
        entry_id, epoch, offered = connection.entry_id, connection.epoch, connection.offered
        match state:
            case "connected" if offered is not None:
                self._arrange(participant.room)
                fingerprint = offered.fingerprint
                self._tell(lambda observer: observer.connected(entry_id, epoch, fingerprint))
            case "flow":
                self._arrange(participant.room)
                self._report_published(participant)
            case _:
                self._tell(lambda observer: observer.lost(entry_id, epoch))
                self._dismiss(participant, connection)
                self._arrange(participant.room)

    def _report_published(self, participant: Participant) -> None:
        """Tell what has come to be published since the last time, and what has ceased to be."""
        entry_id = participant.entry.entry_id
        for connection in participant.connections:
            if not connection.connected:
                continue
            epoch, before = connection.epoch, connection.published
            connection.published = now = connection.flowing & participant.entry.may_send
            for kind in sorted(before - now):
                self._tell(partial(_unpublished, entry_id, epoch, kind))
            for kind in sorted(now - before):
                self._tell(partial(_published, entry_id, epoch, kind))

    def _dismiss(self, participant: Participant, connection: Connection) -> asyncio.Task[Any]:
        """Let nothing through any more, and close it in the background."""
        if connection in participant.connections:
            participant.connections.remove(connection)
            entry_id, epoch, counts = connection.entry_id, connection.epoch, connection.statistics()
            if counts is not None:
                self._tell(lambda observer: observer.ended(entry_id, epoch, counts))
        if isinstance(connection, Invited):
            participant.invitations.drop(connection)
        connection.stop_forwarding()
        farewell = asyncio.get_running_loop().create_task(connection.close())
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)
        return farewell

    def _arrange(self, room: Room) -> None:
        """Put everybody's tracks on the others' slots, as the rules and the lines allow."""
        for viewer in tuple(self._rooms.get(room, {}).values()):
            tracks = self._tracks(viewer)
            slots = list(self._slots(viewer))
            for media in MEDIA:
                wanted = [track for track in tracks if track.line.media == media]
                carried = {slot: slot.incoming for slot in slots if slot.line.media == media}
                for slot, track in arrange(carried, wanted, Outgoing.takes).items():
                    slot.carry(track)
            if viewer.invitations.tell(self._places(viewer)):
                self._tell(partial(_outdated, viewer.entry.entry_id))

    def _places(self, viewer: Participant) -> Sequence[Place]:
        """The lines that it takes to receive all that the others send."""
        return places([track.line.media for track in self._tracks(viewer)])

    def _tracks(self, viewer: Participant) -> Sequence[Incoming]:
        """What the others send."""
        others = self._rooms.get(viewer.room, {}).values()
        return [track for other in others if other is not viewer for track in other.tracks()]

    def _slots(self, viewer: Participant) -> Iterator[Outgoing]:
        for connection in viewer.connections:
            yield from connection.slots()


def _outdated(entry_id: EntryId, observer: MediaObserver) -> None:
    observer.outdated(entry_id)


def _published(entry_id: EntryId, epoch: int, kind: Kind, observer: MediaObserver) -> None:
    observer.published(entry_id, epoch, kind)


def _unpublished(entry_id: EntryId, epoch: int, kind: Kind, observer: MediaObserver) -> None:
    observer.unpublished(entry_id, epoch, kind)
