"""The room that a command works in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from greenroom import Greenroom, UserHandle
from greenroom.call_handle import CallHandle
from greenroom.cli.options import KEYS
from greenroom.domain import checks
from greenroom.domain.errors import CallNotFound, InvalidInput, KeysUnavailable, StoreError
from greenroom.domain.message import CallId
from greenroom.domain.ports import Clock, Notifier
from greenroom.doorkeeper import FORGETTING_NOTHING
from greenroom.live import LiveCore
from greenroom.projections.query import desc

NAME: Final = "cli"
"""Who acts where nobody is named: `system:cli`."""
_LATEST: Final = 1000


def opened(
    store: str,
    *,
    clock: Clock | None = None,
    notifier: Notifier | None = None,
    timers: bool = False,
) -> Greenroom:
    """The room at `store`, which must be there; nothing happens by itself without `timers`.

    Raises:
        InvalidInput: no URL of a store that outlives a process.
        StoreError: there is none, or it cannot be used.
    """
    if store == "memory://":
        raise InvalidInput("--store", "a store that outlives a process, e.g. sqlite:///calls.db")
    try:
        return Greenroom.open(
            store,
            create=False,
            clock=clock,
            notifier=notifier,
            timers=timers,
            refusals=FORGETTING_NOTHING,
            keys=KEYS.get(),
        )
    except KeysUnavailable:
        raise  # it is the right store
    except StoreError as error:
        error.add_note("Name another with --store or GREENROOM_STORE; `greenroom demo` makes some.")
        raise


def asking(room: Greenroom, user: str | None) -> UserHandle:
    """The room as the user sees it, or as the system does."""
    return room.system(NAME) if user is None else room.as_user(user)


def call_of(handle: UserHandle, cid: str) -> CallHandle:
    """The call named on the command line.

    Raises:
        InvalidInput: no cid.
    """
    call_type, colon, call_id = cid.partition(":")
    if not colon:
        raise InvalidInput("CID", "type:id, e.g. default:123")
    return handle.call(call_type, call_id)


def inside(room: Greenroom) -> LiveCore:
    """The room's inner side, for what an operator may see and a room does not offer."""
    return room._core  # noqa: SLF001 - the command line is part of the house


def must_have_been(room: Greenroom, cid: CallId) -> None:
    """Something was recorded of the call, even if it was deleted.

    Raises:
        CallNotFound: nothing was.
    """
    if next(inside(room).index().places(cid, until=room.position), None) is None:
        raise CallNotFound(cid)


@contextmanager
def helping_to_find(handle: UserHandle, cid: str) -> Iterator[None]:
    """Where there is no such call, name the one that was probably meant."""
    try:
        yield
    except CallNotFound as error:
        latest = handle.query_calls(sort=[desc("created_at")], limit=_LATEST).items
        near = checks.nearest(cid, [item.cid for item in latest])
        if near is not None and near != cid:
            error.add_note(f"Did you mean {near}?")
        elif not latest:
            error.add_note("There are no calls yet.")
        raise
