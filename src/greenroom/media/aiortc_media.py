"""Media in this process: peer connections by aiortc, packets forwarded as they come."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from greenroom.domain.errors import MediaError
from greenroom.domain.message import CallId, EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.connection import Connection, State
from greenroom.media.description import Description, Media
from greenroom.media.dispatch import Dispatcher
from greenroom.media.forwarding import Incoming
from greenroom.media.fragment import Fragment
from greenroom.media.port import MediaEntry, MediaObserver, Source
from greenroom.media.slots import arrange

log: Final = logging.getLogger(__name__)
T = TypeVar("T")
MEDIA: Final[tuple[Media, ...]] = ("audio", "video")


@dataclass(eq=False)
class _Participant:
    """What the media loop knows of an open entry."""

    entry: MediaEntry
    ready: Connection | None = None
    """Opened with the entry, for its first offer."""
    connection: Connection | None = None
    epoch: int = 0
    """Of the last connection."""
    deadline: asyncio.TimerHandle | None = None
    """When a connection that was answered has to stand."""
    negotiating: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def room(self) -> tuple[CallId, int]:
        """Who hears and sees each other."""
        return self.entry.cid, self.entry.session


class AiortcMedia:
    """The MediaPort that carries audio and video itself, in one thread of this process.

    Everybody sends Opus and VP8, and packets are forwarded without being decoded. A participant
    receives on as many lines as they offered; the others are put on them in the order in which
    they were opened, and move up as lines become free.

    Args:
        addresses: of this machine, to offer to peers; None for all but loopback. Name the one
            that peers reach where there are several, and `127.0.0.1` to stay on the machine.
        join_deadline: seconds from an answered offer until the peer must have connected; else it
            is lost. A peer that vanishes later is noticed within about 30 seconds.
        timeout: seconds that one operation may take, then it raises MediaError.
    """

    def __init__(
        self,
        *,
        addresses: Sequence[str] | None = None,
        join_deadline: float = 30.0,
        timeout: float = 10.0,
    ) -> None:
        self._addresses = None if addresses is None else tuple(addresses)
        self._join_deadline = join_deadline
        self._timeout = timeout
        self._observer: MediaObserver | None = None
        self._dispatcher = Dispatcher("greenroom-media-news")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._life = threading.Lock()
        # From here on only the media loop touches anything.
        self._participants: dict[EntryId, _Participant] = {}
        self._busy: set[asyncio.Task[Any]] = set()
        """Operations under way, and connections being closed."""

    def start(self, observer: MediaObserver) -> None:
        """Get ready; threads start with the first entry."""
        with self._life:
            if self._observer is not None or self._stopped:
                raise MediaError("media starts once in its life")
            self._observer = observer

    def open(self, entry: MediaEntry) -> None:
        """Expect this participant; again with another `may_send` to change what they may send."""
        self._run(self._open(entry))

    def close(self, entry_id: EntryId) -> None:
        """Stop forwarding to and from the participant, drop the connection."""
        if self._loop is not None and not self._stopped:
            self._run(self._close(entry_id))

    def offer(self, entry_id: EntryId, sdp: str) -> str:
        """The answer to a participant's session description; again to renegotiate.

        An offer under another certificate comes from a new connection, and replaces the old one.
        """
        self._require(entry_id)
        return self._run(self._offer(entry_id, Description.of_offer(sdp)))

    def candidates(self, entry_id: EntryId, fragment: str) -> None:
        """Addresses of the peer that it learned of after its offer."""
        self._require(entry_id)
        self._run(self._trickle(entry_id, Fragment.of(fragment)))

    def hang_up(self, entry_id: EntryId, ufrag: str) -> bool:
        """Drop the connection whose offer had this ICE user name; the entry stays open."""
        return entry_id in self._participants and self._run(self._hang_up(entry_id, ufrag))

    def slots(self, entry_id: EntryId) -> Mapping[str, Source | None]:
        """What the entry receives: source by `mid` of each line that can receive."""
        self._require(entry_id)
        return self._run(self._slots(entry_id))

    def statistics(self) -> Mapping[EntryId, MediaStatistics]:
        """Nothing is counted."""
        return {}

    def entries(self) -> frozenset[EntryId]:
        """Those open now."""
        return frozenset(tuple(self._participants))

    def stop(self) -> None:
        """Close everything, end both threads. Twice is fine."""
        with self._life:
            if self._stopped:
                return
            self._stopped = True
        if self._loop is not None and self._thread is not None:
            try:
                asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(self._timeout)
            except concurrent.futures.TimeoutError:
                log.exception("media connections did not close in %s s", self._timeout)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._dispatcher.stop()

    # On whatever thread calls

    def _require(self, entry_id: EntryId) -> _Participant:
        participant = self._participants.get(entry_id)
        if participant is None:
            raise MediaError(f"entry {entry_id} is not open; join first")
        return participant

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work` on the media loop."""
        try:
            loop = self._running_loop()
        except MediaError:
            work.close()
            raise
        try:
            future = asyncio.run_coroutine_threadsafe(self._busy_with(work), loop)
        except RuntimeError:  # the loop was closed a moment ago
            work.close()
            raise MediaError("media was stopped") from None
        try:
            return future.result(self._timeout)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise MediaError(f"media did not answer within {self._timeout} s") from None
        except concurrent.futures.CancelledError:
            raise MediaError("media was stopped") from None

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._life:
            if self._observer is None or self._stopped:
                raise MediaError("media is not running; start it first")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_live, args=(self._loop,), name="greenroom-media", daemon=True
                )
                self._thread.start()
                self._dispatcher.start()
            return self._loop

    # On the media loop

    async def _busy_with(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work`, which a stop then waits for."""
        task = asyncio.ensure_future(work)
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        return await task

    async def _open(self, entry: MediaEntry) -> None:
        known = self._participants.get(entry.entry_id)
        if self._stopped:
            raise MediaError("media was stopped")
        if known is None:
            ready = Connection(entry.entry_id, self._addresses, self._told)
            self._participants[entry.entry_id] = _Participant(entry, ready, epoch=entry.epoch)
            return
        known.epoch = max(known.epoch, entry.epoch)
        if known.entry.may_send != entry.may_send:
            known.entry = replace(known.entry, may_send=entry.may_send)
            self._arrange(known.room)

    async def _close(self, entry_id: EntryId) -> None:
        participant = self._participants.pop(entry_id, None)
        if participant is not None:
            await self._disconnect(participant)

    async def _offer(self, entry_id: EntryId, offer: Description) -> str:
        participant = self._require(entry_id)
        async with participant.negotiating:
            running = participant.connection
            before = running.offered if running is not None else None
            if running is not None and before is not None and offer.continues(before):
                return await self._renegotiate(participant, running, offer)
            return await self._connect(participant, offer)

    async def _connect(self, participant: _Participant, offer: Description) -> str:
        """Answer from a new connection, in place of the one before, if any."""
        entry_id = participant.entry.entry_id
        ready, participant.ready = participant.ready, None
        connection = ready or Connection(entry_id, self._addresses, self._told)
        try:
            answer = await connection.answer(offer)
        except MediaError:
            self._dismiss(connection)
            raise
        except Exception as error:
            self._dismiss(connection)
            raise MediaError(f"the offer cannot be answered: {error}") from error
        except asyncio.CancelledError:
            self._dismiss(connection)
            raise
        if self._participants.get(entry_id) is not participant:
            self._dismiss(connection)
            raise MediaError(f"entry {entry_id} was closed meanwhile")
        _cancel(participant)
        if participant.connection is not None:
            self._dismiss(participant.connection)
        participant.connection = connection
        participant.epoch += 1
        participant.deadline = asyncio.get_running_loop().call_later(
            self._join_deadline, self._expired, connection
        )
        self._arrange(participant.room)
        return answer

    async def _renegotiate(
        self, participant: _Participant, running: Connection, offer: Description
    ) -> str:
        try:
            answer = await running.answer(offer)
        except Exception as error:
            # Our reader lets nothing through that is known to fail halfway; if something does,
            # the two ends disagree on what was negotiated and cannot go on.
            self._told(running, "dead")
            raise MediaError(f"the offer cannot be answered: {error}") from error
        self._arrange(participant.room)
        return answer

    async def _trickle(self, entry_id: EntryId, fragment: Fragment) -> None:
        participant = self._require(entry_id)
        async with participant.negotiating:
            connection = _under(participant, fragment.ufrag)
            if connection is None:
                raise MediaError("no connection has this a=ice-ufrag; offer from a new connection")
            await connection.add_candidates(fragment.candidates)

    async def _hang_up(self, entry_id: EntryId, ufrag: str) -> bool:
        participant = self._participants.get(entry_id)
        if participant is None:
            return False
        async with participant.negotiating:
            if _under(participant, ufrag) is not None:
                await self._disconnect(participant)
            return participant.connection is not None

    async def _slots(self, entry_id: EntryId) -> Mapping[str, Source | None]:
        connection = self._require(entry_id).connection
        if connection is None:
            return {}
        return {
            slot.line.mid: slot.incoming.source if slot.incoming is not None else None
            for slot in connection.slots()
        }

    async def _stop(self) -> None:
        await asyncio.gather(*(self._close(entry_id) for entry_id in tuple(self._participants)))
        while self._busy:
            await asyncio.wait(self._busy)

    def _told(self, connection: Connection, state: State) -> None:
        """A connection came up or died; what is no longer anybody's connection is no news."""
        participant = self._participants.get(connection.entry_id)
        observer = self._observer
        if participant is None or participant.connection is not connection or observer is None:
            return
        entry_id, epoch, offered = connection.entry_id, participant.epoch, connection.offered
        if state == "connected" and offered is not None:
            _cancel(participant)
            self._arrange(participant.room)
            self._dispatcher.tell(lambda: observer.connected(entry_id, epoch, offered.fingerprint))
        else:
            _cancel(participant)
            participant.connection = None
            self._dismiss(connection)
            self._arrange(participant.room)
            self._dispatcher.tell(lambda: observer.lost(entry_id, epoch))

    def _expired(self, connection: Connection) -> None:
        log.info("entry %s did not connect within its deadline", connection.entry_id)
        self._told(connection, "dead")

    async def _disconnect(self, participant: _Participant) -> None:
        """End the participant's connection, if any, and wait until its sockets are gone."""
        _cancel(participant)
        if participant.ready is not None:
            self._dismiss(participant.ready)
        connection, participant.connection = participant.connection, None
        if connection is not None:
            farewell = self._dismiss(connection)
            self._arrange(participant.room)
            await asyncio.shield(farewell)

    def _dismiss(self, connection: Connection) -> asyncio.Task[None]:
        """Let nothing through any more, and close it in the background."""
        connection.stop_forwarding()
        farewell = asyncio.get_running_loop().create_task(connection.close())
        self._busy.add(farewell)
        farewell.add_done_callback(self._busy.discard)
        return farewell

    def _arrange(self, room: tuple[CallId, int]) -> None:
        """Put everybody's tracks on the others' slots, as the rules and the lines allow."""
        present = [one for one in self._participants.values() if one.room == room]
        tracks = [track for one in present for track in _sendable(one)]
        for viewer in present:
            if viewer.connection is None:
                continue
            slots = list(viewer.connection.slots())
            for media in MEDIA:
                wanted = [
                    track
                    for track in tracks
                    if track.line.media == media and track.source.entry_id != viewer.entry.entry_id
                ]
                carried = {slot: slot.incoming for slot in slots if slot.line.media == media}
                for slot, track in arrange(carried, wanted).items():
                    slot.carry(track)


def _sendable(participant: _Participant) -> Iterator[Incoming]:
    """The tracks of a participant that the others may receive now."""
    connection = participant.connection
    if connection is not None and connection.connected:
        for track in connection.tracks():
            if track.source.kind in participant.entry.may_send:
                yield track


def _under(participant: _Participant, ufrag: str) -> Connection | None:
    """The participant's connection whose offer had this ICE user name."""
    connection = participant.connection
    offered = None if connection is None else connection.offered
    return connection if offered is not None and offered.ufrag == ufrag else None


def _cancel(participant: _Participant) -> None:
    if participant.deadline is not None:
        participant.deadline.cancel()
        participant.deadline = None


def _live(loop: asyncio.AbstractEventLoop) -> None:
    """The life of the media thread."""
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(
        lambda _, context: log.debug("%s", context["message"], exc_info=context.get("exception"))
    )
    try:
        loop.run_forever()
        leftover = asyncio.all_tasks(loop)
        for task in leftover:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*leftover, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
