"""Who of several processes on the same views follows the log for all of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Protocol

from greenroom.domain.errors import StoreError
from greenroom.projections.forks import survives_forks


class Lead(Protocol):
    """A role that one has at a time; whose process dies has it no more. For one thread."""

    def taken(self) -> bool:
        """Whether we have it, from now on at the latest.

        Raises:
            StoreError: it cannot be told.
        """
        ...

    def give_up(self) -> None:
        """Let others have it. Twice is fine."""
        ...


class FileLead:
    """A lock on a file beside the views, which the system takes from a process that dies.

    The file stays: whoever removed it would let two others each lock one of their own.
    """

    def __init__(self, path: Path) -> None:
        """Name the file; it is made when it is needed."""
        self._path = path
        self._file: int | None = None
        survives_forks(self)

    def taken(self) -> bool:
        """See `Lead`."""
        if self._file is None:
            try:
                self._file = _locked(self._path)
            except OSError as error:
                raise StoreError(f"{self._path} cannot be locked: {error.strerror}") from error
        return self._file is not None

    def give_up(self) -> None:
        """See `Lead`."""
        file, self._file = self._file, None
        if file is not None:
            _unlock(file)
            os.close(file)

    def after_fork_in_child(self) -> None:
        """Leave it to the parent, whose lock lasts as long as anybody has the file open."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def is_led(path: Path) -> bool:
    """Whether somebody has the role that is a lock on this file.

    Raises:
        StoreError: it cannot be told.
    """
    try:
        file = _locked(path, shared=True)
    except OSError as error:
        raise StoreError(f"{path} cannot be locked: {error.strerror}") from error
    if file is None:
        return True
    _unlock(file)
    os.close(file)
    return False


if sys.platform == "win32":

    def _locked(path: Path, *, shared: bool = False) -> int | None:  # noqa: ARG001 - there are none
        """Open, with its first byte locked; None where it is somebody else's."""
        import msvcrt  # noqa: PLC0415 - only there

        file = os.open(path, os.O_RDWR | os.O_CREAT)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            os.close(file)
            return None
        return file

    def _unlock(file: int) -> None:
        """Closing it is enough."""

else:
    import fcntl

    def _locked(path: Path, *, shared: bool = False) -> int | None:
        """Open, and locked; None where it is somebody else's."""
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        except BaseException:
            os.close(file)
            raise
        return file

    def _unlock(file: int) -> None:
        """Whoever else has it open: a child that has not come to close its copy."""
        fcntl.flock(file, fcntl.LOCK_UN)
