"""One session with a Janus, over one WebSocket: requests, their answers, and events."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from greenroom.domain.errors import MediaError

log: Final = logging.getLogger(__name__)

PLUGIN: Final = "janus.plugin.videoroom"
ALIVE_EVERY: Final = 15.0
"""Seconds between two signs of life; Janus ends a session after 60 without."""
_PING_EVERY: Final = 5.0
_MOST_BYTES: Final = 4 * 2**20
_ONLY_NOTED: Final = ("trickle", "keepalive")
"""Requests that Janus acknowledges, and answers no further."""

Message = dict[str, Any]
Said = tuple[Literal["offer", "answer"], str]
"""A session description, and which of the two it is."""


@dataclass(frozen=True, slots=True)
class Way:
    """How to reach a Janus."""

    url: str
    api: Literal["janus-protocol", "janus-admin-protocol"]
    credentials: Mapping[str, str] = field(repr=False)
    """That every request carries."""
    patience: float
    """Seconds that an answer may take."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a plugin answered."""

    data: Mapping[str, Any]
    sdp: str | None


class Socket:
    """Requests and their answers, over one WebSocket. Lives on one event loop.

    Args:
        connection: that was opened.
        way: by which it was.
        heard: takes what nobody asked for.
        gone: called once, when the connection is over.
    """

    def __init__(
        self,
        connection: ClientConnection,
        way: Way,
        heard: Callable[[Message], None],
        gone: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._way = way
        self._heard = heard
        self._gone = gone
        self._asked: dict[str, asyncio.Future[Message]] = {}
        self._noted: set[str] = set()
        """Those that are answered as soon as Janus has taken note."""
        self._reading = asyncio.get_running_loop().create_task(self._read())
        self.over = False

    @classmethod
    async def open(
        cls,
        way: Way,
        heard: Callable[[Message], None] = lambda _: None,
        gone: Callable[[], None] = lambda: None,
    ) -> Socket:
        """Connect.

        Raises:
            MediaError: there is no Janus there.
        """
        try:
            connection = await connect(
                way.url,
                subprotocols=[Subprotocol(way.api)],
                open_timeout=way.patience,
                close_timeout=1,
                ping_interval=_PING_EVERY,
                ping_timeout=way.patience,
                max_size=_MOST_BYTES,
                proxy=None,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise MediaError(f"Janus cannot be reached at {way.url}: {error}") from error
        return cls(connection, way, heard, gone)

    async def request(self, kind: str, **said: object) -> Message:
        """What Janus answers to a request.

        Raises:
            MediaError: it refuses, is gone, or does not answer.
        """
        if self.over:
            raise MediaError("Janus is gone")
        name = uuid4().hex
        future = self._asked[name] = asyncio.get_running_loop().create_future()
        if kind in _ONLY_NOTED:
            self._noted.add(name)
        message = {"janus": kind, "transaction": name, **self._way.credentials, **said}
        try:
            async with asyncio.timeout(self._way.patience):
                await self._connection.send(json.dumps(message))
                answer: Message = await future
        except TimeoutError:
            raise MediaError(f"Janus did not answer {kind} within {self._way.patience} s") from None
        except WebSocketException:
            raise MediaError("Janus is gone") from None
        finally:
            self._asked.pop(name, None)
            self._noted.discard(name)
        if answer["janus"] == "error":
            raise MediaError(f"Janus refused {kind}: {answer['error'].get('reason')}")
        return answer

    async def close(self) -> None:
        """End it. Twice is fine."""
        await self._connection.close()
        await asyncio.wait([self._reading])

    async def _read(self) -> None:
        try:
            async for text in self._connection:
                self._take(json.loads(text))
        except WebSocketException:
            log.debug("the connection to Janus broke", exc_info=True)
        finally:
            self.over = True
            for future in self._asked.values():
                if not future.done():
                    future.set_exception(MediaError("Janus is gone"))
            self._gone()

    def _take(self, message: Message) -> None:
        future = self._asked.get(message.get("transaction", ""))
        if message["janus"] == "ack" and message.get("transaction") not in self._noted:
            return  # of what takes longer; it may even come after the answer
        if future is None:
            try:
                self._heard(message)
            except Exception:
                log.exception("an event of Janus was not understood")
        elif not future.done():
            future.set_result(message)


class JanusSession:
    """A session, kept alive until it is closed.

    Args:
        way: to Janus's API.
        heard: takes the events of handles.
        gone: called once, when Janus or the way to it is gone.
    """

    def __init__(
        self,
        way: Way,
        heard: Callable[[int, Message], None],
        gone: Callable[[JanusSession], None],
    ) -> None:
        self._way = way
        self._tell = heard
        self._gone = gone
        self._id = 0
        self._socket: Socket | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        """Whether there is nobody at the other end any more."""
        return self._socket is None or self._socket.over

    async def begin(self) -> None:
        """Connect; once.

        Raises:
            MediaError: there is no Janus, or it does not let us in.
        """
        self._socket = await Socket.open(self._way, self._heard, self._ended)
        try:
            self._id = (await self._socket.request("create"))["data"]["id"]
        except MediaError:
            await self._socket.close()
            raise
        self._keeping = asyncio.get_running_loop().create_task(self._keep_alive())

    async def attach(self, opaque_id: str) -> int:
        """A new handle; `opaque_id` names it in Janus's own logs."""
        answer = await self._request("attach", plugin=PLUGIN, opaque_id=opaque_id)
        return int(answer["data"]["id"])

    async def ask(
        self,
        handle: int,
        request: str,
        said: Mapping[str, object],
        description: Said | None = None,
    ) -> Reply:
        """What the VideoRoom answers to a request on a handle.

        Raises:
            MediaError: it refuses.
        """
        message: Message = {"handle_id": handle, "body": {"request": request, **said}}
        if description is not None:
            message["jsep"] = {"type": description[0], "sdp": description[1]}
        answer = await self._request("message", **message)
        data = answer["plugindata"]["data"]
        if "error" in data:
            raise MediaError(f"Janus refused {request}: {data['error']}")
        return Reply(data, answer.get("jsep", {}).get("sdp"))

    async def trickle(self, handle: int, mid: str, candidates: Sequence[str]) -> None:
        """Addresses of the peer, as `a=candidate:` rows have them."""
        named = [{"sdpMid": mid, "candidate": f"candidate:{one}"} for one in candidates]
        if named:
            await self._request("trickle", handle_id=handle, candidates=named)

    async def detach(self, handle: int) -> None:
        """Give up a handle; its connection ends. One that is gone is fine."""
        with suppress(MediaError):
            await self._request("detach", handle_id=handle)

    async def close(self) -> None:
        """End the session; its handles end with it. Twice is fine."""
        if self._keeping is not None:
            self._keeping.cancel()
        if self._socket is not None:
            if not self._socket.over:
                with suppress(MediaError):
                    await self._request("destroy")
            await self._socket.close()

    async def _request(self, kind: str, **said: object) -> Message:
        if self._socket is None:
            raise MediaError("Janus is gone")
        return await self._socket.request(kind, session_id=self._id, **said)

    async def _keep_alive(self) -> None:
        while not self.over:
            await asyncio.sleep(ALIVE_EVERY)
            with suppress(MediaError):  # who is gone is noticed otherwise
                await self._request("keepalive")

    @property
    def session_id(self) -> int:
        """Its number at Janus."""
        return self._id

    def _heard(self, message: Message) -> None:
        if "sender" in message:
            self._tell(message["sender"], message)
        elif message["janus"] == "timeout" and self._socket is not None:
            log.warning("Janus ended the session, which was silent for too long")
            self._closing = asyncio.get_running_loop().create_task(self._socket.close())

    def _ended(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
        self._gone(self)
