"""`serve`: WHIP and WHEP for a store, and the demo's page."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from greenroom.aio import Greenroom
from greenroom.aio.room import Coming
from greenroom.cli.opening import opened
from greenroom.cli.options import KEYS, AddressOption, DebugOption, RecordingsOption
from greenroom.cli.output import err
from greenroom.domain.errors import InvalidInput, MediaError
from greenroom.doorkeeper import FORGETTING_NOTHING
from greenroom.ice import IceServer, checked
from greenroom.workers.router import Media, WorkerMedia

_IN_MEMORY: Final = "memory://"

DemoOption = Annotated[
    bool,
    typer.Option("--demo", help="With a page to try it out. It has no login: for you alone."),
]
HostOption = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")]
PortOption = Annotated[
    int, typer.Option("--port", "-p", metavar="N", min=1, max=65_535, help="Where to listen.")
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        envvar="GREENROOM_STORE",
        help="The store; in memory for the demo, where none is named.",
    ),
]
IceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ice",
        metavar="URL",
        help="A STUN or TURN server that clients are told of, e.g. [cyan]turn:example.org[/cyan].",
    ),
]
WorkersOption = Annotated[
    bool,
    typer.Option(
        "--media-workers",
        help="Let the workers of [cyan]greenroom media run[/cyan] carry audio and video.",
    ),
]


def serve(
    *,
    demo: DemoOption = False,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8080,
    store: StoreOption = None,
    address: AddressOption = None,
    ice: IceOption = None,
    recordings: RecordingsOption = None,
    media_workers: WorkersOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Serve media over HTTP: WHIP at /media/whip, WHEP at /media/whep, for who has a ticket.

    Without `--demo`, your application decides who joins and makes the tickets, in a process of its
    own on the same store; this one carries audio and video, or has `greenroom media run` carry it
    on all cores (--media-workers). Runs until SIGINT or SIGTERM.

    With GREENROOM_OPERATOR_KEY in the environment, /metrics (Prometheus) and /media/stats (JSON)
    tell whoever shows it, as `Authorization: Bearer`, what goes through. Each client gets
    credentials of its own for TURN servers, made of GREENROOM_TURN_SECRET, which they share.

    [dim]greenroom serve --demo[/dim]
    """
    if store is None and not demo:
        raise InvalidInput("--store", "the store that your application uses, or --demo")
    url = store or _IN_MEMORY
    if media_workers and (address or recordings):
        raise InvalidInput("--media-workers", "no --address or --recordings: the workers have them")
    try:
        from greenroom.http import serving  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MediaError("it needs extras: pip install 'greenroom[http,media]'") from error

    media = _workers(url) if media_workers else _here(address, recordings)
    servers = _ice_servers(ice or ())

    keys = None if store is None else KEYS.get()

    def opening() -> Coming:
        return Greenroom.open(
            url,
            create=demo,
            media=media(),
            ice_servers=servers,
            refusals=FORGETTING_NOTHING,
            keys=keys,
        )

    alone = host in serving.HERE
    served = serving.application(
        opening,
        demo=demo,
        hosts=serving.HERE if alone else ("*",),
        operator_key=os.environ.get("GREENROOM_OPERATOR_KEY"),
    )
    if not demo:
        opened(url).close()  # whether it can be, said before anything is served
    _say(url, host, port, demo=demo, alone=alone)
    serving.serve(served, host=host, port=port)


def _here(addresses: Sequence[str] | None, recordings: Path | None) -> Callable[[], Media]:
    """Makes media of this process, on the loop that serves."""
    try:
        from greenroom.media.aiortc_media import AiortcMedia  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MediaError("it needs extras: pip install 'greenroom[http,media]'") from error
    return partial(AiortcMedia, addresses=addresses or None, recordings=recordings)


def _workers(url: str) -> Callable[[], Media]:
    """Makes what asks the workers of a store.

    Raises:
        InvalidInput: the store is of this process alone.
    """
    if url == _IN_MEMORY:
        raise InvalidInput("--store", "the store that `greenroom media run` uses as well")
    return WorkerMedia


def _ice_servers(urls: Sequence[str]) -> Sequence[IceServer]:
    secret = os.environ.get("GREENROOM_TURN_SECRET") or None
    relays = [url for url in urls if url.startswith("turn")]
    if relays and secret is None:
        raise InvalidInput("--ice", "the secret of the TURN server in GREENROOM_TURN_SECRET")
    return checked(
        [IceServer(urls=[url], secret=secret if url in relays else None) for url in urls]
    )


def _say(url: str, host: str, port: int, *, demo: bool, alone: bool) -> None:
    console = err()
    shown = f"[{host}]" if ":" in host else host
    console.print(
        f"http://{shown}:{port}/ serves {url}", markup=False, highlight=False, soft_wrap=True
    )
    if demo:
        console.print("A demonstration: whoever names a user acts as that user.", style="yellow")
        if not alone:
            console.print("Others can reach it, and do as they like.", style="bold red")
