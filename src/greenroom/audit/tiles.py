"""The tree's hashes in files, as c2sp.org/tlog-tiles lays them out.

`tile/<level>/<number>` holds 256 hashes: on level 0 those of leaves, above those of whole tiles
of the level below. The last tile of a level, where it is not full, is `<number>.p/<width>`.
All of it follows from the log, and is made anew where it is damaged.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from greenroom.audit.trees import DIGEST, EMPTY_ROOT, Stretch, Unproven, node_hash, root, split

WIDTH: Final = 256
_LEVEL_BITS: Final = 8
_KEPT: Final = 64
"""Tiles that are kept in memory."""


class Tiles:
    """The tree over the first `size` leaves of a log. For one thread, and one process at a time."""

    def __init__(self, directory: Path, size: int) -> None:
        """Look at the tiles below `directory`, which held `size` leaves."""
        self._directory = directory / "tile"
        self.size = size
        self._read: dict[tuple[int, int], list[bytes]] = {}

    def extend(self, hashes: Sequence[bytes]) -> None:
        """Add leaves with these hashes.

        Raises:
            Unproven: the last tiles are not there, or damaged.
            OSError: the files cannot be written.
        """
        self._extend(0, self.size, hashes)
        self.size += len(hashes)
        self._read.clear()

    def leaves(self, begin: int, end: int) -> list[bytes]:
        """The hashes of the leaves from `begin` up to `end`.

        Raises:
            Unproven: a tile is not there, or damaged.
        """
        return self._hashes(0, begin, end)

    def root(self, begin: int, end: int) -> bytes:
        """The root over a stretch of leaves.

        Raises:
            Unproven: a tile is not there, or damaged.
        """
        width = end - begin
        if not width:
            return EMPTY_ROOT
        if width & (width - 1) == 0 and begin % width == 0:
            level = (width.bit_length() - 1) // _LEVEL_BITS
            shift = level * _LEVEL_BITS
            return root(self._hashes(level, begin >> shift, end >> shift))
        middle = begin + split(width)
        return node_hash(self.root(begin, middle), self.root(middle, end))

    def roots(self, stretches: Sequence[Stretch]) -> list[bytes]:
        """The root over each of them."""
        return [self.root(begin, end) for begin, end in stretches]

    def drop(self) -> None:
        """Do away with all of them."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self.size = 0
        self._read.clear()

    def _extend(self, level: int, size: int, hashes: Sequence[bytes]) -> None:
        number, held = divmod(size, WIDTH)
        row = [*(self._tile(level, number, held) if held else ()), *hashes]
        tops = []
        for at in range(0, len(row), WIDTH):
            part = row[at : at + WIDTH]
            self._write(level, number + at // WIDTH, part, grows=held > at)
            if len(part) == WIDTH:
                tops.append(root(part))
        if tops:
            self._extend(level + 1, number, tops)

    def _hashes(self, level: int, begin: int, end: int) -> list[bytes]:
        found: list[bytes] = []
        there = self.size >> level * _LEVEL_BITS
        for number in range(begin // WIDTH, (end - 1) // WIDTH + 1):
            first = number * WIDTH
            tile = self._tile(level, number, min(WIDTH, there - first))
            found += tile[max(begin - first, 0) : end - first]
        return found

    def _tile(self, level: int, number: int, width: int) -> list[bytes]:
        if (level, number) not in self._read:
            if len(self._read) >= _KEPT:
                self._read.clear()
            path = self._path(level, number, width)
            try:
                written = path.read_bytes()
            except OSError as error:
                raise Unproven(f"{path} is missing") from error
            if len(written) != width * DIGEST:
                raise Unproven(f"{path} does not hold {width} hashes")
            hashes = [written[at : at + DIGEST] for at in range(0, len(written), DIGEST)]
            self._read[level, number] = hashes
        return self._read[level, number]

    def _write(self, level: int, number: int, hashes: Sequence[bytes], *, grows: bool) -> None:
        """Write a tile, which nobody reads before a checkpoint says that it is there.

        Args:
            level: its own.
            number: in its level.
            hashes: all that it holds.
            grows: whether a narrower one was there.
        """
        path = self._path(level, number, len(hashes))
        written = b"".join(hashes)
        try:
            path.write_bytes(written)
        except FileNotFoundError:  # the first one there
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(written)
        if grows and len(hashes) == WIDTH:
            shutil.rmtree(path.with_name(f"{path.name}.p"), ignore_errors=True)

    def _path(self, level: int, number: int, width: int) -> Path:
        """Of a tile; numbers are written by threes, all but the last behind an x."""
        threes = [f"{number % 1000:03}"]
        while number := number // 1000:
            threes.insert(0, f"x{number % 1000:03}")
        path = self._directory / str(level) / "/".join(threes)
        return path if width == WIDTH else path.with_name(f"{path.name}.p") / str(width)


def replace(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Put a file in place at once; whoever reads it sees the old one or the new one.

    Args:
        path: of the file.
        data: what shall stand in it.
        durable: whether it must survive a power cut from the return on.
    """
    beside = path.with_name(f"{path.name}.new")
    with beside.open("wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    beside.replace(path)
    if durable and os.name == "posix":
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
