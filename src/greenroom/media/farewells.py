"""What is closed in the background, and waited for at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Farewells:
    """The closings under way on this loop."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def say(self, closing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do it in the background."""
        farewell = asyncio.get_running_loop().create_task(closing)
        self._tasks.add(farewell)
        farewell.add_done_callback(self._tasks.discard)
        return farewell

    async def wait(self) -> None:
        """Until all are done, those too that begin meanwhile."""
        while self._tasks:
            await asyncio.wait(self._tasks)
