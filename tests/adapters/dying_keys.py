"""Writing and erasing, with an end at any step of what happens in two places."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TypeVar

from greenroom import Greenroom, Member
from greenroom.adapters.key_store import SqlKeys
from greenroom.adapters.recorder import LogRecorder

T = TypeVar("T")


class Steps:
    """Counts the steps, and does away with whoever takes the last one."""

    def __init__(self, last: int, end: Callable[[], object]) -> None:
        self._numbers = count(1)
        self._last = last
        self._end = end

    def step(self, act: Callable[[], T]) -> T:
        """Two steps: whether it ends before the act, or right after it."""
        self._take()
        done = act()
        self._take()
        return done

    def _take(self) -> None:
        if next(self._numbers) == self._last:
            self._end()

    def watch(self, recorder: LogRecorder) -> None:
        """Each write to the log is a step, too."""
        write = recorder.write
        recorder.write = lambda draft: self.step(lambda: write(draft))  # type: ignore[method-assign]  # watched


class SteppingKeys:
    """A key store whose every use is a step."""

    def __init__(self, keys: SqlKeys, steps: Steps) -> None:
        self._keys = keys
        self._steps = steps

    @property
    def identity(self) -> bytes:
        return self._keys.identity

    def keep(self, secrets: Mapping[int, bytes]) -> None:
        self._steps.step(lambda: self._keys.keep(secrets))

    def find(self, numbers: Collection[int]) -> Mapping[int, bytes]:
        return self._steps.step(lambda: self._keys.find(numbers))

    def destroy(self, numbers: Collection[int]) -> None:
        self._steps.step(lambda: self._keys.destroy(numbers))

    def close(self) -> None:
        self._keys.close()


def live_and_die(folder: Path, last: int) -> None:
    """In a process of its own: tell of alice, erase her, and be killed at that step."""
    steps = Steps(last, lambda: os.kill(os.getpid(), signal.SIGKILL))
    with closing(SqlKeys.open(folder / "keys.db")) as keys:
        stepping = SteppingKeys(keys, steps)
        url = f"sqlite:///{folder}/calls.db"
        with Greenroom.open(url, keys=stepping, timers=False) as room:
            steps.watch(room._store.recorder)  # type: ignore[attr-defined]  # of our stores
            call = room.as_user("thierry").call("default", "1")
            call.create(members=[Member("alice", custom={"allergy": "peanuts"})])
            room.users.upsert("alice", name="Alice Liddell")
            room.users.erase("alice", request_id="erase-alice")
