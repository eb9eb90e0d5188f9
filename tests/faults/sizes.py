"""How often a fault is tried: `FAULTS=ci` (default), or `FAULTS=large`, which takes its time."""

from __future__ import annotations

import os
import zlib
from typing import Final, TypeVar

T = TypeVar("T")

SIZE: Final = os.environ.get("FAULTS", "ci")
"""Of this run."""
if SIZE not in ("ci", "large"):
    raise ValueError(f"FAULTS={SIZE}: expected ci or large")


def sized(ci: T, large: T) -> T:
    """What is right for this run."""
    return large if SIZE == "large" else ci


def drawn(name: str, one_in: int) -> bool:
    """Whether what is called so belongs to this run: one in so many at ci, all at large.

    Each run of `nox -s repeat` draws others; a build always the same.
    """
    lot = f"{os.environ.get('TESTS_ORDER', '')} {name}"
    return zlib.crc32(lot.encode()) % sized(one_in, 1) == 0
