"""A disk that fails: at its n-th operation, or from there on until it is mended."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Final

FULL: Final = 13
"""SQLITE_FULL"""
IO_ERRORS: Final = {
    "opens": 14,  # SQLITE_CANTOPEN
    "reads": 10 | 1 << 8,  # SQLITE_IOERR_READ
    "writes": 10 | 3 << 8,  # SQLITE_IOERR_WRITE
    "syncs": 10 | 4 << 8,  # SQLITE_IOERR_FSYNC
    "truncates": 10 | 6 << 8,  # SQLITE_IOERR_TRUNCATE
    "deletes": 10 | 10 << 8,  # SQLITE_IOERR_DELETE
}


@dataclass
class FailingDisk:
    """Observes what SQLite does (see `tests.faults.vfs`), and lets it fail as it is told."""

    words: tuple[str, ...] = ("",)
    """Only files with one of these in their path fail."""
    failed: int = 0
    """How many operations did, since it was broken last."""
    last: str = ""
    """Which one, and of which file."""
    _left: int = 0
    _lasting: bool = False
    _full: bool = False

    def __post_init__(self) -> None:
        self._lock = Lock()

    def break_at(self, number: int, *, lasting: bool = False, full: bool = False) -> None:
        """Let the n-th operation from now on fail; and all after it, where it is `lasting`.

        Args:
            number: 1 for the next.
            lasting: whether it stays broken.
            full: whether only writes count, and what they are told is that the disk is full.
        """
        self._left, self._lasting, self._full, self.failed = number, lasting, full, 0

    def mend(self) -> None:
        """Let it work again."""
        self._left = 0

    def opens(self, path: str) -> int:
        return self._code("opens", path)

    def reads(self, path: str) -> int:
        return self._code("reads", path)

    def writes(self, path: str, offset: int, data: bytes) -> int:
        return self._code("writes", path)

    def truncates(self, path: str, size: int) -> int:
        return self._code("truncates", path)

    def syncs(self, path: str) -> int:
        return self._code("syncs", path)

    def deletes(self, path: str) -> int:
        return self._code("deletes", path)

    def _code(self, what: str, path: str) -> int:
        with self._lock:
            counts = what == "writes" or not self._full
            if not self._left or not counts or not any(word in path for word in self.words):
                return 0
            if self._left > 1:
                self._left -= 1
                return 0
            if not self._lasting:
                self._left = 0
            self.failed += 1
            self.last = f"{what} {path}"
            return FULL if self._full else IO_ERRORS[what]
