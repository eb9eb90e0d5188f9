"""The application to mount."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request

from greenroom.aio import Greenroom
from greenroom.http.invitations import Inviting
from greenroom.http.operating import Operating
from greenroom.http.reading import SDP
from greenroom.http.refusing import HANDLERS
from greenroom.http.sessions import WHEP, WHIP, Place, RoomOf

_EXPOSED: Final = (
    "Location",
    "ETag",
    "Link",
    "Allow",
    "Accept-Post",
    "Accept-Patch",
    "Retry-After",
    "WWW-Authenticate",
)


def media_app(
    room: Greenroom | Callable[[Request], Greenroom],
    *,
    allow_origins: Sequence[str] = ("*",),
    operator_key: str | None = None,
) -> Starlette:
    """Media signalling over HTTP: `POST whip` to send, `POST whep` to receive.

    `POST invitations` is another way to receive: the server offers, again whenever others come.

    Clients show a ticket, `Authorization: Bearer <entry.ticket()>`, which says all there is to say:
    who they are, and which call they have joined. Refusals are problems (RFC 9457) with a `code`
    of `greenroom.errors`, or of HTTP's own.

    Mount it into your own application: `app.mount("/media", media_app(...))`.

    Args:
        room: the room, or a function that gives it for a request, e.g.
            `lambda request: request.state.room`.
        allow_origins: the origins whose pages may ask from a browser (CORS); tickets are not sent
            by browsers of their own accord, so all may. Empty, to have your own application
            answer for that.
        operator_key: a secret, under which `GET metrics` (for Prometheus) and `GET stats` (JSON)
            tell what goes through the media of this process; without one, neither is there.

    Raises:
        InvalidInput: the key is one that can be guessed.
    """
    room_of: RoomOf = (lambda _: room) if isinstance(room, Greenroom) else room
    crossing = Middleware(
        _Crossing,
        allow_origins=allow_origins,
        allow_methods=["GET", "POST", "PATCH", "DELETE", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type", "If-Match"],
        expose_headers=_EXPOSED,
    )
    places = Place(WHIP, "publish", room_of), Place(WHEP, "watch", room_of), Inviting(room_of)
    operating = () if operator_key is None else Operating(room_of, operator_key).routes()
    return Starlette(
        routes=[*(route for place in places for route in place.routes()), *operating],
        middleware=[crossing] if allow_origins else [],
        exception_handlers=HANDLERS,
    )


class _Crossing(CORSMiddleware):
    """CORS, whose answers to a browser's questions say what may be posted (RFC 9725, 4.2)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.preflight_headers["Accept-Post"] = SDP
