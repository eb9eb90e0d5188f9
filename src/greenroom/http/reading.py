"""Requests, read with suspicion: who asks, what they send, and no more of it than it may be."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from greenroom.http.refusing import Problem

SDP: Final = "application/sdp"
FRAGMENT: Final = "application/trickle-ice-sdpfrag"
MAX_BODY: Final = 65_536
"""Bytes of a body."""
PATIENCE: Final = 10.0
"""Seconds that a body may take to arrive."""


def shown(request: Request) -> str | None:
    """The secret that the client shows; None where it shows none, or more than one."""
    said = request.headers.getlist("authorization")
    scheme, _, secret = said[0].partition(" ") if len(said) == 1 else ("", "", "")
    return (secret.strip() or None) if scheme.lower() == "bearer" else None


def bearer(request: Request) -> str:
    """The ticket that the client shows.

    Raises:
        Problem: it shows none, or more than one.
    """
    ticket = shown(request)
    if ticket is None:
        challenge = {"WWW-Authenticate": "Bearer"}
        detail = "expected one header `Authorization: Bearer` with a ticket of the entry"
        raise Problem(401, "ticket_required", detail, challenge)
    return ticket


def require_type(request: Request, expected: str) -> None:
    """Go on only if the body is of this type.

    Raises:
        Problem: it is of another, or does not say.
    """
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said != expected:
        named = "Accept-Patch" if request.method == "PATCH" else "Accept-Post"
        detail = f"expected a body of type {expected}"
        raise Problem(415, "unsupported_media_type", detail, {named: expected})


def require_taker(request: Request, offered: str) -> None:
    """Go on only if the client takes an answer of this type.

    Raises:
        Problem: it says what it takes, and that is not among it.
    """
    said = ",".join(request.headers.getlist("accept"))
    taken = {
        one.partition(";")[0].strip().lower()
        for one in said.split(",")
        if one.partition(";")[2].replace(" ", "") not in ("q=0", "q=0.0")
    }
    group = offered.partition("/")[0] + "/*"
    if said and not taken & {offered, group, "*/*"}:
        raise Problem(406, "not_acceptable", f"the answer is of type {offered}")


async def text(request: Request) -> str:
    """The body.

    Raises:
        Problem: it is too big, too slow, or no text.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            body = await _body(request)
    except TimeoutError:
        raise Problem(408, "request_timeout", "the body took too long") from None
    except ClientDisconnect:
        raise Problem(400, "bad_request", "the body ended early") from None
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Problem(400, "bad_request", "expected a body in UTF-8") from None


async def description(request: Request) -> str:
    """The session description that the body is.

    Raises:
        Problem: it is of another type, too big, too slow, or nothing like one.
    """
    require_type(request, SDP)
    said = await text(request)
    if not said.startswith("v=0"):
        raise Problem(400, "bad_request", "expected a session description: it begins with v=0")
    return said


async def _body(request: Request) -> bytes:
    too_big = Problem(413, "content_too_large", f"expected a body of at most {MAX_BODY} bytes")
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced[:20]) > MAX_BODY:
        raise too_big
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise too_big
    return bytes(body)
