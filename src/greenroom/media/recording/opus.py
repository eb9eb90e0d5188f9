"""Packets of Opus, as far as their first byte tells (RFC 6716, section 3.1)."""

from __future__ import annotations

from typing import Final

SILENCE: Final = b"\xf8\xff\xfe"
"""20 ms of nothing."""
_LONGEST: Final = 5_760
_SILK, _HYBRID, _CELT = (480, 960, 1_920, 2_880), (480, 960), (120, 240, 480, 960)
_FRAMES: Final = _SILK * 3 + _HYBRID * 2 + _CELT * 4
"""How long a frame is, by what stands first in a packet: how it was encoded."""


def samples(packet: bytes) -> int:
    """How long a packet plays, in 48,000ths of a second; 0 for what is none."""
    if not packet:
        return 0
    frame = _FRAMES[packet[0] >> 3]
    match packet[0] & 3:
        case 0:
            frames = 1
        case 3:
            frames = packet[1] & 0x3F if len(packet) > 1 else 0
        case _:
            frames = 2
    return frame * frames if frame * frames <= _LONGEST else 0


def concealed(before: bytes) -> bytes:
    """A packet that says that one was lost, in the manner of the one before.

    Whoever plays it makes up for it (RFC 7845, section 4.1).
    """
    return bytes([before[0] & 0xFC])
