"""`greenroom serve` and `greenroom media run`: whoever is asked, and whoever carries."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.http.servers import offered, serving

from greenroom import Greenroom
from greenroom.testing.peer import Peer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

PATIENCE = 60.0
"""Seconds, on a machine that is busy."""


@contextmanager
def worker(store: str) -> Iterator[None]:
    """One media worker, in processes of its own."""
    options = ("--workers", "1", "--address", "127.0.0.1", "--goodbye", "0", "--store", store)
    crew = subprocess.Popen([sys.executable, "-m", "greenroom", "media", "run", *options])
    try:
        yield
    finally:
        crew.terminate()
        assert crew.wait(60) == 0


def sees(peer: Peer) -> bool:
    return peer.sees["red"] > 5


def until_no_frame_comes(kicked: Peer, other: Peer) -> float:
    """When the last frame came to one, while they go on to come to the other."""
    seen, last = -1, time.monotonic()
    while True:
        other.sees.clear()
        while other.sees["red"] < 10:  # two thirds of a second of pictures
            if (now := kicked.sees["red"] + kicked.hears["red"]) != seen:
                seen, last = now, time.monotonic()
            time.sleep(0.002)
            assert time.monotonic() < last + PATIENCE
        if kicked.sees["red"] + kicked.hears["red"] == seen and time.monotonic() > last + 0.5:
            return last


def test_whip_and_whep_go_through_a_worker_and_who_is_kicked_receives_no_more(
    tmp_path: Path,
) -> None:
    store = f"sqlite:///{tmp_path / 'calls.db'}"
    with (
        Greenroom.open(store) as room,
        worker(store),
        serving("--store", store, "--media-workers") as (url, _),
        Peer("red") as thierry,
        Peer("green") as alice,
        Peer("blue") as charlie,
    ):
        host = room.as_user("thierry").call("default", "1")
        sends = host.join(create=True)
        thierry.take(offered(f"{url}/media/whip", sends, thierry.offer(others=0)))
        for name, peer in (("alice", alice), ("charlie", charlie)):
            entry = room.as_user(name).call("default", "1").join()
            peer.take(offered(f"{url}/media/whep", entry, peer.offer(others=1, sends=())))
            assert peer.until(partial(sees, peer), PATIENCE)
        kicked_at = time.monotonic()
        host.kick("alice")
        last = until_no_frame_comes(alice, charlie)
        print(f"\nlast frame {(last - kicked_at) * 1000:.0f} ms after the kick began")  # noqa: T201 - a figure for people
        [left] = [one for one in host.history() if one.name == "session.left"]
        assert (left.event["user_id"], left.event["reason"]) == ("alice", "kicked")
        carried = {one.name for one in host.history()}
        assert {"session.connected", "session.published", "session.measured"} <= carried
