"""Checking of Ed25519 signatures (RFC 8032) in plain Python, for where nothing is installed.

Nothing here is secret, so nothing needs to take the same time whatever it is given. A check takes
some milliseconds; there are a handful in a bundle.
"""

from __future__ import annotations

from hashlib import sha512
from typing import Final

_P: Final = 2**255 - 19
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
"""Of the group that the base point makes."""
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE: Final = pow(2, (_P - 1) // 4, _P)
_COORDINATE: Final = 32
"""Bytes of a point, and of a number, as they are written."""

_Point = tuple[int, int, int, int]
"""Extended coordinates X, Y, Z, T: x = X/Z, y = Y/Z, xy = T/Z."""


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) is that of `public_key` (32 bytes) over `message`."""
    if len(public_key) != _COORDINATE or len(signature) != 2 * _COORDINATE:
        return False
    commitment, scalar = signature[:_COORDINATE], _number(signature[_COORDINATE:])
    key = _point(public_key)
    if key is None or scalar >= _ORDER:
        return False
    challenge = _number(sha512(commitment + public_key + message).digest()) % _ORDER
    found = _sum(_times(scalar, _BASE), _times(challenge, _negative(key)))
    return _written(found) == commitment


def _number(written: bytes) -> int:
    return int.from_bytes(written, "little")


def _point(written: bytes) -> _Point | None:
    """The point with this y and this sign of x; None where there is none."""
    sign, y = _number(written) >> 255, _number(written) & (2**255 - 1)
    x = _x_of(y) if y < _P else None
    if x is None or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _x_of(y: int) -> int | None:
    """One of the two x that belong to `y` on the curve -x^2 + y^2 = 1 + d x^2 y^2."""
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    return None if (x * x - square) % _P else x


def _sum(one: _Point, other: _Point) -> _Point:
    """The sum of two points, equal ones as well."""
    a = (one[1] - one[0]) * (other[1] - other[0])
    b = (one[1] + one[0]) * (other[1] + other[0])
    c = 2 * _D * one[3] * other[3]
    d = 2 * one[2] * other[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(number: int, point: _Point) -> _Point:
    found: _Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            found = _sum(found, point)
        point = _sum(point, point)
        number >>= 1
    return found


def _negative(point: _Point) -> _Point:
    x, y, z, t = point
    return -x % _P, y, z, -t % _P


def _written(point: _Point) -> bytes:
    """The 32 bytes that name a point."""
    scale = pow(point[2], -1, _P)
    x, y = point[0] * scale % _P, point[1] * scale % _P
    return (y | (x & 1) << 255).to_bytes(_COORDINATE, "little")


def _base() -> _Point:
    """The point with y = 4/5 and an even x."""
    point = _point((4 * pow(5, -1, _P) % _P).to_bytes(_COORDINATE, "little"))
    if point is None:
        raise AssertionError
    return point


_BASE: Final = _base()
