"""Encrypting a packet and sending it, as often as there are viewers: nothing is looked up here.

`writer` does it with what pylibsrtp offers. `forwarder` saves the copies, which is a quarter of the
time: it puts a packet together where it is encrypted, and sends it from there. For that it takes
hold of `pylibsrtp._binding.ffi` and `.lib.srtp_protect`, and of `Session._srtp` (pylibsrtp 1.0).
`can_forward` tries them out, once, on a packet whose result is known; where they are not as
expected, `forwarding_with` does the same through a `writer`.
"""

# ruff: noqa: SLF001 - reaching under the surface is what this module is for

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import pylibsrtp

from greenroom.media.packets import HEADER

VERSION: Final = 0x80
"""The first byte of a packet with nothing but a header and a payload."""
MOST: Final = 1_356
"""Bytes of a packet before encryption, at most; a path carries no more than 1,500."""
TRAILER: Final = 144
"""Bytes that encryption may add."""

Write = Callable[[bytes], None]
Forward = Callable[[int, int, int, int, bytes], None]
"""Sends a packet: marker and payload type, number, timestamp, ssrc, payload."""


class _Desk:
    """Where a thread puts its packets together: one place for all peers, so that it stays warm."""

    def __init__(self) -> None:
        ffi = pylibsrtp._binding.ffi
        self.data = ffi.new("char[]", MOST + TRAILER)
        self.buffer = ffi.buffer(self.data)
        self.view = memoryview(self.buffer)
        self.length = ffi.new("int *")


_desks = threading.local()


def _desk_of_this_thread() -> _Desk:
    desk: _Desk | None = getattr(_desks, "desk", None)
    if desk is None:
        desk = _desks.desk = _Desk()
    return desk


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
    """The same for a packet in parts, without a copy, for the calling thread; see `can_forward`."""
    desk = _desk_of_this_thread()
    data, buffer, view, length = desk.data, desk.buffer, desk.view, desk.length
    session, protect = srtp._srtp, pylibsrtp._binding.lib.srtp_protect
    pack_into, head = HEADER.pack_into, HEADER.size

    def forward(kind: int, number: int, timestamp: int, ssrc: int, payload: bytes) -> None:
        size = head + len(payload)
        if size > MOST:
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
