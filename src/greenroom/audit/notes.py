"""Signed notes and checkpoints, as c2sp.org/signed-note and c2sp.org/tlog-checkpoint have them.

    example.org/calls
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
    chains 1200 8dI8xVmWkGWTsVZyYIVcYnmM0FbmeZ8Oq0iT+2b5Yls=

    — example.org/calls Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDe...

The fourth line is ours: how many chains there are, one for every call, call type and user, and
the root of the map from each to its length and head (`call_map`).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from greenroom.audit.ed25519 import is_signed
from greenroom.audit.trees import DIGEST, Unproven

_ED25519: Final = b"\x01"
_KEY_ID: Final = 4
_DASH: Final = "\N{EM DASH} "
_LONGEST_NOTE: Final = 100_000
_CHAINS: Final = "chains"
_LARGEST: Final = 2**63
_DIGITS: Final = 19


@dataclass(frozen=True)
class VerifierKey:
    """Whose signature is believed: the log's name and its public key."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        named = self.name.encode() + b"\n" + _ED25519 + self.public
        return sha256(named).digest()[:_KEY_ID]

    @classmethod
    def read(cls, text: str) -> VerifierKey:
        """The key that is written `name+id+key`.

        Raises:
            Unproven: nothing is.
        """
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        public = from_base64(encoded, "the verifier key")
        if not is_name(name) or public[:1] != _ED25519 or len(public) != 1 + DIGEST:
            raise Unproven("the verifier key is not name+id+key of an Ed25519 key")
        key = cls(name, public[1:])
        if key.key_id.hex() != key_id:
            raise Unproven("the verifier key does not have the id that it says")
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{to_base64(_ED25519 + self.public)}"


@dataclass(frozen=True)
class Checkpoint:
    """What a log was when it was signed."""

    origin: str
    """Which log."""
    size: int
    """How many records."""
    root: bytes
    """Of the tree over them (RFC 6962)."""
    chains: int
    """How many calls, call types and users have records."""
    chains_root: bytes
    """Of the map over them."""

    @property
    def text(self) -> str:
        """What is signed."""
        chains = f"{_CHAINS} {self.chains} {to_base64(self.chains_root)}"
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n{chains}\n"

    @classmethod
    def read(cls, text: str) -> Checkpoint:
        """The checkpoint that a note's text is.

        Raises:
            Unproven: it is none, or not one of ours.
        """
        lines = text.split("\n")
        expected = 5  # the last is empty
        if len(lines) != expected or lines[-1]:
            raise Unproven("the checkpoint does not have its four lines")
        origin, size, root, extension, _ = lines
        word, _, counted = extension.partition(" ")
        chains, _, chains_root = counted.partition(" ")
        if word != _CHAINS:
            raise Unproven("the checkpoint does not say which chains there are")
        found = cls(
            origin,
            _counted(size),
            from_base64(root, "the root hash"),
            _counted(chains),
            from_base64(chains_root, "the root of the chains"),
        )
        if not len(found.root) == len(found.chains_root) == DIGEST:
            raise Unproven("a hash in the checkpoint does not have 32 bytes")
        return found


def signature_line(key: VerifierKey, signature: bytes) -> str:
    """The line of a note that says who signed it."""
    return f"{_DASH}{key.name} {to_base64(key.key_id + signature)}\n"


def signed_text(note: bytes, key: VerifierKey) -> str:
    """The text of a note that `key` has signed; signatures of others are left alone.

    Raises:
        Unproven: it is no note, or `key` has not signed it.
    """
    text, signatures = _parts(note)
    ours = [
        signature[_KEY_ID:]
        for name, signature in signatures
        if name == key.name and signature[:_KEY_ID] == key.key_id
    ]
    if not ours:
        raise Unproven(f"{key.name} has not signed it with the key {key.key_id.hex()}")
    if not all(is_signed(key.public, text.encode(), one) for one in ours):
        raise Unproven(f"the signature of {key.name} is not that of this text")
    return text


def read_checkpoint(note: bytes, key: VerifierKey) -> Checkpoint:
    """The checkpoint in a note of the log that `key` belongs to.

    Raises:
        Unproven: it is none, or of another log, or `key` has not signed it.
    """
    found = Checkpoint.read(signed_text(note, key))
    if found.origin != key.name:
        raise Unproven(f"it is a checkpoint of {found.origin!r}, not of {key.name!r}")
    return found


def is_name(name: str) -> bool:
    """Whether a key, and so a log, can have this name."""
    return (
        bool(name) and name.isprintable() and not any(one.isspace() or one == "+" for one in name)
    )


def to_base64(data: bytes) -> str:
    """Standard base64, padded."""
    return b64encode(data).decode()


def from_base64(text: str, what: str) -> bytes:
    """The bytes that `text` stands for; no two texts stand for the same.

    Raises:
        Unproven: none do; the error names `what` it is.
    """
    try:
        data = b64decode(text.encode("ascii"), validate=True)
    except (NoBase64, UnicodeEncodeError, ValueError):
        raise Unproven(f"{what} is not base64") from None
    if to_base64(data) != text:
        raise Unproven(f"{what} is not base64 as it is written")
    return data


def _parts(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """The text, and who signed it how."""
    if len(note) > _LONGEST_NOTE:
        raise Unproven("the note is too long")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise Unproven("the note is not UTF-8") from None
    if any(one < " " and one != "\n" for one in whole):
        raise Unproven("the note holds control characters")
    text, blank, signatures = whole.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise Unproven("the note has no signatures")
    return text + "\n", [_signature(line) for line in signatures[:-1].split("\n")]


def _signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    signature = from_base64(encoded, "a signature")
    if not line.startswith(_DASH) or not is_name(name) or len(signature) <= _KEY_ID:
        raise Unproven("a signature line of the note is not one")
    return name, signature


def _counted(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS) or str(int(text)) != text:
        raise Unproven("a size in the checkpoint is not a number")
    if int(text) >= _LARGEST:
        raise Unproven("a size in the checkpoint is too large")
    return int(text)
