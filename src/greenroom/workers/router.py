"""Media in workers, as the processes that embed greenroom ask for it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from greenroom.domain.errors import (
    InvalidInput,
    MediaError,
    MediaOverloaded,
    MediaUnavailable,
)
from greenroom.domain.message import CallId, EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.leases import Lease, Leases
from greenroom.media.port import Invitation, MediaPort, Source
from greenroom.media.summing import together
from greenroom.media_link import MediaLink
from greenroom.media_stats import RoomMediaStats, counters
from greenroom.signalling import Signalling
from greenroom.waiting import Waiting
from greenroom.workers.control import Asked, about

if TYPE_CHECKING:
    from greenroom.live import LiveCore
    from greenroom.workers.asking import Asking

_LOOK_AGAIN: Final = 0.1
"""Seconds before who is being taken over is asked again."""
_LONGEST: Final = 3600


@dataclass(frozen=True, slots=True)
class WorkerMedia:
    """For `Greenroom.open(media=...)`: media runs in the workers of `greenroom media run`.

    They are found through the store, which has to outlive a process. Needs the extra `workers`.
    """

    timeout: float = 5.0
    """Seconds that a worker may take to answer."""
    patience: float = 8.0
    """Seconds that who asks for a call waits while another worker takes it over from a dead one."""

    def __post_init__(self) -> None:
        """Both must be lengths of time.

        Raises:
            InvalidInput: one of them is none.
        """
        for name, value in (("timeout", self.timeout), ("patience", self.patience)):
            if type(value) not in (int, float) or not 0 <= value <= _LONGEST:
                raise InvalidInput(name, f"seconds, from 0 to {_LONGEST}")


Media = MediaPort | WorkerMedia
"""Where media runs: an adapter in this process, or workers."""


def signalling(media: Media) -> Signalling:
    """What the handles of a room are to ask."""
    return MediaRouter(media) if isinstance(media, WorkerMedia) else MediaLink(media)


class MediaRouter:
    """The `Signalling` that asks whichever worker carries the call, and finds one for it."""

    def __init__(self, media: WorkerMedia) -> None:
        self._media = media
        self._waiting = Waiting()
        self._started: tuple[Leases, Asking] | None = None
        self._starting = threading.Lock()
        self._stopped = threading.Event()
        self._counted: dict[str, MediaStatistics] = {}
        """What each worker said last that went through it: it stays so when the worker is gone."""

    def start(self, core: LiveCore) -> None:
        """Get ready; workers need not be alive yet. Again does nothing.

        Raises:
            InvalidInput: no other process can have the store.
            MediaError: the extra `workers` is not installed.
        """
        with self._starting:
            if self._started is not None:
                return
            if core.leases is None:
                raise InvalidInput("media", "media of this process: no worker can have this store")
            try:
                from greenroom.workers.asking import Asking  # noqa: PLC0415 - an extra
            except ImportError as error:
                raise MediaError("it needs the extra: pip install 'greenroom[workers]'") from error
            asking = Asking(core.signatures(), self._waiting, self._media.timeout)
            self._started = core.leases(), asking

    def offer(self, cid: CallId, entry_id: EntryId, sdp: str) -> str:
        """The answer to a participant's session description."""
        answer: str = self._ask(cid, "offer", about(cid, entry_id, sdp), assigns=True)
        return answer

    def candidates(self, cid: CallId, entry_id: EntryId, fragment: str) -> None:
        """Addresses of a participant that it learned of after its offer."""
        self._ask(cid, "candidates", about(cid, entry_id, fragment))

    def hang_up(self, cid: CallId, entry_id: EntryId, ufrag: str) -> bool:
        """Drop one connection of a participant; there is none where nobody carries the call."""
        lease = self._leases.holder(cid)
        if lease is None or not lease.good:
            return False
        left: bool = self._ask(cid, "hang_up", about(cid, entry_id, ufrag))
        return left

    def invite(self, cid: CallId, entry_id: EntryId, after: int) -> Invitation | None:
        """The offer of a connection on which a participant receives; None if there is no other."""
        told: Invitation | None = self._ask(
            cid, "invite", about(cid, entry_id, after), assigns=True
        )
        return told

    def accept(self, cid: CallId, entry_id: EntryId, number: int, sdp: str) -> None:
        """A participant's answer to an invitation."""
        self._ask(cid, "accept", about(cid, entry_id, number, sdp))

    def invitation_due(self, cid: CallId, entry_id: EntryId) -> Future[None]:
        """Done as soon as a participant should ask to be invited again, as its worker tells."""
        del cid  # whoever is asked for the invitation is heard from then on
        return self._waiting.on(entry_id)

    def slots(self, cid: CallId, entry_id: EntryId) -> Mapping[str, Source | None]:
        """Whom a participant receives on which of their media lines."""
        found: Mapping[str, Source | None] = self._ask(cid, "slots", about(cid, entry_id))
        return found

    def statistics(self, cid: CallId) -> Mapping[EntryId, MediaStatistics]:
        """What went through the connections of a call; nothing where nobody carries it."""
        lease = self._leases.holder(cid)
        if lease is None or not lease.good:
            return {}
        found: Mapping[EntryId, MediaStatistics] = self._ask(cid, "statistics", (cid,))
        return found

    def stats(self) -> RoomMediaStats:
        """What goes through the workers that answer; their `load` is that of the busiest."""
        told: Mapping[str, RoomMediaStats] = self._ask_all("stats")
        loads = [one.load for one in told.values() if one.load is not None]
        calls = {cid: call for one in told.values() for cid, call in one.calls.items()}
        silent = [said for name, said in self._counted.items() if name not in told]
        self._counted |= {name: counters(one.counted) for name, one in told.items()}
        counted = together([*silent, *(one.counted for one in told.values())])
        return RoomMediaStats(max(loads, default=None), counted, calls)

    def recording_obstacle(self) -> str:
        """Why nothing can be recorded; as the first worker says that has something to say."""
        told: Mapping[str, str] = self._ask_all("recording_obstacle")
        return next(filter(None, told.values()), "") if told else str(self._nobody())

    def stop(self) -> None:
        """Ask nobody any more; workers go on. Twice is fine."""
        self._stopped.set()
        if self._started is not None:
            leases, asking = self._started
            asking.stop()
            leases.close()
        self._waiting.wake_all()

    @property
    def _leases(self) -> Leases:
        return self._begun()[0]

    @property
    def _asking(self) -> Asking:
        return self._begun()[1]

    def _begun(self) -> tuple[Leases, Asking]:
        if self._started is None or self._stopped.is_set():
            raise MediaUnavailable("media was stopped")
        return self._started

    def _ask(
        self,
        cid: CallId,
        operation: str,
        arguments: tuple[str | int, ...],
        *,
        assigns: bool = False,
    ) -> Any:
        """What the call's worker answers; another one is waited for where it has died."""
        over = monotonic() + self._media.patience
        while True:
            lease = self._lease(cid, assigns=assigns)
            try:
                if not lease.good:
                    raise MediaUnavailable(f"who carried {cid} is dead, and nobody has it yet")  # noqa: TRY301 - as if it had been asked
                if operation == "invite":
                    self._asking.hear(lease.url)
                return self._asking.ask(lease.url, Asked(operation, arguments))
            except MediaUnavailable:
                if monotonic() > over or self._stopped.wait(_LOOK_AGAIN):
                    raise

    def _ask_all(self, operation: str) -> Mapping[str, Any]:
        """What the workers answer that do, by their names."""
        told = {}
        for worker in [one.worker for one in self._leases.roster() if one.worker.url]:
            try:
                told[worker.name] = self._asking.ask(worker.url, Asked(operation))
            except MediaUnavailable:
                continue  # it has died, and the others have not noticed yet
        return told

    def _lease(self, cid: CallId, *, assigns: bool) -> Lease:
        """Who carries the call, from now on at the latest; or did, until just now."""
        lease = self._leases.holder(cid)
        if (lease is None or not lease.good) and assigns:
            lease = self._leases.assign(cid) or lease
        if lease is None:
            raise self._nobody() if assigns else MediaError(f"nothing of {cid} is connected")
        if lease.good and not lease.url:
            raise MediaUnavailable(f"media of {cid} runs in a process that cannot be asked")
        return lease

    def _nobody(self) -> MediaError:
        """Why no worker can be given a call."""
        if any(one.worker.url for one in self._leases.roster()):
            return MediaOverloaded("all media workers are too busy for another call")
        return MediaUnavailable("no media worker is alive: run `greenroom media run`")
