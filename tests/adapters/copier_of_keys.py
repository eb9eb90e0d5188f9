"""Copying a store whose keys move out of it, with an end at any step."""

from __future__ import annotations

import os
import signal
from contextlib import closing

from tests.adapters.dying_keys import SteppingKeys, Steps

from greenroom.adapters import copying
from greenroom.adapters.key_store import SqlKeys, open_keys


def copy_in_steps(source: str, target: str, keys: str, steps: Steps) -> None:
    """Copy; every use of the key store is a step, and every page that is written or compared."""
    opened = open_keys(keys)
    assert isinstance(opened, SqlKeys)
    with closing(SteppingKeys(opened, steps)) as stepping:
        copying.copy(source, target, lambda *_: steps.step(lambda: None), to_keys=stepping)


def copy_and_die(source: str, target: str, keys: str, last: int) -> None:
    """In a process of its own: copy, and be killed at that step."""
    copying.PAGE = 2  # type: ignore[misc]  # in this process only: more steps with fewer rows
    copy_in_steps(source, target, keys, Steps(last, lambda: os.kill(os.getpid(), signal.SIGKILL)))
