"""Web applications being served, and whoever talks to them."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, Final, TypeVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import httpx2
import uvicorn
from django.test import override_settings
from starlette.types import ASGIApp

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "examples.web.django_site.settings")

from examples.web.django_site.calls import room
from examples.web.django_site.wsgi import application

ROOT: Final = Path(__file__).parents[2]
NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Without the certificates that every client would load, and nobody needs here."""
T = TypeVar("T")

UVICORN: Final = ("uvicorn", "--workers=2", "--fd={fd}", "examples.web.fastapi_app:app")
GUNICORN: Final = (
    *("gunicorn", "--workers=2", "--threads=8", "--preload"),  # loaded first, forked then
    *("--bind=fd://{fd}", "examples.web.django_site.wsgi"),
)


class Client:
    """Whoever talks to a site, as anybody they like."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def __call__(
        self,
        user: str,
        method: str,
        path: str,
        *,
        key: str | None = None,
        json: Any = None,
        content: bytes | None = None,
        kind: str | None = None,
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {user}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        if kind is not None:
            headers["Content-Type"] = kind
        if method == "PUT" and json is None and content is None:
            json = {}
        return await self._http.request(method, path, headers=headers, json=json, content=content)


class Site:
    """A site that is being served."""

    def __init__(self, port: int, store: str) -> None:
        self._address = f"http://127.0.0.1:{port}"
        self.store = store

    def visit(self, act: Callable[[Client], Awaitable[T]]) -> T:
        """Do something there."""

        async def visiting() -> T:
            limits = httpx2.Limits(max_connections=100)
            async with httpx2.AsyncClient(
                base_url=self._address, limits=limits, timeout=150, trust_env=False, verify=NO_TLS
            ) as http:
                return await act(Client(http))

        return asyncio.run(visiting())


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A free port, with somebody listening: whoever connects waits until they are served."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        yield listener


@contextmanager
def uvicorn_here(app: ASGIApp, *, lifespan: bool = True) -> Iterator[int]:
    """The port on which a thread serves it."""
    config = uvicorn.Config(app, lifespan="on" if lifespan else "off", log_level="warning")
    server = uvicorn.Server(config)
    with listening() as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


class Threads(ThreadingMixIn, WSGIServer):
    request_queue_size = 256


@contextmanager
def django_here(store: str) -> Iterator[int]:
    """The port on which threads serve the Django site."""
    with (
        override_settings(GREENROOM_URL=store),
        make_server("127.0.0.1", 0, application, Threads, Quiet) as server,
    ):
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
            room.close()


@contextmanager
def program(command: tuple[str, ...], store: str) -> Iterator[int]:
    """The port that a program serves, with its workers; it ends well when it is told to."""
    with listening() as listener:
        fd = listener.fileno()
        server = subprocess.Popen(
            [sys.executable, "-m", *(part.format(fd=fd) for part in command)],
            pass_fds=[fd],
            cwd=ROOT,
            env={**os.environ, "GREENROOM_URL": store},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield listener.getsockname()[1]
        finally:
            server.terminate()
            _, said = server.communicate(timeout=150)
    assert server.returncode == 0, said
