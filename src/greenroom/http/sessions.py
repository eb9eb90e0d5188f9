"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-03): what their places answer.

Nothing is kept here: a session's address names its entry and its connection, by the ICE user name
of the offer that began it. Any process that the entry's media runs in can answer for it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from greenroom.aio import Entry, Greenroom
from greenroom.domain.errors import EntryNotFound, MediaError
from greenroom.http.offers import begin, links
from greenroom.http.pacing import Pace
from greenroom.http.reading import (
    FRAGMENT,
    SDP,
    bearer,
    description,
    require_taker,
    require_type,
    shown,
    text,
)
from greenroom.http.refusing import Problem
from greenroom.media.description import UFRAG
from greenroom.media.fragment import Fragment
from greenroom.tickets import Use

WHIP: Final = "/whip"
WHEP: Final = "/whep"
_AT_ONCE: Final = 8
"""Offers being answered, of the sixteen things that may block at once in a room."""

RoomOf = Callable[[Request], Greenroom]
"""Gives the room that a request is for."""


class Place:
    """The endpoint for one direction, and the sessions that it began.

    Args:
        path: where it is, e.g. `/whip`; its sessions are below.
        use: what its clients do: `publish` is WHIP, `watch` is WHEP.
        room_of: gives the room of a request.
    """

    def __init__(self, path: str, use: Use, room_of: RoomOf) -> None:
        self._path: Final = path
        self._use: Final = use
        self._room_of = room_of
        self._pace = Pace()
        self._beginning = asyncio.Semaphore(_AT_ONCE)

    def routes(self) -> list[Route]:
        """Of the endpoint, and of its sessions."""
        session = self._path + "/{entry_id}/{connection}"
        return [
            Route(self._path, self.at_endpoint, methods=["POST", "GET", "OPTIONS"]),
            Route(session, self.in_session, methods=["PATCH", "DELETE", "GET", "OPTIONS"]),
        ]

    async def at_endpoint(self, request: Request) -> Response:
        """Begin a session, or say how; there is nothing to get."""
        match request.method:
            case "POST":
                return await self.begin(request)
            case "OPTIONS":
                return await self.tell(request)
            case _:
                return Response(status_code=204)

    async def tell(self, request: Request) -> Response:
        """What may be posted; with a ticket also which servers help through (RFC 9725, 4.6).

        For clients that cannot learn of them after their offer.
        """
        told = Response(headers={"Allow": "GET, OPTIONS, POST", "Accept-Post": SDP})
        if shown(request) is not None:
            entry = self._room_of(request).entry(bearer(request), self._use)
            self._pace.take(entry.entry_id)
            for link in links(await entry.ice_servers()):
                told.headers.append("Link", link)
        return told

    async def in_session(self, request: Request) -> Response:
        """Go on with a session, or end it; there is nothing to get."""
        match request.method:
            case "PATCH":
                return await self.trickle(request)
            case "DELETE":
                return await self.end(request)
            case "OPTIONS":
                allowed = "DELETE, GET, OPTIONS, PATCH"
                return Response(headers={"Allow": allowed, "Accept-Patch": FRAGMENT})
            case _:
                return Response(status_code=204)

    async def begin(self, request: Request) -> Response:
        """Answer an offer; under a connection that runs, renegotiate it: same place, same tag."""
        room = self._room_of(request)
        entry = room.entry(bearer(request), self._use)
        require_taker(request, SDP)
        self._pace.take(entry.entry_id)
        sdp = await description(request)
        try:
            async with self._beginning:
                begun = await room.desk.in_thread(begin, entry.reading, self._use, sdp)
        except EntryNotFound as error:  # the place is there; it is the ticket that is dead
            raise Problem(403, error.code, str(error)) from error
        headers = place_of_session(request, self._path, entry.entry_id, begun.ufrag)
        response = Response(begun.answer, 201, headers, media_type=SDP)
        for link in links(begun.servers):
            response.headers.append("Link", link)
        return response

    async def trickle(self, request: Request) -> Response:
        """Take in what addresses the client has found since its offer."""
        entry, ufrag = self._session(request)
        require_type(request, FRAGMENT)
        _require_match(request, _name(ufrag))
        self._pace.take(entry.entry_id)
        said = await text(request)
        try:
            named = Fragment.of(said).ufrag
        except MediaError as error:
            raise Problem(400, error.code, str(error)) from error
        if named != ufrag:
            raise _no_restart()
        try:
            await entry.candidates(said)
        except MediaError as error:
            raise Problem(404, error.code, str(error)) from error
        return Response(status_code=204)

    async def end(self, request: Request) -> Response:
        """Hang up; an entry that has no other connection leaves. Again changes nothing."""
        entry, ufrag = self._session(request)
        if not await entry.hang_up(ufrag):
            await entry.leave()
        return Response(status_code=200)

    def _session(self, request: Request) -> tuple[Entry, str]:
        """The entry and the connection that the address names, for whom they belong to.

        A ticket that has expired will do: nothing is begun with it.
        """
        entry = self._room_of(request).entry(bearer(request))
        if request.path_params["entry_id"] != entry.entry_id:
            raise Problem(403, "not_allowed", "the ticket is of another entry")
        ufrag = _read_name(request.path_params["connection"])
        if ufrag is None:
            raise Problem(404, "not_found", "there is no such session")
        return entry, ufrag


def place_of_session(request: Request, path: str, entry_id: str, ufrag: str) -> dict[str, str]:
    """Headers that say where a connection is gone on with, and ended."""
    name = _name(ufrag)
    root = request.scope.get("root_path", "")
    return {"Location": f"{root}{path}/{entry_id}/{name}", "ETag": f'"{name}"'}


def _no_restart() -> Problem:
    return Problem(422, "ice_restart", "ICE is not restarted; POST an offer of a new connection")


def _require_match(request: Request, tag: str) -> None:
    """Go on only if the request is about the session as it is (RFC 9110, 13.1.1)."""
    said = ",".join(request.headers.getlist("if-match")).strip()
    if not said:
        raise Problem(428, "precondition_required", "expected If-Match with the session's ETag")
    if said == "*":
        raise _no_restart()
    if f'"{tag}"' not in {one.strip() for one in said.split(",")}:
        raise Problem(412, "precondition_failed", "the session has another ETag")


def _name(ufrag: str) -> str:
    """A connection's part of an address."""
    return base64.urlsafe_b64encode(ufrag.encode()).rstrip(b"=").decode()


def _read_name(name: str) -> str | None:
    """The ICE user name of the connection that is meant; None where it is none."""
    try:
        ufrag = base64.urlsafe_b64decode(name.encode() + b"=" * (-len(name) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
    return ufrag if UFRAG.fullmatch(ufrag) and _name(ufrag) == name else None
