"""The key that signs checkpoints: made once, kept in a file that nobody else may read.

It is written as Go's `sumdb/note` writes such keys, so that tools of others can use it.
"""

from __future__ import annotations

import os
from base64 import b64decode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from greenroom.audit.notes import VerifierKey, is_name, signature_line, to_base64
from greenroom.domain.errors import InvalidInput, StoreError

_MARK: Final = "PRIVATE+KEY+"
_ED25519: Final = b"\x01"
_SEED: Final = 32
_ONLY_MINE: Final = 0o600


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Signs for one log."""

    verifier: VerifierKey
    """What others check it with."""
    _private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def new(cls, origin: str) -> Self:
        """A key for the log of that name.

        Args:
            origin: best a URL without its scheme that belongs to you, `example.org/calls`.

        Raises:
            InvalidInput: it has spaces or a plus, or is empty.
        """
        if not is_name(origin):
            raise InvalidInput("origin", "a name without spaces and plus, e.g. example.org/calls")
        return cls._of(origin, Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, path: Path) -> Self:
        """The key in a file.

        Raises:
            StoreError: there is none, or it cannot be read.
        """
        try:
            written = path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"there is no signing key in {path}: {_why(error)}") from error
        name, _, rest = written.removeprefix(_MARK).partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            seed = b64decode(encoded, validate=True)
            key = cls._of(name, Ed25519PrivateKey.from_private_bytes(seed[1:]))
        except ValueError as error:
            raise StoreError(f"{path} is no signing key of a log") from error
        sound = written.startswith(_MARK) and is_name(name) and seed[:1] == _ED25519
        if not sound or key.verifier.key_id.hex() != key_id:
            raise StoreError(f"{path} is no signing key of a log")
        return key

    def write(self, path: Path) -> None:
        """Keep it in a new file, for the eyes of this system's user alone.

        Raises:
            StoreError: there is such a file, or it cannot be written.
        """
        seed = self._private.private_bytes_raw()
        name, key_id = self.verifier.name, self.verifier.key_id.hex()
        written = f"{_MARK}{name}+{key_id}+{to_base64(_ED25519 + seed)}\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _ONLY_MINE)
            with os.fdopen(file, "w") as opened:
                opened.write(written)
                opened.flush()
                os.fsync(opened.fileno())
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {_why(error)}") from error

    def signed(self, text: str) -> bytes:
        """The note that says `text`, which ends with a line break."""
        signature = self._private.sign(text.encode())
        return f"{text}\n{signature_line(self.verifier, signature)}".encode()

    @classmethod
    def _of(cls, origin: str, private: Ed25519PrivateKey) -> Self:
        public = private.public_key().public_bytes_raw()
        return cls(VerifierKey(origin, public), private)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
