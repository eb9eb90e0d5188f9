"""A disk that remembers what was written to it, and in which order; and how it looks after a cut.

A power cut keeps what was synced. Of what was written since then it keeps any part: each sector of
512 bytes by itself, in any order, some of them torn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Lock
from typing import Final, Literal

SECTOR: Final = 512
TORN: Final = 0.1
"""Share of the sectors, where some are."""


@dataclass(frozen=True)
class Op:
    """One thing that was done to a file, or said by a client."""

    kind: Literal["open", "write", "truncate", "sync", "delete", "asked", "answered"]
    of: str
    """The file's name; or the request's id."""
    offset: int = 0
    """Of what is written; or the size that a file is cut to."""
    data: bytes = b""


@dataclass
class Disk:
    """Observes what SQLite does in a directory (see `tests.faults.vfs`)."""

    ops: list[Op] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def asked(self, request_id: str) -> None:
        """A client is about to ask for something."""
        self._add(Op("asked", request_id))

    def answered(self, request_id: str) -> None:
        """It was told that it is done."""
        self._add(Op("answered", request_id))

    def opens(self, path: str) -> int:
        return self._add(Op("open", Path(path).name))

    def reads(self, path: str) -> int:
        return 0

    def writes(self, path: str, offset: int, data: bytes) -> int:
        return self._add(Op("write", Path(path).name, offset, data))

    def truncates(self, path: str, size: int) -> int:
        return self._add(Op("truncate", Path(path).name, size))

    def syncs(self, path: str) -> int:
        return self._add(Op("sync", Path(path).name))

    def deletes(self, path: str) -> int:
        return self._add(Op("delete", Path(path).name))

    def _add(self, op: Op) -> int:
        with self._lock:
            self.ops.append(op)
        return 0


@dataclass
class File:
    """What is sure of a file, and what may or may not have reached the disk."""

    sure: bytes | None = None
    """None: it may not even be there."""
    since: list[Op] = field(default_factory=list)
    fresh: bool = False
    """Nothing of it was synced since it was opened: the first time takes the directory along."""


Files = dict[str, File]
"""By name."""


def play(files: Files, op: Op) -> None:
    """What has become of the files, once `op` is done."""
    if op.kind in ("asked", "answered"):
        return
    file = files.setdefault(op.of, File())
    if op.kind != "sync":
        file.fresh |= op.kind == "open" and op.of.endswith(("-wal", "-journal"))
        file.since.append(op)
        return
    file.sure, file.since = _done(file.sure, file.since), []
    if file.fresh:
        file.fresh = False
        _sync_directory(files)


def _sync_directory(files: Files) -> None:
    """Who is there is sure now: SQLite does so with the first sync of a journal."""
    for file in files.values():
        last = max((n for n, op in enumerate(file.since) if op.kind == "delete"), default=None)
        if last is not None:
            file.sure, file.since = None, file.since[last + 1 :]


def cut(files: Files, into: Path, lots: Random) -> None:
    """Write the files into a directory as they may look after a power cut."""
    for name, file in files.items():
        kept = _kept(file, lots)
        if kept is not None:
            (into / name).write_bytes(kept)


def _kept(file: File, lots: Random) -> bytes | None:
    match lots.choice(("all", "none", "some", "torn")):
        case "all":
            return _done(file.sure, file.since)
        case "none":
            return file.sure
        case way:
            return _done(file.sure, _some(file.since, lots, torn=way == "torn"))


def _some(ops: Iterable[Op], lots: Random, *, torn: bool) -> Iterator[Op]:
    """Part of what was done. A file that is still there after all takes nothing of the next one."""
    share = lots.random()
    for op in ops:
        if op.kind == "write":
            yield from _sectors(op, lots, share, torn=torn)
        elif lots.random() < share:
            yield op
        elif op.kind == "delete":
            return


def _sectors(op: Op, lots: Random, share: float, *, torn: bool) -> Iterator[Op]:
    for start in range(0, len(op.data), SECTOR):
        if lots.random() < share:
            data = op.data[start : start + SECTOR]
            if torn and lots.random() < TORN:
                data = data[: lots.randrange(len(data))]
            yield Op("write", op.of, op.offset + start, data)


def _done(before: bytes | None, ops: Iterable[Op]) -> bytes | None:
    content = None if before is None else bytearray(before)
    for op in ops:
        if op.kind == "delete":
            content = None
            continue
        content = bytearray() if content is None else content
        if op.kind == "write":
            content.extend(bytes(max(op.offset - len(content), 0)))
            content[op.offset : op.offset + len(op.data)] = op.data
        elif op.kind == "truncate":
            del content[op.offset :]
    return None if content is None else bytes(content)
