"""Packets on their way into the network, and what happens to those that do not get there."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pylibsrtp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from greenroom.media import sealing
from greenroom.media.packets import Kept, Packet, read
from greenroom.media.sealing import (
    BURST,
    MOST,
    Send,
    can_forward,
    can_send_together,
    forwarder,
    forwarding_with,
    sender,
    writer,
)

PROFILES = {
    Policy.SRTP_PROFILE_AES128_CM_SHA1_80: 30,
    Policy.SRTP_PROFILE_AEAD_AES_128_GCM: 28,
    Policy.SRTP_PROFILE_AEAD_AES_256_GCM: 44,
}
"""And the bytes of their keys."""


LETTERS = [letter * 900 for letter in (b"a", b"b", b"c", b"d")]


AES_256 = Policy.SRTP_PROFILE_AEAD_AES_256_GCM


def never(packet: bytes) -> None:
    raise AssertionError(f"dropped {packet!r}")


def in_row(*payloads: bytes, start: int = 5) -> list[Kept]:
    """Packets of one picture."""
    last = len(payloads) - 1
    return [
        Kept(start + step, 6, 0x80 if step == last else 0, payload)
        for step, payload in enumerate(payloads)
    ]


def cutting(sent: list[bytes]) -> Send:
    """What sends as the system does: cut to size."""

    def send(packets: memoryview, size: int) -> None:
        data = bytes(packets)
        sent.extend(data[begin : begin + size] for begin in range(0, len(data), size))

    return send


def opened(theirs: Session, sent: Sequence[bytes]) -> list[Packet]:
    """What arrives at the other end."""
    return [read(theirs.unprotect(data)) for data in sent]


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
    size=st.integers(1, 1_300),
    more=st.integers(0, BURST - 2),
    end=st.binary(max_size=1_300),
    start=st.integers(0, 0xFFFFF),
)
def test_what_is_forwarded_in_one_go_arrives_packet_by_packet(
    profile: int, size: int, more: int, end: bytes, start: int
) -> None:
    ours, theirs = two_ends(profile)
    sent: list[bytes] = []
    payloads = [bytes([step]) * size for step in range(1 + more)] + [end[:size]]
    packets = in_row(*payloads, start=start)
    forwarder(ours, cutting(sent), never)(7, 97, 3, -1, packets)
    arrived = opened(theirs, sent)
    assert [packet.payload for packet in arrived] == payloads
    assert [packet.number for packet in arrived] == [
        start + 3 + step & 0xFFFF for step in range(len(payloads))
    ]
    assert [packet.marker for packet in arrived] == [0] * (len(payloads) - 1) + [0x80]
    assert {(one.payload_type, one.timestamp, one.ssrc) for one in arrived} == {(97, 5, 7)}


def test_threads_do_not_write_on_each_others_packets() -> None:
    def send(payload: bytes) -> list[bytes]:
        ours, theirs = two_ends(AES_256)
        sent: list[bytes] = []
        forward = forwarder(ours, cutting(sent), never)
        for number in range(0, 2_000, 4):
            forward(7, 97, 0, 0, in_row(*[payload] * 4, start=number))
        return [packet.payload for packet in opened(theirs, sent)]

    with ThreadPoolExecutor(4) as pool:
        for payload, arrived in zip(LETTERS, pool.map(send, LETTERS), strict=True):
            assert arrived == [payload] * 2_000


def test_both_ways_send_the_same() -> None:
    ours, theirs = two_ends(AES_256)
    sent: list[bytes] = []
    for forward in (
        forwarder(ours, cutting(sent), never),
        forwarding_with(writer(ours.protect, lambda data, _: sent.append(data), None, never)),
    ):
        forward(7, 97, len(sent), 9, in_row(b"payload", b"more"))
    first, second, third, fourth = opened(theirs, sent)
    assert [first, second] == [third._replace(number=5), fourth._replace(number=6)]


@pytest.fixture
def way() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets of UDP on this machine: from, and to."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs,
    ):
        theirs.bind(("127.0.0.1", 0))
        theirs.settimeout(60)
        ours.setblocking(False)
        yield ours, theirs


class Counted:
    """A socket that counts calls of the system, and may not know how to send several at once."""

    def __init__(self, ours: socket.socket, error: OSError | None = None) -> None:
        self.calls: list[str] = []
        self._ours, self._error = ours, error

    def sendto(self, *said: Any) -> int:
        self.calls.append("sendto")
        return self._ours.sendto(*said)

    def sendmsg(self, *said: Any) -> int:
        self.calls.append("sendmsg")
        if self._error is not None:
            raise self._error
        return self._ours.sendmsg(*said)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems send one by one")
def test_packets_leave_in_one_call_of_the_system(way: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = way
    counted = Counted(ours)
    sender(counted, theirs.getsockname())(memoryview(b"aaaabbbbcc"), 4)
    sender(counted, theirs.getsockname())(memoryview(b"alone"), 5)
    assert [theirs.recv(100) for _ in range(4)] == [b"aaaa", b"bbbb", b"cc", b"alone"]
    assert counted.calls == ["sendmsg", "sendto"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems send one by one")
def test_the_largest_burst_leaves_in_one_call(way: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = way
    counted = Counted(ours)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
    sender(counted, theirs.getsockname())(memoryview(bytes(BURST * MOST)), MOST)
    assert [len(theirs.recv(2 * MOST)) for _ in range(BURST)] == [MOST] * BURST
    assert counted.calls == ["sendmsg"]


def test_this_system_sends_together_what_linux_does() -> None:
    assert can_send_together() == (sys.platform == "linux")


@pytest.fixture
def _asked_anew() -> Iterator[None]:
    can_send_together.cache_clear()
    yield
    can_send_together.cache_clear()


@pytest.mark.usefixtures("_asked_anew")
@pytest.mark.parametrize("option", [0x7F, 0])
def test_a_system_that_cannot_send_together_is_found_out(
    monkeypatch: pytest.MonkeyPatch, way: tuple[socket.socket, socket.socket], option: int
) -> None:
    monkeypatch.setattr(sealing, "UDP_SEGMENT", option)
    assert not can_send_together()
    ours, theirs = way
    counted = Counted(ours)
    sender(counted, theirs.getsockname())(memoryview(b"aaaabb"), 4)
    assert [theirs.recv(100) for _ in range(2)] == [b"aaaa", b"bb"]
    assert counted.calls == ["sendto"] * 2


@pytest.mark.usefixtures("_asked_anew")
def test_another_system_is_not_even_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not can_send_together()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO, errno.EOPNOTSUPP])
def test_a_way_that_takes_no_bursts_is_not_asked_again(
    way: tuple[socket.socket, socket.socket], number: int
) -> None:
    ours, theirs = way
    counted = Counted(ours, OSError(number, "on purpose"))
    send = sender(counted, theirs.getsockname())
    send(memoryview(b"aaaabbbbcc"), 4)
    send(memoryview(b"ddddee"), 4)
    assert [theirs.recv(100) for _ in range(5)] == [b"aaaa", b"bbbb", b"cc", b"dddd", b"ee"]
    assert counted.calls == ["sendmsg", *["sendto"] * 5]


def test_a_burst_that_finds_the_socket_full_is_dropped_whole() -> None:
    ours, _ = two_ends(AES_256)
    dropped: list[bytes] = []
    full = Counted(socket.socket(), BlockingIOError())
    forward = forwarder(ours, sender(full, None), dropped.append)
    forward(7, 97, 0, 0, in_row(b"some", b"more"))
    forward(7, 97, 0, 0, in_row(b"again", b"and", start=9))
    assert dropped == [b"some", b"more", b"again", b"and"]
    assert full.calls == ["sendmsg", "sendmsg"]  # one by one it would be as full


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
    ours, _ = two_ends(AES_256)
    forwarder(ours, refusing(error), dropped.append)(7, 97, 0, 0, in_row(b"payload"))
    assert dropped == [b"\x80", b"\x81", b"payload"]


def test_what_cannot_be_encrypted_is_dropped_and_the_rest_is_sent() -> None:
    ours, theirs = two_ends(AES_256)
    sent: list[bytes] = []
    dropped: list[bytes] = []
    forward = forwarder(ours, cutting(sent), dropped.append)
    forward(7, 97, 0, 0, in_row(bytes(1_400), b"fits"))
    forward(7, 97, 0, 0, in_row(b"new", start=20_000))
    forward(7, 97, 0, 0, in_row(b"old") + in_row(b"new", start=20_001))
    assert dropped == [bytes(1_400), b"old"]
    assert [packet.payload for packet in opened(theirs, sent)] == [b"fits", b"new", b"new"]


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
