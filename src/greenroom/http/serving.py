"""A server for a store of its own: WHIP and WHEP, and the demo if that is wanted."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route

from greenroom.aio import Greenroom
from greenroom.aio.room import Coming
from greenroom.http.app import media_app
from greenroom.http.demo.app import demo_app
from greenroom.http.ending import Ending, OrderlyServer
from greenroom.http.operating import Operating
from greenroom.http.refusing import HANDLERS

HERE: Final = ("127.0.0.1", "localhost")
"""Names of this machine that nobody else can use."""
_GOODBYE: Final = 3
"""Seconds that answers may still take when the server is told to stop."""
_AT_LAST: Final = 2 * _GOODBYE
"""Seconds after which whoever does not take an answer is not waited for."""
_HEADERS: Final = 16_384
"""Bytes that the headers of a request may have."""


def application(
    opening: Callable[[], Coming],
    *,
    demo: bool,
    hosts: Sequence[str] = ("*",),
    operator_key: str | None = None,
) -> Starlette:
    """What is served: the room is opened on the loop that serves it, and closed with it.

    Args:
        opening: opens the room, `lambda: greenroom.aio.Greenroom.open(...)`.
        demo: whether the demo's page is there as well.
        hosts: names that the demo answers to.
        operator_key: as for `media_app`; what it opens is at `/media`, and `/metrics` at the root
            as well, where Prometheus looks for it.
    """

    def room_of(request: Request) -> Greenroom:
        room: Greenroom = request.state.room
        return room

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with opening() as room:
            yield {"room": room}

    routes: list[BaseRoute] = []
    if operator_key is not None:
        routes.append(Route("/metrics", Operating(room_of, operator_key).metrics))
    if demo:
        routes.append(Mount("/", demo_app(room_of, hosts=hosts, operator_key=operator_key)))
    else:
        routes.append(Mount("/media", media_app(room_of, operator_key=operator_key)))
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=HANDLERS)


def serve(app: Starlette, *, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM; whoever waits for something then is told that it is over.

    Raises:
        SystemExit: it could not begin; the reason is in the log.
    """
    # The server hands a signal on once it has ended well: that is then no reason to die of it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server = OrderlyServer(
        Ending(app, grace=_GOODBYE),
        host=host,
        port=port,
        http="h11",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        h11_max_incomplete_event_size=_HEADERS,
        timeout_graceful_shutdown=_AT_LAST,
    )
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise SystemExit(3)
