"""What greenroom is put through: one row a fault, with the tests that do it.

The rows of the page `docs/reference/faults.md`, which `nox -s faults` writes from them and from
what a run has counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.faults.row import Row
from tests.faults.rows_of_processes import OF_PROCESSES
from tests.faults.rows_of_stores import OF_STORES

ROWS: Final[Sequence[Row]] = (*OF_STORES, *OF_PROCESSES)
"""In the order of the page."""
