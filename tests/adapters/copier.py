"""A process that copies a store, and is killed at a certain step, or after some time."""

from __future__ import annotations

import os
import signal
from itertools import count

from greenroom.adapters import copying


def copy_until(source: str, target: str, last_step: int, page: int) -> None:
    """Copy, and die at that step, unless all is done before it."""
    copying.PAGE = page  # type: ignore[misc]  # in this process only: more steps with fewer rows
    steps = count(1)

    def die_at_last(*_: object) -> None:
        if next(steps) == last_step:
            os.kill(os.getpid(), signal.SIGKILL)

    copying.copy(source, target, die_at_last)


def copy_for(source: str, target: str, seconds: float, page: int) -> None:
    """Copy, and die after so long, unless all is done before."""
    copying.PAGE = page  # type: ignore[misc]  # in this process only: more steps with fewer rows
    signal.setitimer(signal.ITIMER_REAL, seconds)  # nobody handles its signal, which ends us
    copying.copy(source, target)
