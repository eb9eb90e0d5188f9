"""Says whether a bundle shows what it should: that these are all records of a call, and unchanged.

It needs nothing but Python 3.10 or later, and no network:

    python verify.py call.zip --key example.org/calls+9777b8b5+AUTv3Tuu...

The key has to come to you by another way than the bundle. With a checkpoint that you have kept
(`--checkpoint FILE`), the bundle must show as well that the log still begins with what it was then.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from greenroom.audit.archive import unpack
from greenroom.audit.call_map import must_be_absent, must_be_in
from greenroom.audit.leaves import Leaf, chain_of, read_leaf
from greenroom.audit.notes import (
    Checkpoint,
    VerifierKey,
    read_checkpoint,
    signed_text,
    to_base64,
)
from greenroom.audit.proof_json import PROOF, Proof, read_proof
from greenroom.audit.record_proof import TLOG_PROOF, proved_record
from greenroom.audit.trees import (
    NO_HASH,
    Unproven,
    besides,
    leaf_hash,
    link,
    must_extend,
    root_from,
)

MANIFEST, CHECKPOINT, KEY = "manifest", "checkpoint", "key.pub"
RECORDS, EARLIER = "records.jsonl", "earlier/"


@dataclass(frozen=True)
class Verdict:
    """What a bundle shows."""

    call: str
    """The cid."""
    checkpoint: Checkpoint
    records: Sequence[Leaf]
    """Of the call and of its call type, in the order of the log."""
    lengths: Mapping[str, int]
    """How many records there are, by chain; 0: the log holds none, and that is shown."""
    earlier: Sequence[Checkpoint]
    """Those that the log is shown to have kept to."""
    key: VerifierKey
    trusted: bool
    """Whether the key was given; else it came with the bundle, and proves nothing by itself."""

    def __str__(self) -> str:
        held = self.lengths[f"call-{self.call}"]
        size, origin = self.checkpoint.size, self.checkpoint.origin
        said = f"there is no call {self.call}"
        if held:
            said = f"all records of call {self.call}, {held} of them, are here and unchanged"
        lines = [f"PROVED, as of the first {size} records of {origin}: {said}."]
        if not self.trusted:
            lines = [
                f"CONSISTENT, if this is the key of {origin}: {self.key}",
                "Compare it with the one that you were given, or say it with --key.",
                f"Then, as of its first {size} records: {said}.",
            ]
        lines += [
            f"Beside them {count or 'no'} records of {chain}: all there are, too."
            for chain, count in self.lengths.items()
            if chain != f"call-{self.call}"
        ]
        lines += [
            f"The log still begins with what it was at {one.size} records." for one in self.earlier
        ]
        return "\n".join(lines)


def verdict(
    files: Mapping[str, bytes], key: VerifierKey | None = None, kept: Sequence[bytes] = ()
) -> Verdict:
    """What the files of a bundle show.

    Args:
        files: by name.
        key: of the log; without, the bundle's own is taken.
        kept: checkpoints that somebody has kept, as notes.

    Raises:
        Unproven: they do not show it; says what is wrong, and with which record.
    """
    believed = VerifierKey.read(_text(files, KEY)) if key is None else key
    checkpoint = read_checkpoint(_file(files, CHECKPOINT), believed)
    proof = read_proof(_file(files, PROOF))
    records = _records(_file(files, RECORDS), proof.leaves)
    _must_be_in_the_log(records, proof, checkpoint)
    lengths = _must_be_whole(records, proof, checkpoint)
    earlier = _must_have_kept_to(files, proof, checkpoint, believed)
    for note in kept:
        _must_agree(read_checkpoint(note, believed), (*earlier, checkpoint))
    _must_be_listed(files, proof.call, believed)
    return Verdict(proof.call, checkpoint, records, lengths, earlier, believed, key is not None)


def _records(data: bytes, leaves: Sequence[bytes]) -> list[Leaf]:
    """The records, each of which is the one whose hash is listed."""
    lines = data.split(b"\n")
    if lines.pop():
        raise Unproven(f"{RECORDS} ends within a record")
    found: list[Leaf] = []
    versions: dict[str, int] = {}
    for number, (line, listed) in enumerate(zip(lines, leaves), start=1):  # noqa: B905 - counted below
        if leaf_hash(line) != listed:
            raise Unproven(f"record {number} is not what it was{_place_of(line)}")
        one = read_leaf(line)
        if found and one.position <= found[-1].position:
            raise Unproven(f"record {number} is not in its place{_place_of(line)}")
        if one.version != versions.get(one.stream, 0) + 1:
            raise Unproven(f"a record is missing before record {number}{_place_of(line)}")
        versions[one.stream] = one.version
        found.append(one)
    if len(lines) != len(leaves):
        at = min(len(lines), len(leaves)) + 1
        raise Unproven(f"there are {len(lines)} records instead of {len(leaves)}: see record {at}")
    return found


def _place_of(line: bytes) -> str:
    """Where a line says that it stands, as far as it can be told."""
    try:
        one = read_leaf(line)
    except Unproven:
        return ""
    return f": it says position {one.position}, version {one.version} of {one.stream}"


def _must_be_in_the_log(records: Sequence[Leaf], proof: Proof, checkpoint: Checkpoint) -> None:
    numbers = [one.position - 1 for one in records]
    if numbers and not 0 <= numbers[0] <= numbers[-1] < checkpoint.size:
        raise Unproven("there are records that the checkpoint does not cover")
    if len(proof.others) != len(besides(numbers, checkpoint.size)):
        raise Unproven("the proof does not fit the places of its records")
    if root_from(numbers, proof.leaves, checkpoint.size, proof.others) != checkpoint.root:
        raise Unproven(
            "the records are those that are listed, but they do not lead to the checkpoint's root:"
            " one of them, its listed hash and its place are not all what they were"
        )


def _must_be_whole(records: Sequence[Leaf], proof: Proof, checkpoint: Checkpoint) -> dict[str, int]:
    """How many records each chain has; all of them are here."""
    ends: dict[str, tuple[int, bytes]] = {}
    for one, hashed in zip(records, proof.leaves, strict=True):
        chain = chain_of(one.stream)
        length, head = ends.get(chain, (0, NO_HASH))
        ends[chain] = length + 1, link(head, hashed)
    names = [name for name, *_ in proof.chains]
    if names[:1] != [f"call-{proof.call}"] or len(set(names)) != len(names):
        raise Unproven("the proof is not about the call that it says")
    if not ends.keys() <= set(names):
        raise Unproven("there are records of something else")
    for name, length, head, place in proof.chains:
        if ends.get(name, (0, NO_HASH)) != (length, head):
            raise Unproven(f"these are not the {length} records that the log has of {name}")
        if length:
            must_be_in(checkpoint.chains_root, name, (length, head), place)
        else:
            must_be_absent(checkpoint.chains_root, name, place)
    return {name: length for name, length, *_ in proof.chains}


def _must_have_kept_to(
    files: Mapping[str, bytes], proof: Proof, checkpoint: Checkpoint, key: VerifierKey
) -> list[Checkpoint]:
    """The earlier checkpoints that come with the bundle; the log still begins with each."""
    found = []
    for size, others in proof.earlier:
        one = read_checkpoint(_file(files, f"{EARLIER}{size}"), key)
        if one.size != size:
            raise Unproven(f"{EARLIER}{size} is a checkpoint of {one.size} records")
        must_extend(size, one.root, checkpoint.size, checkpoint.root, others)
        found.append(one)
    return found


def _must_agree(kept: Checkpoint, shown: Sequence[Checkpoint]) -> None:
    """A checkpoint that somebody kept is one of those that are shown."""
    if kept in shown:
        return
    if any(one.size == kept.size for one in shown):
        raise Unproven(f"at {kept.size} records the log was something else when you kept it")
    raise Unproven(
        f"the bundle does not show that the log still begins with its {kept.size} records"
        " that you have kept a checkpoint of; ask for a bundle that does"
    )


def _must_be_listed(files: Mapping[str, bytes], call: str, key: VerifierKey) -> None:
    """The files are those that whoever holds the key put together."""
    expected = manifest_text(files, call, key)
    if signed_text(_file(files, MANIFEST), key) == expected:
        return
    listed = set(signed_text(files[MANIFEST], key).splitlines())
    wrong = [line for line in expected.splitlines() if line not in listed]
    raise Unproven(
        f"a file of the bundle is not what it was: {wrong[0].rpartition(' ')[2]}"
        if wrong
        else "a file of the bundle is missing"
    )


def manifest_text(files: Mapping[str, bytes], call: str, key: VerifierKey) -> str:
    """What is signed of the bundle as a whole: its files, each with its hash."""
    lines = [f"{key.name}/bundle", call]
    lines += [
        f"{to_base64(sha256(data).digest())} {name}"
        for name, data in sorted(files.items())
        if name != MANIFEST
    ]
    return "".join(f"{line}\n" for line in lines)


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise Unproven(f"the bundle has no {name}")
    return files[name]


def _text(files: Mapping[str, bytes], name: str) -> str:
    try:
        return _file(files, name).decode("ascii")
    except UnicodeDecodeError:
        raise Unproven(f"{name} is not ASCII") from None


def read_bundle(path: Path) -> dict[str, bytes]:
    """The files of a bundle: a ZIP file, or the folder it was unpacked to.

    Raises:
        Unproven: it is none.
        OSError: it cannot be read.
    """
    if not path.is_dir():
        return unpack(path.read_bytes())
    found = sorted(one for one in path.rglob("*") if one.is_file())
    return {one.relative_to(path).as_posix(): one.read_bytes() for one in found}


def main(arguments: Sequence[str] | None = None) -> int:
    """The program: 0 where the bundle shows it, 1 where it does not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "bundle", type=Path, help="the ZIP file, or the folder it was unpacked to; or a proof"
    )
    parser.add_argument("--key", help="the verifier key of the log, as you were given it")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], help="one you kept")
    said = parser.parse_args(arguments)
    try:
        key = None if said.key is None else VerifierKey.read(said.key)
        kept = [one.read_bytes() for one in said.checkpoint]
        shown = judged(said.bundle, key, kept)
    except Unproven as error:
        shown = f"NOT PROVED: {error}."
    except OSError as error:
        shown = f"NOT PROVED: {error.filename} cannot be read: {error.strerror}."
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing is proved
        shown = f"NOT PROVED: this cannot be judged ({type(error).__name__}: {error})."
    sys.stdout.write("".join(_seen(one) for one in shown) + "\n")
    return int(shown.startswith("NOT"))


def judged(path: Path, key: VerifierKey | None, kept: Sequence[bytes]) -> str:
    """What a bundle shows, or the proof of a single record."""
    if path.is_dir() or not path.read_bytes().startswith(TLOG_PROOF):
        return str(verdict(read_bundle(path), key, kept))
    if key is None:
        raise Unproven("the proof of a record comes without the log's key: say it with --key")
    one, checkpoint = proved_record(path.read_bytes(), key)
    return (
        f"PROVED, as of the first {checkpoint.size} records of {checkpoint.origin}:"
        f" at position {one.position} stands version {one.version} of {one.stream}, {one.name}."
    )


def _seen(one: str) -> str:
    """A character as any terminal can show it, and none that could steer one."""
    return one if one == "\n" or (one.isascii() and one.isprintable()) else ascii(one)[1:-1]
