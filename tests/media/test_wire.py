"""What is taken hold of in aiortc and aioice, name by name, and how it goes on without."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from operator import attrgetter

import pytest
from tests.media.conftest import Room, entry_of, sees_and_hears

from greenroom.media import wire
from greenroom.media.wire import LIFE, QUICK, Link


def link_in(room: Room, name: str) -> Link:
    """The link of somebody's only connection."""
    [connection] = room.media._stage._roster.require(entry_of(name)).connections
    assert connection._link is not None
    return connection._link


@pytest.fixture(scope="module")
def meeting() -> Iterator[Room]:
    """Thierry and alice, connected: what the tests below look at changes nothing."""
    room = Room()
    room.enter("thierry")
    room.enter("alice")
    yield room
    room.close()


@pytest.mark.parametrize("name", [*QUICK, *LIFE])
def test_a_connected_transport_has_the_name(meeting: Room, name: str) -> None:
    assert attrgetter(name)(link_in(meeting, "thierry")._dtls) is not None


@pytest.mark.parametrize(
    "name", ["protocol.datagram_received", "protocol.transport._sock", "protocol.request"]
)
def test_the_pair_in_use_has_the_name(meeting: Room, name: str) -> None:
    pair = link_in(meeting, "thierry")._dtls.transport._connection._nominated[1]
    assert attrgetter(name)(pair) is not None
    assert pair.remote_addr[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "name",
    ["_register_rtp_receiver", "_register_rtp_sender", "_send_rtp", "_rtp_header_extensions_map"],
)
def test_the_slow_way_has_the_name(meeting: Room, name: str) -> None:
    assert hasattr(link_in(meeting, "thierry")._dtls, name)


@pytest.mark.parametrize("name", ["_ssrc", "_rtx_ssrc", "_stream_id"])
def test_what_the_answer_announces_has_the_name(meeting: Room, name: str) -> None:
    [connection] = meeting.media._stage._roster.require(entry_of("thierry")).connections
    senders = connection._peer.getSenders()
    assert len({getattr(sender, name) for sender in senders}) == len(senders) == 2


def test_packets_take_the_quick_way(meeting: Room) -> None:
    thierry, alice = meeting.peers
    assert sees_and_hears(thierry, "green")
    assert sees_and_hears(alice, "red")
    assert link_in(meeting, "thierry").quick
    assert link_in(meeting, "thierry")._carrier is None


def test_a_peer_shows_life_when_it_is_asked(meeting: Room) -> None:
    link = link_in(meeting, "alice")
    link.round_trip = None
    loop = meeting.media._thread._loop
    assert loop is not None
    asyncio.run_coroutine_threadsafe(link.ask_for_life(), loop).result(5)
    assert link.round_trip is not None
    assert 0 < link.round_trip < 1


@pytest.mark.slow
@pytest.mark.parametrize("missing", QUICK)
def test_without_a_hook_packets_take_the_slow_way(
    room: Room, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    moved = tuple(f"{name}_moved" if name == missing else name for name in QUICK)
    monkeypatch.setattr(wire, "QUICK", moved)
    thierry, alice = room.enter("thierry"), room.enter("alice")
    assert sees_and_hears(thierry, "green")
    assert sees_and_hears(alice, "red")
    assert not link_in(room, "thierry").quick


def test_a_pair_that_is_not_as_expected_leaves_the_slow_way(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def moved(*_: object) -> None:
        raise AttributeError("remote_addr")

    monkeypatch.setattr(Link, "_bind", moved)
    thierry = room.enter("thierry", sends=())
    room.enter("alice")
    assert sees_and_hears(thierry, "green")
    assert not link_in(room, "thierry").quick


def test_a_peer_that_moves_is_followed_at_once(meeting: Room) -> None:
    link = link_in(meeting, "thierry")
    nominated = link._dtls.transport._connection._nominated
    pair, before = nominated[1], link.write
    nominated[1] = pair
    assert link.write is not before
    nominated.clear()
    assert link.write == link.drop
    nominated[1] = pair
    assert sees_and_hears(meeting.peers[0], "green")
