"""What a forked child must not share with its parent: connections, and locks that others held."""

from __future__ import annotations

import os
import threading
import weakref
from functools import cache
from typing import Final, Protocol


class Connecting(Protocol):
    """Keeps connections, as engines do."""

    @property
    def pool(self) -> object:
        """Those that are idle."""
        ...

    def dispose(self, close: bool = True) -> None:  # noqa: FBT001, FBT002 - as engines have it
        """Close those that are idle; without `close`, have nothing more to do with them."""
        ...


class Forking(Protocol):
    """Holds a lock, or the like, that a thread may have been holding when the process forked."""

    def after_fork_in_child(self) -> None:
        """Start anew: the threads that held anything are the parent's."""
        ...


class Pausing(Protocol):
    """Does work by itself, in a thread, that must not be copied half done."""

    def before_fork(self) -> None:
        """Come to rest; return when nothing is being done."""
        ...

    def after_fork_in_parent(self) -> None:
        """Go on."""
        ...


def lock() -> threading.Lock:
    """A lock that a forked child finds free: whoever held it is a thread of the parent's."""
    one = threading.Lock()
    _LOCKS.add(one)
    return one


def survives_forks(one: Forking) -> None:
    """Let `one` know, in every child that is forked while it lives."""
    _FORKS.add(one)


def connects_anew(engine: Connecting) -> None:
    """Let children of this process open connections of their own through `engine`."""
    _ENGINES.add(engine)


def rests_before_forks(engine: Connecting) -> None:
    """Close what is idle before the process forks.

    SQLite counts the locks of a process in its memory: a child would take those of the parent's
    connections for its own.
    """
    _RESTING.add(engine)


def pauses_for_forks(one: Pausing) -> None:
    """Let `one` know before and after this process forks, while it lives.

    Before anybody else is told: what it is doing may need the connections of others.
    """
    _watch_forks()
    _PAUSING.add(one)


@cache
def _watch_forks() -> None:
    # The last to register is the first to be told, and whatever is used by now is imported.
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(before=_pause, after_in_parent=_go_on, after_in_child=_go_on_in_child)


_PAUSING: Final[weakref.WeakSet[Pausing]] = weakref.WeakSet()
_PAUSED: Final[list[Pausing]] = []
"""As long as a fork takes."""
_ONE_AT_A_TIME: Final = threading.Lock()
"""Forks."""
_FORKS: Final[weakref.WeakSet[Forking]] = weakref.WeakSet()
_LOCKS: Final[weakref.WeakSet[threading.Lock]] = weakref.WeakSet()
_ENGINES: Final[weakref.WeakSet[Connecting]] = weakref.WeakSet()
_RESTING: Final[weakref.WeakSet[Connecting]] = weakref.WeakSet()
_OF_THE_PARENT: Final[list[object]] = []
"""Connections that a child has copies of. Collected, they would say goodbye in its name."""


def _pause() -> None:
    _ONE_AT_A_TIME.acquire()
    for one in list(_PAUSING):
        one.before_fork()
        _PAUSED.append(one)


def _go_on() -> None:
    while _PAUSED:
        _PAUSED.pop().after_fork_in_parent()
    _ONE_AT_A_TIME.release()


def _go_on_in_child() -> None:
    _PAUSED.clear()
    _ONE_AT_A_TIME.release()


def _start_anew() -> None:
    for one in list(_LOCKS):
        one._at_fork_reinit()  # type: ignore[attr-defined]  # noqa: SLF001 - as logging does
    for engine in list(_ENGINES):
        _OF_THE_PARENT.append(engine.pool)
        engine.dispose(close=False)
    for forking in list(_FORKS):
        forking.after_fork_in_child()


def _rest() -> None:
    for engine in list(_RESTING):
        engine.dispose()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_rest, after_in_child=_start_anew)
