"""The ledger: a directory with the tree over a log, and every checkpoint that was signed."""

from __future__ import annotations

from typing import Final

KEY_FILE: Final = "key"
"""The signing key. All else in the directory may be shown to anybody."""
