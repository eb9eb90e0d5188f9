"""Who was invited to which connection, and which invitation was accepted: for every adapter."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from greenroom.domain.errors import MediaError
from greenroom.media.port import Invitation

C = TypeVar("C")
"""An adapter's own connection."""
T = TypeVar("T", bound=Hashable)
"""What an adapter has for a track that can be received."""


@dataclass(eq=False, slots=True)
class _Invited(Generic[C, T]):
    connection: C
    shown: Sequence[T]
    """What its last invitation lets the participant see and hear."""
    pending: Invitation | None
    """The one that is to be accepted."""
    accepted: int = 0
    """Number of the one that was accepted last."""


class Invitations(Generic[C, T]):
    """Those of one participant: at most one connection that stands, and one that is to replace it.

    Numbers are counted from 1, over all connections.

    Args:
        exact: whether it matters that a connection shows more than is wanted.
    """

    def __init__(self, *, exact: bool = True) -> None:
        self._exact = exact
        self._last = 0
        self._standing: _Invited[C, T] | None = None
        self._fresh: _Invited[C, T] | None = None
        self._waits = False
        """Whether the participant has had its answer, and was not told since to ask again."""
        self._anew = True
        """Whether it has nothing yet, or asked for a new connection since."""

    @property
    def standing(self) -> C | None:
        """The connection of which an invitation was accepted."""
        return None if self._standing is None else self._standing.connection

    @property
    def fresh(self) -> C | None:
        """The connection that nothing was accepted of yet."""
        return None if self._fresh is None else self._fresh.connection

    def asked(self, after: int) -> C | None:
        """Somebody asks to be invited: the connection that goes on, or None for a new one.

        Raises:
            MediaError: `after` is not 0, nor what was accepted last.
        """
        if after and (self._standing is None or self._standing.accepted != after):
            raise MediaError(
                f"invitation {after} is not the last that was accepted, or its connection is over:"
                " ask for the invitation to a new one"
            )
        self._waits, self._anew = False, not after  # the answer to this is yet to come
        return self.standing if after else None

    def nothing_new(self) -> None:
        """There was nothing to offer to who asked: it waits to be told."""
        self._waits = True

    def pending(self, connection: C) -> Invitation | None:
        """What is to be accepted before anything else can be offered on `connection`."""
        return next((one.pending for one in self._all() if one.connection is connection), None)

    def outdated(self, connection: C, wanted: Sequence[T]) -> bool:
        """Whether `connection` shows something else than what is wanted."""
        shown = next((one.shown for one in self._all() if one.connection is connection), ())
        return self._differs(shown, wanted)

    def issue(self, connection: C, sdp: str, shown: Sequence[T]) -> Invitation:
        """The next invitation; to a connection that does not stand, in place of a fresh one."""
        self._last += 1
        invitation = Invitation(self._last, sdp)
        if self._standing is not None and self._standing.connection is connection:
            self._standing.shown, self._standing.pending = shown, invitation
        else:
            self._fresh = _Invited(connection, shown, invitation)
        return invitation

    def awaiting(self, number: int) -> C | None:
        """The connection of the invitation that is to be accepted; None if that was done.

        Raises:
            MediaError: there is none of this number, or not any more.
        """
        for one in self._all():
            if one.pending is not None and one.pending.number == number:
                return one.connection
            if number and one.accepted == number:
                return None
        raise MediaError(f"invitation {number} is not the last one: ask for another")

    def accept(self, connection: C) -> None:
        """What is pending of `connection` was accepted; it stands from now on."""
        for one in self._all():
            if one.connection is connection and one.pending is not None:
                one.accepted, one.pending = one.pending.number, None
                self._standing, self._waits, self._anew = one, True, False
        if self._fresh is self._standing:
            self._fresh = None

    def drop(self, connection: C) -> None:
        """It is over."""
        if self.standing is connection:
            self._standing = None
        if self.fresh is connection:
            self._fresh = None

    def tell(self, wanted: Sequence[T]) -> bool:
        """Whether to tell the participant now to ask again: once, after each time it asked.

        Args:
            wanted: what it should see and hear.
        """
        if not self._waits or any(one.pending is not None for one in self._all()):
            return False
        shown = () if self._standing is None or self._anew else self._standing.shown
        if not self._differs(shown, wanted):
            return False
        self._waits = False
        return True

    def _differs(self, shown: Sequence[T], wanted: Sequence[T]) -> bool:
        return set(shown) != set(wanted) if self._exact else not set(wanted) <= set(shown)

    def _all(self) -> Sequence[_Invited[C, T]]:
        return [one for one in (self._standing, self._fresh) if one is not None]
