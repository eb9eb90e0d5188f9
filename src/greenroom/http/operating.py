"""What operators ask: counters of the media in this process, for programs and for Prometheus."""

from __future__ import annotations

import hmac
from time import monotonic
from typing import Final

from msgspec import json
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from greenroom.domain.errors import InvalidInput
from greenroom.domain.session_events import MediaStatistics
from greenroom.http.reading import shown
from greenroom.http.refusing import Problem
from greenroom.http.sessions import RoomOf
from greenroom.media_stats import RoomMediaStats
from greenroom.metrics import MediaMetrics

_SHORTEST: Final = 16
_NOTHING: Final = RoomMediaStats(None, MediaStatistics(), {})


class Operating:
    """`GET metrics` and `GET stats`, for who shows the operator's key.

    Args:
        room_of: gives the room of a request.
        key: what operators show as `Authorization: Bearer`; a secret of at least 16 characters.

    Raises:
        InvalidInput: it is no such key.
    """

    def __init__(self, room_of: RoomOf, key: str) -> None:
        if type(key) is not str or len(key) < _SHORTEST or not key.isascii() or " " in key:
            expected = f"{_SHORTEST} or more ASCII characters without a space, drawn at random"
            raise InvalidInput("operator_key", expected)
        self._room_of = room_of
        self._key: Final = key.encode()

    def routes(self) -> list[Route]:
        """Both of them."""
        return [Route("/metrics", self.metrics), Route("/stats", self.stats)]

    async def metrics(self, request: Request) -> Response:
        """In Prometheus's text, or in OpenMetrics where that is asked for."""
        self._admit(request)
        room = self._room_of(request)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(MediaMetrics(room.reading))
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        body: bytes = await room.desk.in_thread(encode, registry)
        return Response(body, headers={"Content-Type": kind, "Cache-Control": "no-store"})

    async def stats(self, request: Request) -> Response:
        """By call and entry, in JSON; `at` is a clock in seconds, to tell two answers apart by."""
        self._admit(request)
        found = await self._room_of(request).media_stats() or _NOTHING
        said = {"at": monotonic(), "load": found.load, "counted": found.counted}
        return Response(
            json.encode({**said, "calls": found.calls}),
            media_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    def _admit(self, request: Request) -> None:
        said = shown(request) or ""
        if not hmac.compare_digest(said.encode(), self._key):
            detail = "expected one header `Authorization: Bearer` with the operator's key"
            raise Problem(401, "operator_key_required", detail, {"WWW-Authenticate": "Bearer"})
