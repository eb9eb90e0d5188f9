"""What a forger may do to a bundle, to its inside: records, proof, notes and files.

The forger may even have it listed anew by whoever signs for the log. What nobody can have is a
checkpoint of what the log never was: those are the log's own.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st
from tests.fuzz.edits import edited, edited_json, shuffled

from greenroom import Greenroom
from greenroom.adapters.tables import open_tables
from greenroom.audit.archive import unpack
from greenroom.audit.bundles import bundle, record_proof
from greenroom.audit.keys import SigningKey
from greenroom.audit.leaves import Leaf, chain_of, read_leaf
from greenroom.audit.ledger import KEY_FILE, Ledger
from greenroom.audit.log import Log, leaf_of
from greenroom.audit.notes import from_base64, to_base64
from greenroom.audit.proof_json import PROOF
from greenroom.audit.trees import leaf_hash
from greenroom.audit.verifier import CHECKPOINT, MANIFEST, RECORDS, manifest_text
from greenroom.testing.clock import VirtualClock

Files = dict[str, bytes]
Changes = dict[str, bytes | None]
"""What a file becomes; None: it is left out."""
NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
CALLS: Final = ("default:visit", "livestream:talk", "default:nowhere")
"""The last is in no log."""
SCALARS: Final = st.none() | st.booleans() | st.integers() | st.text(max_size=8)


@dataclass(frozen=True, repr=False)
class Shown:
    """A log, and what has been signed of it."""

    lines: Sequence[bytes]
    """The leaves of all its records."""
    notes: Sequence[bytes]
    """Its checkpoints."""
    bundles: Sequence[Files]
    """Of the calls."""
    proofs: Sequence[bytes]
    """Of all records."""
    key: SigningKey

    def held(self, chains: Sequence[str], size: int) -> tuple[list[Leaf], dict[str, int]]:
        """The records of these chains among the first `size`, and how many each has."""
        records = [read_leaf(line) for line in self.lines[:size]]
        mine = [one for one in records if chain_of(one.stream) in chains]
        counted = Counter(chain_of(one.stream) for one in mine)
        return mine, {name: counted[name] for name in chains}


@cache
def shown() -> Shown:
    """Of two calls, with a checkpoint after each."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/calls.db"
        ledger = Ledger.found(Path(folder) / "ledger", "example.org/clinic")
        for cid in CALLS[:2]:
            _visited(url, cid)
            with open_tables(url) as tables:
                ledger.checkpoint(Log(tables))
        with open_tables(url) as tables:
            log, key = Log(tables), SigningKey.read(ledger.directory / KEY_FILE)
            lines = [leaf_of(row) for page in log.pages(0, log.position()) for row in page]
            archives = [bundle(ledger, log, cid).archive for cid in CALLS]
            proofs = [record_proof(ledger, log, at + 1) for at in range(len(lines))]
        notes = [one.note for one in ledger.signed()]
        return Shown(lines, notes, [_bare(one, key) for one in archives], proofs, key)


def _visited(url: str, cid: str) -> None:
    with Greenroom.open(url, clock=VirtualClock(NOON), timers=False) as room:
        call = room.as_user("thierry").call(*cid.split(":"))
        call.create(custom={"topic": "blood pressure"})
        call.join().leave()


def _bare(archive: bytes, key: SigningKey) -> Files:
    """A bundle without the verifier, which is most of it, and which no verifier reads."""
    files = unpack(archive)
    del files["verify.py"]
    return listed_anew(files, key)


def listed_anew(files: Files, key: SigningKey) -> Files:
    """The files with a manifest of what they are now."""
    call = files.get(MANIFEST, b"\n").split(b"\n")[1].decode(errors="replace")
    return {**files, MANIFEST: key.signed(manifest_text(files, call, key.verifier))}


@st.composite
def forged(draw: st.DrawFn, of: Shown) -> Files:
    """A bundle with other contents; it may come out as it was."""
    files = dict(draw(st.sampled_from(of.bundles)))
    for _ in range(draw(st.integers(1, 2))):
        forge = draw(st.sampled_from([_records, _proof, _proof, _note, _files, _bytes]))
        changed = {**files, **draw(forge(of, files))}
        files = {name: data for name, data in changed.items() if data is not None}
    return files


@st.composite
def _records(draw: st.DrawFn, of: Shown, files: Files) -> Changes:
    """Others, in another order; their hashes, too, where the forger thinks of it."""
    whole = files.get(RECORDS, b"").split(b"\n")[:-1]
    lines: list[bytes] = draw(shuffled(whole, st.sampled_from(of.lines)))
    bent: bool = draw(st.booleans())
    if lines and bent:
        at = draw(st.integers(0, len(lines) - 1))
        lines[at] = draw(edited(lines[at], st.binary(max_size=8)))
    done: Changes = {RECORDS: b"".join(line + b"\n" for line in lines)}
    said = _read(files)
    if said is None or not draw(st.booleans()):
        return done
    return {**done, PROOF: _written({**said, "leaves": [to_base64(leaf_hash(o)) for o in lines]})}


@st.composite
def _proof(draw: st.DrawFn, of: Shown, files: Files) -> Changes:
    """Other values, some of them those of the proof of another call."""
    said = _read(files)
    another = json.loads(draw(st.sampled_from(of.bundles))[PROOF])
    more = SCALARS | st.sampled_from([*another.values()])
    return {} if said is None else {PROOF: _written(draw(edited_json(said, more)))}


@st.composite
def _note(draw: st.DrawFn, of: Shown, files: Files) -> Changes:
    """Another checkpoint of the log in the place of one."""
    places = [name for name in sorted(files) if name not in (MANIFEST, RECORDS, PROOF)]
    return {draw(st.sampled_from([CHECKPOINT, *places])): draw(st.sampled_from(of.notes))}


@st.composite
def _files(draw: st.DrawFn, of: Shown, files: Files) -> Changes:
    """One left out, added, or in the place of another; perhaps that of another call."""
    name = draw(st.sampled_from(sorted(files)) | st.text(max_size=8))
    another = draw(st.sampled_from(of.bundles))
    return {name: draw(st.none() | st.sampled_from([*another.values()]))}


@st.composite
def _bytes(draw: st.DrawFn, of: Shown, files: Files) -> Changes:
    """Some bytes of a file."""
    name = draw(st.sampled_from(sorted(files)))
    return {name: draw(edited(files[name], st.binary(max_size=40)))}


@st.composite
def forged_proof(draw: st.DrawFn, of: Shown) -> bytes:
    """The proof of a record with other lines, another record, another checkpoint or other bytes."""
    proof, another = draw(st.sampled_from(of.proofs)), draw(st.sampled_from(of.proofs))
    kinds = draw(st.sets(st.sampled_from(["rows", "record", "note", "bytes"]), max_size=2))
    head, _, note = proof.partition(b"\n\n")
    first, extra, *rows = head.split(b"\n")
    if "rows" in kinds:
        rows = draw(shuffled(rows, st.sampled_from(another.split(b"\n")[2:])))
    if "record" in kinds:
        leaf = from_base64(extra.removeprefix(b"extra ").decode(), "the record")
        extra = b"extra " + to_base64(draw(edited(leaf, st.binary(max_size=8)))).encode()
    if "note" in kinds:
        note = draw(st.sampled_from(of.notes))
    proof = b"\n".join([first, extra, *rows]) + b"\n\n" + note
    return draw(edited(proof, st.binary(max_size=8))) if "bytes" in kinds else proof


def _read(files: Files) -> dict[str, Any] | None:
    """What a proof says, where it still says something."""
    try:
        said = json.loads(files.get(PROOF, b""))
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _written(said: object) -> bytes:
    return json.dumps(said).encode()
