"""STUN and TURN servers: what clients are told, and that a TURN server takes it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from greenroom import Greenroom, IceAccess, IceServer, errors
from greenroom.testing import VirtualClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "shared-with-the-turn-server"  # noqa: S105 - of the test's own server


def told(*servers: IceServer, clock: VirtualClock | None = None) -> tuple[IceAccess, ...]:
    """What the client of an entry is told of these servers."""
    with Greenroom.open("memory://", clock=clock, ice_servers=servers) as room:
        return room.as_user("alice").call("default", "1").join(create=True).ice_servers()


def test_by_default_there_are_none() -> None:
    assert told() == ()


def test_a_stun_server_needs_no_credentials() -> None:
    [stun] = told(IceServer(urls=["stun:stun.example:3478"]))
    assert stun.model_dump(mode="json", exclude_none=True) == {"urls": ["stun:stun.example:3478"]}


def test_fixed_credentials_are_told_as_they_are() -> None:
    [turn] = told(IceServer(urls=["turns:turn.example"], username="u", credential="c"))
    assert (turn.username, turn.credential, turn.expires_at) == ("u", "c", None)


def test_each_entry_gets_credentials_of_its_own_for_a_time() -> None:
    clock = VirtualClock(NOW)
    server = IceServer(urls=["turn:t"], secret=SECRET, valid=timedelta(hours=1))
    with Greenroom.open("memory://", clock=clock, ice_servers=[server]) as room:
        call = room.as_user("alice").call("default", "1")
        phone, laptop = call.join(create=True), call.join()
        [one], [other] = phone.ice_servers(), laptop.ice_servers()
        assert one.username == f"{int(NOW.timestamp()) + 3600}:{phone.entry_id}"
        assert one.expires_at == NOW + timedelta(hours=1)
        assert one.credential != other.credential
        assert SECRET not in repr(one)
        clock.advance(seconds=60)
        assert phone.ice_servers()[0].expires_at == NOW + timedelta(minutes=61)


def test_who_has_left_is_told_nothing() -> None:
    with Greenroom.open("memory://", ice_servers=[IceServer(urls=["stun:a"])]) as room:
        entry = room.as_user("alice").call("default", "1").join(create=True)
        entry.leave()
        with pytest.raises(errors.EntryNotFound):
            entry.ice_servers()


# A real TURN server


@contextmanager
def coturn() -> Iterator[str]:
    """The address of a TURN server of one's own, which relays on this machine alone."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.fail("this test needs Debian's coturn: apt-get install coturn")
    port = free_port()
    options = {
        "listening-ip": "127.0.0.1",
        "relay-ip": "127.0.0.1",
        "listening-port": str(port),
        "static-auth-secret": SECRET,
        "realm": "greenroom.test",
        "log-file": "stdout",
        "pidfile": "",
    }
    flags = ["-n", "--use-auth-secret", "--allow-loopback-peers", "--no-cli", "--no-tls"]
    said = [f"--{name}={value}" for name, value in options.items()]
    with subprocess.Popen(
        [program, *flags, "--no-dtls", *said], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            listening(port)
            yield f"turn:127.0.0.1:{port}?transport=udp"
        finally:
            server.terminate()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def listening(port: int) -> None:
    """Wait until the server answers on TCP, which it opens with UDP."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.05)
    pytest.fail("coturn did not begin to listen")


async def allocates(access: IceAccess) -> bool:
    """Whether the TURN server grants a relayed address for these credentials."""
    from aioice import stun, turn  # noqa: PLC0415 - loads a media library

    port = int(access.urls[0].split(":")[2].partition("?")[0])
    try:
        transport, _ = await turn.create_turn_endpoint(
            asyncio.DatagramProtocol,
            server_addr=("127.0.0.1", port),
            username=access.username,
            password=access.credential,
        )
    except stun.TransactionFailed:
        return False
    transport.close()
    await asyncio.sleep(0.1)  # it is given back
    return True


@pytest.mark.slow
def test_coturn_takes_what_was_minted_and_nothing_else() -> None:
    with coturn() as url:
        server = IceServer(urls=[url], secret=SECRET)
        [minted] = told(server)
        long_ago = VirtualClock(datetime.now(UTC) - timedelta(days=2))
        [expired] = told(server, clock=long_ago)
        [forged] = told(IceServer(urls=[url], secret="another"))  # noqa: S106 - of nobody
        prolonged = minted.model_copy(update={"username": f"9{minted.username}"})
        assert [asyncio.run(allocates(one)) for one in (minted, expired, forged, prolonged)] == [
            True,
            False,
            False,
            False,
        ]


@pytest.mark.slow
def test_a_client_that_may_only_use_the_relay_sees_and_hears() -> None:
    from greenroom.media.aiortc_media import AiortcMedia  # noqa: PLC0415 - loads a media library
    from greenroom.testing.peer import Peer  # noqa: PLC0415 - as above

    offers: list[str] = []
    with (
        coturn() as url,
        Greenroom.open(
            "memory://",
            media=AiortcMedia(addresses=("127.0.0.1",)),
            ice_servers=[IceServer(urls=[url], secret=SECRET)],
        ) as room,
    ):
        call = room.as_user("thierry").call("default", "1")
        call.create(member_ids=["alice"])
        near, far = call.join(), room.as_user("alice").call("default", "1").join()
        [access] = far.ice_servers()

        def signal(offer: str) -> str:
            offers.append(offer)
            return far.offer(offer)

        with Peer("red") as thierry, Peer("green", relay=access) as alice:
            thierry.join(near.offer)
            alice.join(signal)
            assert alice.until(lambda: alice.sees["red"] > 2 and alice.hears["red"] > 2)
            assert thierry.until(lambda: thierry.sees["green"] > 2 and thierry.hears["green"] > 2)
    candidates = [line for line in offers[0].splitlines() if line.startswith("a=candidate:")]
    assert candidates
    assert all(" typ relay " in f"{line} " for line in candidates)
