"""RTP packets as they stand on the wire: what of them is read, and where a picture begins."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

HEADER: Final = struct.Struct("!BBHLL")
"""Version, marker and payload type, number, timestamp, ssrc (RFC 3550, section 5.1)."""
_EXTENSIONS: Final = struct.Struct("!HH")
_NUMBER: Final = struct.Struct("!H")

_PADDED, _EXTENDED, _CSRCS = 0x20, 0x10, 0x0F
_ONE_BYTE, _TWO_BYTES = 0xBEDE, 0x1000
_MARKER = 0x80

_IDR, _SPS, _STAP_A, _FU_A = 5, 7, 24, 28
"""Sorts of H.264 units, and of what carries several or a part of one (RFC 6184, section 5.2)."""


class Packet(NamedTuple):
    """An RTP packet as it came."""

    number: int
    timestamp: int
    marker: int
    """0x80 on the last packet of a picture, else 0: as it stands beside the payload type."""
    payload_type: int
    ssrc: int
    payload: bytes
    extensions: bytes = b""
    """With their own header of four bytes; empty where there are none."""


class Kept(NamedTuple):
    """A packet to send on, now and maybe again."""

    ordinal: int
    """Its number, counted on beyond 65,535."""
    timestamp: int
    marker: int
    payload: bytes


def runs(packets: Sequence[Kept]) -> Iterator[Sequence[Kept]]:
    """Parts of `packets`, in order, that may leave in one go: equally long but for a shorter end.

    Encoders split a picture like that.
    """
    begin = 0
    for end in range(1, len(packets)):
        before, size = len(packets[end - 1].payload), len(packets[end].payload)
        if size > before or before < len(packets[begin].payload):
            yield packets[begin:end]
            begin = end
    if packets:
        yield packets[begin:] if begin else packets


def read(data: bytes) -> Packet:
    """The packet that `data` is, decrypted.

    Raises:
        ValueError: it is none.
    """
    size = len(data)
    if size < HEADER.size:
        raise ValueError("shorter than a header")
    flags, kind, number, timestamp, ssrc = HEADER.unpack_from(data)
    start = HEADER.size + 4 * (flags & _CSRCS)
    extensions = b""
    if flags & _EXTENDED:
        if size < start + 4:
            raise ValueError("extensions without a header")
        begin = start
        start += 4 + 4 * _EXTENSIONS.unpack_from(data, begin)[1]
        extensions = data[begin:start]
    if flags & _PADDED:
        size -= data[-1] or size + 1
    if start > size:
        raise ValueError("cut off")
    return Packet(
        number, timestamp, kind & _MARKER, kind & ~_MARKER, ssrc, data[start:size], extensions
    )


def extension(extensions: bytes, number: int) -> bytes | None:
    """The value of one header extension; None where it is missing (RFC 8285)."""
    if len(extensions) < 4 or not number:  # noqa: PLR2004 - their header
        return None
    profile, at, size = _EXTENSIONS.unpack_from(extensions)[0], 4, len(extensions)
    if profile not in {_ONE_BYTE, _TWO_BYTES}:
        return None
    while at < size:
        if extensions[at] == 0:
            at += 1
            continue
        if profile == _ONE_BYTE:
            found, length, at = extensions[at] >> 4, (extensions[at] & 0x0F) + 1, at + 1
        elif at + 1 < size:
            found, length, at = extensions[at], extensions[at + 1], at + 2
        else:
            return None
        if found == number:
            return extensions[at : at + length] if at + length <= size else None
        at += length
    return None


def original(packet: Packet, payload_type: int, ssrc: int) -> Packet | None:
    """What a packet that was sent again is a copy of; None for mere padding (RFC 4588)."""
    payload = packet.payload
    if len(payload) < _NUMBER.size:
        return None
    number = _NUMBER.unpack_from(payload)[0]
    return packet._replace(
        number=number, payload_type=payload_type, ssrc=ssrc, payload=payload[_NUMBER.size :]
    )


def again(payload: bytes, number: int) -> bytes:
    """The payload of a packet that repeats number `number` (RFC 4588)."""
    return _NUMBER.pack(number) + payload


def starts_picture(codec: str, payload: bytes) -> bool:
    """Whether a viewer can begin with this payload: always with sound, else with a key frame."""
    match codec:
        case "VP8":
            return _starts_vp8_key_frame(payload)
        case "H264":
            return _starts_h264_key_frame(payload)
        case _:
            return True


def _starts_vp8_key_frame(payload: bytes) -> bool:
    """By the payload descriptor and the first bit of the picture (RFC 7741, sections 4.2, 4.3)."""
    if not payload or payload[0] & 0x1F != 0x10:  # noqa: PLR2004 - begins partition 0
        return False
    at = 1
    if payload[0] & 0x80:
        if len(payload) < 3:  # noqa: PLR2004 - the descriptor's second byte, and one more
            return False
        fields = payload[1]
        at = 2
        if fields & 0x80:
            at += 2 if payload[at] & 0x80 else 1
        at += bool(fields & 0x40) + bool(fields & 0x30)
    return at < len(payload) and not payload[at] & 1


def _starts_h264_key_frame(payload: bytes) -> bool:
    """Parameters or a whole picture; alone, among others, or the first part of one."""
    if len(payload) < 2:  # noqa: PLR2004 - the unit's header, and something
        return False
    sort = payload[0] & 0x1F
    if sort == _FU_A:
        return bool(payload[1] & 0x80) and payload[1] & 0x1F in {_IDR, _SPS}
    if sort == _STAP_A:
        at = 1
        while at + 2 < len(payload):
            if payload[at + 2] & 0x1F in {_IDR, _SPS}:
                return True
            at += 2 + _NUMBER.unpack_from(payload, at)[0]
        return False
    return sort in {_IDR, _SPS}
