"""Signatures are checked as RFC 8032 and a well-kept library check them."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from greenroom.audit.ed25519 import is_signed

# RFC 8032, section 7.1, tests 1 to 3: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf"
            "9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f"
            "11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984"
            "dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]
ORDER = 2**252 + 27742317777372353535851937790883648493
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def library_says(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_the_standards_own_examples(public: str, message: str, signature: str) -> None:
    key, said, signed = map(bytes.fromhex, (public, message, signature))
    assert is_signed(key, said, signed)
    assert not is_signed(key, said + b"!", signed)


@given(st.binary(max_size=40), st.integers(0, 95), st.integers(1, 255))
def test_it_agrees_with_the_library_on_what_was_bent(message: bytes, at: int, flip: int) -> None:
    public = KEY.public_key().public_bytes_raw()
    bent = bytearray(public + KEY.sign(message))
    assert is_signed(public, message, bytes(bent[32:]))
    bent[at] ^= flip
    key, signature = bytes(bent[:32]), bytes(bent[32:])
    assert is_signed(key, message, signature) is library_says(key, message, signature) is False


def test_a_second_signature_cannot_be_made_from_the_first() -> None:
    public, signature = KEY.public_key().public_bytes_raw(), KEY.sign(b"x")
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    again = signature[:32] + scalar.to_bytes(32, "little")
    assert not is_signed(public, b"x", again)


@pytest.mark.parametrize("length", [0, 31, 33, 63, 65])
def test_what_has_another_length_is_no_signature(length: int) -> None:
    public = KEY.public_key().public_bytes_raw()
    assert not is_signed(public, b"x", bytes(length))
    assert not is_signed(bytes(length), b"x", KEY.sign(b"x"))
    assert not is_signed(b"\xff" * 32, b"x", KEY.sign(b"x"))
