"""A row of the fault matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One fault."""

    fault: str
    """What happens; names the row, so no two rows say the same."""
    made: str
    """How it is made to happen."""
    checked: str
    """What must hold all the same, beyond what the judgement always asks."""
    tests: Sequence[str]
    """`tests/path/test_file.py::test_name`, or `path::Class::name`."""
