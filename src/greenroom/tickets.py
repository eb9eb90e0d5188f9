"""Tickets: what a client shows to set up the media of its entry, made for it by its backend."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, get_args

from msgspec import Struct
from msgspec.json import Decoder, Encoder

from greenroom.answers import EntryState
from greenroom.domain import checks
from greenroom.domain.errors import InvalidInput, InvalidTicket, NotAllowed, TicketExpired
from greenroom.domain.message import CallId, EntryId, SessionId, UserId

Use = Literal["publish", "watch"]
"""What a ticket is for: sending, or receiving."""
USES: Final[tuple[Use, ...]] = get_args(Use)
_BY_NAME: Final[Mapping[str, Use]] = {use: use for use in USES}

LONGEST: Final = 86_400
"""Seconds that a ticket may be valid for: a day."""
_MAC_BYTES: Final = 32
_MAX_LENGTH: Final = 2048


def known(use: object, path: str) -> Use:
    """One of the uses, checked."""
    found = _BY_NAME.get(use) if type(use) is str else None
    if found is None:
        raise InvalidInput(path, f"one of {', '.join(USES)}", checks.nearest(use, USES))
    return found


class Ticket(Struct, frozen=True, array_like=True):
    """An entry, what may be begun for it, and until when."""

    cid: CallId
    entry_id: EntryId
    session_id: SessionId
    user_id: UserId
    version: int
    position: int
    uses: tuple[Use, ...]
    expires_at: int
    """Seconds since 1970."""

    @classmethod
    def of(cls, entry: EntryState, uses: tuple[Use, ...], seconds: int, now: datetime) -> Ticket:
        """For an entry, from now on.

        Raises:
            InvalidInput: no such use, none at all, or not a length of time.
        """
        for number, use in enumerate(uses):
            known(use, f"uses[{number}]")
        valid = timedelta(seconds=checks.integer(seconds, "seconds", 1, LONGEST))
        return cls(
            entry.cid,
            entry.entry_id,
            entry.session_id,
            entry.user_id,
            entry.version,
            entry.position,
            uses or USES,
            int((now + valid).timestamp()),
        )

    def entry(self) -> EntryState:
        """The entry, as the join answered it."""
        return EntryState(
            version=self.version,
            position=self.position,
            cid=self.cid,
            entry_id=self.entry_id,
            session_id=self.session_id,
            user_id=self.user_id,
        )

    def admits(self, use: Use, now: datetime) -> None:
        """Go on only if `use` may be begun now.

        Raises:
            InvalidInput: there is no such use.
            TicketExpired: it was valid once.
            NotAllowed: it was made for something else.
        """
        if now >= datetime.fromtimestamp(self.expires_at, UTC):
            raise TicketExpired(datetime.fromtimestamp(self.expires_at, UTC))
        if known(use, "use") not in self.uses:
            raise NotAllowed(f"the ticket of {self.user_id}", use)


_ENCODE: Final = Encoder().encode
_DECODE: Final = Decoder(Ticket).decode


class Tickets:
    """Writes tickets, and reads those that it, or another process on the same store, has written.

    Args:
        secret: of the store, known to nobody outside.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"greenroom ticket", "sha256")

    def write(self, ticket: Ticket) -> str:
        """As text that goes into a header as it is."""
        body = _ENCODE(ticket)
        return base64.urlsafe_b64encode(self._mac(body) + body).rstrip(b"=").decode()

    def read(self, said: object) -> Ticket:
        """The ticket that `said` is, whether it is still valid or not.

        Raises:
            InvalidTicket: it is damaged, forged, or of another store.
        """
        token = _decoded(said)
        if token is not None:
            mac, body = token[:_MAC_BYTES], token[_MAC_BYTES:]
            if hmac.compare_digest(mac, self._mac(body)):
                return _DECODE(body)  # ours: nobody else can have signed it
        raise InvalidTicket("ticket", "one that an entry of this store has made")

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")


def _decoded(said: object) -> bytes | None:
    if type(said) is not str or len(said) > _MAX_LENGTH or "+" in said or "/" in said:
        return None  # the last two are Base64's own letters; here others stand for them
    try:
        return base64.b64decode(said + "=" * (-len(said) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
