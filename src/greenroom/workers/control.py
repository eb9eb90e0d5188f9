"""What media workers are asked, and how: over HTTP, signed with a secret of the store.

`POST /ask` with an `Asked` is answered with an `Answered`. `GET /news` streams, a line each, the
entries whose clients should ask to be invited again: `READY` first, and empty lines meanwhile.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from greenroom.domain import errors
from greenroom.domain.errors import GreenroomError
from greenroom.domain.message import CallId, EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.port import Invitation, Source
from greenroom.media_stats import RoomMediaStats

ASK: Final = "/ask"
NEWS: Final = "/news"
READY: Final = "ready"
"""The first line of the news: from here on none is missed."""
SILENCE: Final = 1.0
"""Seconds after which an empty line says that the news go on."""
MOST_BYTES: Final = 1 << 20
"""Of one question."""

QUESTIONS: Final[Mapping[str, tuple[Any, Any]]] = {
    "offer": (tuple[CallId, EntryId, str], str),
    "candidates": (tuple[CallId, EntryId, str], None),
    "hang_up": (tuple[CallId, EntryId, str], bool),
    "invite": (tuple[CallId, EntryId, int], Invitation | None),
    "accept": (tuple[CallId, EntryId, int, str], None),
    "slots": (tuple[CallId, EntryId], dict[str, Source | None]),
    "statistics": (tuple[CallId], dict[EntryId, MediaStatistics]),
    "stats": (tuple[()], RoomMediaStats),
    "recording_obstacle": (tuple[()], str),
}
"""What may be asked, in the words of `Signalling`: the kinds of its arguments and its answer."""

_SCHEME: Final = "Greenroom"
_VALID: Final = 300
"""Seconds that a signature is good for: clocks of machines differ."""


class Asked(Struct, frozen=True):
    """One question to a worker."""

    operation: str
    arguments: tuple[str | int, ...] = ()


class Answered(Struct, frozen=True):
    """Its answer, or why there is none."""

    answer: Any = None
    code: str | UnsetType = UNSET
    """Of an error in `greenroom.errors`."""
    message: str = ""


class Signatures:
    """Signs questions, and tells those of this store's processes from all others.

    Args:
        secret: of the store, known to nobody outside.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"greenroom media control", "sha256")

    def sign(self, path: str, body: bytes) -> str:
        """The header `Authorization` for that."""
        at = str(int(time.time()))
        return f"{_SCHEME} {at}.{self._mac(at, path, body)}"

    def hold(self, header: str, path: str, body: bytes) -> bool:
        """Whether a process of this store has signed that, a while ago at most."""
        scheme, _, said = header.partition(" ")
        at, _, mac = said.partition(".")
        if scheme != _SCHEME or not (at.isascii() and at.isdigit() and len(at) <= 12):  # noqa: PLR2004 - digits of a time
            return False
        fresh = abs(time.time() - int(at)) <= _VALID
        return hmac.compare_digest(self._mac(at, path, body).encode(), mac.encode()) and fresh

    def _mac(self, at: str, path: str, body: bytes) -> str:
        said = b"\n".join((at.encode(), path.encode(), body))
        return hmac.digest(self._key, said, "sha256").hex()


encode: Final = msgspec.json.Encoder().encode
read_question: Final = msgspec.json.Decoder(Asked).decode
_read_answer: Final = msgspec.json.Decoder(Answered).decode


def arguments(asked: Asked) -> tuple[Any, ...]:
    """What is asked about, checked.

    Raises:
        InvalidInput: nothing of that name is answered, or not about that.
    """
    if asked.operation not in QUESTIONS:
        raise errors.InvalidInput("operation", f"one of {', '.join(QUESTIONS)}")
    try:
        found: tuple[Any, ...] = msgspec.convert(asked.arguments, QUESTIONS[asked.operation][0])
    except msgspec.ValidationError as error:
        raise errors.InvalidInput("arguments", str(error)) from error
    return found


def refusal(error: GreenroomError) -> Answered:
    """The answer where there is none."""
    return Answered(code=error.code, message=str(error))


def understood(asked: Asked, body: bytes) -> Any:
    """What a worker answered.

    Raises:
        GreenroomError: what it refused with.
        MediaUnavailable: it is no worker of this version.
    """
    try:
        told = _read_answer(body)
        if isinstance(told.code, str):
            raise _error(asked, told.code, told.message)
        return msgspec.convert(told.answer, QUESTIONS[asked.operation][1])
    except msgspec.MsgspecError as error:
        raise errors.MediaUnavailable(f"a media worker cannot be understood: {error}") from error


def _error(asked: Asked, code: str, message: str) -> GreenroomError:
    match code:
        case errors.EntryNotFound.code:
            return errors.EntryNotFound(EntryId(str(asked.arguments[1])))
        case errors.MediaOverloaded.code:
            return errors.MediaOverloaded(message)
        case errors.MediaUnavailable.code | errors.StoreClosed.code:
            return errors.MediaUnavailable(message)
        case errors.StoreError.code:
            return errors.StoreError(message)
        case _:
            return errors.MediaError(message)


def about(cid: CallId, entry_id: EntryId, *said: str | int) -> tuple[str | int, ...]:
    """The arguments of a question about an entry."""
    return (cid, entry_id, *said)
