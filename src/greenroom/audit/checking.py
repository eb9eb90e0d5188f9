"""Whether a store still holds what its ledger's checkpoints say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from greenroom.adapters.codec import Row
from greenroom.audit.call_map import map_root
from greenroom.audit.ledger import Chains, Ledger, Progress
from greenroom.audit.log import AT_ONCE, Log, first_missing, leaf_of, leaves_of
from greenroom.audit.notes import Checkpoint, read_checkpoint
from greenroom.audit.tiles import Tiles
from greenroom.audit.trees import Unproven, leaf_hash, root
from greenroom.domain.errors import InvalidInput

_UNTELLABLE: Final = (
    "which one cannot be told: the tiles of the ledger are not those that it signed"
)


@dataclass(slots=True)
class Findings:
    """What was looked at, and what is wrong with it."""

    records: int = 0
    """That the log holds."""
    covered: int = 0
    """Of them, those that the last checkpoint speaks of."""
    checkpoints: int = 0
    """That the log was compared with."""
    faults: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def check(
    log: Log, ledger: Ledger, kept: Sequence[bytes] = (), progress: Progress = lambda *_: None
) -> Findings:
    """Read every record, and compare the log with every checkpoint of the ledger.

    The records are compared with all of them, the map of chains with the last and those `kept`:
    making it takes long where there are many calls.

    Args:
        log: of the store; others may append meanwhile.
        ledger: of it. Nothing is written to it, and no signing key is needed.
        kept: notes of further checkpoints, from wherever copies of them were kept.
        progress: told how many records have been read, and how many there are.

    Raises:
        InvalidInput: one of `kept` is no checkpoint of this ledger.
        StoreError: the log cannot be read, or the ledger is damaged.
    """
    brought = [_kept(one, ledger) for one in kept]
    own = [one.checkpoint for one in ledger.signed()]
    promised = [*own, *brought]
    found = Findings(records=log.position(), checkpoints=len(promised))
    found.covered = max((one.size for one in promised), default=0)
    seen = _Seen({one.size for one in promised}, {one.size for one in (*own[-1:], *brought)})
    try:
        for rows in log.pages(0, found.covered):
            seen.take(rows)
            progress(seen.size, found.covered)
    except Unproven as error:
        found.faults.append(str(error))
    if seen.size < found.covered and not found.faults:
        found.faults.append(f"the log ends at position {seen.size} instead of {found.covered}")
    broken = [one for one in promised if not seen.keeps(one)]
    if broken:
        found.faults += [_told(one, seen) for one in broken]
        named = _first_difference(log, ledger, promised)
        if named is not None:
            found.faults.insert(0, named)
    return found


class _Seen:
    """The log as far as it has been read, and its roots at the sizes that are asked for."""

    def __init__(self, sizes: set[int], mapped: set[int]) -> None:
        """Ask for the roots of the tree at `sizes`, and for those of the map at `mapped`."""
        self._mapped = mapped
        self._sizes = iter(sorted(sizes))
        self._next = next(self._sizes, None)
        self._pages: list[bytes] = []
        """The roots of whole pages: leaves of the tree from their level on."""
        self._chains = Chains()
        self._roots: dict[int, bytes] = {}
        self._maps: dict[int, tuple[int, bytes]] = {}
        self.size = 0
        self._note([])

    def take(self, rows: Sequence[Row]) -> None:
        """Go on with a page.

        Raises:
            Unproven: a record is missing, or is none.
        """
        missing = first_missing(rows, self.size)
        if missing is not None:
            raise Unproven(f"nothing stands at position {missing}")
        hashes = [*map(leaf_hash, leaves_of(rows))]
        streams = [row[1] for row in rows]
        before, done = self.size, 0
        while self._next is not None and self._next <= before + len(rows):
            until = self._next - before
            self._chains.extend(streams[done:until], hashes[done:until])
            self.size, done = self._next, until
            self._note(hashes[:until])
        self._chains.extend(streams[done:], hashes[done:])
        self.size = before + len(rows)
        if len(hashes) == AT_ONCE:
            self._pages.append(root(hashes))

    def keeps(self, promised: Checkpoint) -> bool:
        """Whether the log is what a checkpoint says, as far as it speaks of it."""
        of_map = (promised.chains, promised.chains_root)
        same_map = self._maps.get(promised.size, of_map) == of_map
        return same_map and self._roots.get(promised.size) == promised.root

    def reached(self, size: int) -> bool:
        """Whether there were as many records."""
        return size in self._roots

    def _note(self, hashes: Sequence[bytes]) -> None:
        """Note the roots as they are, where they are asked for."""
        if self._next != self.size:
            return
        self._next = next(self._sizes, None)
        self._roots[self.size] = root([*self._pages, root(hashes)] if hashes else self._pages)
        if self.size in self._mapped:
            entries = self._chains.entries
            self._maps[self.size] = (len(entries), map_root(entries))


def _kept(note: bytes, ledger: Ledger) -> Checkpoint:
    try:
        return read_checkpoint(note, ledger.verifier)
    except Unproven as error:
        raise InvalidInput("checkpoint", f"one of this ledger ({error})") from error


def _told(promised: Checkpoint, seen: _Seen) -> str:
    if not seen.reached(promised.size):
        return f"the checkpoint of {promised.size} records cannot be compared: some are missing"
    return f"the first {promised.size} records are not those that their checkpoint was signed for"


def _first_difference(log: Log, ledger: Ledger, promised: Sequence[Checkpoint]) -> str | None:
    """The first record that is not the one whose hash the ledger holds."""
    latest = max(promised, key=lambda one: one.size)
    size, tiles = latest.size, Tiles(ledger.directory, latest.size)
    begins = range(0, size, AT_ONCE)
    try:
        pages = [root(tiles.leaves(at, min(at + AT_ONCE, size))) for at in begins]
    except Unproven:
        return _UNTELLABLE
    if root(pages) != latest.root:
        return _UNTELLABLE
    position = 0
    for rows in log.pages(0, size):
        for row in rows:
            position += 1
            if row[0] != position:
                return f"the record at position {position} is gone"
            if [_hash_or_none(row)] != tiles.leaves(position - 1, position):
                return (
                    f"the record at position {position} is not what it was:"
                    f" it says version {row[2]} of {row[1]}"
                )
    return f"the record at position {position + 1} is gone" if position < size else None


def _hash_or_none(row: Row) -> bytes | None:
    try:
        return leaf_hash(leaf_of(row))
    except Unproven:
        return None
