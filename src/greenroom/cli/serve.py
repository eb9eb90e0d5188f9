"""`serve`: WHIP and WHEP for a store, and the demo's page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from greenroom.aio import Greenroom
from greenroom.aio.room import Coming
from greenroom.cli.opening import opened
from greenroom.cli.options import AddressOption, DebugOption, RecordingsOption
from greenroom.cli.output import err
from greenroom.domain.errors import InvalidInput, MediaError
from greenroom.ice import IceServer, checked

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


def serve(
    *,
    demo: DemoOption = False,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8080,
    store: StoreOption = None,
    address: AddressOption = None,
    ice: IceOption = None,
    recordings: RecordingsOption = None,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Serve media over HTTP: WHIP at /media/whip, WHEP at /media/whep, for who has a ticket.

    Without `--demo`, your application decides who joins and makes the tickets, in a process of its
    own on the same store; this one carries audio and video. Runs until SIGINT or SIGTERM.

    With GREENROOM_OPERATOR_KEY in the environment, /metrics (Prometheus) and /media/stats (JSON)
    tell whoever shows it, as `Authorization: Bearer`, what goes through. Each client gets
    credentials of its own for TURN servers, made of GREENROOM_TURN_SECRET, which they share.

    [dim]greenroom serve --demo[/dim]
    """
    if store is None and not demo:
        raise InvalidInput("--store", "the store that your application uses, or --demo")
    url = store or "memory://"
    try:
        from greenroom.http import serving  # noqa: PLC0415 - an extra
        from greenroom.media.aiortc_media import AiortcMedia  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MediaError("it needs extras: pip install 'greenroom[http,media]'") from error

    servers = _ice_servers(ice or ())

    def opening() -> Coming:
        media = AiortcMedia(addresses=address or None, recordings=recordings)
        return Greenroom.open(url, create=demo, media=media, ice_servers=servers)

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
