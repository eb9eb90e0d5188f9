"""A server that is to end: who is told, who is refused, and who is not waited for."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from greenroom.http.ending import Ending, OrderlyServer


class _Told(Ending):
    """Says so when it begins."""

    def __init__(self, app: Starlette, begun: threading.Event, grace: float) -> None:
        super().__init__(app, grace=grace)
        self._told = begun

    def begin(self) -> None:
        super().begin()
        self._told.set()


class Site:
    """A server in a thread, with a stream, something slow, and something that is read first."""

    def __init__(self, grace: float) -> None:
        self.asked = threading.Event()
        routes = [
            Route("/stream", self._stream),
            Route("/slow", self._slow),
            Route("/read", self._read, methods=["POST"]),
        ]
        self.ends = threading.Event()
        ending = _Told(Starlette(routes=routes), self.ends, grace)
        self.server = OrderlyServer(ending, lifespan="off", log_level="warning")
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.thread = threading.Thread(target=self.server.run, args=([listening],))
        self.thread.start()

    def end_when(self, asked: threading.Event) -> None:
        """Tell it to end, as a signal would."""

        def tell() -> None:
            asked.wait(60)
            self.server.should_exit = True

        threading.Thread(target=tell).start()

    async def _stream(self, _: Request) -> Response:
        async def lines() -> AsyncIterator[str]:
            yield "one\n"
            await asyncio.sleep(3600)

        return StreamingResponse(lines())

    async def _slow(self, _: Request) -> Response:
        self.asked.set()
        await asyncio.sleep(3600)
        return PlainTextResponse("never")

    async def _read(self, request: Request) -> Response:
        self.asked.set()
        return PlainTextResponse(await request.body())


@contextmanager
def site(grace: float) -> Iterator[Site]:
    opened = Site(grace)
    try:
        yield opened
    finally:
        opened.server.should_exit = True
        opened.thread.join(60)
        assert not opened.thread.is_alive()


@pytest.mark.slow
def test_a_stream_ends_well_at_once(caplog: pytest.LogCaptureFixture) -> None:
    with site(grace=60) as here, httpx2.stream("GET", f"{here.url}/stream", timeout=60) as told:
        lines = told.iter_lines()
        assert next(lines) == "one"
        here.server.should_exit = True
        assert [*lines] == []
    assert caplog.text == ""


@pytest.mark.slow
def test_what_takes_too_long_is_refused_with_when_to_ask_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with site(grace=0.2) as here:
        here.end_when(here.asked)
        told = httpx2.get(f"{here.url}/slow", timeout=60)
    assert (told.status_code, told.json()["code"]) == (503, "stopping")
    assert told.headers["retry-after"] == "5"
    assert caplog.text == ""


@pytest.mark.slow
def test_what_was_being_sent_is_read_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    with site(grace=60) as here:

        def body() -> Iterator[bytes]:
            yield b"first "
            assert here.asked.wait(60)
            here.server.should_exit = True
            assert here.ends.wait(60)
            yield b"second"

        told = httpx2.post(f"{here.url}/read", content=body(), timeout=60)
    assert (told.status_code, told.text) == (200, "first second")
    assert caplog.text == ""
