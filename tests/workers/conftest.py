"""Workers on fake media, in this process: asked over HTTP all the same."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from greenroom import Greenroom
from greenroom.http.control import control_app, served
from greenroom.media.leases import Lease
from greenroom.media_link import MediaLink
from greenroom.testing.media import FakeMedia
from greenroom.workers.router import MediaRouter, WorkerMedia

LEASE = 10.0
SHORT = 5.0
"""Seconds; a worker that is gone is missed so soon."""


def eventually(condition: Callable[[], bool], timeout: float = 60) -> bool:
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class LocalWorker:
    """What a worker process is, without the process."""

    def __init__(self, url: str, lease: float) -> None:
        self.media = FakeMedia()
        self._stack = ExitStack()
        listening = self._stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.room = self._stack.enter_context(Greenroom.open(url, timers=False))
        core = self.room._core
        self.link = core.media = MediaLink(self.media, url=self.url, adopts=False, lease=lease)
        self.link.start(core)
        self._serving = self._stack.enter_context(ExitStack())
        self._serving.enter_context(served(control_app(self.link, core.signatures()), listening))

    def fall_silent(self) -> None:
        """Answer nobody any more, and record nothing; alive only by its lease, for a while."""
        leases = self.link._holding._leases  # type: ignore[attr-defined]  # it has some
        leases.close()
        self.room._core.stop_recording()
        self._serving.close()

    def close(self) -> None:
        self._stack.close()


class Site:
    """An application whose media runs in workers."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.workers: list[LocalWorker] = []
        self.room = Greenroom.open(url, media=WorkerMedia(timeout=60, patience=60))

    @property
    def router(self) -> MediaRouter:
        router = self.room._core.media
        assert isinstance(router, MediaRouter)
        return router

    def hire(self, lease: float = LEASE) -> LocalWorker:
        self.workers.append(LocalWorker(self._url, lease))
        return self.workers[-1]

    def lease(self, cid: str) -> Lease | None:
        return self.router._leases.holder(cid)  # type: ignore[arg-type]  # a cid

    def worker_of(self, cid: str) -> LocalWorker:
        lease = self.lease(cid)
        assert lease is not None
        return next(one for one in self.workers if one.url == lease.url)

    def names(self, call_id: str) -> list[str]:
        """What was recorded of media."""
        history = self.room.system("auditor").call("default", call_id).history()
        of_media = {"connected", "lost", "measured", "published"}
        names = [one.name.removeprefix("session.") for one in history]
        return [name for name in names if name in of_media]

    def close(self) -> None:
        self.room.close()
        for worker in self.workers:
            worker.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(f"sqlite:///{tmp_path}/calls.db")
    yield site
    site.close()
