"""WHIP and WHEP with clients that others wrote, and media that flows."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from tests.http.browsers import Site, demo, eventually

from greenroom import Entry
from greenroom.http import reading
from greenroom.testing.peer import Peer

pytestmark = pytest.mark.slow  # real media


@pytest.fixture
def site() -> Iterator[Site]:
    with demo() as site:
        yield site


def join(site: Site, user: str) -> Entry:
    return site.room.as_user(user).call("default", "show").join(create=True)


@contextmanager
def ffmpeg(site: Site, entry: Entry, sign: str, directory: Path) -> Iterator[None]:
    """FFmpeg publishing into the call; it hangs up at the end."""
    program = Path(__file__).with_name("ffmpeg_whip.py")
    url = f"{site.url}media/whip"
    sending = subprocess.Popen(
        [sys.executable, program, url, entry.ticket("publish"), sign, directory],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        yield
    finally:
        sending.communicate(b"stop\n", timeout=90)
    assert sending.returncode == 0


def test_ffmpeg_publishes_and_a_peer_hears_and_sees_it_until_it_hangs_up(
    site: Site, tmp_path: Path
) -> None:
    with Peer("green", addresses=None, codecs=("VP8", "H264")) as alice:
        alice.join(join(site, "alice").offer, others=1)
        show = join(site, "studio")
        with ffmpeg(site, show, "red", tmp_path):
            assert alice.until(lambda: alice.hears["red"] > 5), alice.hears
            assert alice.until(lambda: alice.sees["red"] > 5), alice.sees
        call = site.room.system("auditor").call("default", "show")
        assert eventually(lambda: len(call.query_participants().items) == 1)
    (left,) = [one for one in call.history() if one.name == "session.left"]
    assert (left.event["user_id"], left.event["reason"]) == ("studio", "left")


class Client:
    """An entry's own WHIP and WHEP."""

    def __init__(self, site: Site, user: str) -> None:
        self.entry = join(site, user)
        self._site = site
        self._sessions: dict[str, httpx2.URL] = {}
        self._shown = {"Authorization": f"Bearer {self.entry.ticket()}"}

    def offer(self, at: str, sdp: str) -> str:
        """The answer to an offer."""
        headers = self._shown | {"Content-Type": "application/sdp"}
        begun = httpx2.post(f"{self._site.url}media/{at}", content=sdp, headers=headers, timeout=60)
        assert begun.status_code == 201, begun.text
        self._sessions[at] = httpx2.URL(self._site.url).join(begun.headers["location"])
        return begun.text

    def hang_up(self, at: str) -> None:
        """End the session there."""
        assert httpx2.delete(self._sessions[at], headers=self._shown, timeout=60).status_code == 200


def test_a_peer_publishes_by_whip_and_another_watches_by_whep(site: Site) -> None:
    thierry, alice = Client(site, "thierry"), Client(site, "alice")
    with Peer("blue", addresses=None) as sender, Peer("green", addresses=None) as viewer:
        sender.join(lambda sdp: thierry.offer("whip", sdp), others=0)
        viewer.join(lambda sdp: alice.offer("whep", sdp), others=1, sends=())
        assert viewer.until(lambda: viewer.sees["blue"] > 5 and viewer.hears["blue"] > 5)
        assert sender.comes_to(set(), set())


def test_an_entry_that_sends_and_watches_ends_the_one_without_the_other(site: Site) -> None:
    thierry, alice = Client(site, "thierry"), join(site, "alice")
    call = site.room.system("auditor").call("default", "show")
    with (
        Peer("blue", addresses=None) as sender,
        Peer("green", addresses=None) as viewer,
        Peer("red", addresses=None) as other,
    ):
        sender.join(lambda sdp: thierry.offer("whip", sdp), others=0)
        viewer.join(lambda sdp: thierry.offer("whep", sdp), others=1, sends=())
        other.join(alice.offer, others=1)
        assert viewer.until(lambda: viewer.sees["red"] > 5)
        assert other.until(lambda: other.sees["blue"] > 5)
        thierry.hang_up("whip")
        assert other.comes_to(set(), set())
        assert viewer.comes_to({"red"}, {"red"})
        assert len(call.query_participants().items) == 2
        thierry.hang_up("whep")
        (present,) = call.query_participants().items
        assert present.user_id == "alice"


def test_a_client_that_never_ends_its_offer_is_not_waited_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PATIENCE", 0.2)
    ticket = join(site, "thierry").ticket()
    host, port = site.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as slow:
        slow.sendall(
            f"POST /media/whip HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {ticket}\r\n"
            "Content-Type: application/sdp\r\nContent-Length: 1000\r\n\r\nv=0".encode()
        )
        assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")


def bare(sdp: str) -> str:
    """A description without addresses."""
    without = ("a=candidate:", "a=end-of-candidates")
    return "\r\n".join(row for row in sdp.splitlines() if not row.startswith(without)) + "\r\n"


def test_candidates_that_trickle_in_reach_the_connection(site: Site) -> None:
    entry = join(site, "thierry")
    with Peer("blue", addresses=None) as peer:
        offer = peer.offer(others=0)
        fragment = [
            row for row in offer.splitlines() if row.startswith(("a=candidate:", "a=ice-ufrag:"))
        ]
        headers = {"Authorization": f"Bearer {entry.ticket()}"}
        sdp = {"Content-Type": "application/sdp"}
        begun = httpx2.post(
            f"{site.url}media/whip", content=bare(offer), headers=headers | sdp, timeout=60
        )
        assert begun.status_code == 201, begun.text
        peer.take(bare(begun.text))  # neither knows where the other is
        time.sleep(0.5)
        assert peer.state == "connecting"
        session = httpx2.URL(site.url).join(begun.headers["location"])
        named = {
            "Content-Type": "application/trickle-ice-sdpfrag",
            "If-Match": begun.headers["etag"],
        }
        said = "\r\n".join(fragment) + "\r\n"
        taken = httpx2.patch(session, content=said, headers=headers | named, timeout=60)
        assert taken.status_code == 204, taken.text
        assert eventually(lambda: peer.state == "connected")
