"""A server for a store of its own: WHIP and WHEP, and the demo if that is wanted."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from greenroom.aio import Greenroom
from greenroom.aio.room import Coming
from greenroom.http.app import media_app
from greenroom.http.demo.app import demo_app
from greenroom.http.refusing import HANDLERS

HERE: Final = ("127.0.0.1", "localhost")
"""Names of this machine that nobody else can use."""
_GOODBYE: Final = 3
"""Seconds that open requests are given when the server is told to stop."""
_HEADERS: Final = 16_384
"""Bytes that the headers of a request may have."""


def application(
    opening: Callable[[], Coming], *, demo: bool, hosts: Sequence[str] = ("*",)
) -> Starlette:
    """What is served: the room is opened on the loop that serves it, and closed with it.

    Args:
        opening: opens the room, `lambda: greenroom.aio.Greenroom.open(...)`.
        demo: whether the demo's page is there as well.
        hosts: names that the demo answers to.
    """

    def room_of(request: Request) -> Greenroom:
        room: Greenroom = request.state.room
        return room

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with opening() as room:
            yield {"room": room}

    shown = Mount("/", demo_app(room_of, hosts=hosts))
    media = Mount("/media", media_app(room_of))
    return Starlette(
        routes=[shown if demo else media], lifespan=lifespan, exception_handlers=HANDLERS
    )


def serve(opening: Callable[[], Coming], *, demo: bool, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM; the demo answers to this machine alone if only it can ask."""
    hosts = HERE if host in HERE else ("*",)
    # The server hands a signal on once it has ended well: that is then no reason to die of it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    uvicorn.run(
        application(opening, demo=demo, hosts=hosts),
        host=host,
        port=port,
        http="h11",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        h11_max_incomplete_event_size=_HEADERS,
        timeout_graceful_shutdown=_GOODBYE,
    )
