"""Offers by the server, over HTTP: a long poll for each, and its answer.

WHIP and WHEP know of offers by the client alone. Here it asks what it is to receive, and is told
again whenever that changes; so it need not know how many the others are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from pydantic_core import to_jsonable_python
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from greenroom.aio import Entry
from greenroom.domain.errors import EntryNotFound, MediaError, MediaOverloaded
from greenroom.domain.message import EntryId
from greenroom.http.pacing import Pace
from greenroom.http.reading import SDP, bearer, description, require_taker
from greenroom.http.refusing import Problem
from greenroom.http.sessions import WHEP, RoomOf, place_of_session
from greenroom.media.description import Description
from greenroom.media.port import Invitation

T = TypeVar("T")

PATH: Final = "/invitations"
LONGEST_WAIT: Final = 60
"""Seconds that a client may wait for an invitation; by default 25."""
_MOST_DIGITS: Final = 15


class Inviting:
    """Where clients ask to be invited, and answer. One waits for an entry at a time.

    Args:
        room_of: gives the room of a request.
    """

    def __init__(self, room_of: RoomOf) -> None:
        self._room_of = room_of
        self._pace = Pace()
        self._looks = Pace(at_once=40, every=0.2)
        self._waiting: dict[EntryId, asyncio.Future[None]] = {}
        """Done when somebody else begins to wait for the same entry."""

    def routes(self) -> list[Route]:
        """Of asking, of answering, and of who is on which line."""
        one = PATH + "/{entry_id}/{number}"
        return [
            Route(PATH, self.at_endpoint, methods=["POST", "OPTIONS"]),
            Route(one, self.at_invitation, methods=["PATCH", "OPTIONS"]),
            Route("/slots", self.slots),
        ]

    async def at_endpoint(self, request: Request) -> Response:
        """Be invited, or be told how."""
        if request.method == "OPTIONS":
            return Response(headers={"Allow": "OPTIONS, POST"})
        return await self.invite(request)

    async def at_invitation(self, request: Request) -> Response:
        """Accept, or be told how."""
        if request.method == "OPTIONS":
            return Response(headers={"Allow": "OPTIONS, PATCH", "Accept-Patch": SDP})
        return await self.accept(request)

    async def invite(self, request: Request) -> Response:
        """The server's offer, as soon as there is another than the one that was accepted last."""
        after = _asked(request, "after", 0, 10**_MOST_DIGITS)
        seconds = _asked(request, "wait", 25, LONGEST_WAIT)
        # Who goes on with a connection began it with a ticket that may have expired since.
        entry = self._room_of(request).entry(bearer(request), None if after else "watch")
        require_taker(request, SDP)
        self._pace.take(entry.entry_id)
        try:
            invited = entry.next_invitation(after=after, seconds=seconds)
            invitation = await self._alone(entry.entry_id, request, invited)
        except EntryNotFound as error:  # the place is there; it is the ticket that is dead
            raise Problem(403, error.code, str(error)) from error
        except MediaOverloaded:
            raise
        except MediaError as error:
            raise (Problem(409, "connection_over", str(error)) if after else error) from error
        if invitation is None:
            return Response(status_code=204, headers={"Cache-Control": "no-store"})
        return _offered(request, entry, invitation)

    async def accept(self, request: Request) -> Response:
        """Take the client's answer; what it begins is a session as any of WHEP."""
        entry = self._own(request)
        number = request.path_params["number"]
        if not number.isdecimal() or not number.isascii() or len(number) > _MOST_DIGITS:
            raise Problem(404, "not_found", "there is no such invitation")
        self._pace.take(entry.entry_id)
        sdp = await description(request)
        described = Description.of_answer(sdp)
        await entry.accept(int(number), sdp)
        place = place_of_session(request, WHEP, entry.entry_id, described.ufrag)
        return Response(status_code=204, headers=place)

    async def slots(self, request: Request) -> Response:
        """Whose audio or video is on which media line, by `mid`; null where it is free."""
        entry = self._room_of(request).entry(bearer(request))
        self._looks.take(entry.entry_id)
        found = to_jsonable_python(await entry.slots())
        return JSONResponse(found, headers={"Cache-Control": "no-store"})

    def _own(self, request: Request) -> Entry:
        entry = self._room_of(request).entry(bearer(request))
        if request.path_params["entry_id"] != entry.entry_id:
            raise Problem(403, "not_allowed", "the ticket is of another entry")
        return entry

    async def _alone(self, entry_id: EntryId, request: Request, coming: Awaitable[T]) -> T | None:
        """What comes; None where the client goes, or asks once more, before it does."""
        former = self._waiting.pop(entry_id, None)
        if former is not None and not former.done():
            former.set_result(None)
        relieved = self._waiting[entry_id] = asyncio.get_running_loop().create_future()
        ends = [asyncio.ensure_future(coming), relieved, asyncio.ensure_future(_gone(request))]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return await ends[0] if ends[0].done() else None
        finally:
            for one in ends:
                one.cancel()
            if self._waiting.get(entry_id) is relieved:
                del self._waiting[entry_id]


async def _gone(request: Request) -> None:
    """Wait until the client has gone; whatever else it sends is of no interest."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _asked(request: Request, name: str, default: int, most: int) -> int:
    """A number of the query.

    Raises:
        Problem: it is none, or too big.
    """
    said = request.query_params.get(name)
    if said is None:
        return default
    if said.isascii() and said.isdecimal() and len(said) <= _MOST_DIGITS and int(said) <= most:
        return int(said)
    raise Problem(400, "bad_request", f"expected {name} to be a whole number from 0 to {most}")


def _offered(request: Request, entry: Entry, invitation: Invitation) -> Response:
    root = request.scope.get("root_path", "")
    place = f"{root}{PATH}/{entry.entry_id}/{invitation.number}"
    headers = {"Location": place, "Cache-Control": "no-store"}
    return Response(invitation.sdp, 201, headers, media_type=SDP)
