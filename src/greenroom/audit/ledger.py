"""The ledger: a directory with the tree over a log, and every checkpoint that was signed.

    key                  signs; for nobody else's eyes
    key.pub              what others check signatures with
    checkpoint           the last one
    checkpoints/<size>   all of them
    tile/...             the tree's hashes (`tiles`)
    heads                the chains as of the last checkpoint (`heads`)

It is no part of the store: whoever may write there need not be able to write here. Tiles and heads
follow from the log and are made anew where they are damaged. Checkpoints are what was promised.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Final

from greenroom.adapters.codec import Row
from greenroom.audit.call_map import map_root, name_hash
from greenroom.audit.heads import Entries, read_heads, write_heads
from greenroom.audit.keys import SigningKey
from greenroom.audit.leaves import chain_of
from greenroom.audit.log import Log, first_missing, leaves_of
from greenroom.audit.notes import Checkpoint, VerifierKey, read_checkpoint
from greenroom.audit.tiles import WIDTH, Tiles, replace
from greenroom.audit.trees import NO_HASH, Unproven, leaf_hash, link
from greenroom.domain.errors import LogRewritten, StoreError
from greenroom.projections.leading import FileLead

KEY_FILE: Final = "key"
"""The signing key. All else in the directory may be shown to anybody."""
_VERIFIER_FILE: Final = "key.pub"
_LAST: Final = "checkpoint"
_ALL: Final = "checkpoints"
_HEADS: Final = "heads"
_LOCK: Final = "lock"
_DIGITS: Final = 20

_SEE: Final = "`greenroom audit verify` names the first that differs"
_NEW: Final = (0, NO_HASH)
"""A chain before its first record."""

Progress = Callable[[int, int], None]
"""Told how many records have been hashed, and how many there are."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint and the note that it stands in."""

    note: bytes
    checkpoint: Checkpoint


class Chains:
    """How long every chain is, and its head."""

    def __init__(self, entries: Entries | None = None) -> None:
        """Go on from `entries`."""
        self.entries: Entries = {} if entries is None else entries

    def extend(self, streams: Iterable[str], hashes: Iterable[bytes]) -> None:
        """Take the chains of these streams past records with these leaf hashes."""
        added = defaultdict[bytes, list[bytes]](list)
        for chain, hashed in zip(map(_chain_of, streams), hashes, strict=True):
            added[chain].append(hashed)
        for chain, those in added.items():
            length, head = self.entries.get(chain, _NEW)
            self.entries[chain] = (length + len(those), link(head, *those))


@dataclass(slots=True)
class Grown:
    """The tree and the chains up to where they have been brought."""

    tiles: Tiles
    chains: Chains
    anew: bool
    """Whether they were made from nothing but the log."""

    @property
    def size(self) -> int:
        """Of how many records."""
        return self.tiles.size

    @property
    def entries(self) -> Entries:
        """The chains, by their hashed names."""
        return self.chains.entries


class Ledger:
    """What was proved about one log, and the means to prove more. One process at a time signs."""

    def __init__(self, directory: Path) -> None:
        """Use that directory, which has a key."""
        self.directory = directory

    @classmethod
    def found(cls, directory: Path, origin: str) -> Ledger:
        """A new ledger with a key of its own, for the log of that name.

        Raises:
            InvalidInput: no log can have that name.
            StoreError: there is a key already, or the directory cannot be written.
        """
        key = SigningKey.new(origin)
        key.write(directory / KEY_FILE)
        with _writing(directory):
            replace(directory / _VERIFIER_FILE, f"{key.verifier}\n".encode(), durable=True)
        return cls(directory)

    @property
    def verifier(self) -> VerifierKey:
        """What signatures are checked with.

        Raises:
            StoreError: the directory is no ledger.
        """
        path = self.directory / _VERIFIER_FILE
        try:
            return VerifierKey.read(path.read_text())
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.directory} is no ledger: {path} cannot be read") from error

    def signed(self, latest: int = 0) -> list[Signed]:
        """Every checkpoint that was signed, from the first to the last; or so many of the latest.

        Raises:
            StoreError: one of them is damaged, or not ours.
        """
        paths = sorted((self.directory / _ALL).glob("[0-9]*"))
        return [self._read(path) for path in paths[-latest:]]

    def last(self) -> Signed | None:
        """The last checkpoint that was signed."""
        return next(iter(self.signed(latest=1)), None)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process sign meanwhile.

        Raises:
            StoreError: another does.
        """
        lead = FileLead(self.directory / _LOCK)
        if not lead.taken():
            raise StoreError(f"another process works with {self.directory}")
        try:
            yield
        finally:
            lead.give_up()

    def checkpoint(self, log: Log, progress: Progress = lambda *_: None) -> Signed:
        """Bring the tree up to the log's end and sign what it is then.

        Where nothing was recorded since the last one, that one is answered.

        Raises:
            LogRewritten: the log no longer begins with what the last checkpoint says of it.
            StoreError: the log or the ledger cannot be used, or another process signs.
        """
        return self.grown(log, progress)[0]

    def grown(self, log: Log, progress: Progress = lambda *_: None) -> tuple[Signed, Grown]:
        """The same, with the tree and the chains as of that checkpoint."""
        key = SigningKey.read(self.directory / KEY_FILE)
        with self.alone(), _writing(self.directory):
            last = self.last()
            grown = self._brought_up(log, last, progress)
            if last is not None and last.checkpoint.size == grown.size:
                if grown.anew:
                    write_heads(self.directory / _HEADS, grown.entries)
                return last, grown
            checkpoint = Checkpoint(
                origin=key.verifier.name,
                size=grown.size,
                root=grown.tiles.root(0, grown.size),
                chains=len(grown.entries),
                chains_root=map_root(grown.entries),
            )
            made = Signed(key.signed(checkpoint.text), checkpoint)
            write_heads(self.directory / _HEADS, grown.entries)
            self._keep(made)
            return made, grown

    def _brought_up(self, log: Log, last: Signed | None, progress: Progress) -> Grown:
        until = log.position()
        if last is not None and until < last.checkpoint.size:
            raise LogRewritten(
                f"the log ends at position {until}, but {last.checkpoint.size} records were there"
                " when the last checkpoint was signed"
            )
        try:
            grown = self._as_of(log, last)
        except Unproven:  # all but checkpoints can be made anew
            grown = Grown(Tiles(self.directory, 0), Chains(), anew=True)
            grown.tiles.drop()
        for rows in log.pages(grown.size, until):
            _take(grown, rows)
            progress(grown.size, until)
        if last is not None and grown.tiles.root(0, last.checkpoint.size) != last.checkpoint.root:
            raise LogRewritten(
                f"the first {last.checkpoint.size} records are not those that the last checkpoint"
                f" was signed for; {_SEE}"
            )
        return grown

    def _as_of(self, log: Log, last: Signed | None) -> Grown:
        """What was kept with the last checkpoint.

        Raises:
            Unproven: it is damaged.
            LogRewritten: it is not, and the latest records of then are others now.
        """
        if last is None:
            raise Unproven("nothing was kept yet")
        size = last.checkpoint.size
        chains = Chains(read_heads(self.directory / _HEADS))
        grown = Grown(Tiles(self.directory, size), chains, anew=False)
        if grown.tiles.root(0, size) != last.checkpoint.root:
            raise Unproven("the tiles are damaged")
        if sum(length for length, _ in grown.entries.values()) != size:
            raise Unproven("the heads are those of another checkpoint")
        begin = max(size - WIDTH, 0)
        expected = grown.tiles.leaves(begin, size)
        if _hashes(log, begin, size) != expected:
            raise LogRewritten(f"records before position {size} are not what they were; {_SEE}")
        return grown

    def _read(self, path: Path) -> Signed:
        try:
            note = path.read_bytes()
            found = Signed(note, read_checkpoint(note, self.verifier))
        except (OSError, Unproven) as error:
            raise StoreError(f"{path} is no checkpoint of this ledger: {error}") from error
        if path.name != _numbered(found.checkpoint.size):
            raise StoreError(f"{path} is a checkpoint of {found.checkpoint.size} records")
        return found

    def _keep(self, made: Signed) -> None:
        folder = self.directory / _ALL
        folder.mkdir(exist_ok=True)
        replace(folder / _numbered(made.checkpoint.size), made.note, durable=True)
        replace(self.directory / _LAST, made.note, durable=True)


def _take(grown: Grown, rows: Sequence[Row]) -> None:
    """Take the tree and the chains past `rows`."""
    missing = first_missing(rows, grown.size)
    if missing is not None:
        raise LogRewritten(f"nothing stands at position {missing}")
    try:
        hashes = [*map(leaf_hash, leaves_of(rows))]
    except Unproven as error:
        raise StoreError(str(error)) from error
    grown.chains.extend(map(_STREAM, rows), hashes)
    grown.tiles.extend(hashes)


def _hashes(log: Log, after: int, until: int) -> list[bytes] | None:
    """Of the records there; None where one of them is none."""
    try:
        pages = log.pages(after, until)
        return [leaf_hash(leaf) for rows in pages for leaf in leaves_of(rows)]
    except Unproven:
        return None


_STREAM: Final[Callable[[Row], str]] = itemgetter(1)
_hashed_name: Final = lru_cache(100_000)(name_hash)


@lru_cache(100_000)
def _chain_of(stream: str) -> bytes:
    """The hashed name of the chain that its records belong to."""
    return _hashed_name(chain_of(stream))


def _numbered(size: int) -> str:
    """How a checkpoint's file is called: in the order of sizes."""
    return f"{size:0{_DIGITS}}"


@contextmanager
def _writing(directory: Path) -> Iterator[None]:
    """Whatever the system refuses is a StoreError."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{directory} cannot be used: {error.strerror}") from error
