"""`worker`: lets happen what is due, until told to stop."""

from __future__ import annotations

import logging
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import Annotated, Final

import typer

from greenroom import Greenroom
from greenroom.adapters.notifiers import LoggingNotifier
from greenroom.cli.opening import inside, opened
from greenroom.cli.options import DEFAULT_STORE, DebugOption, JsonOption, StoreOption
from greenroom.cli.output import document
from greenroom.domain.ports import Notification
from greenroom.domain.streams import call_of
from greenroom.domain.turn import TIMERS
from greenroom.testing.clock import VirtualClock

_log = logging.getLogger(__name__)
_LOOK_AGAIN_SECONDS: Final = 0.2


def worker(
    *,
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and exit.")] = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Run deadlines and deliveries: rings that time out, sessions that stay empty, notifications.

    Runs until SIGINT or SIGTERM, and tells what it does on standard error. Any number of workers
    may run on one store, beside the application. Notifications are logged: an application that
    delivers them runs its own timers, with its own notifier.

    [dim]greenroom worker --once --json[/dim]
    """
    with logged(), stopped_by_signals() as stopped:
        with opened(store) as room:
            before = room.position
        done = Done(before)
        # A clock that stands still has done what is due now, and nothing else, once it is opened.
        clock = VirtualClock(datetime.now(UTC)) if once else None
        with opened(store, clock=clock, notifier=done, timers=True) as room:
            _log.info("worker began at position %d of %s", before, store)
            done.follow(room)
            while not once and not stopped:
                time.sleep(_LOOK_AGAIN_SECONDS)
                done.follow(room)
        _log.info("worker ended; deadlines and deliveries: %s", done)
    if as_json:
        document({"recorded": done.recorded, "notified": done.notified})


class Done(LoggingNotifier):
    """What came of deadlines and deliveries since a position, logged as it is seen."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self.recorded: Counter[str] = Counter()
        """Events that timers brought about, by stored name; those of other workers included."""
        self.notified: Counter[str] = Counter()
        """Notifications, by kind."""
        self._position = position

    def __str__(self) -> str:
        """Both, for people."""
        said = [f"{n} {name}" for name, n in sorted((self.recorded + self.notified).items())]
        return ", ".join(said) or "none were due"

    def notify(self, notification: Notification) -> None:
        """Log it, and count it."""
        super().notify(notification)
        self.notified[notification.kind] += 1

    def follow(self, room: Greenroom) -> None:
        """Read on to the end of the log."""
        if room.position == self._position:
            return
        for position, record in inside(room).feed(self._position):
            self._position = position
            if record.by == TIMERS.actor:
                self.recorded[record.event.name] += 1
                _log.info("%s in %s", record.event.name, call_of(record.stream))


@contextmanager
def logged() -> Iterator[None]:
    """The log of the package on standard error, one line an entry."""
    handler = logging.StreamHandler()
    form = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    form.converter = time.gmtime
    handler.setFormatter(form)
    log = logging.getLogger("greenroom")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)


@contextmanager
def stopped_by_signals() -> Iterator[list[int]]:
    """Collects the first SIGINT or SIGTERM; a second one does what it would do anywhere."""
    received: list[int] = []
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def receive(number: int, _: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, former[signal.Signals(number)])

    for number in former:
        signal.signal(number, receive)
    try:
        yield received
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
