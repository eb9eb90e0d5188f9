"""What errors are over HTTP: a status, and a problem that says what happened (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic_core import to_jsonable_python
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from greenroom.domain import errors

_log = logging.getLogger(__name__)

Handler = Callable[[Request, Exception], Awaitable[Response]]

STATUS: Final[Mapping[type[errors.GreenroomError], int]] = {
    errors.InvalidTicket: 401,
    errors.TicketExpired: 401,
    errors.NotAllowed: 403,
    errors.WrongTeam: 403,
    errors.Blocked: 403,
    errors.CallNotFound: 404,
    errors.CallTypeNotFound: 404,
    errors.EntryNotFound: 404,
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
"""By error; one that is not listed has that of its nearest base."""
_AGAIN: Final = (
    errors.Overloaded,
    errors.MediaOverloaded,
    errors.MediaUnavailable,
    errors.OutcomeUnknown,
    errors.Conflict,
)
"""Asking again helps."""


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """What HTTP itself has against a request."""

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}


def status_of(error: errors.GreenroomError) -> int:
    """What an error is over HTTP."""
    return next(STATUS[base] for base in type(error).__mro__ if base in STATUS)


def problem(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **facts: Any
) -> Response:
    """A refusal, for programs (`code`, which never changes) and for people (`detail`)."""
    said = {"title": HTTPStatus(status).phrase, "status": status, "code": code, "detail": detail}
    return JSONResponse(
        said | to_jsonable_python(facts),
        status,
        headers=dict(headers or {}),
        media_type="application/problem+json",
    )


async def refuse(_: Request, error: Exception) -> Response:
    """Say no to what greenroom refuses, with the error's own facts."""
    assert isinstance(error, errors.GreenroomError)  # noqa: S101 - only those are sent here
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # what is wrong with us is for our log alone
        _log.error("%s: %s", error.code, error)
        again = {"Retry-After": "1"} if isinstance(error, _AGAIN) else None
        return problem(status, error.code, "ask again later", again)
    challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    facts = {name: value for name, value in vars(error).items() if not name.startswith("_")}
    headers = challenge if status == HTTPStatus.UNAUTHORIZED else None
    return problem(status, error.code, str(error), headers, **facts)


async def object_to(_: Request, error: Exception) -> Response:
    """Say no to what is wrong with the request itself."""
    assert isinstance(error, Problem)  # noqa: S101 - only those are sent here
    return problem(error.status, error.code, error.detail, error.headers)


async def miss(_: Request, error: Exception) -> Response:
    """Say no where there is no such place, or no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - only those are sent here
    code = HTTPStatus(error.status_code).name.lower()
    return problem(error.status_code, code, error.detail, error.headers)


HANDLERS: Final[Mapping[Any, Handler]] = {
    errors.GreenroomError: refuse,
    Problem: object_to,
    HTTPException: miss,
}
"""For an application's `exception_handlers`."""
