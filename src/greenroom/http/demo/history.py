"""A call's history as it grows, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from greenroom.aio import CallHandle
from greenroom.answers import HistoryEvent
from greenroom.domain.errors import GreenroomError, StoreClosed

_STILL_HERE: Final = 15
"""Seconds of silence after which a comment is sent, so that a dead client is noticed."""


async def history(call: CallHandle, request: Request) -> Response:
    """Every event of the call, and then each as it is recorded, until the client goes.

    A client that comes back names the last that it has seen (`Last-Event-ID`).

    Raises:
        CallNotFound, NotAllowed: the asker may not read the call.
    """
    said = request.headers.get("last-event-id", "0")
    since = int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else 0  # noqa: PLR2004 - digits
    await call.get()
    return StreamingResponse(
        _events(call, since),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(call: CallHandle, since: int) -> AsyncIterator[str]:
    while True:
        try:
            async for event in call.follow_history(after=since, seconds=_STILL_HERE):
                yield _written(event)
                since = event.seq
        except StoreClosed:
            return  # it may be open again soon: the client asks
        except GreenroomError as error:  # may be read no more
            yield f"event: gone\ndata: {error.code}\n\n"
            return
        yield ": still here\n\n"


def _written(event: HistoryEvent) -> str:
    said = event.model_dump_json(include={"seq", "position", "at", "name", "by", "event"})
    return f"id: {event.seq}\ndata: {said}\n\n"
