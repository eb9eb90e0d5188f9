"""Looks at the counters of processes that carry media."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from msgspec import MsgspecError
from msgspec.json import Decoder

from greenroom.cli.opening import inside, opened
from greenroom.domain.errors import InvalidInput, MediaError
from greenroom.domain.message import CallId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media_stats import CallMediaStats, RoomMediaStats
from greenroom.waiting import Waiting
from greenroom.workers.control import Asked

if TYPE_CHECKING:
    from greenroom.workers.asking import Asking

PATIENCE: Final = 3.0
"""Seconds that a process may take to answer."""
_MOST_BYTES: Final = 50_000_000


@dataclass(frozen=True, slots=True)
class Look:
    """What a process answered."""

    at: float
    """Seconds of its own clock."""
    load: float | None
    counted: MediaStatistics
    calls: Mapping[CallId, CallMediaStats]


class Place(Protocol):
    """A process that is asked."""

    @property
    def name(self) -> str:
        """What people are to call it."""
        ...

    def look(self) -> Look:
        """Ask once.

        Raises:
            MediaError: it does not answer, or not that.
        """
        ...


@dataclass(frozen=True, slots=True)
class HttpPlace:
    """A process that mounts `media_app`: where it answers, and the key it asks for."""

    url: str
    key: str

    @property
    def name(self) -> str:
        """Host and port."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def look(self) -> Look:
        """Ask once.

        Raises:
            MediaError: it cannot be reached, does not take the key, or answers something else.
        """
        request = Request(self.url, headers={"Authorization": f"Bearer {self.key}"})  # noqa: S310 - `place_of` lets http and https pass
        try:
            with _OPENER.open(request, timeout=PATIENCE) as answer:
                status, body = answer.status, answer.read(_MOST_BYTES)
        except HTTPError as error:
            status, body = error.code, b""
        except (URLError, OSError, ValueError) as error:
            raise MediaError(f"{self.url}: {getattr(error, 'reason', error)}") from error
        if status != HTTPStatus.OK:
            raise MediaError(f"{self.url}: {_MEANING.get(status, f'it answers {status}')}")
        try:
            return _DECODER.decode(body)
        except MsgspecError as error:
            raise MediaError(f"{self.url}: these are no counters of media ({error})") from error


class _Nowhere(HTTPRedirectHandler):
    """Follows no redirection: the key is for this place alone."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """No request."""


_OPENER: Final = build_opener(_Nowhere)
_DECODER: Final = Decoder(Look)
_MEANING: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "it does not take the key; set GREENROOM_OPERATOR_KEY to its own",
    HTTPStatus.NOT_FOUND: "there are no counters; is media_app mounted there, with operator_key=?",
}


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """A media worker."""

    name: str
    url: str
    asking: Asking

    def look(self) -> Look:
        """Ask once."""
        told: RoomMediaStats = self.asking.ask(self.url, Asked("stats"))
        return Look(monotonic(), told.load, told.counted, told.calls)


@contextmanager
def workers_of(store: str) -> Iterator[Callable[[], Sequence[Place]]]:
    """Finds the media workers of a store that are alive, each time it is asked.

    Raises:
        InvalidInput: no other process can have the store.
        MediaError: the extra `workers` is not installed.
    """
    try:
        from greenroom.workers.asking import Asking  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MediaError("it needs the extra: pip install 'greenroom[workers]'") from error
    with opened(store) as room:
        core = inside(room)
        if core.leases is None:
            raise InvalidInput("--store", "a store that other processes can have")
        with closing(core.leases()) as leases:
            asking = Asking(core.signatures(), Waiting(), PATIENCE)
            try:
                yield lambda: [
                    WorkerPlace(one.worker.name, one.worker.url, asking)
                    for one in leases.roster()
                    if one.worker.url
                ]
            finally:
                asking.stop()


def place_of(url: str, key: str) -> HttpPlace:
    """Where `stats` is, for who names the server, where media is mounted, or `stats` itself.

    Raises:
        InvalidInput: not a URL of HTTP.
    """
    wrong = InvalidInput("URL", "where media is served, e.g. http://127.0.0.1:8080/media")
    try:
        said = urlsplit(url)
        fine = said.scheme in ("http", "https") and bool(said.hostname) and said.port != 0
    except ValueError:
        raise wrong from None
    if not fine:
        raise wrong
    path = said.path.rstrip("/") or "/media"
    path = path if path.endswith("/stats") else f"{path}/stats"
    return HttpPlace(urlunsplit((said.scheme, said.netloc, path, said.query, "")), key)
