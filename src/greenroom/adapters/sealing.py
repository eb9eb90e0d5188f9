"""Sealing of personal data, so that destroying a key destroys what it sealed (crypto-shredding).

A record is sealed under the keys of *all* subjects it is about: a member's custom data under the
key of the call and the key of the user. Whichever of them is erased first takes the data along.
"""

from __future__ import annotations

import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

KEY_BYTES: Final = 32
_KEY_ID_BITS: Final = 53
"""As many as every reader of JSON keeps exact."""
_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"greenroom sealed personal data 1"


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """The key of one subject, from its first personal data until its erasure."""

    key_id: int
    """Never used again, so that a seal says which key it needs: a subject who comes back after
    an erasure has another key, and what was sealed before stays erased."""
    secret: bytes = field(repr=False)


class Sealed(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Personal fields of one record, as they are stored."""

    keys: tuple[int, ...]
    """The ids of the keys it takes, in the order of the stream's subjects."""
    box: str
    """Nonce and ciphertext (AES-256-GCM), in base64."""


def new_key() -> SubjectKey:
    """A key that no subject has had: so many ids are drawn from that none comes again."""
    return SubjectKey(new_key_id(), new_secret())


def new_key_id() -> int:
    """Its id alone, for what stands in the table of keys without a secret."""
    return secrets.randbits(_KEY_ID_BITS)


def new_secret() -> bytes:
    """32 random bytes: the secret of a new key, or of a new store."""
    return os.urandom(KEY_BYTES)


def seal(plain: bytes, keys: Sequence[SubjectKey], place: bytes) -> Sealed:
    """`plain`, readable only with every one of `keys`, and only in its `place`.

    Args:
        plain: what to hide.
        keys: at least one.
        place: names the record; ciphertext moved to another one cannot be opened there.
    """
    nonce = os.urandom(_NONCE_BYTES)
    box = nonce + AESGCM(_joint_key(keys)).encrypt(nonce, plain, place)
    return Sealed(keys=tuple(key.key_id for key in keys), box=b64encode(box).decode())


def unseal(sealed: Sealed, keys: Sequence[SubjectKey | None], place: bytes) -> bytes | None:
    """What was sealed; None where one of its keys is gone or was replaced.

    Args:
        sealed: as it was stored.
        keys: those that the subjects have now, in the same order; None for a subject without one.
        place: as when it was sealed.

    Raises:
        ValueError: the keys are the right ones, but this is not what was sealed here with them.
    """
    held = [key for key in keys if key is not None]
    if tuple(key.key_id for key in held) != sealed.keys:
        return None
    box = b64decode(sealed.box, validate=True)
    try:
        return AESGCM(_joint_key(held)).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], place)
    except InvalidTag as error:
        raise ValueError("the sealed data was tampered with, or moved here") from error


def _joint_key(keys: Sequence[SubjectKey]) -> bytes:
    """HKDF-SHA256 over all secrets: whoever lacks one of them knows nothing of the result."""
    if not keys:
        raise ValueError("a seal takes at least one key")
    secrets_of_all = b"".join(key.secret for key in keys)
    return HKDF(SHA256(), KEY_BYTES, salt=_PURPOSE, info=None).derive(secrets_of_all)
