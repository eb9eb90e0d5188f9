"""Custom events: passed on to whoever watches a call in this process, and forgotten."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from greenroom.domain.message import CallId
from greenroom.projections import forks

_log = logging.getLogger(__name__)

Listener = Callable[[str, Mapping[str, Any]], None]
"""Called with the sender's id and the JSON object."""


class Watchers:
    """Listeners by call. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = forks.lock()
        self._listeners: dict[CallId, dict[object, Listener]] = defaultdict(dict)

    def watch(self, cid: CallId, listener: Listener) -> Callable[[], None]:
        """Tell `listener` from now on; answers the function that ends it (twice is fine)."""
        watch = object()  # one listener may watch several times
        with self._lock:
            self._listeners[cid][watch] = listener

        def stop() -> None:
            with self._lock:
                listeners = self._listeners.get(cid, {})
                listeners.pop(watch, None)
                if not listeners:
                    self._listeners.pop(cid, None)

        return stop

    def publish(self, cid: CallId, sender: str, custom: Mapping[str, Any]) -> None:
        """Tell everyone who watches; a listener that fails is logged, and the others hear."""
        with self._lock:
            listeners = tuple(self._listeners.get(cid, {}).values())
        for listener in listeners:
            try:
                listener(sender, deepcopy(custom))  # what one does to it, no other sees
            except Exception:  # noqa: BLE001 - whatever it is, the others shall hear
                _log.exception("a watcher of %s failed", cid)
