"""Cursors: signed marks between two rows of one query, for one actor."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final

from msgspec import Struct
from msgspec.json import decode, encode

from greenroom.domain.errors import InvalidCursor

_MAC_BYTES: Final = 16
_MAX_LENGTH: Final = 8192

KeyValue = str | int | float


class Cursor(Struct, frozen=True):
    """A mark just before or just behind a row, and the way to read from there."""

    key: tuple[KeyValue, ...]
    """The row's sort values, the last of which no other row has."""
    behind: bool
    """Whether the mark is past the row: reading on skips it, reading back meets it."""
    back: bool
    """Whether to read towards the beginning."""


class Signer:
    """Writes and reads the cursors of one query: of nobody else's, and of no other query."""

    def __init__(self, secret: bytes, bound_to: Callable[[], Sequence[object]]) -> None:
        """Bind to everything that makes this query this query.

        Args:
            secret: known to all processes on the store, and to nobody outside.
            bound_to: gives kind of query, scope, filter, sort, actor; asked once there is a cursor.
        """
        self._secret = secret
        self._bound_to = bound_to

    @cached_property
    def _key(self) -> bytes:
        bound = b"greenroom cursor" + json.dumps(self._bound_to()).encode()
        return hmac.digest(self._secret, bound, "sha256")

    def write(self, cursor: Cursor) -> str:
        """`cursor` as text for the caller to give back."""
        body = encode([cursor.back, cursor.behind, *cursor.key])
        return base64.urlsafe_b64encode(self._mac(body) + body).rstrip(b"=").decode()

    def read(self, said: object) -> Cursor:
        """The cursor that `said` is.

        Raises:
            InvalidCursor: it is damaged, forged, or of another query or actor.
        """
        token = _decoded(said)
        if token is not None:
            mac, body = token[:_MAC_BYTES], token[_MAC_BYTES:]
            if hmac.compare_digest(mac, self._mac(body)):
                # Ours: nobody else can have signed it.
                back, behind, *key = decode(body)
                return Cursor(tuple(key), behind=behind, back=back)
        raise InvalidCursor(
            "cursor", "the `next` or `prev` of a page of this very query, by the same actor"
        )

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_MAC_BYTES]


def _decoded(said: object) -> bytes | None:
    if type(said) is not str or len(said) > _MAX_LENGTH or "+" in said or "/" in said:
        return None  # the last two are Base64's own letters; in a URL others stand for them
    try:
        return base64.b64decode(said + "=" * (-len(said) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
