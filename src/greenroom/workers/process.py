"""The life of one media worker: a process that carries the calls it is given."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, sleep
from types import FrameType
from typing import Final

from greenroom.doorkeeper import FORGETTING_NOTHING
from greenroom.engine import Greenroom
from greenroom.http.control import control_app, served
from greenroom.media.aiortc_media import AiortcMedia
from greenroom.media_link import MediaLink

_log = logging.getLogger(__name__)

DRAINING: Final = "draining"
"""What a worker tells whoever started it once it takes no further calls; its name comes first."""
_LOOK: Final = 0.2
"""Seconds between two looks at whether it is time to go."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How media workers are to be."""

    store: str
    """URL of a store that outlives a process."""
    keys: str | None = None
    """URL of its keys, where they are not in the store."""
    host: str = "127.0.0.1"
    """Address of this machine where the other processes ask."""
    addresses: tuple[str, ...] = ()
    """Of this machine, to send audio and video from; empty for all but loopback."""
    recordings: Path | None = None
    """Where recordings go; None to make none."""
    recycle_connections: int | None = None
    """Connections after which a worker makes way for a fresh one."""
    recycle_seconds: float | None = None
    """Seconds after which it does."""
    drain_seconds: float = 3600
    """How long it then waits for its last call to end."""
    goodbye_seconds: float = 10
    """The same, where it is told to end."""
    lease_seconds: float = 5
    """After which others take over from one that says nothing."""


def work(settings: WorkerSettings, parent: Connection) -> None:
    """Carry media until told to end by SIGTERM, or until it is time to make way.

    What it carries then, it carries until it ends, or until time is up; whoever took part then
    finds another worker. It ends as well when the process that started it has.
    """
    with _told_to_end() as told, socket.socket() as listening:
        listening.bind((settings.host, 0))
        url = f"http://{settings.host}:{listening.getsockname()[1]}"
        with Greenroom.open(
            settings.store,
            create=False,
            timers=False,
            refusals=FORGETTING_NOTHING,
            keys=settings.keys,
        ) as room:
            core = room._core  # noqa: SLF001 - the same house
            media = AiortcMedia(
                addresses=settings.addresses or None, recordings=settings.recordings
            )
            link = MediaLink(media, url=url, adopts=False, lease=settings.lease_seconds)
            core.media = link
            link.start(core)
            with served(control_app(link, core.signatures()), listening):
                _log.info("media worker at %s", url)
                parent.send(link.name)
                limit = _carry(link, settings, told)
                link.takes = False
                with suppress(OSError):
                    parent.send(DRAINING)
                _drain(link, settings, told, limit)
        _log.info("media worker at %s ended", url)


def _carry(link: MediaLink, settings: WorkerSettings, told: threading.Event) -> float:
    """Wait until it is time to take no more calls; how long those it has may go on."""
    began = monotonic()
    while not told.wait(_LOOK):
        most, longest = settings.recycle_connections, settings.recycle_seconds
        worn = most is not None and link.connections >= most
        old = longest is not None and monotonic() - began >= longest
        if worn or old:
            _log.info("media worker makes way after %d connections", link.connections)
            return settings.drain_seconds
    return settings.goodbye_seconds


def _drain(
    link: MediaLink, settings: WorkerSettings, told: threading.Event, seconds: float
) -> None:
    """Wait for the last call to end."""
    over, hurried = monotonic() + seconds, told.is_set()
    while link.carries() and monotonic() < over:
        if told.is_set() and not hurried:
            over, hurried = min(over, monotonic() + settings.goodbye_seconds), True
        sleep(_LOOK)


@contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    """Set by SIGTERM, or by the end of whoever started this process; SIGINT is theirs."""
    told = threading.Event()

    def tell(_: int, __: FrameType | None) -> None:
        told.set()

    signal.signal(signal.SIGTERM, tell)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def outlive() -> None:
        if parent is not None:
            parent.join()
            told.set()

    threading.Thread(target=outlive, daemon=True).start()
    yield told
