"""Asking workers over HTTP, and hearing their news. Needs the extra `workers`."""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

import httpx2

from greenroom.domain.errors import MediaUnavailable
from greenroom.domain.message import EntryId
from greenroom.projections.forks import survives_forks
from greenroom.waiting import Waiting
from greenroom.workers.control import (
    ASK,
    NEWS,
    READY,
    SILENCE,
    Asked,
    Signatures,
    encode,
    understood,
)

_log = logging.getLogger(__name__)
_CONNECT: Final = 2.0
"""Seconds; workers are near."""


class Asking:
    """Asks workers by their address. Safe for many threads.

    Args:
        signatures: of the store.
        waiting: is woken by the news of workers.
        timeout: seconds that an answer may take.
    """

    def __init__(self, signatures: Signatures, waiting: Waiting, timeout: float) -> None:
        self._signatures = signatures
        self._waiting = waiting
        self._timeout = httpx2.Timeout(timeout, connect=min(_CONNECT, timeout))
        self._client = self._connected()
        self._parents: httpx2.Client | None = None
        """Kept unused in a forked child: collected, it would say goodbye in the parent's name."""
        self._listening: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()
        self._stopped = False
        survives_forks(self)

    def ask(self, url: str, asked: Asked) -> Any:
        """What the worker at `url` answers.

        Raises:
            MediaUnavailable: it does not answer.
            GreenroomError: what it refuses with.
        """
        body = encode(asked)
        headers = {"Authorization": self._signatures.sign(ASK, body)}
        try:
            told = self._client.post(url + ASK, content=body, headers=headers)
        except (httpx2.HTTPError, RuntimeError) as error:  # the latter: stopped meanwhile
            raise MediaUnavailable(f"the media worker at {url} does not answer: {error}") from error
        return understood(asked, told.content)

    def hear(self, url: str) -> None:
        """Wake by the news of the worker at `url` from now on, until it is gone."""
        with self._lock:
            if not self._stopped and url not in self._listening:
                self._listening[url] = listener = threading.Thread(
                    target=self._listen, args=(url,), name="greenroom-media-news", daemon=True
                )
                listener.start()

    def stop(self) -> None:
        """Ask nobody any more."""
        with self._lock:
            self._stopped = True
            listening = tuple(self._listening.values())
        self._client.close()
        for listener in listening:
            listener.join(2 * SILENCE)

    def after_fork_in_child(self) -> None:
        """Connect anew: what is open is the parent's, and its threads are gone."""
        self._parents, self._client = self._client, self._connected()
        self._listening.clear()
        self._lock = threading.Lock()

    def _connected(self) -> httpx2.Client:
        return httpx2.Client(timeout=self._timeout, trust_env=False)

    def _listen(self, url: str) -> None:
        headers = {"Authorization": self._signatures.sign(NEWS, b"")}
        patience = httpx2.Timeout(3 * SILENCE, connect=_CONNECT)
        try:
            with self._client.stream("GET", url + NEWS, headers=headers, timeout=patience) as told:
                for line in told.iter_lines():
                    if self._stopped:
                        return
                    if line == READY:
                        self._waiting.wake_all()
                    elif line:
                        self._waiting.wake(EntryId(line))
        except (httpx2.HTTPError, RuntimeError) as error:
            _log.debug("no news of the media worker at %s: %s", url, error)
        finally:
            with self._lock:
                self._listening.pop(url, None)
            self._waiting.wake_all()  # who waits asks again, and finds who carries the call now
