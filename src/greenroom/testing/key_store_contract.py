"""The exam of the `KeyStore` port: what is kept is found, and what is destroyed is not.

For example::

    class TestMyKeys(KeyStoreContract):
        @pytest.fixture
        def opened(self) -> Callable[[], KeyStore]:
            return lambda: MyKeys(...)
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from typing import Final

import pytest

from greenroom.domain.errors import KeysUnavailable, StoreClosed
from greenroom.domain.keys import KeyStore

_LARGEST: Final = 2**53 - 1
"""Numbers are drawn from up to this."""


class KeyStoreContract:
    """What all key stores must do, wherever they stand."""

    @pytest.fixture
    def opened(self) -> Callable[[], KeyStore]:
        """Opens the same key store each time, as another process would; empty at first."""
        raise NotImplementedError("give the contract something to open")

    @pytest.fixture
    def away(self) -> Callable[[], AbstractContextManager[None]]:
        """Within it, nobody can reach the key store. For those that can be taken away."""
        pytest.skip("it cannot be taken away")

    @pytest.fixture
    def keys(self, opened: Callable[[], KeyStore]) -> Iterator[KeyStore]:
        with closing(opened()) as keys:
            yield keys

    def test_what_is_kept_is_found_and_nothing_else(self, keys: KeyStore) -> None:
        kept = {1: _secret(), 7: _secret(), _LARGEST: _secret()}
        keys.keep(kept)
        assert keys.find([1, 7, _LARGEST]) == kept
        assert keys.find([7, 8]) == {7: kept[7]}
        assert keys.find([8]) == keys.find([]) == {}

    def test_keeping_twice_keeps_once(self, keys: KeyStore) -> None:
        kept = {1: _secret(), 2: _secret()}
        keys.keep({1: kept[1]})
        keys.keep(kept)
        keys.keep({})
        assert keys.find([1, 2]) == kept

    def test_a_number_never_gets_another_secret(self, keys: KeyStore) -> None:
        first = _secret()
        keys.keep({1: first})
        with pytest.raises(ValueError, match="another secret"):
            keys.keep({2: _secret(), 1: _secret()})
        assert keys.find([1, 2]) == {1: first}

    def test_what_is_destroyed_is_gone_and_nothing_else(self, keys: KeyStore) -> None:
        kept = {number: _secret() for number in range(10)}
        keys.keep(kept)
        keys.destroy([3, 4])
        assert keys.find(kept) == {n: one for n, one in kept.items() if n not in {3, 4}}

    def test_destroying_twice_and_nobody_is_fine(self, keys: KeyStore) -> None:
        keys.keep({1: _secret()})
        for _ in range(2):
            keys.destroy([1, 99])
        keys.destroy([])
        assert keys.find([1]) == {}

    def test_more_than_a_statement_takes(self, keys: KeyStore) -> None:
        kept = {number: _secret() for number in range(2_500)}
        keys.keep(kept)
        assert keys.find(kept) == kept
        keys.destroy(range(1, 2_500))
        assert keys.find(kept) == {0: kept[0]}

    def test_two_openings_are_one_store(self, opened: Callable[[], KeyStore]) -> None:
        with closing(opened()) as one, closing(opened()) as other:
            assert one.identity == other.identity
            assert len(one.identity) == 32
            kept = {1: _secret(), 2: _secret()}
            one.keep(kept)
            assert other.find([1, 2]) == kept
            other.destroy([1])
            assert one.find([1, 2]) == {2: kept[2]}

    def test_everything_is_there_after_opening_again(self, opened: Callable[[], KeyStore]) -> None:
        kept = {1: _secret()}
        with closing(opened()) as keys:
            keys.keep({**kept, 2: _secret()})
            keys.destroy([2])
            identity = keys.identity
        with closing(opened()) as again:
            assert (again.identity, again.find([1, 2])) == (identity, kept)

    def test_many_threads_at_once_take_nothing_from_each_other(
        self, opened: Callable[[], KeyStore]
    ) -> None:
        def work(keys: KeyStore, first: int) -> dict[int, bytes]:
            kept = {number: _secret() for number in range(first, first + 20)}
            for number, secret in kept.items():
                keys.keep({number: secret})
                assert keys.find([number]) == {number: secret}
            gone = range(first, first + 20, 2)
            keys.destroy(gone)
            return {number: one for number, one in kept.items() if number not in gone}

        with closing(opened()) as one, closing(opened()) as other, ThreadPoolExecutor(4) as threads:
            parts = threads.map(work, (one, one, other, other), range(0, 400, 100))
            expected = {number: secret for part in parts for number, secret in part.items()}
            assert one.find(range(400)) == other.find(range(400)) == expected

    def test_of_two_who_want_a_number_one_gets_it(self, opened: Callable[[], KeyStore]) -> None:
        def want(keys: KeyStore) -> bytes | None:
            secret = _secret()
            try:
                keys.keep({1: secret})
            except ValueError:
                return None
            return secret

        with closing(opened()) as one, closing(opened()) as other, ThreadPoolExecutor(4) as threads:
            got = [*threads.map(want, (one, other, one, other))]
            (winner,) = [secret for secret in got if secret is not None]
            assert one.find([1]) == {1: winner}

    def test_one_that_is_away_says_so_and_is_back_afterwards(
        self, keys: KeyStore, away: Callable[[], AbstractContextManager[None]]
    ) -> None:
        kept = {1: _secret()}
        keys.keep(kept)
        with away():
            for attempt in (
                lambda: keys.find([1]),
                lambda: keys.find([2]),
                lambda: keys.keep({2: _secret()}),
                lambda: keys.destroy([1]),
            ):
                with pytest.raises(KeysUnavailable):
                    attempt()
        assert keys.find([1, 2]) == kept

    def test_a_closed_one_says_so(self, keys: KeyStore) -> None:
        keys.close()
        keys.close()
        for attempt in (
            lambda: keys.find([1]),
            lambda: keys.keep({1: _secret()}),
            lambda: keys.destroy([1]),
        ):
            with pytest.raises(StoreClosed):
                attempt()


def _secret() -> bytes:
    return secrets.token_bytes(32)
