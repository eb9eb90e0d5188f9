"""Calls over HTTP with FastAPI: one room a process, open as long as the application runs.

`GREENROOM_URL=postgresql://... uvicorn examples.web.fastapi_app:app --workers 4`
"""

import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Final, TypedDict

from fastapi import APIRouter, Depends, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, JsonValue

from greenroom import CallState, Done, errors
from greenroom.aio import CallHandle, Greenroom, UserHandle

log = logging.getLogger(__name__)


class Opened(TypedDict):
    """What is there for every request."""

    room: Greenroom


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[Opened]:
    """Open the room before the first request, and close it after the last."""
    async with Greenroom.open(os.environ.get("GREENROOM_URL", "sqlite:///calls.db")) as room:
        yield {"room": room}


async def caller(
    request: Request, token: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
) -> UserHandle:
    """Who asks.

    THIS IS YOUR APPLICATION'S OWN: check the token here, and take the user id from it (their role
    and teams as well, if you keep them). As it stands, it believes whoever says who they are.
    """
    room: Greenroom = request.state.room
    return room.as_user(token.credentials)


Caller = Annotated[UserHandle, Depends(caller)]


async def called(user: Caller, call_type: str, call_id: str) -> CallHandle:
    """The call that the path names, as the caller may use it."""
    return user.call(call_type, call_id)


async def asked(
    user: Caller, idempotency_key: Annotated[str | None, Header()] = None
) -> str | None:
    """The request's own name, so that the client may ask again; nobody takes another's."""
    return None if idempotency_key is None else f"{user.user_id}:{idempotency_key}"


Call = Annotated[CallHandle, Depends(called)]
Asked = Annotated[str | None, Depends(asked)]


calls = APIRouter(prefix="/calls/{call_type}/{call_id}")


class Plan(BaseModel):
    """What a new call shall be like; what is not said follows its type."""

    member_ids: list[str] = []
    custom: dict[str, JsonValue] = {}
    starts_at: datetime | None = None
    max_participants: int | None = None


class Admission(BaseModel):
    """One connection of the caller, from now on."""

    entry_id: str
    session_id: str


class Member(BaseModel):
    """Somebody who belongs to the call."""

    user_id: str
    role: str


class Members(BaseModel):
    """Some of them; `next` asks for more."""

    items: list[Member]
    next: str | None


@calls.put("")
async def create(call: Call, plan: Plan, request_id: Asked) -> CallState:
    """Create the call, or get it as it is."""
    return await call.create(**dict(plan), request_id=request_id)


@calls.get("")
async def get(call: Call) -> CallState:
    """The call as the caller may see it."""
    return await call.get()


@calls.post("/join", status_code=201)
async def join(call: Call, request_id: Asked) -> Admission:
    """Enter through a new connection."""
    entry = await call.join(request_id=request_id)
    return Admission(entry_id=entry.entry_id, session_id=entry.session_id)


@calls.post("/leave")
async def leave(call: Call, request_id: Asked) -> Done:
    """Leave with every connection."""
    return await call.leave(request_id=request_id)


@calls.get("/members")
async def members(
    call: Call, role: str | None = None, cursor: str | None = None, limit: int = 25
) -> Members:
    """Who belongs to the call, oldest first."""
    filters = {} if role is None else {"role": role}
    page = await call.query_members(filters, cursor=cursor, limit=limit)
    items = [Member(user_id=item.user_id, role=item.role) for item in page.items]
    return Members(items=items, next=page.next)


@calls.post("/end")
async def end(call: Call, request_id: Asked) -> CallState:
    """End it for everyone."""
    return await call.end(request_id=request_id)


STATUS: Final[Mapping[type[errors.GreenroomError], int]] = {
    errors.CallNotFound: 404,
    errors.CallTypeNotFound: 404,
    errors.NotAllowed: 403,
    errors.WrongTeam: 403,
    errors.Blocked: 403,
    errors.Refused: 409,  # as things stand; they may change
    errors.InvalidInput: 422,
    errors.RequestMismatch: 422,
    errors.MediaOverloaded: 503,
    errors.MediaUnavailable: 503,
    errors.MediaError: 422,
    errors.Conflict: 503,
    errors.StoreError: 503,
    errors.GreenroomError: 500,
}
AGAIN: Final = (
    errors.Overloaded,
    errors.MediaOverloaded,
    errors.MediaUnavailable,
    errors.OutcomeUnknown,
    errors.Conflict,
)
"""Asking again helps; under the same key it does no harm whatever became of the first."""


def status(kind: type[errors.GreenroomError]) -> int:
    """What an error of this kind is over HTTP."""
    return next(STATUS[base] for base in kind.__mro__ if base in STATUS)


async def refuse(_: Request, error: Exception) -> JSONResponse:
    """Say no over HTTP: `code` is for programs and never changes, `message` is for people."""
    assert isinstance(error, errors.GreenroomError)
    code, message = status(type(error)), str(error)
    if code >= 500:  # where the store is, and what is wrong with it, is for us alone
        log.error("%s: %s", error.code, error)
        message = "ask again later"
    said: dict[str, Any] = {"code": error.code, "message": message}
    if isinstance(error, errors.InvalidInput):
        said["path"] = error.path
    return JSONResponse(said, code, {"Retry-After": "1"} if isinstance(error, AGAIN) else None)


async def misread(_: Request, error: Exception) -> JSONResponse:
    """Say the same of what could not even be read."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    path = ".".join(str(step) for step in first["loc"][1:])
    said = {"code": "invalid_input", "message": f"{path}: {first['msg']}", "path": path}
    return JSONResponse(said, status(errors.InvalidInput))


app = FastAPI(
    title="Calls",
    lifespan=lifespan,
    exception_handlers={errors.GreenroomError: refuse, RequestValidationError: misread},
)
app.include_router(calls)
