"""The chains as of a checkpoint, in a file: how long each is, and its head.

72 bytes a chain, by the hashes of their names: no call and no user is named in it. A checksum ends
it, because it is what the next map is made from.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final

from greenroom.audit.call_map import Entry
from greenroom.audit.tiles import replace
from greenroom.audit.trees import DIGEST, Unproven

Entries = dict[bytes, Entry]
"""By hashed name."""

_LENGTH: Final = 8
_EACH: Final = DIGEST + _LENGTH + DIGEST


def write_heads(path: Path, entries: Entries) -> None:
    """Keep them."""
    body = b"".join(
        name + length.to_bytes(_LENGTH, "big") + head
        for name, (length, head) in sorted(entries.items())
    )
    replace(path, body + sha256(body).digest())


def read_heads(path: Path) -> Entries:
    """What was kept.

    Raises:
        Unproven: nothing, or it is damaged.
    """
    try:
        written = path.read_bytes()
    except OSError as error:
        raise Unproven(f"{path} is missing") from error
    body, mark = written[:-DIGEST], written[-DIGEST:]
    if len(body) % _EACH or sha256(body).digest() != mark:
        raise Unproven(f"{path} is damaged")
    return {
        body[at : at + DIGEST]: (
            int.from_bytes(body[at + DIGEST : at + DIGEST + _LENGTH], "big"),
            body[at + DIGEST + _LENGTH : at + _EACH],
        )
        for at in range(0, len(body), _EACH)
    }
