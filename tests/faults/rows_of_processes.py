"""Faults of processes, of time, and of those who ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.faults.row import Row

OF_PROCESSES: Final[Sequence[Row]] = ()
