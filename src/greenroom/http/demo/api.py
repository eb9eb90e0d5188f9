"""What the demo's page asks of its server: the commands of named users, as JSON.

THERE IS NO LOGIN: whoever names a user acts as that user. An application takes the name from a
session of its own. Everything else is as it is for any other client: rules, refusals, tickets.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, get_args

from pydantic_core import to_jsonable_python
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from greenroom import Backstage, Member
from greenroom.aio import CallHandle, Entry, Greenroom
from greenroom.domain.errors import InvalidInput
from greenroom.http.demo.history import history
from greenroom.http.reading import bearer, require_type, text
from greenroom.media.port import Kind
from greenroom.projections.query import desc

TICKET_SECONDS: Final = 600
_LATEST: Final = 12
_SHOWN: Final = 100

Said = Mapping[str, Any]
Deed = Callable[[CallHandle, Said], Awaitable[object]]


class Api:
    """Everything below `/api`."""

    def __init__(self, room_of: Callable[[Request], Greenroom]) -> None:
        self._room_of = room_of

    def routes(self) -> list[Route]:
        """One for each sort of request."""
        of_user = "/api/users/{user}/calls"
        of_call = of_user + "/{call_type}/{call_id}"
        return [
            Route("/api/types", self.types),
            Route("/api/recorder", self.recorder),
            Route(of_user, self.calls),
            Route(of_call, self.call),
            Route(of_call + "/history", self.history),
            Route(of_call + "/{deed}", self.deed, methods=["POST"]),
            Route("/api/entry/{deed}", self.own_deed, methods=["POST"]),
        ]

    async def types(self, request: Request) -> Response:
        """Names of the call types."""
        return _answer([one.name for one in await self._room_of(request).call_types.list()])

    async def recorder(self, request: Request) -> Response:
        """Why nothing can be recorded here; empty where it can."""
        room = self._room_of(request)
        core = room.reading._core  # noqa: SLF001 - the same house
        return _answer({"obstacle": await room.desk.in_thread(core.recording_obstacle)})

    async def calls(self, request: Request) -> Response:
        """The latest calls that the user may read."""
        user = self._room_of(request).as_user(request.path_params["user"])
        page = await user.query_calls(sort=[desc("created_at")], limit=_LATEST)
        return _answer(page.items)

    async def call(self, request: Request) -> Response:
        """The call as the user sees it: who is in it, its members, and whether it is recorded."""
        call = self._call(request)
        state = await call.get()
        participants = await call.query_participants(limit=_SHOWN)
        members = await call.query_members(limit=_SHOWN)
        recordings = await call.recordings()
        return _answer(
            {
                "call": state.model_dump(mode="json", exclude={"settings", "recorded"}),
                "participants": participants.items,
                "members": members.items,
                "recording": any(one.stopped_at is None for one in recordings),
            }
        )

    async def history(self, request: Request) -> Response:
        """The call's events as they come."""
        return await history(self._call(request), request)

    async def deed(self, request: Request) -> Response:
        """A command of the user."""
        deed = DEEDS.get(request.path_params["deed"])
        if deed is None:
            raise InvalidInput("deed", f"one of {', '.join(sorted(DEEDS))}")
        return _answer(await deed(self._call(request), await _said(request)))

    async def own_deed(self, request: Request) -> Response:
        """What only the entry itself may do; the ticket says which it is."""
        said = await _said(request)
        match request.path_params["deed"]:
            case "leave":
                return _answer(await self._entry(request).leave())
            case "ticket":  # a new one for an old one, as long as that is valid
                entry = self._room_of(request).entry(bearer(request), "watch")
                return _answer(await _admitted(entry))
            case "unmute":
                return _answer(await self._entry(request).unmute(**_flags(said)))
            case _:
                raise InvalidInput("deed", "one of leave, ticket, unmute")

    def _call(self, request: Request) -> CallHandle:
        at = request.path_params
        return self._room_of(request).as_user(at["user"]).call(at["call_type"], at["call_id"])

    def _entry(self, request: Request) -> Entry:
        return self._room_of(request).entry(bearer(request))


async def _join(call: CallHandle, _: Said) -> object:
    return await _admitted(await call.join())


async def _admitted(entry: Entry) -> object:
    """What a client needs for its media."""
    servers = [
        server.model_dump(
            mode="json", include={"urls", "username", "credential"}, exclude_none=True
        )
        for server in await entry.ice_servers()
    ]
    ticket = entry.ticket(seconds=TICKET_SECONDS)
    return {"entry_id": entry.entry_id, "ticket": ticket, "ice_servers": servers}


async def _create(call: CallHandle, said: Said) -> object:
    hosts = said.get("hosts", [])
    if not isinstance(hosts, list):
        raise InvalidInput("hosts", "a list of user ids")
    members = [Member(user, role="host") for user in hosts]
    backstage = said.get("backstage")
    return await call.create(
        members=members, backstage=None if backstage is None else Backstage(enabled=backstage)
    )


def _flags(said: Said) -> dict[str, Any]:
    kinds = get_args(Kind)
    return {kind: said.get(kind, False) for kind in kinds}


DEEDS: Final[Mapping[str, Deed]] = {
    "create": _create,
    "join": _join,
    "go_live": lambda call, _: call.go_live(),
    "stop_live": lambda call, _: call.stop_live(),
    "end": lambda call, _: call.end(),
    "start_recording": lambda call, _: call.start_recording(),
    "stop_recording": lambda call, _: call.stop_recording(),
    "kick": lambda call, said: call.kick(said.get("user_id", "")),
    "mute": lambda call, said: call.mute([said.get("user_id", "")], **_flags(said)),
    "grant": lambda call, said: call.grant_permissions(
        said.get("user_id", ""), said.get("permissions", ())
    ),
    "revoke": lambda call, said: call.revoke_permissions(
        said.get("user_id", ""), said.get("permissions", ())
    ),
}
"""By the last part of the address."""


async def _said(request: Request) -> Said:
    """The object that the request carries.

    Its type has to be said, which pages of other sites cannot do.

    Raises:
        Problem: it is not JSON by its type.
        InvalidInput: it is no object.
    """
    require_type(request, "application/json")
    body = await text(request)
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise InvalidInput("body", "a JSON object")
    return said


def _answer(said: object) -> Response:
    return JSONResponse(to_jsonable_python(said), headers={"Cache-Control": "no-store"})
