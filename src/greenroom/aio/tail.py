"""News of the log, for any number of tasks: one thread waits for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from greenroom.aio.desk import AsyncDesk

_LOOK_SECONDS: Final = 0.5
"""How long the thread waits at a time."""


class Tail:
    """Knows how far the log has come.

    Args:
        desk: whose thread waits.
        awaits: sleeps until something stands past a position, or so many seconds.
        position: of the last record.
    """

    def __init__(
        self,
        desk: AsyncDesk,
        awaits: Callable[[int, float], bool],
        position: Callable[[], int],
    ) -> None:
        self._desk = desk
        self._awaits = awaits
        self._position = position
        self._reached = 0
        self._looking: asyncio.Task[None] | None = None

    async def past(self, position: int, seconds: float) -> bool:
        """Whether something stood past that position within so many seconds.

        Raises:
            StoreClosed: the room was closed.
        """
        over = asyncio.get_running_loop().time() + seconds
        while self._reached <= position:
            left = over - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            looking = self._look()
            await asyncio.wait([looking], timeout=min(left, _LOOK_SECONDS))
            if looking.done():
                looking.result()
        return True

    def _look(self) -> asyncio.Task[None]:
        """The look that is under way, or another one."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._looked())
            self._looking.add_done_callback(_noted)
        return self._looking

    async def _looked(self) -> None:
        await self._desk.in_thread(self._awaits, self._reached, _LOOK_SECONDS)
        self._reached = await self._desk.in_thread(self._position)


def _noted(looking: asyncio.Task[None]) -> None:
    """What a look raised is for those who wait still; for nobody, where nobody does."""
    if not looking.cancelled():
        looking.exception()
