"""Sealed data opens with every one of its keys, in its place, and not otherwise."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.adapters.sealing import Sealed, SubjectKey, new_secret, seal, unseal

PLACE = b"member-livestream:123/alice|1"
CALL, ALICE = SubjectKey(1, new_secret()), SubjectKey(2, new_secret())


@given(st.binary(), st.integers(1, 4))
def test_what_was_sealed_is_unsealed(plain: bytes, count: int) -> None:
    keys = [SubjectKey(number, new_secret()) for number in range(count)]
    assert unseal(seal(plain, keys, PLACE), keys, PLACE) == plain


def test_it_takes_every_key() -> None:
    sealed = seal(b"asthma", [CALL, ALICE], PLACE)
    assert unseal(sealed, [None, ALICE], PLACE) is None
    assert unseal(sealed, [CALL, None], PLACE) is None
    assert unseal(sealed, [None, None], PLACE) is None


def test_a_later_key_of_the_same_subject_does_not_open_it_and_is_no_error() -> None:
    sealed = seal(b"asthma", [CALL, ALICE], PLACE)
    assert unseal(sealed, [CALL, SubjectKey(3, new_secret())], PLACE) is None


def test_knowing_all_keys_but_one_helps_nobody() -> None:
    """The key is derived of all secrets: a wrong one under the right id fails, never half-opens."""
    sealed = seal(b"asthma", [CALL, ALICE], PLACE)
    for guess in ([CALL, SubjectKey(2, CALL.secret)], [SubjectKey(1, ALICE.secret), ALICE]):
        with pytest.raises(ValueError, match="tampered"):
            unseal(sealed, guess, PLACE)


def test_sealed_data_cannot_be_moved_to_another_record() -> None:
    sealed = seal(b"asthma", [CALL, ALICE], PLACE)
    with pytest.raises(ValueError, match="moved here"):
        unseal(sealed, [CALL, ALICE], b"member-livestream:123/alice|2")


@given(st.integers(0, 28 + 6 - 1), st.integers(0, 7))
def test_not_a_bit_of_it_can_be_changed(byte: int, bit: int) -> None:
    sealed = seal(b"asthma", [CALL, ALICE], PLACE)
    box = bytearray(b64decode(sealed.box))
    box[byte] ^= 1 << bit
    with pytest.raises(ValueError, match="tampered"):
        unseal(Sealed(keys=sealed.keys, box=b64encode(box).decode()), [CALL, ALICE], PLACE)


def test_the_same_data_never_looks_the_same_twice() -> None:
    assert seal(b"asthma", [CALL], PLACE).box != seal(b"asthma", [CALL], PLACE).box


def test_nothing_is_sealed_without_a_key() -> None:
    with pytest.raises(ValueError, match="at least one key"):
        seal(b"asthma", [], PLACE)


def test_secrets_stay_out_of_what_is_printed() -> None:
    assert repr(CALL.secret) not in repr(CALL)
