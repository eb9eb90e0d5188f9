"""Calls over HTTP with Django: one room a process, opened by the first request that needs it."""

import atexit
import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from greenroom import CallHandle, Greenroom, UserHandle, errors

log = logging.getLogger(__name__)


class OneRoom:
    """The room of this process.

    It is opened when it is first asked for, not when the application is loaded: servers load it
    and then fork their workers, and a room's threads would stay with the parent.
    """

    def __init__(self) -> None:
        """None is open yet."""
        self._turn = threading.Lock()
        self._rooms: dict[int, Greenroom] = {}  # by process: a child has none of its own yet
        atexit.register(self.close)

    def __call__(self) -> Greenroom:
        """The room, open."""
        with self._turn:
            if os.getpid() not in self._rooms:
                self._rooms[os.getpid()] = Greenroom.open(settings.GREENROOM_URL)
            return self._rooms[os.getpid()]

    def close(self) -> None:
        """Finish what is being recorded; opened again when somebody asks."""
        with self._turn:
            room = self._rooms.pop(os.getpid(), None)
        if room is not None:
            room.close()


room = OneRoom()


def caller(request: HttpRequest) -> UserHandle:
    """Who asks.

    THIS IS YOUR APPLICATION'S OWN: take `request.user` of your authentication here. As it stands,
    it believes whoever says who they are.
    """
    scheme, _, name = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise PermissionDenied
    return room().as_user(name)


def called(request: HttpRequest, call_type: str, call_id: str) -> CallHandle:
    """The call that the path names, as the caller may use it."""
    return caller(request).call(call_type, call_id)


def asked(request: HttpRequest) -> str | None:
    """The request's own name, so that the client may ask again; nobody takes another's."""
    key = request.headers.get("Idempotency-Key")
    return None if key is None else f"{caller(request).user_id}:{key}"


def said(request: HttpRequest) -> dict[str, Any]:
    """What the client says in the body."""
    try:
        found = json.loads(request.body or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise errors.InvalidInput("body", "a JSON object")
    return found


@require_http_methods(["GET", "PUT"])
def call(request: HttpRequest, call_type: str, call_id: str) -> JsonResponse:
    """The call as it is; PUT creates it, or gets it as it is."""
    handle = called(request, call_type, call_id)
    if request.method == "GET":
        state = handle.get()
    else:
        plan = said(request)
        state = handle.create(
            member_ids=plan.get("member_ids", ()),
            custom=plan.get("custom"),
            max_participants=plan.get("max_participants"),
            request_id=asked(request),
        )
    return JsonResponse(state.model_dump(mode="json"))


@require_POST
def join(request: HttpRequest, call_type: str, call_id: str) -> JsonResponse:
    """Enter through a new connection."""
    entry = called(request, call_type, call_id).join(request_id=asked(request))
    admission = {"entry_id": entry.entry_id, "session_id": entry.session_id}
    return JsonResponse(admission, status=201)


@require_POST
def leave(request: HttpRequest, call_type: str, call_id: str) -> JsonResponse:
    """Leave with every connection."""
    done = called(request, call_type, call_id).leave(request_id=asked(request))
    return JsonResponse(done.model_dump(mode="json"))


@require_GET
def members(request: HttpRequest, call_type: str, call_id: str) -> JsonResponse:
    """Who belongs to the call, oldest first; `next` asks for more."""
    role, cursor = request.GET.get("role"), request.GET.get("cursor")
    filters = {} if role is None else {"role": role}
    page = called(request, call_type, call_id).query_members(filters, cursor=cursor)
    items = [{"user_id": item.user_id, "role": item.role} for item in page.items]
    return JsonResponse({"items": items, "next": page.next})


@require_POST
def end(request: HttpRequest, call_type: str, call_id: str) -> JsonResponse:
    """End it for everyone."""
    state = called(request, call_type, call_id).end(request_id=asked(request))
    return JsonResponse(state.model_dump(mode="json"))


_CALL: Final = "calls/<str:call_type>/<str:call_id>"
urlpatterns: Final = [
    path(_CALL, call),
    path(f"{_CALL}/join", join),
    path(f"{_CALL}/leave", leave),
    path(f"{_CALL}/members", members),
    path(f"{_CALL}/end", end),
]


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


class Refusals:
    """Middleware that says no over HTTP: `code` is for programs and never changes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Stand before what answers requests."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Let it through."""
        return self._get_response(request)

    def process_exception(self, _: HttpRequest, error: Exception) -> HttpResponse | None:
        """The answer to an error of ours; others are Django's business."""
        if not isinstance(error, errors.GreenroomError):
            return None
        code, message = status(type(error)), str(error)
        if code >= 500:  # where the store is, and what is wrong with it, is for us alone
            log.error("%s: %s", error.code, error)
            message = "ask again later"
        said: dict[str, Any] = {"code": error.code, "message": message}
        if isinstance(error, errors.InvalidInput):
            said["path"] = error.path
        headers = {"Retry-After": "1"} if isinstance(error, AGAIN) else None
        return JsonResponse(said, status=code, headers=headers)
