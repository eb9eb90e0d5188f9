"""Packets on their way into the network, and what happens to those that do not get there."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pylibsrtp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from greenroom.media import sealing
from greenroom.media.packets import read
from greenroom.media.sealing import can_forward, forwarder, forwarding_with, writer

PROFILES = {
    Policy.SRTP_PROFILE_AES128_CM_SHA1_80: 30,
    Policy.SRTP_PROFILE_AEAD_AES_128_GCM: 28,
    Policy.SRTP_PROFILE_AEAD_AES_256_GCM: 44,
}
"""And the bytes of their keys."""


LETTERS = [letter * 900 for letter in (b"a", b"b", b"c", b"d")]


def never(packet: bytes) -> None:
    raise AssertionError(f"dropped {packet!r}")


def two_ends(profile: int) -> tuple[Session, Session]:
    """Of a way that is encrypted like this."""
    key = os.urandom(PROFILES[profile])
    sending = Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)
    receiving = Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile)
    sending.allow_repeat_tx = True
    return Session(sending), Session(receiving)


@pytest.mark.parametrize("name", ["_binding.ffi.new", "_binding.lib.srtp_protect"])
def test_the_library_has_the_name(name: str) -> None:
    found: Any = pylibsrtp
    for part in name.split("."):
        found = getattr(found, part)
    assert callable(found)


def test_a_session_has_the_name() -> None:
    assert two_ends(Policy.SRTP_PROFILE_AES128_CM_SHA1_80)[0]._srtp[0]


def test_the_quickest_way_works_here() -> None:
    assert can_forward()


@pytest.mark.parametrize("profile", PROFILES)
@given(
    payloads=st.lists(st.binary(max_size=1_300), min_size=1, max_size=5),
    start=st.integers(0, 0xFFFF),
)
def test_what_is_forwarded_arrives_as_it_was(
    profile: int, payloads: list[bytes], start: int
) -> None:
    ours, theirs = two_ends(profile)
    sent: list[bytes] = []
    forward = forwarder(ours, lambda data, _: sent.append(bytes(data)), None, never)
    for step, payload in enumerate(payloads):
        forward(0x80 | 97, start + step & 0xFFFF, 5, 7, payload)
    arrived = [read(theirs.unprotect(data)) for data in sent]
    assert [packet.payload for packet in arrived] == payloads
    assert {(one.marker, one.payload_type, one.timestamp, one.ssrc) for one in arrived} == {
        (0x80, 97, 5, 7)
    }


def test_threads_do_not_write_on_each_others_packets() -> None:
    def send(payload: bytes) -> list[bytes]:
        ours, theirs = two_ends(Policy.SRTP_PROFILE_AEAD_AES_256_GCM)
        sent: list[bytes] = []
        forward = forwarder(ours, lambda data, _: sent.append(bytes(data)), None, never)
        for number in range(2_000):
            forward(97, number, 5, 7, payload)
        return [read(theirs.unprotect(data)).payload for data in sent]

    with ThreadPoolExecutor(4) as pool:
        for payload, arrived in zip(LETTERS, pool.map(send, LETTERS), strict=True):
            assert arrived == [payload] * 2_000


def test_both_ways_send_the_same() -> None:
    ours, theirs = two_ends(Policy.SRTP_PROFILE_AEAD_AES_256_GCM)
    sent: list[bytes] = []
    for forward in (
        forwarder(ours, lambda data, _: sent.append(bytes(data)), None, never),
        forwarding_with(writer(ours.protect, lambda data, _: sent.append(data), None, never)),
    ):
        forward(97, len(sent), 5, 7, b"payload")
    first, second = (read(theirs.unprotect(data)) for data in sent)
    assert first == second._replace(number=0)


def refusing(error: Exception) -> Any:
    def refuse(*_: object) -> bytes:
        raise error

    return refuse


@pytest.mark.parametrize(
    "error", [BlockingIOError(), ConnectionError(), OSError(9, "bad"), RuntimeError("on purpose")]
)
def test_a_viewer_whose_connection_fails_disturbs_nobody(error: Exception) -> None:
    dropped: list[bytes] = []
    writer(bytes, refusing(error), None, dropped.append)(b"\x80")
    writer(refusing(error), print, None, dropped.append)(b"\x81")
    ours, _ = two_ends(Policy.SRTP_PROFILE_AEAD_AES_256_GCM)
    forwarder(ours, refusing(error), None, dropped.append)(97, 1, 2, 3, b"payload")
    assert dropped == [b"\x80", b"\x81", b"payload"]


def test_what_cannot_be_encrypted_is_dropped() -> None:
    ours, _ = two_ends(Policy.SRTP_PROFILE_AEAD_AES_256_GCM)
    dropped: list[bytes] = []
    forward = forwarder(ours, lambda *_: None, None, dropped.append)
    forward(97, 1, 2, 3, bytes(1_400))
    for number in (0, 20_000, 1):  # the last one is older than it may be
        forward(97, number, 2, 3, b"payload")
    assert dropped == [bytes(1_400), b"payload"]


def test_a_full_socket_drops_and_keeps_nothing_for_later() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.setblocking(False)
        dropped: list[bytes] = []
        write = writer(bytes, lambda data, _: ours.send(data), None, dropped.append)
        for _ in range(5_000):
            write(bytes(1_000))
        assert len(dropped) > 1_000


@pytest.fixture
def _tried_anew() -> Iterator[None]:
    can_forward.cache_clear()
    yield
    can_forward.cache_clear()


@pytest.mark.usefixtures("_tried_anew")
@pytest.mark.parametrize("changed", ["gone", "another signature", "another meaning"])
def test_a_library_that_has_changed_is_found_out(
    monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    match changed:
        case "gone":
            monkeypatch.setattr(pylibsrtp, "_binding", None)
        case "another signature":
            monkeypatch.setattr(sealing, "forwarder", refusing(TypeError()))
        case _:
            monkeypatch.setattr(
                sealing, "forwarder", lambda *parts: forwarding_with(lambda _: parts[1](b"", 0))
            )
    assert not can_forward()
