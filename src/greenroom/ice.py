"""STUN and TURN servers that clients are told of, with credentials for a limited time.

The credentials are those of the TURN REST scheme (`draft-uberti-behave-turn-rest-00`, never a
standard and followed by coturn and most TURN services): the user name says until when it is good,
the password is its HMAC-SHA1 under a secret that the TURN server shares.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict

from greenroom.domain import checks
from greenroom.domain.errors import InvalidInput
from greenroom.domain.message import EntryId

MOST: Final = 10
"""Servers of a room, and addresses of a server."""
A_DAY: Final = timedelta(days=1)
_URL: Final = re.compile(
    r"(?:stuns?:[\w.\-\[\]:]{1,255}|turns?:[\w.\-\[\]:]{1,255}(?:\?transport=(?:udp|tcp))?)",
    re.ASCII,
)
_SHORTEST: Final = timedelta(minutes=1)
_LONGEST: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServer:
    """A STUN or TURN server, as the embedder knows it.

    A TURN server has a `secret` (coturn: `use-auth-secret`, `static-auth-secret`), from which each
    entry gets credentials of its own, or a fixed `username` and `credential`.
    """

    urls: Sequence[str]
    """`stun:host`, `turn:host:3478?transport=udp`, `turns:host:5349` ... (RFC 7064, RFC 7065)."""
    secret: str | None = field(default=None, repr=False)
    valid: timedelta = A_DAY
    """How long credentials made of the secret are good: longer than a call may last."""
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


class IceAccess(BaseModel):
    """A STUN or TURN server, as one client may use it.

    `model_dump(mode="json", exclude_none=True)` is what a browser's `RTCPeerConnection` takes as
    one of its `iceServers`.
    """

    model_config = ConfigDict(frozen=True)

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None
    expires_at: datetime | None = None
    """Until when the credentials are good; None where they are for ever, or there are none."""


def checked(servers: object) -> tuple[IceServer, ...]:
    """Servers that clients can be told of.

    Raises:
        InvalidInput: with the path of the fault.
    """
    found = checks.listed(servers, "ice_servers")
    if len(found) > MOST:
        raise InvalidInput("ice_servers", f"a list of at most {MOST} IceServer")
    return tuple(_server(one, path) for path, one in found)


def access(server: IceServer, entry_id: EntryId, now: datetime) -> IceAccess:
    """What the client of an entry is told of a server."""
    if server.secret is None:
        return IceAccess(
            urls=tuple(server.urls), username=server.username, credential=server.credential
        )
    expires_at = (now + server.valid).replace(microsecond=0)
    username = f"{int(expires_at.timestamp())}:{entry_id}"
    mac = hmac.digest(server.secret.encode(), username.encode(), "sha1")
    return IceAccess(
        urls=tuple(server.urls),
        username=username,
        credential=base64.b64encode(mac).decode(),
        expires_at=expires_at,
    )


def _server(server: object, path: str) -> IceServer:
    if type(server) is not IceServer:
        raise InvalidInput(path, "an IceServer")
    urls = _urls(server.urls, f"{path}.urls")
    secret, username, credential = (
        None if said is None else checks.text(said, f"{path}.{name}", 1000)
        for name, said in (
            ("secret", server.secret),
            ("username", server.username),
            ("credential", server.credential),
        )
    )
    if any(url.startswith("turn") for url in urls):
        fixed = bool(username) and bool(credential)
        if bool(secret) == fixed:
            raise InvalidInput(f"{path}.secret", "either a secret, or a username and a credential")
    valid = (
        timedelta.__pos__(server.valid) if checks.is_a(server.valid, timedelta) else timedelta(0)
    )
    if not _SHORTEST <= valid <= _LONGEST:
        raise InvalidInput(f"{path}.valid", "a timedelta from a minute to 30 days")
    return IceServer(
        urls=urls, secret=secret, valid=valid, username=username, credential=credential
    )


def _urls(urls: object, path: str) -> tuple[str, ...]:
    found = checks.listed(urls, path)
    if not 0 < len(found) <= MOST:
        raise InvalidInput(path, f"a list of 1 to {MOST} addresses")
    return tuple(_url(url, where) for where, url in found)


def _url(url: object, path: str) -> str:
    plain = checks.text(url, path, 300)
    if _URL.fullmatch(plain) is None:
        raise InvalidInput(path, "stun:host or turn:host:port?transport=udp, or of stuns or turns")
    return plain
