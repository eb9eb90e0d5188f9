"""What a forked child must not share with its parent: connections, and locks that others held."""

from __future__ import annotations

import os
import weakref
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


_FORKS: Final[weakref.WeakSet[Forking]] = weakref.WeakSet()
_ENGINES: Final[weakref.WeakSet[Connecting]] = weakref.WeakSet()
_RESTING: Final[weakref.WeakSet[Connecting]] = weakref.WeakSet()
_OF_THE_PARENT: Final[list[object]] = []
"""Connections that a child has copies of. Collected, they would say goodbye in its name."""


def _start_anew() -> None:
    for engine in list(_ENGINES):
        _OF_THE_PARENT.append(engine.pool)
        engine.dispose(close=False)
    for one in list(_FORKS):
        one.after_fork_in_child()


def _rest() -> None:
    for engine in list(_RESTING):
        engine.dispose()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_rest, after_in_child=_start_anew)
