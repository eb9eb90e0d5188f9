"""What goes through media, watched from the command line."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from tests.workers.conftest import Site

from greenroom import CallMediaStats, EntryMediaStats, Greenroom, MediaStatistics, aio, errors
from greenroom.aio.room import Coming
from greenroom.cli.media.looking import Look, place_of
from greenroom.cli.media.rates import ORDERS, between, calls
from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.http.serving import application
from greenroom.testing import FakeMedia
from greenroom.testing.descriptions import offer_sdp

Run = Callable[..., Any]
KEY = "only-the-operator-knows"


class Server:
    """A process that carries media, as far as anybody can tell."""

    def __init__(self, url: str, room: Greenroom, media: FakeMedia) -> None:
        self.url = url
        self.room = room
        self.media = media

    def enter(self, user: str, call_id: str = "1") -> EntryId:
        """Join, and connect."""
        entry = self.room.as_user(user).call("default", call_id).join(create=True)
        deadline = time.monotonic() + 60
        while entry.entry_id not in self.media.entries() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.media.connect(entry.entry_id)
        return entry.entry_id


@contextmanager
def serving() -> Iterator[Server]:
    media, rooms = FakeMedia(), list[Greenroom]()

    class Noted(Coming):
        async def __aenter__(self) -> aio.Greenroom:
            room = await super().__aenter__()
            rooms.append(room.reading)
            return room

    def opening() -> Coming:
        return Noted(lambda: Greenroom.open("memory://", media=media))

    app = application(opening, demo=False, operator_key=KEY)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield Server(f"http://127.0.0.1:{listener.getsockname()[1]}", rooms[0], media)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_OPERATOR_KEY", KEY)


@pytest.mark.slow
def test_what_goes_through_is_shown_by_call_and_by_who_is_in_it(run: Run, server: Server) -> None:
    server.enter("thierry")
    alice = server.enter("alice")
    server.media.measure(alice, MediaStatistics(packets_received=7, round_trip=0.05))
    shown = run("media", "top", server.url, "--once", "--every", "0.1")
    assert shown.exit_code == 0, shown.stderr
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[0][:4] == ["calls", "1,", "entries", "2;"]
    call, first, second = lines[-4:-1]
    assert (call[0], first[0], second[0]) == ("default:1", "alice", "thierry")
    assert "50" in first


@pytest.mark.slow
def test_programs_are_answered_json(run: Run, server: Server) -> None:
    entry_id = server.enter("tommaso", "2")
    said = json.loads(
        run(
            "media", "top", server.url, "--once", "--json", "--every", "0.1", "--sort", "name"
        ).stdout
    )
    call = next(one for one in said["calls"] if one["cid"] == "default:2")
    assert call["served_by"] == server.url.removeprefix("http://")
    (entry,) = call["entries"]
    assert (entry["entry_id"], entry["user_id"]) == (entry_id, "tommaso")
    assert entry["rates"]["packets_in"] == 0
    assert said["failed"] == {}


@pytest.mark.slow
def test_a_process_that_is_gone_does_not_hide_the_others(run: Run, server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"127.0.0.1:{closed.getsockname()[1]}"
    shown = run("media", "top", server.url, f"http://{gone}", "--once", "--every", "0.1")
    assert shown.exit_code == 0
    assert f"{gone}: http://{gone}/media/stats" in shown.stdout
    alone = run("media", "top", f"http://{gone}", "--once", "--every", "0.1")
    assert (alone.exit_code, gone in alone.stderr) == (1, True)


@pytest.mark.slow
def test_without_the_key_nothing_is_told(
    run: Run, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENROOM_OPERATOR_KEY", "another-key-altogether")
    refused = run("media", "top", server.url, "--once", "--every", "0.1")
    assert refused.exit_code == 1
    assert "GREENROOM_OPERATOR_KEY" in refused.stderr


@pytest.mark.parametrize("place", ["/elsewhere", "/media/whip"])
def test_where_there_are_no_counters_that_is_said(run: Run, server: Server, place: str) -> None:
    refused = run("media", "top", server.url + place, "--once", "--every", "0.1")
    assert refused.exit_code == 1
    assert "there are no counters" in " ".join(refused.stderr.split())


@pytest.mark.parametrize(
    "url", ["", "calls.db", "ftp://example.org", "http://", "http://[", "http:///x"]
)
def test_what_is_no_address_is_refused(run: Run, url: str) -> None:
    assert run("media", "top", url, "--once").exit_code == 2


@pytest.mark.slow
def test_the_workers_of_a_store_are_found_and_asked(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    with closing(Site(url)) as site:
        worker = site.hire()
        entry = site.room.as_user("thierry").call("default", "1").join(create=True)
        entry.offer(offer_sdp(("audio", "sendonly")))
        worker.media.connect(entry.entry_id)
        shown = run("media", "top", "--store", url, "--once", "--json", "--every", "0.1")
        assert shown.exit_code == 0, shown.stderr
        (call,) = json.loads(shown.stdout)["calls"]
    assert [one["user_id"] for one in call["entries"]] == ["thierry"]


@pytest.mark.slow
def test_where_no_worker_is_alive_that_is_said(run: Run, clinic: str) -> None:
    refused = run("media", "top", "--once", "--every", "0.1")
    assert refused.exit_code == 1
    assert "greenroom media run" in refused.stderr


def test_who_names_nothing_to_ask_is_told_what_to_name(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GREENROOM_STORE", raising=False)
    refused = run("media", "top", "--once")
    assert refused.exit_code == 2
    assert "--store" in refused.stderr


def test_an_order_that_is_none_is_refused_with_the_nearest(run: Run, server: Server) -> None:
    refused = run("media", "top", server.url, "--once", "--sort", "los")
    assert refused.exit_code == 2
    assert "loss" in refused.stderr


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/media/stats"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/media/stats"),
        ("https://example.org/app/media/", "https://example.org/app/media/stats"),
        ("https://example.org/app/media/stats", "https://example.org/app/media/stats"),
    ],
)
def test_the_counters_are_found_by_the_server_or_by_where_media_is(url: str, asked: str) -> None:
    assert place_of(url, KEY).url == asked


def test_the_key_is_not_carried_on_to_where_a_server_points(server: Server) -> None:
    asked: list[bytes] = []
    with (
        socket.create_server(("127.0.0.1", 0)) as elsewhere,
        socket.create_server(("127.0.0.1", 0)) as sly,
    ):

        def point_elsewhere() -> None:
            connection, _ = sly.accept()
            with connection:
                asked.append(connection.recv(4096))
                port = elsewhere.getsockname()[1]
                connection.sendall(
                    b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
                    + f"Location: http://127.0.0.1:{port}/\r\n\r\n".encode()
                )

        thread = threading.Thread(target=point_elsewhere)
        thread.start()
        with pytest.raises(errors.MediaError, match="answers 302"):
            place_of(f"http://127.0.0.1:{sly.getsockname()[1]}", KEY).look()
        thread.join()
        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert KEY.encode() in asked[0]


# What the figures are

COUNTERS = st.builds(
    MediaStatistics,
    **dict.fromkeys(
        ("packets_received", "packets_sent", "bytes_received", "bytes_sent", "packets_lost"),
        st.integers(0, 10**9),
    ),
)


@given(COUNTERS, COUNTERS, st.floats(0, 100))
def test_rates_are_never_below_nothing_and_loss_is_a_share(
    before: MediaStatistics, after: MediaStatistics, seconds: float
) -> None:
    rates = between(before, after, seconds)
    assert min(rates.packets_in, rates.packets_out, rates.bits_in, rates.bits_out) >= 0
    assert rates.loss is None or 0 <= rates.loss <= 1


def test_a_rate_is_what_was_added_by_the_time_it_took() -> None:
    before = MediaStatistics(packets_received=100, bytes_sent=1_000, packets_lost=5)
    after = MediaStatistics(packets_received=190, bytes_sent=2_000, packets_lost=15, jitter=0.01)
    rates = between(before, after, 2.0)
    assert (rates.packets_in, rates.bits_out, rates.loss, rates.jitter) == (45, 4_000, 0.1, 0.01)


@pytest.mark.parametrize("order", ORDERS)
def test_those_with_the_most_stand_first(order: Any) -> None:
    much = MediaStatistics(
        packets_received=10,
        bytes_received=10,
        packets_lost=10,
        key_frame_requests=10,
        round_trip=10.0,
        jitter=10.0,
    )
    nothing = _look(0.0, {})
    rows = calls("here", nothing, _look(1.0, {"b": much, "c": MediaStatistics(), "a": None}), order)
    expected = ["a", "b", "c"] if order == "name" else ["b", "a", "c"]
    assert [row.cid for row in rows] == expected
    assert rows[expected.index("a")].entries[0].rates is None


def _look(at: float, found: Mapping[str, MediaStatistics | None]) -> Look:
    return Look(
        at,
        None,
        MediaStatistics(),
        {
            CallId(cid): CallMediaStats(
                counted or MediaStatistics(),
                {EntryId(f"entry of {cid}"): EntryMediaStats(UserId("thierry"), counted, ())},
            )
            for cid, counted in found.items()
        },
    )
