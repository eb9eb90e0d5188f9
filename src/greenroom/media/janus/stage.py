"""Everybody's connections to a Janus. Lives on the media loop."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import Final

from greenroom.domain.errors import MediaError
from greenroom.domain.message import EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.description import MAX_LINES, Description
from greenroom.media.farewells import Farewells
from greenroom.media.fragment import Fragment
from greenroom.media.janus.admin import Admin
from greenroom.media.janus.connections import Connection, Publishing, Receiving, Track
from greenroom.media.janus.participant import Participant
from greenroom.media.janus.rooms import Rooms
from greenroom.media.janus.session import Message
from greenroom.media.port import Invitation, MediaEntry, MediaObserver, Source
from greenroom.media.relay import report_published
from greenroom.media.roster import Room, Roster

log: Final = logging.getLogger(__name__)

COUNTED_EVERY: Final = 5.0
"""Seconds between two looks at what went through all connections."""


class Stage:
    """Opens, offers and closes what `JanusMedia` is told to.

    Args:
        rooms: takes what the rooms at Janus are made with, and gives them.
        admin: asked for statistics; None for none.
        join_deadline: seconds from an answer until the peer must have connected.
        observer: is told, and does not block.
    """

    def __init__(
        self,
        rooms: Callable[[Callable[[int, Message], None], Callable[[], None]], Rooms],
        admin: Admin | None,
        join_deadline: float,
        observer: MediaObserver,
    ) -> None:
        self._rooms = rooms(self._heard, self._gone)
        self._admin = admin
        self._join_deadline = join_deadline
        self._observer = observer
        self._roster: Roster[Participant] = Roster()
        self._handles: dict[int, Connection] = {}
        self._farewells = Farewells()
        self._closing = False
        self._looking: asyncio.Task[None] | None = None

    async def open(self, entry: MediaEntry) -> None:
        """Expect a participant, or change what one may send."""
        if self._closing:
            raise MediaError("media was stopped")
        known = self._roster.get(entry.entry_id)
        if self._looking is None and self._admin is not None:
            self._looking = asyncio.get_running_loop().create_task(self._look_on())
        if known is None:
            self._roster.add(Participant(entry, epoch=entry.epoch))
            return
        known.epoch = max(known.epoch, entry.epoch)
        known.entry = replace(known.entry, may_send=entry.may_send)
        async with known.negotiating:
            if known.publishing is not None:
                await known.publishing.mute(known.entry.may_send)
        self._report_published(known)
        self._look_round(known.room)

    async def close(self, entry_id: EntryId) -> None:
        """Let a participant go, and wait until Janus has."""
        participant = self._roster.remove(entry_id)
        if participant is None:
            return
        farewells = [self._dismiss(participant, one) for one in tuple(participant.connections())]
        self._look_round(participant.room)
        if farewells:
            await asyncio.wait(farewells)
        if not self._roster.within(participant.room):
            await self._rooms.destroy(
                participant.room, lambda: bool(self._roster.within(participant.room))
            )

    async def offer(self, entry_id: EntryId, offer: Description) -> str:
        """The answer to a participant's offer to send."""
        participant = self._roster.require(entry_id)
        if any(line.receives for line in offer.lines) or not any(one.sends for one in offer.lines):
            raise MediaError(
                "this media receives by invitation: offer lines that only send (a=sendonly), and"
                " use invite() to receive"
            )
        async with participant.negotiating:
            running = participant.publishing
            before = None if running is None else running.described
            if running is None or before is None or not offer.continues(before):
                return await self._publish(participant, offer)
            answer = await running.answer(offer, participant.entry.may_send)
            self._report_published(participant)
            self._look_round(participant.room)
            return answer

    async def invite(self, entry_id: EntryId, after: int) -> Invitation | None:
        """What a participant is to receive, offered to it."""
        participant = self._roster.require(entry_id)
        async with participant.negotiating:
            invitations, wanted = participant.invitations, self._wanted(participant)
            running = invitations.asked(after)
            if running is None:
                return await self._invite_anew(participant, wanted)
            waiting = invitations.pending(running)
            if waiting is None and invitations.outdated(running, wanted):
                return invitations.issue(running, await running.go_on(wanted), wanted)
            if waiting is None:
                invitations.nothing_new()
            return waiting

    async def accept(self, entry_id: EntryId, number: int, sdp: str) -> None:
        """A participant's answer to what it was offered."""
        participant = self._roster.require(entry_id)
        async with participant.negotiating:
            invitations = participant.invitations
            receiving = invitations.awaiting(number)
            if receiving is None:
                return
            answer = Description.of_answer(sdp)
            before = invitations.standing
            try:
                come = await receiving.accept(answer)
                self._require_alive(participant, receiving)
            except BaseException:
                if receiving is not before and receiving.described is not None:
                    self._dismiss(participant, receiving)
                raise
            invitations.accept(receiving)
            if receiving is not before:
                self._settle(participant, receiving, before)
        for track in come:
            self._show(track)
        self._look_round(participant.room)

    async def trickle(self, entry_id: EntryId, fragment: Fragment) -> None:
        """Try more addresses of a participant's peer."""
        connection = self._roster.require(entry_id).under(fragment.ufrag)
        if connection is None:
            raise MediaError("no connection has this a=ice-ufrag; offer from a new connection")
        await connection.trickle(fragment.candidates)

    async def hang_up(self, entry_id: EntryId, ufrag: str) -> bool:
        """End the connection of this ICE user name; whether there is another one."""
        participant = self._roster.get(entry_id)
        if participant is None:
            return False
        async with participant.negotiating:
            connection = participant.under(ufrag)
            if connection is not None:
                farewell = self._dismiss(participant, connection)
                self._look_round(participant.room)
                await asyncio.shield(farewell)
            return any(one.described is not None for one in participant.connections())

    async def slots(self, entry_id: EntryId) -> Mapping[str, Source | None]:
        """What a participant receives, by line."""
        participant = self._roster.require(entry_id)
        receiving = participant.invitations.standing
        if receiving is None:
            return {}
        wanted = self._wanted(participant)
        return {
            mid: track.source if track is not None and track in wanted else None
            for mid, track in receiving.lines.items()
        }

    async def statistics(self) -> Mapping[EntryId, Sequence[MediaStatistics]]:
        """What went through the connections that stand, by entry."""
        found: dict[EntryId, list[MediaStatistics]] = defaultdict(list)
        for connection in tuple(self._handles.values()):
            await self._look_at(connection)
            counts = connection.statistics()
            if counts is not None and not connection.dead:
                found[connection.entry_id].append(counts)
        return found

    async def stop(self) -> None:
        """Close everything."""
        self._closing = True
        if self._looking is not None:
            self._looking.cancel()
        await asyncio.gather(*(self.close(entry_id) for entry_id in self.entries()))
        await self._farewells.wait()
        await self._rooms.close()
        if self._admin is not None:
            await self._admin.close()

    def entries(self) -> frozenset[EntryId]:
        """Those open now; from any thread."""
        return self._roster.entries()

    def _require_alive(self, participant: Participant, connection: Connection) -> None:
        """Go on only if neither the entry nor the connection has gone meanwhile."""
        self._roster.require_still(participant)
        if connection.dead:
            raise MediaError("the connection was lost meanwhile; begin anew")

    async def _publish(self, participant: Participant, offer: Description) -> str:
        """Answer from a new connection, in place of the one that sends."""
        room = await self._rooms.of(participant.room)
        handle = await room.session.attach(participant.entry.entry_id)
        publishing = Publishing(participant.entry.entry_id, room, handle)
        self._handles[handle] = publishing
        try:
            await publishing.join()
            answer = await publishing.answer(offer, participant.entry.may_send)
            self._require_alive(participant, publishing)
        except BaseException:
            self._dismiss(participant, publishing)
            raise
        before, participant.publishing = participant.publishing, publishing
        self._settle(participant, publishing, before)
        return answer

    async def _invite_anew(
        self, participant: Participant, wanted: Sequence[Track]
    ) -> Invitation | None:
        fresh = participant.invitations.fresh
        if fresh is not None:
            self._dismiss(participant, fresh)
        if not wanted:
            participant.invitations.nothing_new()
            return None
        room = await self._rooms.of(participant.room)
        handle = await room.session.attach(participant.entry.entry_id)
        receiving = Receiving(participant.entry.entry_id, room, handle)
        self._handles[handle] = receiving
        try:
            offer = await receiving.begin(wanted)
            self._require_alive(participant, receiving)
        except BaseException:
            self._dismiss(participant, receiving)
            raise
        return participant.invitations.issue(receiving, offer, wanted)

    def _settle(
        self, participant: Participant, connection: Connection, before: Connection | None
    ) -> None:
        """It is the entry's now, in place of the one before; the peer is waited for."""
        participant.epoch += 1
        connection.epoch = participant.epoch
        if before is not None:
            self._dismiss(participant, before)
        if connection.connected_at is None:
            loop = asyncio.get_running_loop()
            connection.timer = loop.call_later(self._join_deadline, self._lose, connection)
        self._report_connected(connection)
        self._look_round(participant.room)

    def _wanted(self, viewer: Participant) -> Sequence[Track]:
        """What the others send, as far as it fits into one description."""
        tracks = [track for other in self._roster.beside(viewer) for track in other.tracks()]
        return tracks[:MAX_LINES]

    def _show(self, track: Track) -> None:
        """Have it begin with a whole picture, for who has come to receive it."""
        sender = self._roster.get(track.source.entry_id)
        publishing = None if sender is None else sender.publishing
        if publishing and publishing.feed == track.feed and track.source.kind != "audio":
            publishing.want_picture(track.mid)

    def _look_round(self, room: Room) -> None:
        """Tell whoever has come to see too little, or too much, to ask again."""
        for viewer in self._roster.within(room):
            if viewer.invitations.tell(self._wanted(viewer)):
                self._observer.outdated(viewer.entry.entry_id)

    def _heard(self, handle: int, message: Message) -> None:
        connection = self._handles.get(handle)
        if connection is None:
            return
        match message["janus"]:
            case "webrtcup":
                self._connected(connection)
            case "media" if isinstance(connection, Publishing):
                self._flow(connection, message["mid"], arrives=message["receiving"])
            case "hangup" | "detached":
                self._lose(connection)
            case "event" if message["plugindata"]["data"].get("videoroom") == "destroyed":
                self._rooms.forget(connection.room)
                for other in tuple(self._handles.values()):
                    if other.room == connection.room:
                        self._lose(other)

    def _gone(self) -> None:
        """Janus, or the way to it, is gone."""
        for connection in tuple(self._handles.values()):
            self._lose(connection)

    def _connected(self, connection: Connection) -> None:
        if connection.connected_at is None:
            connection.connected_at = monotonic()
            connection.stop_waiting()
            self._report_connected(connection)

    def _flow(self, publishing: Publishing, mid: str, *, arrives: bool) -> None:
        (publishing.flowing.add if arrives else publishing.flowing.discard)(mid)
        participant = self._roster.get(publishing.entry_id)
        if participant is not None:
            self._report_published(participant)

    def _lose(self, connection: Connection) -> None:
        """The peer is gone, or did not come."""
        participant = self._roster.get(connection.entry_id)
        connection.dead = True
        if participant is None or connection not in tuple(participant.connections()):
            return
        if connection.epoch:
            self._observer.lost(connection.entry_id, connection.epoch)
        self._dismiss(participant, connection)
        self._look_round(participant.room)

    def _report_connected(self, connection: Connection) -> None:
        """Tell it when it is the entry's, and stands: whichever comes last."""
        participant, described = self._roster.get(connection.entry_id), connection.described
        if participant is None or described is None or connection.reported:
            return
        if connection.epoch and connection.connected_at is not None:
            connection.reported = True
            self._observer.connected(connection.entry_id, connection.epoch, described.fingerprint)
            self._report_published(participant)
            self._look_round(participant.room)

    def _report_published(self, participant: Participant) -> None:
        """Tell what has come to be published since the last time, and what has ceased to be."""
        publishing = participant.publishing
        if publishing is None or not publishing.reported:
            return
        entry_id, epoch, before = publishing.entry_id, publishing.epoch, publishing.published
        publishing.published = now = publishing.arriving() & participant.entry.may_send
        report_published(self._observer, entry_id, epoch, before, now)

    def _dismiss(self, participant: Participant, connection: Connection) -> asyncio.Task[None]:
        """It is the entry's no more; end it in the background."""
        participant.drop(connection)
        connection.stop_waiting()
        return self._farewells.say(self._end(connection))

    async def _end(self, connection: Connection) -> None:
        """Count for the last time, give up the handle, and tell that it is over."""
        if not connection.dead:
            await self._look_at(connection)
        counts = connection.statistics()
        connection.dead = True
        if counts is not None and connection.reported:
            self._observer.ended(connection.entry_id, connection.epoch, counts)
        self._handles.pop(connection.handle, None)
        await connection.session.detach(connection.handle)

    async def _look_at(self, connection: Connection) -> None:
        """Have Janus count what went through a connection."""
        if self._admin is not None and connection.connected_at is not None:
            with suppress(MediaError):
                session = connection.session.session_id
                connection.counts = await self._admin.counts(session, connection.handle)

    async def _look_on(self) -> None:
        """Count from time to time: of a connection that breaks, nothing can be asked any more."""
        while self._admin is not None:
            await asyncio.sleep(COUNTED_EVERY)
            for connection in tuple(self._handles.values()):
                await self._look_at(connection)
