"""How much somebody may send: what is beyond gets lost, and the others' packets do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from greenroom.media.description import Media

DATAGRAMS: Final = 4_000
"""A second of one peer: media of some 30 Mbit/s, and as many at once."""
PACKETS: Final[dict[Media, int]] = {"audio": 400, "video": 1_500}
"""A second on one line: sound in pieces of 2.5 ms, pictures of some 15 Mbit/s."""


class Allowance:
    """So many a second, and as many at once.

    Args:
        a_second: how many.
    """

    def __init__(self, a_second: int) -> None:
        self._a_second: Final = a_second
        self._left: float = a_second
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Whether there is one more; `now` in seconds, of a clock that never goes back."""
        if self._left < 1:
            self._earn(now)
            if self._left < 1:
                return False
        self._left -= 1
        return True

    def spend(self, number: int, now: float) -> float:
        """Take so many, which have come already; seconds until they are earned."""
        self._earn(now)
        self._left -= number
        return max(0.0, -self._left / self._a_second)

    def _earn(self, now: float) -> None:
        earned = (now - self._at) * self._a_second
        self._left, self._at = min(self._a_second, self._left + earned), now


def rest(transport: Any, seconds: float) -> bool:
    """Read nothing from a socket for a while, if that can be done: the system drops what comes.

    It drops at little cost, where taking each packet in only to throw it away would be work.
    """
    loop = asyncio.get_running_loop()
    stop, go_on = getattr(loop, "_remove_reader", None), getattr(loop, "_add_reader", None)
    read, number = getattr(transport, "_read_ready", None), getattr(transport, "_sock_fd", None)
    if stop is None or go_on is None or read is None or number is None:
        return False
    stop(number)
    loop.call_later(seconds, partial(_read_on, transport, go_on, number, read))
    return True


def _read_on(transport: Any, go_on: Callable[..., None], number: int, read: Any) -> None:
    if not transport.is_closing():
        go_on(number, read)
