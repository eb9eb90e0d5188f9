"""Encrypting a packet and sending it, as often as there are viewers: nothing is looked up here.

`writer` does it with what pylibsrtp offers. `forwarder` saves the copies, which is a quarter of the
time: it puts a packet together where it is encrypted, and sends it from there. For that it takes
hold of `pylibsrtp._binding.ffi` and `.lib.srtp_protect`, and of `Session._srtp`, `._cdata` and
`._buffer` (pylibsrtp 1.0). `can_forward` tries them out, once, on a packet whose result is known;
where they are not as expected, `forwarding_with` does the same through a `writer`.
"""

# ruff: noqa: SLF001 - reaching under the surface is what this module is for

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import pylibsrtp

from greenroom.media.packets import HEADER

VERSION: Final = 0x80
"""The first byte of a packet with nothing but a header and a payload."""
TRAILER: Final = 144
"""Bytes that encryption may add."""

Write = Callable[[bytes], None]
Forward = Callable[[int, int, int, int, bytes], None]
"""Sends a packet: marker and payload type, number, timestamp, ssrc, payload."""


def writer(
    protect: Callable[[bytes], bytes], send_to: Callable[..., object], address: Any, drop: Write
) -> Write:
    """What sends a packet to a peer; one that cannot be sent goes to `drop`."""

    def write(packet: bytes) -> None:
        try:
            send_to(protect(packet), address)
        except Exception:  # noqa: BLE001 - one viewer's trouble reaches nobody else
            drop(packet)

    return write


def forwarding_with(write: Write) -> Forward:
    """The same for a packet in parts."""

    def forward(kind: int, number: int, timestamp: int, ssrc: int, payload: bytes) -> None:
        write(HEADER.pack(VERSION, kind, number, timestamp, ssrc) + payload)

    return forward


def forwarder(
    srtp: pylibsrtp.Session, send_to: Callable[..., object], address: Any, drop: Write
) -> Forward:
    """The same for a packet in parts, without a copy; see `can_forward`."""
    session, data, buffer = srtp._srtp, srtp._cdata, srtp._buffer
    protect, length = pylibsrtp._binding.lib.srtp_protect, pylibsrtp._binding.ffi.new("int *")
    view, pack_into = memoryview(buffer), HEADER.pack_into
    head, most = HEADER.size, len(data) - TRAILER

    def forward(kind: int, number: int, timestamp: int, ssrc: int, payload: bytes) -> None:
        size = head + len(payload)
        if size > most:
            drop(payload)
            return
        pack_into(buffer, 0, VERSION, kind, number, timestamp, ssrc)
        buffer[head:size] = payload
        length[0] = size
        try:
            if protect(session[0], data, length):
                drop(payload)
            else:
                send_to(view[: length[0]], address)
        except Exception:  # noqa: BLE001 - one viewer's trouble reaches nobody else
            drop(payload)

    return forward


@cache
def can_forward() -> bool:
    """Whether `forwarder` sends what `writer` would."""
    packet = (97, 5, 6, 7, b"payload")
    sent: list[bytes] = []
    dropped: list[bytes] = []

    def send_to(data: bytes, _: object) -> None:
        sent.append(bytes(data))

    try:
        forwarding_with(writer(_session().protect, send_to, None, dropped.append))(*packet)
        forwarder(_session(), send_to, None, dropped.append)(*packet)
    except Exception:  # noqa: BLE001 - whatever is not as expected, it is not
        return False
    return len(sent) == 2 and sent[0] == sent[1]  # noqa: PLR2004 - one each


def _session() -> pylibsrtp.Session:
    any_stream = pylibsrtp.Policy.SSRC_ANY_OUTBOUND
    return pylibsrtp.Session(pylibsrtp.Policy(key=bytes(range(30)), ssrc_type=any_stream))
