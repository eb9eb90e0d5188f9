"""A call's history as it grows, as server-sent events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from greenroom.aio import CallHandle, Greenroom
from greenroom.answers import HistoryEvent
from greenroom.domain.errors import GreenroomError

_LOOK_AGAIN: Final = 0.2
"""Seconds from one look at the log to the next."""
_STILL_HERE: Final = 15.0
"""Seconds of silence after which a comment is sent, so that a dead client is noticed."""


async def history(room: Greenroom, call: CallHandle, request: Request) -> Response:
    """Every event of the call, and then each as it is recorded, until the client goes.

    A client that comes back names the last that it has seen (`Last-Event-ID`).

    Raises:
        CallNotFound, NotAllowed: the asker may not read the call.
    """
    said = request.headers.get("last-event-id", "0")
    since = int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else 0  # noqa: PLR2004 - digits
    await call.get()
    return StreamingResponse(
        _events(room, call, since),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(room: Greenroom, call: CallHandle, since: int) -> AsyncIterator[str]:
    seen, spoke = -1, time.monotonic()
    while True:
        position = await room.position()
        if position != seen:
            seen = position
            try:
                news = [event for event in await call.history() if event.seq > since]
            except GreenroomError as error:  # may be read no more
                yield f"event: gone\ndata: {error.code}\n\n"
                return
            for event in news:
                yield _written(event)
                since, spoke = event.seq, time.monotonic()
        if time.monotonic() - spoke > _STILL_HERE:
            yield ": still here\n\n"
            spoke = time.monotonic()
        await asyncio.sleep(_LOOK_AGAIN)


def _written(event: HistoryEvent) -> str:
    said = event.model_dump_json(include={"seq", "position", "at", "name", "by", "event"})
    return f"id: {event.seq}\ndata: {said}\n\n"
