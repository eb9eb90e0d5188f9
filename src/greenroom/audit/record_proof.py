"""The proof that one record stands in the log, as c2sp.org/tlog-proof has it.

c2sp.org/tlog-proof@v1
extra <the leaf, in base64>
index 6
<the roots that lead from the leaf to the tree's, one a line>

<the checkpoint>
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from greenroom.audit.leaves import Leaf, read_leaf
from greenroom.audit.notes import (
    Checkpoint,
    VerifierKey,
    from_base64,
    read_checkpoint,
    to_base64,
)
from greenroom.audit.trees import Unproven, leaf_hash, root_over

TLOG_PROOF: Final = b"c2sp.org/tlog-proof@v1\n"
"""How such a proof begins."""
_LONGEST_PROOF: Final = 100_000_000


def write_record_proof(leaf: bytes, others: Sequence[bytes], position: int, note: bytes) -> bytes:
    """The proof of the record at `position`.

    Args:
        leaf: its own.
        others: the roots along its path, from the leaf up.
        position: of the record.
        note: the checkpoint.
    """
    lines = [f"extra {to_base64(leaf)}", f"index {position - 1}", *map(to_base64, others)]
    return TLOG_PROOF + "".join(f"{line}\n" for line in lines).encode() + b"\n" + note


def proved_record(proof: bytes, key: VerifierKey) -> tuple[Leaf, Checkpoint]:
    """The record that a proof is about, and the checkpoint that it is proved for.

    Raises:
        Unproven: it is not shown.
    """
    if len(proof) > _LONGEST_PROOF or not proof.startswith(TLOG_PROOF):
        raise Unproven("it is no proof of a record")
    head, _, note = proof.removeprefix(TLOG_PROOF).partition(b"\n\n")
    checkpoint = read_checkpoint(note, key)
    try:
        extra, index, *others = head.decode("ascii").split("\n")
    except ValueError:
        raise Unproven("the proof does not say its record and index") from None
    leaf = from_base64(extra.removeprefix("extra "), "the record")
    hashes = [from_base64(one, "a hash") for one in others]
    one = read_leaf(leaf)
    if not extra.startswith("extra ") or index != f"index {one.position - 1}":
        raise Unproven("the record is not the one that the proof is about")
    if root_over(one.position - 1, leaf_hash(leaf), checkpoint.size, hashes) != checkpoint.root:
        raise Unproven("the record does not lead to the checkpoint's root")
    return one, checkpoint
