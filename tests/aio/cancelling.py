"""Cancelling an awaited command each time it waits for something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class When(Enum):
    """At which moment of a wait."""

    AT_ONCE = "before what it waits for has happened"
    TOO_LATE = "in the very moment that it has happened"


@dataclass
class CancelledAt(Generic[T]):
    """Awaits what it is given; its task is cancelled the n-th time that it has to wait."""

    command: Awaitable[T]
    number: int
    when: When
    waits: int = 0
    """How often it has waited."""

    def __await__(self) -> Generator[Any, Any, T]:
        steps = self.command.__await__()
        try:
            waiting = steps.send(None)
            while True:
                self._count(waiting)
                try:
                    got = yield waiting
                except BaseException as error:  # noqa: BLE001 - it is the command's, whatever it is
                    waiting = steps.throw(error)
                else:
                    waiting = steps.send(got)
        except StopIteration as answered:
            answer: T = answered.value
            return answer

    def _count(self, waiting: Any) -> None:
        self.waits += 1
        task = asyncio.current_task()
        if self.waits != self.number or task is None:
            return
        if self.when is When.AT_ONCE or waiting is None:
            task.cancel()
        else:
            waiting.add_done_callback(lambda _: task.cancel())
