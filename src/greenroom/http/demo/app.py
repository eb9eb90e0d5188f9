"""The demo's application: its page, what the page asks, and the media of any client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from greenroom.aio import Greenroom
from greenroom.http.app import media_app
from greenroom.http.demo.api import Api
from greenroom.http.refusing import HANDLERS

STATIC: Final = Path(__file__).parent / "static"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


def demo_app(
    room_of: Callable[[Request], Greenroom],
    *,
    hosts: Sequence[str] = ("*",),
    operator_key: str | None = None,
) -> Starlette:
    """The page at `/`, its requests below `/api`, WHIP and WHEP below `/media`.

    Args:
        room_of: gives the room of a request.
        hosts: names that it answers to. A page of others, whose name leads to this machine, would
            otherwise act here as anybody.
        operator_key: as for `media_app`.
    """
    return Starlette(
        routes=[
            Route("/", _page),
            *Api(room_of).routes(),
            Mount("/media", media_app(room_of, operator_key=operator_key)),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(_Guarded),
        ],
        exception_handlers=HANDLERS,
    )


async def _page(_: Request) -> Response:
    return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})


class _Guarded:
    """Tells browsers what pages of here may do: nothing but what they are made for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with a policy."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", _POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        await self._app(scope, receive, guarded)
