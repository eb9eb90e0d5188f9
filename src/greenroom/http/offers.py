"""Offers as WHIP and WHEP have them: one way alone, whatever the client wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from greenroom.domain.errors import MediaError
from greenroom.entry import Entry
from greenroom.ice import IceAccess
from greenroom.media.description import Description
from greenroom.tickets import Use

_VISIBLE: Final = re.compile(r"[ -~]*")
_BOTH_WAYS: Final = re.compile(r"^a=sendrecv[ \t]*(?=\r?$)", re.MULTILINE)
_PASSIVE: Final = re.compile(r"^a=setup:passive[ \t]*(?=\r?$)", re.MULTILINE)
_ONE_WAY: Final[dict[Use, str]] = {"publish": "a=sendonly", "watch": "a=recvonly"}


@dataclass(frozen=True, slots=True)
class Begun:
    """A connection that was answered."""

    ufrag: str
    """The ICE user name of its offer, which tells it from the entry's others."""
    answer: str
    servers: tuple[IceAccess, ...]
    """STUN and TURN servers that the client is to use."""


def begin(entry: Entry, use: Use, sdp: str) -> Begun:
    """Answer an offer, in one direction; blocks.

    `sendrecv` means the direction that is wanted (RFC 9725, 4.2). A client that can only wait for
    our handshake, as FFmpeg, says `setup:passive`; we begin the handshake in any case.

    Raises:
        MediaError: it is one that cannot be used here.
        EntryNotFound: the entry is not in the call.
    """
    wanted = _PASSIVE.sub("a=setup:actpass", _BOTH_WAYS.sub(_ONE_WAY[use], sdp))
    described = Description.of_offer(wanted)
    sends = any(line.sends for line in described.lines)
    if use == "publish" and (not sends or any(line.receives for line in described.lines)):
        raise MediaError("expected media lines that send alone (a=sendonly)")
    if use == "watch" and not all(line.receives and not line.sends for line in described.lines):
        raise MediaError("expected media lines that receive alone (a=recvonly)")
    return Begun(described.ufrag, entry.offer(wanted), entry.ice_servers())


def links(servers: Sequence[IceAccess]) -> Iterator[str]:
    """Values of `Link`, one an address (RFC 9725, 4.6); without what no header can carry."""
    for server in servers:
        said = server.username or "", server.credential or ""
        if not all(_VISIBLE.fullmatch(one) for one in said):
            continue
        username, credential = (re.sub(r'(["\\])', r"\\\1", one) for one in said)
        for url in server.urls:
            row = f'<{url}>; rel="ice-server"'
            if url.startswith("turn"):
                row += f'; username="{username}"; credential="{credential}"'
                row += '; credential-type="password"'
            yield row
