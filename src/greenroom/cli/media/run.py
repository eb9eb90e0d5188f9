"""`media run`: workers that carry audio and video, until told to stop."""

from __future__ import annotations

import ipaddress
import logging
import os
from contextlib import closing
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Annotated

import typer

from greenroom.cli.opening import inside, opened
from greenroom.cli.options import (
    DEFAULT_STORE,
    KEYS,
    AddressOption,
    DebugOption,
    RecordingsOption,
    StoreOption,
)
from greenroom.cli.worker import logged, stopped_by_signals
from greenroom.domain.errors import InvalidInput, MediaError, StoreError
from greenroom.media.leases import Leases
from greenroom.workers.crew import Crew

if TYPE_CHECKING:
    from greenroom.workers.process import WorkerSettings

_log = logging.getLogger(__name__)
_RECYCLING = "Making way"


WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers", "-w", metavar="N", min=1, max=256, help="Processes; one a core without."
    ),
]
HostOption = Annotated[
    str,
    typer.Option(
        "--host",
        metavar="IP",
        help="Of this machine, where your application reaches the workers.",
    ),
]
RecycleOption = Annotated[
    int | None,
    typer.Option(
        "--recycle-after",
        metavar="N",
        min=1,
        help="Connections after which a worker makes way for a fresh one.",
        rich_help_panel=_RECYCLING,
    ),
]
RecycleSecondsOption = Annotated[
    float | None,
    typer.Option(
        "--recycle-seconds",
        metavar="S",
        min=1,
        help="Seconds after which it does.",
        rich_help_panel=_RECYCLING,
    ),
]
DrainOption = Annotated[
    float,
    typer.Option(
        "--drain",
        metavar="S",
        min=0,
        help="How long it waits then for its last call to end.",
        rich_help_panel=_RECYCLING,
    ),
]
GoodbyeOption = Annotated[
    float,
    typer.Option(
        "--goodbye",
        metavar="S",
        min=0,
        help="The same, for all of them, on SIGTERM or SIGINT.",
        rich_help_panel=_RECYCLING,
    ),
]
LeaseOption = Annotated[
    float,
    typer.Option(
        "--lease",
        metavar="S",
        min=1,
        max=60,
        help="After which the others take over from a worker that says nothing.",
    ),
]


def run(
    *,
    workers: WorkersOption = None,
    host: HostOption = "127.0.0.1",
    address: AddressOption = None,
    recordings: RecordingsOption = None,
    recycle_connections: RecycleOption = None,
    recycle_seconds: RecycleSecondsOption = None,
    drain: DrainOption = 3600,
    goodbye: GoodbyeOption = 10,
    lease: LeaseOption = 5,
    store: StoreOption = DEFAULT_STORE,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Carry the audio and video of a store's calls, in processes of their own.

    Your application opens its rooms with `media=WorkerMedia()`, on the same store; each call is
    given to one worker. One that dies is started again, and the others take over its calls.
    Runs until SIGINT or SIGTERM, and tells what it does on standard error.

    [dim]greenroom media run --workers 2[/dim]
    """
    with opened(store) as room:  # whether it can be, said before anything is started
        open_leases = inside(room).leases
    assert open_leases is not None, "the store outlives a process"  # noqa: S101 - a bug here
    try:
        from greenroom.workers.process import WorkerSettings  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MediaError("it needs extras: pip install 'greenroom[http,media]'") from error
    settings = WorkerSettings(
        store=store,
        keys=KEYS.get(),
        host=_reachable(host),
        addresses=tuple(address or ()),
        recordings=recordings,
        recycle_connections=recycle_connections,
        recycle_seconds=recycle_seconds,
        drain_seconds=drain,
        goodbye_seconds=goodbye,
        lease_seconds=lease,
    )
    with logged(), stopped_by_signals() as stopped, closing(open_leases()) as leases:
        crew = Crew(
            workers or os.cpu_count() or 1,
            partial(begin, settings),
            bury=partial(_bury, leases),
            goodbye=goodbye,
        )
        crew.run(lambda: bool(stopped))


def begin(settings: WorkerSettings, parent: Connection) -> None:
    """What each worker does, in its process."""
    from greenroom.workers.process import work  # noqa: PLC0415 - an extra

    with logged():
        work(settings, parent)


def _bury(leases: Leases, name: str) -> None:
    """Let others have the calls of a worker that has ended, without waiting for its lease."""
    try:
        leases.retire(name)
    except StoreError:
        _log.warning("the lease of a dead worker runs out by itself", exc_info=True)


def _reachable(host: str) -> str:
    """An address that others can ask, and not all there are.

    Raises:
        InvalidInput: it is none.
    """
    try:
        if not ipaddress.ip_address(host).is_unspecified:
            return host
    except ValueError:
        pass
    raise InvalidInput("--host", "the address of one interface, e.g. 127.0.0.1 or 10.0.0.5")
