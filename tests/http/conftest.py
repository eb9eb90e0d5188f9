"""An application with media mounted into it, and a client that asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from greenroom import Entry, aio
from greenroom.http import media_app
from greenroom.ice import IceServer
from greenroom.testing import FakeMedia, VirtualClock
from greenroom.testing.media import offer_sdp

if TYPE_CHECKING:
    import httpx2

    from greenroom import Greenroom

PUBLISHING = offer_sdp(("audio", "sendonly"), ("video", "sendonly"))
WATCHING = offer_sdp(("audio", "recvonly"), ("video", "recvonly"))


ICE = (
    IceServer(urls=["stun:stun.example.org"]),
    IceServer(
        urls=["turn:turn.example.org?transport=udp", "turns:turn.example.org"],
        username='gu"est',
        credential="pass\\word",
    ),
)


@dataclass
class Site:
    """A site that is being asked, with fake media behind it."""

    client: TestClient
    media: FakeMedia
    clock: VirtualClock
    rooms: list[Greenroom]
    call_id: str = "1"

    @property
    def room(self) -> Greenroom:
        return self.rooms[0]

    def join(self, user: str = "thierry") -> Entry:
        return self.room.as_user(user).call("default", self.call_id).join(create=True)

    def present(self) -> list[str]:
        """The entries in the call."""
        call = self.room.system("auditor").call("default", self.call_id)
        return [item.entry_id for item in call.query_participants().items]

    def post(
        self, ticket: str, sdp: str | bytes = PUBLISHING, *, at: str = "whip", **headers: str
    ) -> httpx2.Response:
        return self.ask("POST", f"/media/{at}", ticket, sdp, "application/sdp", **headers)

    def patch(self, ticket: str, at: str, fragment: str, tag: str | None) -> httpx2.Response:
        match = {} if tag is None else {"If-Match": tag}
        kind = "application/trickle-ice-sdpfrag"
        return self.ask("PATCH", at, ticket, fragment, kind, **match)

    def ask(
        self,
        method: str,
        path: str,
        ticket: str | None = None,
        body: str | bytes | None = None,
        kind: str | None = None,
        **headers: str,
    ) -> httpx2.Response:
        if ticket is not None:
            headers["Authorization"] = f"Bearer {ticket}"
        if kind is not None:
            headers["Content-Type"] = kind
        return self.client.request(method, path, content=body, headers=headers)


def code(response: Any) -> str:
    """What a refusal is called; it says its status as well."""
    said = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert said["status"] == response.status_code
    assert said["detail"]
    return str(said["code"])


@contextmanager
def opened(**options: Any) -> Iterator[Site]:
    """A site of one's own."""
    media, clock = FakeMedia(), VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    rooms: list[Greenroom] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with aio.Greenroom.open(
            "memory://", media=media, clock=clock, ice_servers=ICE
        ) as room:
            rooms.append(room.reading)
            yield {"room": room}

    mounted = Mount("/media", media_app(lambda request: request.state.room, **options))
    with TestClient(Starlette(routes=[mounted], lifespan=lifespan)) as client:
        yield Site(client, media, clock, rooms)


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    with opened() as site:
        yield site


@pytest.fixture
def site(shared: Site, request: pytest.FixtureRequest) -> Site:
    """The module's site, with a call of the test's own."""
    shared.call_id = f"call-{abs(hash(request.node.name))}"
    return shared
