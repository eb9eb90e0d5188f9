"""Browsers at both adapters: they send by offers, and receive by answering the server's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright
from tests.http.browsers import CHROMIUM

from greenroom import Entry, Greenroom
from greenroom.media.aiortc_media import AiortcMedia
from greenroom.media.janus import JanusMedia
from greenroom.media.port import MediaPort
from greenroom.testing.janus import PrivateJanus
from greenroom.testing.peer import Peer
from greenroom.testing.signs import Sign

pytestmark = pytest.mark.slow  # a browser, and a Janus

_ANSWER = """async (offer) => {
    window.peer ??= new RTCPeerConnection();
    await peer.setRemoteDescription({type: "offer", sdp: offer});
    await peer.setLocalDescription();
    while (peer.iceGatheringState !== "complete") await new Promise((on) => setTimeout(on, 20));
    return peer.localDescription.sdp;
}"""
_OFFER = """async ({width, height, layers}) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const pen = canvas.getContext("2d");
    let at = 0;
    const paint = () => {
        pen.fillStyle = "#f00";
        pen.fillRect(0, 0, width, height);
        pen.fillStyle = "#fff";
        pen.fillRect((at += 8) % 300, 0, 16, 30);
    };
    setInterval(paint, 60);
    const sound = new AudioContext().createMediaStreamDestination().stream;
    window.sending = new RTCPeerConnection();
    for (const stream of [canvas.captureStream(15), sound]) {
        const [track] = stream.getTracks();
        const sendEncodings = track.kind === "video" ? layers : [];
        sending.addTransceiver(track, {direction: "sendonly", streams: [stream], sendEncodings});
    }
    await sending.setLocalDescription();
    while (sending.iceGatheringState !== "complete")
        await new Promise((on) => setTimeout(on, 20));
    return sending.localDescription.sdp;
}"""
_TAKE = "(answer) => sending.setRemoteDescription({type: 'answer', sdp: answer})"
_SENT = """async () => [...(await sending.getStats()).values()]
    .filter((one) => one.type === "outbound-rtp" && one.kind === "video" && one.framesSent)
    .map((one) => one.rid ?? "")"""
_SMALL = {"width": 320, "height": 240, "layers": []}
_LAYERED = {
    "width": 960,
    "height": 540,
    "layers": [
        {"rid": "whole"},
        {"rid": "half", "scaleResolutionDownBy": 2},
        {"rid": "quarter", "scaleResolutionDownBy": 4},
    ],
}
_FRAMES = """async () => {
    const seen = {};
    for (const line of peer.getTransceivers()) {
        for (const one of (await line.receiver.getStats()).values()) {
            if (one.type === "inbound-rtp" && one.kind === "video")
                seen[line.mid] = Math.max(seen[line.mid] ?? 0, one.framesDecoded ?? 0);
        }
    }
    return seen;
}"""


class Watcher:
    """Alice, in front of a browser."""

    def __init__(self, page: Page, entry: Entry) -> None:
        self.page, self.entry, self.number = page, entry, 0

    def take(self) -> None:
        """Take the next invitation, if one comes; who finds free lines needs none."""
        invitation = self.entry.next_invitation(after=self.number, seconds=1)
        if invitation is None:
            return
        self.entry.accept(invitation.number, self.page.evaluate(_ANSWER, invitation.sdp))
        self.number = invitation.number

    def watches(self, *senders: Entry) -> bool:
        """Whether the pictures of just these move, each on its line."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self._carried() != {sender.entry_id for sender in senders}:
                self.take()
            before = self.page.evaluate(_FRAMES)
            self.page.wait_for_timeout(500)
            after = self.page.evaluate(_FRAMES)
            moving = {mid for mid in after if after[mid] > before.get(mid, 0)}
            lines = {mid for mid, one in self.entry.slots().items() if one and one.kind == "video"}
            if moving == lines and len(lines) == len(senders):
                return True
        return False

    def _carried(self) -> set[str]:
        return {one.entry_id for one in self.entry.slots().values() if one is not None}


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


@pytest.fixture(params=["aiortc", "janus"])
def media(request: pytest.FixtureRequest) -> Iterator[MediaPort]:
    if request.param == "aiortc":
        yield AiortcMedia()
        return
    with PrivateJanus() as janus:
        yield JanusMedia(janus.url, secret=janus.secret)


@pytest.fixture
def send() -> Iterator[Callable[[Any, str, Sign], Entry]]:
    peers: list[Peer] = []

    def come(room: Greenroom, user: str, sign: Sign) -> Entry:
        entry = room.as_user(user).call("default", "1").join(create=True)
        peers.append(Peer(sign, addresses=None))
        peers[-1].join(entry.offer, others=0)
        return entry

    yield come
    for peer in peers:
        peer.close()


def test_a_browser_sees_everybody_as_they_come_and_go(
    page: Page, media: MediaPort, send: Callable[[Greenroom, str, Sign], Entry]
) -> None:
    page.goto("about:blank")
    with Greenroom.open("memory://", media=media) as room:
        thierry = send(room, "thierry", "red")
        alice = Watcher(page, room.as_user("alice").call("default", "1").join())
        assert alice.watches(thierry)
        charlie = send(room, "charlie", "blue")
        assert alice.watches(thierry, charlie)
        thierry.leave()
        jaewoong = send(room, "jaewoong", "yellow")
        assert alice.watches(charlie, jaewoong)
        lines = page.evaluate("peer.getTransceivers().length")
        assert lines == 4  # those of who left were used again


@pytest.mark.parametrize("sent", [_SMALL, _LAYERED], ids=["one picture", "simulcast"])
def test_a_browser_sends_and_a_peer_is_invited(
    page: Page, media: MediaPort, sent: dict[str, Any]
) -> None:
    page.goto("about:blank")
    with (
        Greenroom.open("memory://", media=media) as room,
        Peer("blue", addresses=None) as charlie,
    ):
        thierry = room.as_user("thierry").call("default", "1").join(create=True)
        offer = page.evaluate(_OFFER, sent)
        assert ("a=simulcast:send whole;half;quarter" in offer) == bool(sent["layers"])
        page.evaluate(_TAKE, thierry.offer(offer))
        watching = room.as_user("charlie").call("default", "1").join()
        invitation = watching.next_invitation(seconds=10)
        assert invitation is not None
        watching.accept(invitation.number, charlie.answer(invitation.sdp))
        assert charlie.until(lambda: charlie.sees["red"] > 10)
        layers = page.evaluate(_SENT)
        if isinstance(media, AiortcMedia):  # of several layers it has one sent, Janus all
            assert layers == [sent["layers"][0]["rid"] if sent["layers"] else ""]
