"""The rooms at a Janus: one for each session of a call, while anybody is connected there."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress

from greenroom.domain.errors import MediaError
from greenroom.media.janus.connections import CODECS, JanusRoom
from greenroom.media.janus.session import JanusSession, Message, Way
from greenroom.media.roster import Room

MOST_PUBLISHERS = 10_000
"""In a room; who may send what is decided elsewhere."""


class Rooms:
    """Makes rooms where they are needed, and the session with Janus that they live in.

    A Janus that is gone is asked for again by whoever needs a room next.

    Args:
        way: to Janus's API.
        admin_key: `admin_key` of the VideoRoom plugin; None where anybody may make rooms.
        bitrate: of the pictures of one participant, bits a second; 0 for no limit.
        heard: takes the events of handles.
        gone: called when Janus, or the way to it, is gone, with all rooms.
    """

    def __init__(
        self,
        *,
        way: Way,
        admin_key: str | None,
        bitrate: int,
        heard: Callable[[int, Message], None],
        gone: Callable[[], None],
    ) -> None:
        self._way = way
        self._extra = {} if admin_key is None else {"admin_key": admin_key}
        self._bitrate = bitrate
        self._heard = heard
        self._gone = gone
        self._session: JanusSession | None = None
        self._control = 0
        self._rooms: dict[Room, JanusRoom] = {}
        self._abandoned: list[JanusRoom] = []
        """Of a session that broke; the Janus may be the same and have them still."""
        self._changing = asyncio.Lock()

    @property
    def session(self) -> JanusSession | None:
        """With Janus; None where there is none."""
        return self._session

    async def of(self, hall: Room) -> JanusRoom:
        """The room of a hall, made if there is none.

        Raises:
            MediaError: Janus cannot be reached, or refuses.
        """
        async with self._changing:
            room = self._rooms.get(hall)
            if room is None:
                session = self._session or await self._begin()
                room = await self._make(session, f"{hall[0]}/{hall[1]}")
                self._rooms[hall] = room
            return room

    async def destroy(self, hall: Room, unless: Callable[[], bool] = lambda: False) -> None:
        """There is nobody there any more, `unless` somebody has come meanwhile. None is fine."""
        async with self._changing:
            if unless():
                return
            room = self._rooms.pop(hall, None)
            if room is not None:
                with suppress(MediaError):
                    await room.destroy()

    def forget(self, room: JanusRoom) -> None:
        """Somebody else destroyed it."""
        self._rooms = {hall: one for hall, one in self._rooms.items() if one != room}

    async def close(self) -> None:
        """Destroy all rooms, end the session. Twice is fine."""
        for hall in tuple(self._rooms):
            await self.destroy(hall)
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _begin(self) -> JanusSession:
        session = JanusSession(self._way, self._heard, self._ended)
        await session.begin()
        self._control = await session.attach("greenroom")
        self._session = session
        abandoned, self._abandoned = self._abandoned, []
        for room in abandoned:
            with suppress(MediaError):  # most likely Janus was restarted, and knows none of them
                said = {"room": room.number, "secret": room.secret}
                await session.ask(self._control, "destroy", said)
        return session

    async def _make(self, session: JanusSession, description: str) -> JanusRoom:
        secret, pin = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        said = {
            "description": description,
            "secret": secret,
            "pin": pin,
            "is_private": True,
            "publishers": MOST_PUBLISHERS,
            "bitrate": self._bitrate,
            **CODECS,
            **self._extra,
        }
        reply = await session.ask(self._control, "create", said)
        return JanusRoom(session, self._control, int(reply.data["room"]), secret, pin)

    def _ended(self, session: JanusSession) -> None:
        if session is self._session:
            self._session = None
            self._abandoned += self._rooms.values()
            self._rooms.clear()
            self._gone()
