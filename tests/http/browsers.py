"""The demo being served, and people with browsers in front of it.

Every browser has a camera and a microphone of its own, a colour and a tone, by which the others
recognise who it is.
"""

from __future__ import annotations

import socket
import threading
import time
import wave
from array import array
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from math import pi, sin
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from playwright.sync_api import Browser, Page, Playwright
from playwright.sync_api import TimeoutError as PageTimeout
from starlette.applications import Starlette
from starlette.routing import Mount

from greenroom import Greenroom, aio
from greenroom.http.demo.app import demo_app
from greenroom.media.aiortc_media import AiortcMedia
from greenroom.testing.signs import COLOURS, TONES, Sign

if TYPE_CHECKING:
    from starlette.requests import Request

CHROMIUM: Final = "/usr/bin/chromium"
"""Debian's; `.ci/run` installs it."""
_PIXELS: Final[Mapping[Sign, tuple[int, int, int]]] = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
}
_WATCHED: Final = """
    window.peers = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...args) { super(...args); window.peers.push(this); }
    };
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    const asItIs = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
    navigator.mediaDevices.getUserMedia = (wanted) =>  // a tone is noise to a browser
        ask({...wanted, audio: wanted.audio && asItIs});
"""
_RECEIVED: Final = """async () => {
    const sum = {frames: 0, energy: 0, bytes: 0};
    for (const peer of window.peers) {
        if (peer.connectionState === "closed") continue;
        for (const one of (await peer.getStats()).values()) {
            if (one.type !== "inbound-rtp") continue;
            sum.frames += one.framesDecoded ?? 0;
            sum.energy += one.totalAudioEnergy ?? 0;
            sum.bytes += one.bytesReceived;
        }
    }
    return sum;
}"""
_NAMES: Final = """() => window.peers
    .filter((peer) => peer.connectionState === "connected")
    .map((peer) => /ice-ufrag:(\\S+)/.exec(peer.localDescription.sdp)[1])"""
PICTURE: Final = """(name) => {
    const video = [...document.querySelectorAll("video")].find(
        (one) => one.ariaLabel === `Video of ${name}`);
    if (!video?.videoWidth) return null;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 8;
    const pen = canvas.getContext("2d");
    const [width, half] = [video.videoWidth, video.videoHeight / 2];
    pen.drawImage(video, 0, half, width, half, 0, 0, 8, 8);
    return [...pen.getImageData(4, 4, 1, 1).data];
}"""


class Site:
    """The demo, with real media behind it."""

    def __init__(self, port: int, room: Greenroom) -> None:
        self.url = f"http://127.0.0.1:{port}/"
        self.room = room


@contextmanager
def demo(recordings: Path | None = None) -> Iterator[Site]:
    """The demo on a port of this machine, maybe with a folder for recordings."""
    rooms: list[Greenroom] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with aio.Greenroom.open(
            "memory://", media=AiortcMedia(recordings=recordings)
        ) as room:
            rooms.append(room.reading)
            yield {"room": room}

    def room_of(request: Request) -> aio.Greenroom:
        room: aio.Greenroom = request.state.room
        return room

    app = Starlette(routes=[Mount("/", demo_app(room_of))], lifespan=lifespan)
    config = uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert eventually(lambda: server.started)
            yield Site(listener.getsockname()[1], rooms[0])
        finally:
            server.should_exit = True
            thread.join()


class Visitor:
    """Somebody with a browser of their own."""

    def __init__(self, browser: Browser, site: Site, user: str) -> None:
        self.user = user
        self.faults: list[str] = []
        """What went wrong in the page itself."""
        self._site = site
        self.page: Page = browser.new_page(viewport={"width": 1280, "height": 800})
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.set_default_timeout(60_000)
        self.page.add_init_script(_WATCHED)
        self.page.goto(site.url)

    def enter(self, call_type: str, call_id: str, *, create: bool = False) -> None:
        """Fill in the form, and go in."""
        self.page.get_by_label("Your name").fill(self.user)
        self.page.get_by_label("Type of call").select_option(call_type)
        self.page.get_by_label("Its id").fill(call_id)
        name = "Create and join" if create else "Join"
        self.page.get_by_role("button", name=name, exact=True).click()

    def press(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def reads(self, text: str) -> bool:
        """Whether a text comes to be seen."""
        try:
            self.page.get_by_text(text).first.wait_for()
        except PageTimeout as error:
            raise AssertionError(f"{text!r} is not on: {self.page.inner_text('body')}") from error
        return True

    def focused(self) -> str:
        """The text of what has the focus."""
        said: str = self.page.evaluate("document.activeElement.textContent.trim()")
        return said

    def connections(self) -> list[str]:
        """ICE user names of the offers that stand."""
        said: list[str] = self.page.evaluate(_NAMES)
        return said

    def received(self) -> dict[str, float]:
        """What came so far: frames decoded, sound's energy, bytes."""
        said: dict[str, float] = self.page.evaluate(_RECEIVED)
        return said

    def receives_more(self) -> bool:
        """Whether pictures and sound keep coming."""
        before = self.received()
        return self.eventually(
            lambda now: now["frames"] > before["frames"] + 5 and now["energy"] > before["energy"]
        )

    def receives_nothing(self) -> bool:
        """Whether not a byte of media comes within a second."""
        before = self.received()["bytes"]
        self.page.wait_for_timeout(1_000)
        return self.received()["bytes"] == before

    def eventually(self, condition: Callable[[dict[str, float]], bool]) -> bool:
        """Whether what was received comes to be like that."""
        return eventually(lambda: condition(self.received()))

    def sees_screen(self, user: str) -> bool:
        """Whether a shared screen of that user comes to be shown, with pictures that go on."""
        video = self.page.locator(f'video[aria-label="Screen of {user}"]')
        video.wait_for()
        at = "(video) => video.videoWidth ? video.currentTime : 0"
        return eventually(
            lambda: (
                (first := video.evaluate(at)) > 0
                and eventually(lambda: video.evaluate(at) > first, 10)
            )
        )

    def sees(self, user: str, sign: Sign) -> bool:
        """Whether the picture of that user comes to be of their colour."""
        return eventually(lambda: near(self.page.evaluate(PICTURE, user), _PIXELS[sign]))


def visit(playwright: Playwright, site: Site, user: str, sign: Sign, devices: Path) -> Visitor:
    """Open a browser with a camera and a microphone that show the sign."""
    picture, sound = devices / f"{sign}.y4m", devices / f"{sign}.wav"
    if not picture.exists():
        _film(picture, sign)
        _tone(sound, sign)
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM,
        args=[
            "--no-sandbox",
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            "--auto-select-desktop-capture-source=Entire screen",
            f"--use-file-for-fake-video-capture={picture}",
            f"--use-file-for-fake-audio-capture={sound}",
            "--autoplay-policy=no-user-gesture-required",
        ],
    )
    return Visitor(browser, site, user)


def eventually(condition: Callable[[], bool], timeout: float = 60) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def near(pixel: list[int] | None, colour: tuple[int, int, int]) -> bool:
    """Whether a pixel is of a colour, for the eye."""
    if pixel is None:
        return False
    return all((seen > 110) == (meant > 110) for seen, meant in zip(pixel, colour, strict=False))


def _film(path: Path, sign: Sign, *, frames: int = 30, width: int = 320, height: int = 240) -> None:
    """A second of the sign's colour, with a bar that moves over the upper part of it."""
    luma, *chroma = COLOURS[sign]
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F30:1 Ip A1:1 C420mpeg2\n".encode())
        for number in range(frames):
            picture = bytearray([luma]) * (width * height)
            at = number * 8 % (width - 16)
            for row in range(height // 8):
                picture[row * width + at : row * width + at + 16] = b"\xeb" * 16
            planes = [bytes([shade]) * (width * height // 4) for shade in chroma]
            file.write(b"FRAME\n" + picture + b"".join(planes))


def _tone(path: Path, sign: Sign, *, rate: int = 48_000) -> None:
    """A second of the sign's tone."""
    turn = 2 * pi * TONES[sign] / rate
    samples = array("h", (int(16_000 * sin(turn * moment)) for moment in range(rate)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
