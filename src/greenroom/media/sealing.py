"""Encrypting packets and sending them, as often as there are viewers: nothing is looked up here.

`writer` does it with what pylibsrtp offers. `forwarder` saves the copies, and calls of the system:
it puts packets together where they are encrypted, one behind the other, and `sender` has the system
send them in one go. For that it takes hold of `pylibsrtp._binding.ffi` and `.lib.srtp_protect`, and
of `Session._srtp` (pylibsrtp 1.0). `can_forward` tries them out, once, on packets whose result is
known; where they are not as expected, `forwarding_with` does the same through a `writer`.
"""

# ruff: noqa: SLF001 - reaching under the surface is what this module is for

from __future__ import annotations

import socket
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import pylibsrtp

from greenroom.media.packets import HEADER, Kept

VERSION: Final = 0x80
"""The first byte of a packet with nothing but a header and a payload."""
MOST: Final = 1_356
"""Bytes of a packet before encryption, at most; a path carries no more than 1,500."""
TRAILER: Final = 144
"""Bytes that encryption may add."""
BURST: Final = 32
"""Packets that leave in one go, at most; systems take twice as many, in less than 64 kB."""
UDP_SEGMENT: Final = 103
"""Linux's option to send several datagrams at once, all of one size but for a shorter end."""
_SEGMENT: Final = struct.Struct("=H")
_U16, _U32 = 0xFFFF, 0xFFFFFFFF

Write = Callable[[bytes], None]
Send = Callable[[memoryview, int], object]
"""Sends packets that lie one behind the other: all of this size, the last maybe shorter."""
Forward = Callable[[int, int, int, int, Sequence[Kept]], None]
"""Sends packets of a stream: its ssrc and payload type, what is added to their ordinals and
timestamps, and at most `BURST` of them, equally long but for a shorter end."""


class _Desk:
    """Where a thread puts its packets together: one place for all peers, so that it stays warm."""

    def __init__(self) -> None:
        ffi = pylibsrtp._binding.ffi
        self.data = ffi.new("char[]", BURST * (MOST + TRAILER))
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
    """The same for packets in parts."""

    def forward(ssrc: int, kind: int, further: int, later: int, packets: Sequence[Kept]) -> None:
        for ordinal, timestamp, marker, payload in packets:
            number, at = ordinal + further & _U16, timestamp + later & _U32
            write(HEADER.pack(VERSION, marker | kind, number, at, ssrc) + payload)

    return forward


def sender(own: Any, address: Any) -> Send:
    """What sends packets to a peer from a socket of ours, in one call of the system where it can.

    What it raises is what the socket does; a part of the packets may have been sent by then.
    """
    send_to, together = own.sendto, can_send_together()

    def send(packets: memoryview, size: int) -> None:
        nonlocal together
        if len(packets) <= size:
            send_to(packets, address)
            return
        if together:
            segmented = [(socket.IPPROTO_UDP, UDP_SEGMENT, _SEGMENT.pack(size))]
            try:
                own.sendmsg([packets], segmented, 0, address)
            except BlockingIOError:
                raise
            except OSError:
                together = False  # on the way to this peer somebody does not know how
            else:
                return
        for begin in range(0, len(packets), size):
            send_to(packets[begin : begin + size], address)

    return send


def forwarder(srtp: pylibsrtp.Session, send: Send, drop: Write) -> Forward:
    """The same for packets in parts, without a copy, for the calling thread; see `can_forward`."""
    desk = _desk_of_this_thread()
    data, buffer, view, length = desk.data, desk.buffer, desk.view, desk.length
    session, protect = srtp._srtp, pylibsrtp._binding.lib.srtp_protect
    pack_into, head = HEADER.pack_into, HEADER.size

    def forward(ssrc: int, kind: int, further: int, later: int, packets: Sequence[Kept]) -> None:
        end = longest = 0
        try:
            for ordinal, timestamp, marker, payload in packets:
                size = head + len(payload)
                if size > MOST:
                    drop(payload)
                    continue
                number, at = ordinal + further & _U16, timestamp + later & _U32
                pack_into(buffer, end, VERSION, marker | kind, number, at, ssrc)
                buffer[end + head : end + size] = payload
                length[0] = size
                if protect(session[0], data + end, length):
                    drop(payload)
                    continue
                longest = longest or length[0]
                end += length[0]
            if end:
                send(view[:end], longest)
        except Exception:  # noqa: BLE001 - one viewer's trouble reaches nobody else
            for packet in packets:
                drop(packet.payload)

    return forward


@cache
def can_forward() -> bool:
    """Whether `forwarder` sends what `writer` would."""
    packets = [Kept(5, 6, 0x80, b"payload"), Kept(6, 6, 0, b"more")]
    sent: list[bytes] = []
    dropped: list[bytes] = []

    def send_to(data: bytes | memoryview, _: object) -> None:
        sent.append(bytes(data))

    try:
        forwarding_with(writer(_session().protect, send_to, None, dropped.append))(
            7, 97, 65_531, -1, packets
        )
        forwarder(_session(), send_to, dropped.append)(7, 97, 65_531, -1, packets)
    except Exception:  # noqa: BLE001 - whatever is not as expected, it is not
        return False
    return len(sent) == 3 and sent[0] + sent[1] == sent[2]  # noqa: PLR2004 - one by one, and both


@cache
def can_send_together() -> bool:
    """Whether this system takes several packets in one call, and sends them one by one."""
    if sys.platform != "linux":  # others may not refuse the option, and send one that is too big
        return False
    try:
        with _on_loopback() as theirs, _on_loopback() as ours:
            segmented = [(socket.IPPROTO_UDP, UDP_SEGMENT, _SEGMENT.pack(2))]
            ours.sendmsg([b"aabbc"], segmented, 0, theirs.getsockname())
            return [theirs.recv(8) for _ in range(3)] == [b"aa", b"bb", b"c"]
    except OSError:
        return False


def _on_loopback() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind(("127.0.0.1", 0))
    opened.setblocking(False)  # what is sent on loopback is there at once
    return opened


def _session() -> pylibsrtp.Session:
    any_stream = pylibsrtp.Policy.SSRC_ANY_OUTBOUND
    return pylibsrtp.Session(pylibsrtp.Policy(key=bytes(range(30)), ssrc_type=any_stream))
