"""Media in this process: peer connections by aiortc, packets forwarded as they come."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar

from greenroom.domain.errors import MediaError
from greenroom.domain.message import EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.description import Description
from greenroom.media.dispatch import Dispatcher
from greenroom.media.fragment import Fragment
from greenroom.media.lines import LineStatistics
from greenroom.media.port import Invitation, MediaEntry, MediaObserver, Source
from greenroom.media.stage import Stage

log: Final = logging.getLogger(__name__)
T = TypeVar("T")


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
    """

    def __init__(
        self,
        *,
        addresses: Sequence[str] | None = None,
        join_deadline: float = 10.0,
        busy_limit: float = 0.7,
        timeout: float = 10.0,
    ) -> None:
        self._timeout = timeout
        self._observer: MediaObserver | None = None
        self._dispatcher = Dispatcher("greenroom-media-news")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._life = threading.Lock()
        self._stage = Stage(
            addresses=None if addresses is None else tuple(addresses),
            join_deadline=join_deadline,
            busy_limit=busy_limit,
            tell=self._tell,
        )
        """Only the media loop touches it."""
        self._busy: set[asyncio.Task[Any]] = set()
        """Operations under way; only the media loop touches it."""

    def start(self, observer: MediaObserver) -> None:
        """Get ready; threads start with the first entry."""
        with self._life:
            if self._observer is not None or self._stopped:
                raise MediaError("media starts once in its life")
            self._observer = observer

    def open(self, entry: MediaEntry) -> None:
        """Expect this participant; again with another `may_send` to change what they may send."""
        self._run(self._stage.open(entry))

    def close(self, entry_id: EntryId) -> None:
        """Stop forwarding to and from the participant, drop their connections."""
        if self._loop is not None and not self._stopped:
            self._run(self._stage.close(entry_id))

    def offer(self, entry_id: EntryId, sdp: str) -> str:
        """The answer to a participant's session description; again to renegotiate.

        An offer under another certificate comes from a new connection, and replaces the old one
        of the same direction.

        Raises:
            MediaOverloaded: the media thread is too busy for another participant.
            MediaError: the entry is not open, or the description cannot be used.
        """
        self._require(entry_id)
        return self._run(self._stage.offer(entry_id, Description.of_offer(sdp)))

    def invite(self, entry_id: EntryId, after: int = 0) -> Invitation | None:
        """The offer of a connection to receive on, with as many lines as there are tracks.

        Who comes later is put on lines that became free; the participant should ask again only
        when there are too few.

        Raises:
            MediaOverloaded: the media thread is too busy for another participant.
            MediaError: the entry is not open, or `after` was not accepted last.
        """
        self._require(entry_id)
        return self._run(self._stage.invite(entry_id, after))

    def accept(self, entry_id: EntryId, number: int, sdp: str) -> None:
        """The participant's answer to an invitation."""
        self._require(entry_id)
        self._run(self._stage.accept(entry_id, number, sdp))

    def candidates(self, entry_id: EntryId, fragment: str) -> None:
        """Addresses of the peer that it learned of after its offer."""
        self._require(entry_id)
        self._run(self._stage.trickle(entry_id, Fragment.of(fragment)))

    def hang_up(self, entry_id: EntryId, ufrag: str) -> bool:
        """Drop the connection whose offer had this ICE user name; the entry stays open."""
        return entry_id in self.entries() and self._run(self._stage.hang_up(entry_id, ufrag))

    def slots(self, entry_id: EntryId) -> Mapping[str, Source | None]:
        """What the entry receives: source by `mid` of each line that can receive."""
        self._require(entry_id)
        return self._run(self._stage.slots(entry_id))

    def unseen(self, entry_id: EntryId) -> Sequence[Source]:
        """What the entry cannot receive, for none of its lines takes the codec."""
        self._require(entry_id)
        return self._run(self._stage.unseen(entry_id))

    def statistics(self) -> Mapping[EntryId, MediaStatistics]:
        """What went through the connections that stand now, summed up by entry."""
        return self._asked(self._stage.statistics, {})

    def lines(self) -> Mapping[EntryId, Sequence[LineStatistics]]:
        """What goes through each media line, by entry."""
        return self._asked(self._stage.lines, {})

    @property
    def load(self) -> float:
        """The share of its time that the media thread computes, from 0 to 1."""
        return self._stage.load.share

    def entries(self) -> frozenset[EntryId]:
        """Those open now."""
        return self._stage.entries()

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

    def _require(self, entry_id: EntryId) -> None:
        if entry_id not in self._stage.entries():
            raise MediaError(f"entry {entry_id} is not open; join first")

    def _asked(self, question: Callable[[], Coroutine[Any, Any, T]], nothing: T) -> T:
        """What the stage answers; `nothing` where there is none."""
        if self._loop is None or self._stopped:
            return nothing
        return self._run(question())

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
                asyncio.run_coroutine_threadsafe(self._stage.begin(), self._loop)
            return self._loop

    # On the media loop

    async def _busy_with(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work`, which a stop then waits for."""
        task = asyncio.ensure_future(work)
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        return await task

    async def _stop(self) -> None:
        await self._stage.stop()
        while self._busy:
            await asyncio.wait(self._busy)
        await self._stage.stop()

    def _tell(self, news: Callable[[MediaObserver], None]) -> None:
        observer = self._observer
        if observer is not None:
            self._dispatcher.tell(lambda: news(observer))


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
