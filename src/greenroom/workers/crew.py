"""Keeps media workers alive: whoever dies is started again, whoever makes way is replaced."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from time import monotonic
from typing import Final

_log = logging.getLogger(__name__)

Work = Callable[[Connection], None]
"""What a worker does, in a process of its own; it sends its name first, and then something more
when it takes no more calls."""

_STEADY: Final = 10.0
"""Seconds after which one that dies has not died of how it began."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_LOOK: Final = 0.5
"""Seconds that whoever ends all may have to wait."""
_GOODBYE: Final = 10.0
"""Seconds, beyond what workers take for their goodbyes, until they are killed."""


@dataclass(eq=False)
class _Member:
    """One process."""

    place: int
    process: SpawnProcess
    news: Connection
    name: str = ""
    """Among all workers of the store; empty until it says so."""
    began: float = field(default_factory=monotonic)


class Crew:
    """So many workers, each in its place, until all are told to end.

    Processes are spawned, never forked: threads and event loops are nobody's to inherit.

    Args:
        size: how many there are to be.
        work: what each does. It must be importable, as `multiprocessing` has it.
        bury: told the name of each that has ended, so that nobody waits for the dead.
        goodbye: seconds that they may take to end.
    """

    def __init__(
        self, size: int, work: Work, *, bury: Callable[[str], None], goodbye: float
    ) -> None:
        self._work = work
        self._bury = bury
        self._goodbye = goodbye
        self._context = get_context("spawn")
        self._due: dict[int, float] = dict.fromkeys(range(size), 0.0)
        """Places that nobody is in, and when somebody is to be."""
        self._pauses: dict[int, float] = {}
        self._at_work: dict[int, _Member] = {}
        self._leaving: set[_Member] = set()
        """Those that take no more calls; somebody else is in their place."""

    def run(self, ended: Callable[[], bool]) -> None:
        """Keep all places taken until `ended` says so; then end everybody."""
        try:
            while not ended():
                self._take_places()
                self._look()
        finally:
            self._end()

    def _take_places(self) -> None:
        for place, due in tuple(self._due.items()):
            if monotonic() < due:
                continue
            try:
                self._at_work[place] = self._begun(place)
            except OSError:
                _log.exception("media worker %d cannot be started now", place + 1)
                self._due[place] = monotonic() + _LONGEST_PAUSE
            else:
                del self._due[place]

    def _begun(self, place: int) -> _Member:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=self._work, args=(theirs,), name=f"greenroom-media-{place + 1}"
        )
        process.start()
        theirs.close()
        return _Member(place, process, ours)

    def _look(self) -> None:
        """Wait for news, for a moment."""
        members = (*self._at_work.values(), *self._leaving)
        sentinels = {one.process.sentinel: one for one in members}
        pipes = {one.news: one for one in members if not one.news.closed}
        for what in wait([*sentinels, *pipes], _LOOK):
            if isinstance(what, int):
                self._ended(sentinels[what])
            elif isinstance(what, Connection):
                self._heard(pipes[what])

    def _heard(self, member: _Member) -> None:
        try:
            said = member.news.recv()
        except (EOFError, OSError):
            member.news.close()
            return
        if not member.name:
            member.name = str(said)
        elif self._at_work.get(member.place) is member:
            self._leaving.add(member)
            del self._at_work[member.place]
            self._due[member.place] = monotonic()

    def _ended(self, member: _Member) -> None:
        member.process.join()
        while not member.news.closed and member.news.poll():
            self._heard(member)  # it may have told its name with its last breath
        member.news.close()
        if member.name:
            self._bury(member.name)
        if member in self._leaving:
            self._leaving.remove(member)
            return
        if self._at_work.get(member.place) is not member:
            return
        del self._at_work[member.place]
        pause = self._pause(member)
        self._due[member.place] = monotonic() + pause
        code = member.process.exitcode
        _log.error(
            "media worker %d died (%s); another one in %.1f s", member.place + 1, code, pause
        )

    def _pause(self, member: _Member) -> float:
        """None after a long life; longer each time one dies of how it begins."""
        before = self._pauses.pop(member.place, _FIRST_PAUSE / 2)
        if monotonic() - member.began >= _STEADY:
            return 0.0
        self._pauses[member.place] = pause = min(2 * before, _LONGEST_PAUSE)
        return pause

    def _end(self) -> None:
        members = [*self._at_work.values(), *self._leaving]
        for member in members:
            member.process.terminate()
        over = monotonic() + self._goodbye + _GOODBYE
        for member in members:
            member.process.join(max(0.0, over - monotonic()))
            if member.process.is_alive():
                _log.error("media worker %d does not end; it is killed", member.place + 1)
                member.process.kill()
                member.process.join()
            member.news.close()
