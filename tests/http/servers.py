"""`greenroom serve` in a process of its own, and clients that ask it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from greenroom import Entry

SDP = {"Content-Type": "application/sdp"}


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a server in a process of its own, which ends well when it is told to."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "greenroom", "serve", "--port", str(port), *arguments]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.kill()
        server.communicate()


def answered(url: str, **request: Any) -> httpx2.Response:
    """Its answer, once it is there."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return httpx2.request(url=url, timeout=60, **request)
        except httpx2.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def shown(entry: Entry) -> dict[str, str]:
    """The ticket of an entry, as it is shown."""
    return {"Authorization": f"Bearer {entry.ticket()}"}


def offered(url: str, entry: Entry, sdp: str) -> str:
    """The answer to an offer of WHIP or WHEP, once the server and its media are there."""
    deadline = time.monotonic() + 60
    while True:
        told = answered(url, method="POST", content=sdp, headers=shown(entry) | SDP)
        if told.status_code == 201:
            return told.text
        assert told.status_code == 503, told.text
        assert time.monotonic() < deadline, told.text
        time.sleep(0.2)
