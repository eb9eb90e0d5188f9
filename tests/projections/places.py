"""What the fixtures of views are, in words for type checkers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.projections.history import History

from greenroom.projections.views import Views

Where = Path | str | None
"""A file, the URL of a PostgreSQL database, in memory."""
Refill = Callable[[History], Views]
"""Gives views that have seen that history and nothing else."""
