"""The server: media for whoever has a ticket, made by another process on the same store."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.http.servers import SDP, answered, offered, serving, shown

from greenroom import Greenroom
from greenroom.testing.media import offer_sdp
from greenroom.testing.peer import Peer

Run = Callable[..., Any]


@pytest.mark.slow
def test_media_is_served_for_what_another_process_records(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'calls.db'}"
    with Greenroom.open(store) as room, serving("--store", store) as (url, server):
        entry = room.as_user("thierry").call("default", "1").join(create=True)
        headers = {"Authorization": f"Bearer {entry.ticket()}", "Content-Type": "application/sdp"}
        offer = offer_sdp(("audio", "sendonly"), ("video", "sendonly"))
        begun = answered(f"{url}/media/whip", method="POST", content=offer, headers=headers)
        assert (begun.status_code, begun.text[:3]) == (201, "v=0")
        assert answered(f"{url}/", method="GET").status_code == 404
        entry.leave()
        gone = answered(f"{url}/media/whip", method="POST", content=offer, headers=headers)
        assert (gone.status_code, gone.json()["code"]) == (403, "entry_not_found")
        server.send_signal(signal.SIGTERM)
        said, complained = server.communicate(timeout=90)
        assert (server.returncode, said) == (0, "")
        assert complained.startswith(f"{url}/ serves {store}")
        assert "Traceback" not in complained


@pytest.mark.slow
def test_an_operator_is_told_what_goes_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "only-the-operator-knows"
    monkeypatch.setenv("GREENROOM_OPERATOR_KEY", key)
    shown = {"Authorization": f"Bearer {key}"}
    with serving("--demo", "--store", f"sqlite:///{tmp_path / 'demo.db'}") as (url, _):
        assert answered(f"{url}/media/stats", method="GET", headers=shown).json()["calls"] == {}
        for place in ("metrics", "media/metrics"):
            said = answered(f"{url}/{place}", method="GET", headers=shown)
            assert "greenroom_media_load_ratio 0.0" in said.text
            assert answered(f"{url}/{place}", method="GET").status_code == 401


@pytest.mark.slow
def test_a_key_that_can_be_guessed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENROOM_OPERATOR_KEY", "secret")
    with serving("--demo", "--store", f"sqlite:///{tmp_path / 'demo.db'}") as (_, server):
        _, complained = server.communicate(timeout=90)
        assert server.returncode == 2
        assert "operator_key" in complained


@pytest.mark.slow
def test_the_demo_says_that_it_is_one(tmp_path: Path) -> None:
    with serving("--demo", "--store", f"sqlite:///{tmp_path / 'demo.db'}") as (url, server):
        assert "No login" in answered(f"{url}/", method="GET").text
        stranger = answered(f"{url}/", method="GET", headers={"Host": "example.org"})
        assert stranger.status_code == 400
        server.send_signal(signal.SIGINT)
        _, complained = server.communicate(timeout=90)
        assert "whoever names a user acts as that user" in complained
        assert server.returncode == 0


@pytest.mark.slow
def test_whoever_is_connected_when_the_server_is_stopped_is_told_so(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'calls.db'}"
    with (
        Greenroom.open(store) as room,
        serving("--demo", "--store", store, "--address", "127.0.0.1") as (url, server),
        Peer("red") as sender,
        ThreadPoolExecutor() as threads,
    ):
        call = room.as_user("thierry").call("default", "1")
        entry = call.join(create=True)
        guest = room.as_user("alice").call("default", "1").join()
        sender.take(offered(f"{url}/media/whip", entry, sender.offer(others=0)))
        feed = f"{url}/api/users/alice/calls/default/1/history"
        with httpx2.stream("GET", feed, timeout=60) as stream:
            lines = stream.iter_lines()
            while "session.published" not in next(lines):
                pass
            invited = answered(f"{url}/media/invitations", method="POST", headers=shown(guest))
            assert invited.status_code == 201
            place = f"{url}{invited.headers['location']}"
            with Peer("green") as watcher:
                accepted = httpx2.patch(
                    place,
                    content=watcher.answer(invited.text),
                    headers=shown(guest) | SDP,
                    timeout=60,
                )
                assert accepted.status_code == 204
                asks = f"{url}/media/invitations?after={place[-1]}&wait=60"
                poll = threads.submit(httpx2.post, asks, headers=shown(guest), timeout=90)
                assert watcher.until(lambda: watcher.sees["red"] > 0, 60)
                server.send_signal(signal.SIGTERM)
                _, complained = server.communicate(timeout=60)
                assert [*lines][-1] == ""  # ended, not broken off
                assert poll.result(60).status_code == 204
        assert server.returncode == 0
        told = [line for line in complained.splitlines() if "commands took" not in line]
        assert len(told) == 2, complained  # but for a disk that is slow
        assert [one.name for one in call.history()].count("session.measured") == 2


def test_media_workers_have_addresses_and_recordings_of_their_own(run: Run) -> None:
    told = ("serve", "--store", "sqlite:///calls.db", "--media-workers")
    for option in ("--address", "--recordings"):
        refused = run(*told, option, "127.0.0.1")
        assert refused.exit_code == 2
        assert "the workers have them" in refused.stderr


def test_media_workers_cannot_carry_what_is_in_memory(run: Run, monkeypatch: Any) -> None:
    monkeypatch.delenv("GREENROOM_STORE", raising=False)
    refused = run("serve", "--demo", "--media-workers")
    assert refused.exit_code == 2
    assert "greenroom media run" in refused.stderr


def test_without_a_store_there_is_nothing_to_serve(run: Run, monkeypatch: Any) -> None:
    monkeypatch.delenv("GREENROOM_STORE", raising=False)
    refused = run("serve")
    assert refused.exit_code == 2
    assert "--demo" in refused.stderr


def test_a_turn_server_without_its_secret_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GREENROOM_TURN_SECRET", raising=False)
    refused = run("serve", "--demo", "--ice", "turn:example.org")
    assert refused.exit_code == 2
    assert "GREENROOM_TURN_SECRET" in refused.stderr


def test_what_is_no_ice_server_is_refused_before_anything_is_served(run: Run) -> None:
    refused = run("serve", "--demo", "--ice", "http://example.org")
    assert refused.exit_code == 2
    assert "ice_servers[0]" in refused.stderr


@pytest.mark.slow
def test_clients_are_told_of_turn_servers_with_credentials_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENROOM_TURN_SECRET", "shared with coturn")
    store = f"sqlite:///{tmp_path / 'calls.db'}"
    named = ("--ice", "stun:example.org", "--ice", "turn:example.org?transport=tcp")
    with Greenroom.open(store) as room, serving("--store", store, *named) as (url, _):
        entry = room.as_user("thierry").call("default", "1").join(create=True)
        headers = {"Authorization": f"Bearer {entry.ticket()}", "Content-Type": "application/sdp"}
        offer = offer_sdp(("audio", "sendonly"))
        begun = answered(f"{url}/media/whip", method="POST", content=offer, headers=headers)
        stun, turn = begun.headers.get_list("link")
        assert stun == '<stun:example.org>; rel="ice-server"'
        assert turn.startswith('<turn:example.org?transport=tcp>; rel="ice-server"; username="')
        assert entry.entry_id in turn


@pytest.mark.slow
def test_a_store_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with serving("--store", f"sqlite:///{tmp_path / 'none.db'}") as (_, server):
        _, complained = server.communicate(timeout=90)
        assert server.returncode == 3
        assert "store_error" in complained
