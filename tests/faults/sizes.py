"""How often a fault is tried: `FAULTS=ci` (default), or `FAULTS=large`, which takes its time."""

from __future__ import annotations

import os
from typing import Final, TypeVar

T = TypeVar("T")

SIZE: Final = os.environ.get("FAULTS", "ci")
"""Of this run."""
if SIZE not in ("ci", "large"):
    raise ValueError(f"FAULTS={SIZE}: expected ci or large")


def sized(ci: T, large: T) -> T:
    """What is right for this run."""
    return large if SIZE == "large" else ci
