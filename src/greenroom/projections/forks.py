"""What a forked child must not share with its parent: connections, and locks that others held.

SQLite keeps in the memory of a process which locks it has on a file, for all its connections
together. A child with a copy of that would take its parent's locks for its own: it would wait for
ever for a writer that it has not got, and write to a log that its parent, the last one as far as
the others can see, has done away with. So no connection to a file is open while a process forks.
"""

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


class Closing(Protocol):
    """Has connections to a file of SQLite, each used inside of `NO_FORKS`."""

    def dispose(self) -> None:
        """Close them all; nobody uses any."""
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
    _watch_forks()
    one = threading.Lock()
    _LOCKS.add(one)
    return one


def survives_forks(one: Forking) -> None:
    """Let `one` know, in every child that is forked while it lives."""
    _watch_forks()
    _FORKS.add(one)


def connects_anew(engine: Connecting) -> None:
    """Let children of this process open connections of their own through `engine`."""
    _watch_forks()
    _ENGINES.add(engine)


def closes_before_forks(one: Closing) -> None:
    """Let `one` have no connection while this process forks, as long as it lives."""
    _watch_forks()
    _CLOSING.add(one)


def pauses_for_forks(one: Pausing) -> None:
    """Let `one` know before and after this process forks, while it lives.

    Before anybody else is told: what it is doing may need the connections of others.
    """
    _watch_forks()
    _PAUSING.add(one)


class _Here(threading.local):
    """What a thread knows of itself."""

    depth = 0
    """How often it is inside."""


class _Gate:
    """Who is inside keeps the process from forking; meanwhile nobody comes in who is not inside.

    One for all files: who uses one may have to use another to come to an end.
    """

    def __init__(self) -> None:
        self.open_anew()

    def __enter__(self) -> None:
        here = self._here
        with self._lock:
            while self._closed and not here.depth:
                self._changed.wait()
            self._inside += 1
            here.depth += 1

    def __exit__(self, *_: object) -> None:
        here = self._here
        with self._lock:
            # Another thread may end what one has begun, and a child what its parent has.
            self._inside -= self._inside > 0
            here.depth -= here.depth > 0
            if self._closed:
                self._changed.notify_all()

    def close(self) -> None:
        """Wait until nobody is inside, but for whoever forks in the middle of something."""
        with self._lock:
            self._closed = True
            while self._inside > self._here.depth:
                self._changed.wait()

    def open(self) -> None:
        """Let others come in again."""
        with self._lock:
            self._closed = False
            self._changed.notify_all()

    def open_anew(self) -> None:
        """The same in a child, where nobody else is."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._closed = False
        self._here = _Here()
        self._inside = 0
        """Uses that have begun, and not ended."""


NO_FORKS: Final = _Gate()
"""Whoever uses a connection to a file of SQLite does so inside: `with NO_FORKS:`."""


@cache
def _watch_forks() -> None:
    # The last to register is the first to be told, and whatever is used by now is imported.
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(before=_rest, after_in_parent=_go_on, after_in_child=_start_anew)


_ONE_AT_A_TIME: Final = threading.Lock()
"""Forks."""
_PAUSING: Final[weakref.WeakSet[Pausing]] = weakref.WeakSet()
_PAUSED: Final[list[Pausing]] = []
"""As long as a fork takes."""
_CLOSING: Final[weakref.WeakSet[Closing]] = weakref.WeakSet()
_FORKS: Final[weakref.WeakSet[Forking]] = weakref.WeakSet()
_LOCKS: Final[weakref.WeakSet[threading.Lock]] = weakref.WeakSet()
_ENGINES: Final[weakref.WeakSet[Connecting]] = weakref.WeakSet()
_OF_THE_PARENT: Final[list[object]] = []
"""Connections that a child has copies of. Collected, they would say goodbye in its name."""


def _rest() -> None:
    _ONE_AT_A_TIME.acquire()
    for pausing in list(_PAUSING):
        pausing.before_fork()
        _PAUSED.append(pausing)
    NO_FORKS.close()
    for closing in list(_CLOSING):
        closing.dispose()


def _go_on() -> None:
    NO_FORKS.open()
    while _PAUSED:
        _PAUSED.pop().after_fork_in_parent()
    _ONE_AT_A_TIME.release()


def _start_anew() -> None:
    NO_FORKS.open_anew()
    _PAUSED.clear()
    _ONE_AT_A_TIME.release()
    for one in list(_LOCKS):
        one._at_fork_reinit()  # type: ignore[attr-defined]  # noqa: SLF001 - as logging does
    for engine in list(_ENGINES):
        _OF_THE_PARENT.append(engine.pool)
        engine.dispose(close=False)
    for forking in list(_FORKS):
        forking.after_fork_in_child()
