"""Notes and checkpoints are those of C2SP: read strictly, and written so that others read them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.audit.keys import SigningKey
from greenroom.audit.notes import (
    Checkpoint,
    VerifierKey,
    read_checkpoint,
    signed_text,
)
from greenroom.audit.trees import Unproven
from greenroom.domain.errors import InvalidInput, StoreError

# The example of Go's package golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_NOTE = GO_TEXT + (
    "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpR"
    "Zb6KE6RyyBwJnAM=\n"
)
KEY = SigningKey.new("example.org/calls")
CHECKPOINT = Checkpoint("example.org/calls", 7, b"\1" * 32, 2, b"\2" * 32)
NOTE = KEY.signed(CHECKPOINT.text)


def test_a_note_that_go_signed_is_read() -> None:
    key = VerifierKey.read(GO_KEY)
    assert str(key) == GO_KEY
    assert signed_text(GO_NOTE.encode(), key) == GO_TEXT


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    assert read_checkpoint(NOTE, KEY.verifier) == CHECKPOINT
    assert NOTE.decode().splitlines()[:3] == [
        "example.org/calls",
        "7",
        "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
    ]


def test_signatures_of_witnesses_are_left_alone() -> None:
    witness = SigningKey.new("witness.example")
    cosigned = NOTE + witness.signed(CHECKPOINT.text).partition(b"\n\n")[2]
    assert read_checkpoint(cosigned, KEY.verifier) == CHECKPOINT
    assert read_checkpoint(cosigned.replace(b"witness", b"stranger"), KEY.verifier) == CHECKPOINT


def test_a_checkpoint_that_somebody_else_signed_is_none() -> None:
    other = SigningKey.new("example.org/calls")
    with pytest.raises(Unproven, match="has not signed"):
        read_checkpoint(other.signed(CHECKPOINT.text), KEY.verifier)
    with pytest.raises(Unproven, match="not of"):
        read_checkpoint(KEY.signed(CHECKPOINT.text.replace("calls", "cells")), KEY.verifier)


@given(st.integers(0, len(NOTE) - 1), st.integers(1, 255))
def test_no_byte_of_a_checkpoint_can_be_another(at: int, flip: int) -> None:
    bent = bytearray(NOTE)
    bent[at] ^= flip
    with pytest.raises(Unproven):
        read_checkpoint(bytes(bent), KEY.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "example.org/calls\n07\n{root}\nchains 2 {root}\n",
        "example.org/calls\n7\n{root}\n",
        "example.org/calls\n7\n{root}\nchains 2 {root}\nmore\n",
        "example.org/calls\n-7\n{root}\nchains 2 {root}\n",
        "example.org/calls\n\N{ARABIC-INDIC DIGIT SEVEN}\n{root}\nchains 2 {root}\n",
        "example.org/calls\n9223372036854775808\n{root}\nchains 2 {root}\n",
        "example.org/calls\n7\n{root}AA==\nchains 2 {root}\n",
        "example.org/calls\n7\nAAAA\nchains 2 {root}\n",
    ],
)
def test_what_is_signed_but_no_checkpoint_is_refused(text: str) -> None:
    root = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
    with pytest.raises(Unproven):
        read_checkpoint(KEY.signed(text.format(root=root)), KEY.verifier)


@given(st.binary(max_size=200))
def test_nothing_else_is_a_note(data: bytes) -> None:
    with pytest.raises(Unproven):
        signed_text(data, KEY.verifier)


@given(st.text(max_size=80))
def test_nothing_else_is_a_key(text: str) -> None:
    with pytest.raises(Unproven):
        VerifierKey.read(text)


def test_a_key_is_kept_in_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key"
    KEY.write(path)
    assert path.stat().st_mode & 0o077 == 0
    again = SigningKey.read(path)
    assert again.verifier == KEY.verifier
    assert again.signed("x\n") == KEY.signed("x\n")
    assert "PRIVATE" not in repr(again)
    with pytest.raises(StoreError, match="exists"):
        SigningKey.new("example.org/other").write(path)


@pytest.mark.parametrize("name", ["", "with space", "plus+plus", "line\nbreak", "nul\0"])
def test_a_log_cannot_have_any_name(name: str) -> None:
    with pytest.raises(InvalidInput):
        SigningKey.new(name)


def test_a_damaged_key_is_none(tmp_path: Path) -> None:
    path = tmp_path / "key"
    KEY.write(path)
    whole = path.read_text()
    for damaged in ("", "x", whole[:-10], whole.replace("PRIVATE", "PUBLIC"), "\0" + whole):
        path.write_text(damaged)
        with pytest.raises(StoreError):
            SigningKey.read(path)
