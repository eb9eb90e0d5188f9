"""Keys that leave their store for a place of their own, while it is copied."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Final

from greenroom.adapters.keyring import BOUND
from greenroom.adapters.sealing import new_key_id
from greenroom.adapters.tables import TableRow, Tables
from greenroom.adapters.targets import Target
from greenroom.domain.errors import StoreError
from greenroom.domain.keys import KeyStore

KEPT: Final = "copy_keys_kept"
"""A table in a store that another one is being copied into: whose secrets are elsewhere already."""


class MovingKeys:
    """What stands in the table of keys once the secrets are elsewhere.

    Which secrets have come there is noted in the target first, as long as the copy is not
    finished: whoever goes on with it knows which of them were erased meanwhile.

    Args:
        source: whose keys stand within.
        target: of the copy; has the notes from its mark on.
        keys: where its secrets are kept from now on; whoever has been erased is in neither.
        turn: a transaction of the target.

    Raises:
        StoreError: the keys of the source are elsewhere already.
    """

    def __init__(
        self,
        source: Tables,
        target: Target,
        keys: KeyStore,
        turn: Callable[[], AbstractContextManager[None]],
    ) -> None:
        if source.ask("SELECT 1 FROM subject_keys WHERE subject = ?", BOUND):
            raise StoreError(
                f"the keys of {source.name} are apart from it already: copy their database by its"
                " own means, or name it for the copy as well"
            )
        self._target = target
        self._keys = keys
        self._turn = turn
        self._bound: TableRow = (new_key_id(), BOUND, keys.identity)

    def rows(self, pages: Iterable[list[TableRow]]) -> Iterator[TableRow]:
        """The rows, in the order of subjects; their secrets are kept when they come.

        Those that came before, and do not any more, are destroyed in the end: in the source they
        were erased meanwhile.
        """
        bound, found = [self._bound], set[int]()
        noted = {number for (number,) in self._target.ask(f"SELECT number FROM {KEPT}")}
        for page in pages:
            new = {number: bytes(secret) for number, _, secret in page}
            self._note(new.keys() - noted)
            noted |= new.keys()
            found |= new.keys()
            self._keys.keep(new)
            for number, subject, _ in page:
                if bound and subject > BOUND:
                    yield bound.pop()
                yield number, subject, b""
        yield from bound
        self._destroy(noted - found)

    def _note(self, numbers: Collection[int]) -> None:
        if numbers:
            with self._turn():
                self._target.insert(KEPT, ("number",), [(number,) for number in sorted(numbers)])

    def _destroy(self, numbers: Collection[int]) -> None:
        if numbers:
            self._keys.destroy(numbers)
            with self._turn():
                for number in numbers:
                    self._target.ask(f"DELETE FROM {KEPT} WHERE number = ?", number)
