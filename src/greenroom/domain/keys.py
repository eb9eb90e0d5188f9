"""The port of what keeps the keys of personal data, where that is not the log itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol


class KeyStore(Protocol):
    """Secrets by number, kept apart from what they seal. Safe for many threads and processes.

    It knows nothing of people: whose key which number is, and whether it is in force, stands in
    the log. Everything raises `KeysUnavailable` where it cannot be asked, and has done nothing or
    all of it then; its exam is `greenroom.testing.KeyStoreContract`.
    """

    @property
    def identity(self) -> bytes:
        """32 random bytes, made with it: the same in every process, and those of no other."""
        ...

    def keep(self, secrets: Mapping[int, bytes]) -> None:
        """Keep these, by number: durable on return. Those that are kept already are fine.

        Raises:
            ValueError: a number has another secret.
        """
        ...

    def find(self, numbers: Collection[int]) -> Mapping[int, bytes]:
        """The secrets that are kept of these numbers; a missing one was destroyed, or never was."""
        ...

    def destroy(self, numbers: Collection[int]) -> None:
        """Let nobody ever find them again; none of their bytes is left in it on return.

        Unknown ones are fine; twice is fine.
        """
        ...

    def close(self) -> None:
        """Release everything. Twice is fine; other calls then raise StoreClosed."""
        ...
