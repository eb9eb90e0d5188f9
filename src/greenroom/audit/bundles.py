"""Bundles: all records of a call with the proof that they are, for who has nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from greenroom.audit.archive import pack
from greenroom.audit.call_map import Place, name_hash, places
from greenroom.audit.keys import SigningKey
from greenroom.audit.leaves import read_leaf
from greenroom.audit.ledger import KEY_FILE, Grown, Ledger, Progress, Signed
from greenroom.audit.log import Log, leaf_of
from greenroom.audit.notes import Checkpoint, read_checkpoint, to_base64
from greenroom.audit.plain_report import plain_report
from greenroom.audit.proof_json import FORMAT, PROOF
from greenroom.audit.record_proof import write_record_proof
from greenroom.audit.single_file import single_file
from greenroom.audit.trees import NO_HASH, Unproven, besides, between, leaf_hash, path
from greenroom.audit.verifier import (
    CHECKPOINT,
    EARLIER,
    KEY,
    MANIFEST,
    RECORDS,
    Verdict,
    manifest_text,
)
from greenroom.domain.errors import InvalidInput, LogRewritten

Report = Callable[[Verdict], Mapping[str, bytes]]
"""Makes the report that goes into a bundle: its files, by name. The same for the same verdict."""

_VERIFIER: Final = "verify.py"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle, and what it shows."""

    archive: bytes
    """The ZIP file: the same to the byte for the same checkpoint."""
    shown: Verdict


def bundle(
    ledger: Ledger,
    log: Log,
    cid: str,
    *,
    extends: Sequence[bytes] = (),
    report: Report = plain_report,
    progress: Progress = lambda *_: None,
) -> Bundle:
    """All that the log holds of a call and of its call type, with a new checkpoint and the proof.

    Where there is no such call, the bundle shows that.

    Args:
        ledger: signs.
        log: of the store.
        cid: the call.
        extends: notes of earlier checkpoints that the log shall be shown to have kept to, beside
            the one that the ledger holds before the new one.
        report: makes what people read.
        progress: told how far the tree is.

    Raises:
        InvalidInput: one of `extends` is no checkpoint of this ledger.
        LogRewritten: the log is not what it was.
        StoreError: the log or the ledger cannot be used, or another process signs.
    """
    signed, grown = ledger.grown(log, progress)
    names = [f"call-{cid}", f"type-{cid.partition(':')[0]}"]
    lines, leaves = _gathered(log, grown, names)
    earlier = _earlier(ledger, grown, signed.checkpoint, extends)
    shown = Verdict(
        call=cid,
        checkpoint=signed.checkpoint,
        records=[read_leaf(line) for line in lines],
        lengths={name: _entry(grown, name)[0] for name in names},
        earlier=[one.checkpoint for one in earlier],
        key=ledger.verifier,
        trusted=True,
    )
    files = {
        CHECKPOINT: signed.note,
        KEY: f"{ledger.verifier}\n".encode(),
        PROOF: (json.dumps(_proof(shown, grown, leaves), indent=1, sort_keys=True) + "\n").encode(),
        RECORDS: b"".join(line + b"\n" for line in lines),
        _VERIFIER: single_file(),
        **{f"{EARLIER}{one.checkpoint.size}": one.note for one in earlier},
        **report(shown),
    }
    key = SigningKey.read(ledger.directory / KEY_FILE)
    files[MANIFEST] = key.signed(manifest_text(files, cid, key.verifier))
    return Bundle(pack(files), shown)


def _proof(shown: Verdict, grown: Grown, leaves: Sequence[bytes]) -> dict[str, Any]:
    """What `proof.json` says."""
    numbers = [one.position - 1 for one in shown.records]
    stands = _places(grown, shown.checkpoint, [*shown.lengths])
    return {
        "format": FORMAT,
        "call": shown.call,
        "chains": [_chain(grown, name, stands[name_hash(name)]) for name in shown.lengths],
        "leaves": _written(leaves),
        "others": _written(grown.tiles.roots(besides(numbers, grown.size))),
        "earlier": [
            {
                "size": one.size,
                "others": _written(grown.tiles.roots(between(one.size, grown.size))),
            }
            for one in shown.earlier
        ],
    }


def record_proof(
    ledger: Ledger, log: Log, position: int, progress: Progress = lambda *_: None
) -> bytes:
    """The proof that the record at `position` stands in the log (`c2sp.org/tlog-proof`).

    Raises:
        InvalidInput: no record stands there.
        LogRewritten: the log is not what it was.
        StoreError: the log or the ledger cannot be used, or another process signs.
    """
    signed, grown = ledger.grown(log, progress)
    if not 1 <= position <= grown.size:
        raise InvalidInput("position", f"from 1 to {grown.size}")
    (line,), _ = _checked(log, grown, [position])
    others = grown.tiles.roots(path(position - 1, grown.size))
    return write_record_proof(line, others, position, signed.note)


def _gathered(log: Log, grown: Grown, names: Sequence[str]) -> tuple[list[bytes], list[bytes]]:
    """The leaves of these chains in the order of the log, and their hashes."""
    places_ = [(name, log.positions_of(name, grown.size)) for name in names]
    for name, positions in places_:
        length = _entry(grown, name)[0]
        if len(positions) != length:
            raise LogRewritten(f"{len(positions)} records of {name} are there; it had {length}")
    return _checked(log, grown, sorted(one for _, positions in places_ for one in positions))


def _checked(log: Log, grown: Grown, positions: Sequence[int]) -> tuple[list[bytes], list[bytes]]:
    """The leaves at these positions, and their hashes, which are those of the tree."""
    lines, hashes = [], []
    for row in log.at(positions):
        try:
            line = leaf_of(row)
            read_leaf(line)
        except Unproven as error:
            raise LogRewritten(f"the record at position {row[0]}: {error}") from error
        hashed = leaf_hash(line)
        if [hashed] != grown.tiles.leaves(row[0] - 1, row[0]):
            raise LogRewritten(f"the record at position {row[0]} is not what it was")
        lines.append(line)
        hashes.append(hashed)
    if len(lines) != len(positions):
        raise LogRewritten(f"{len(positions) - len(lines)} of {len(positions)} records are gone")
    return lines, hashes


def _places(grown: Grown, checkpoint: Checkpoint, names: Sequence[str]) -> Mapping[bytes, Place]:
    root, found = places(grown.entries, {name_hash(name) for name in names})
    if root != checkpoint.chains_root:
        raise LogRewritten(
            "the ledger's heads are not those that its last checkpoint was signed for"
        )
    return found


def _earlier(
    ledger: Ledger, grown: Grown, now: Checkpoint, extends: Sequence[bytes]
) -> list[Signed]:
    """The checkpoints that the log is to be shown to have kept to, by size."""
    found = {one.checkpoint.size: one for one in ledger.signed(latest=2)}
    for note in extends:
        try:
            checkpoint = read_checkpoint(note, ledger.verifier)
        except Unproven as error:
            raise InvalidInput("extends", f"a checkpoint of this ledger ({error})") from error
        if checkpoint.size > now.size:
            raise LogRewritten(f"the log had {checkpoint.size} records, and has {now.size}")
        if grown.tiles.root(0, checkpoint.size) != checkpoint.root:
            raise LogRewritten(f"at {checkpoint.size} records the log was something else")
        found[checkpoint.size] = Signed(note, checkpoint)
    return [found[size] for size in sorted(found) if size != now.size]


def _chain(grown: Grown, name: str, place: Place) -> dict[str, Any]:
    length, head = _entry(grown, name)
    found = None
    if not length and place.found is not None:
        there, (its_length, its_head) = place.found
        found = {"name": to_base64(there), "length": its_length, "head": to_base64(its_head)}
    return {
        "name": name,
        "length": length,
        "head": to_base64(head),
        "others": _written(place.others),
        "found": found,
    }


def _entry(grown: Grown, name: str) -> tuple[int, bytes]:
    return grown.entries.get(name_hash(name), (0, NO_HASH))


def _written(hashes: Sequence[bytes]) -> list[str]:
    return [to_base64(one) for one in hashes]
