"""Keys that leave their store for a place of their own, while it is copied."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

from greenroom.adapters.keyring import BOUND
from greenroom.adapters.tables import TableRow, Tables
from greenroom.domain.errors import StoreError
from greenroom.domain.keys import KeyStore

_NUMBER_BITS: Final = 53

T = TypeVar("T")


class MovingKeys:
    """What stands in the table of keys once the secrets are elsewhere.

    Args:
        source: whose keys stand within.
        keys: where its secrets are kept from now on; whoever has been erased is in neither.

    Raises:
        StoreError: the keys of the source are elsewhere already.
    """

    def __init__(self, source: Tables, keys: KeyStore) -> None:
        if source.ask("SELECT 1 FROM subject_keys WHERE subject = ?", BOUND):
            raise StoreError(
                f"the keys of {source.name} are apart from it already: copy their database by its"
                " own means, or name it for the copy as well"
            )
        self._keys = keys
        self._kept: set[int] = set()
        self._bound: TableRow = (secrets.randbits(_NUMBER_BITS), BOUND, keys.identity)

    def rows(self, pages: Iterable[list[TableRow]]) -> Iterator[TableRow]:
        """The rows, in the order of subjects; their secrets are kept when they come.

        Those that came before, and do not any more, are destroyed in the end: in the source they
        were erased meanwhile.
        """
        bound, found = [self._bound], set[int]()
        for page in pages:
            self._keys.keep({number: bytes(secret) for number, _, secret in page})
            found.update(number for number, _, _ in page)
            for number, subject, _ in page:
                if bound and subject > BOUND:
                    yield bound.pop()
                yield number, subject, b""
        yield from bound
        self._keys.destroy(self._kept - found)
        self._kept = found


def batched(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """The rows in lists of so many; the last may be shorter."""
    remaining = iter(rows)
    while some := list(islice(remaining, size)):
        yield some
