"""What a media worker answers to the other processes of its store."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from greenroom.domain.errors import GreenroomError, InvalidInput
from greenroom.http.ending import Ending, OrderlyServer
from greenroom.media_link import MediaLink
from greenroom.workers.control import (
    ASK,
    MOST_BYTES,
    NEWS,
    READY,
    SILENCE,
    Answered,
    Asked,
    Signatures,
    arguments,
    encode,
    read_question,
    refusal,
)

_THREADS: Final = 16
"""Questions that are answered at once; media itself has one thread."""
_GOODBYE: Final = 1.0
"""Seconds that answers may still take when the worker ends."""
_MOST_NEWS: Final = 10_000
"""Untold news after which a listener is sent away: it comes back, and asks for everybody."""


def control_app(link: MediaLink, signatures: Signatures) -> Starlette:
    """Answers what processes of the same store ask of media here, and nobody else.

    Args:
        link: that is asked.
        signatures: of the store.
    """
    control = _Control(link, signatures)
    return Starlette(
        routes=[
            Route(ASK, control.answer, methods=["POST"]),
            Route(NEWS, control.news, methods=["GET"]),
        ]
    )


class _Control:
    def __init__(self, link: MediaLink, signatures: Signatures) -> None:
        self._link = link
        self._signatures = signatures
        self._threads = ThreadPoolExecutor(_THREADS, "greenroom-control")

    async def answer(self, request: Request) -> Response:
        """One question."""
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        if not self._trusts(request, ASK, body):
            return Response(status_code=401)
        loop = asyncio.get_running_loop()
        try:
            asked = read_question(body)
            told = await loop.run_in_executor(self._threads, self._answer, asked)
        except msgspec.MsgspecError as error:
            told = refusal(InvalidInput("body", str(error)))
        return Response(encode(told), media_type="application/json")

    async def news(self, request: Request) -> Response:
        """Who should ask to be invited again, until the asker goes."""
        if not self._trusts(request, NEWS, b""):
            return Response(status_code=401)
        return StreamingResponse(self._lines(), media_type="text/plain")

    def _answer(self, asked: Asked) -> Answered:
        try:
            about = arguments(asked)
            operation: Callable[..., Any] = getattr(self._link, asked.operation)
            return Answered(operation(*about))
        except GreenroomError as error:
            return refusal(error)

    async def _lines(self) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        untold: asyncio.Queue[str] = asyncio.Queue()

        def hear(entry_id: str) -> None:
            with suppress(RuntimeError):  # nobody is on the loop any more
                loop.call_soon_threadsafe(untold.put_nowait, entry_id)

        with self._link.watched(hear):
            yield f"{READY}\n"
            while untold.qsize() < _MOST_NEWS:
                try:
                    async with asyncio.timeout(SILENCE):
                        line = await untold.get()
                except TimeoutError:
                    line = ""
                yield f"{line}\n"

    def _trusts(self, request: Request, path: str, body: bytes) -> bool:
        return self._signatures.hold(request.headers.get("authorization", ""), path, body)


async def _body(request: Request) -> bytes | None:
    """What was sent; None where that is too much."""
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > MOST_BYTES:
            return None
    return bytes(read)


@contextmanager
def served(app: Starlette, listening: socket.socket) -> Iterator[None]:
    """Let the other processes ask, from a thread, while the `with` lasts."""
    server = OrderlyServer(
        Ending(app, grace=_GOODBYE),
        http="h11",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=2 * _GOODBYE,
    )
    thread = threading.Thread(
        target=server.run, args=([listening],), name="greenroom-control", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
