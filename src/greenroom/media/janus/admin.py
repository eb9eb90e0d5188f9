"""What a Janus counts, by its admin API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from greenroom.domain.session_events import MediaStatistics
from greenroom.media.janus.session import Socket, Way

_PATIENCE: Final = 1.0
"""Seconds that an answer may take: nobody's leaving waits longer for a number."""
_MILLI: Final = 1000


class Admin:
    """Asks for counters; connects when it is asked, and again when it is cut off.

    Args:
        url: of Janus's admin API over WebSockets, e.g. `ws://127.0.0.1:7188`.
        secret: `admin_secret` of Janus.
    """

    def __init__(self, url: str, secret: str) -> None:
        self._way = Way(url, "janus-admin-protocol", {"admin_secret": secret}, _PATIENCE)
        self._socket: Socket | None = None
        self._connecting = asyncio.Lock()

    async def counts(self, session: int, handle: int) -> MediaStatistics:
        """What went through a handle by now; `seconds` is left at 0.

        Raises:
            MediaError: Janus cannot be asked, or does not know the handle.
        """
        socket = await self._connected()
        answer = await socket.request("handle_info", session_id=session, handle_id=handle)
        media = answer["info"].get("webrtc", {}).get("media", {})
        return counted(media.values())

    async def close(self) -> None:
        """Twice is fine."""
        if self._socket is not None:
            await self._socket.close()

    async def _connected(self) -> Socket:
        async with self._connecting:
            if self._socket is None or self._socket.over:
                self._socket = await Socket.open(self._way)
            return self._socket


def counted(lines: Iterable[Mapping[str, Any]]) -> MediaStatistics:
    """What went through all lines of a connection, as Janus describes each."""
    lines = tuple(lines)
    ways = {way: [one["stats"][way] for one in lines] for way in ("in", "out")}
    reports = [one["rtcp"]["main"] for one in lines if "rtcp" in one]
    return MediaStatistics(
        packets_received=sum(one["packets"] for one in ways["in"]),
        bytes_received=sum(one["bytes"] for one in ways["in"]),
        packets_sent=sum(one["packets"] for one in ways["out"]),
        bytes_sent=sum(one["bytes"] for one in ways["out"]),
        packets_lost=sum(max(0, one["lost"]) + max(0, one["lost-by-remote"]) for one in reports),
        round_trip=_longest(one["rtt"] for one in reports),
        jitter=_longest(one["jitter-local"] for one in reports),
    )


def _longest(milliseconds: Iterable[float]) -> float | None:
    """In seconds; None where nothing was measured, which Janus calls 0."""
    longest = max(milliseconds, default=0)
    return longest / _MILLI if longest > 0 else None
