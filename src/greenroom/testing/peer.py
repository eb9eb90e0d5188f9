"""A real client for tests: sends a tone and a colour, and tells whom it hears and sees.

Importing this loads aiortc (extra `media`).
"""

from __future__ import annotations

import asyncio
import math
import re
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Sequence
from fractions import Fraction
from typing import Any, Literal, Self, TypeVar

from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.jitterbuffer import JitterBuffer
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from av import AudioFrame, VideoFrame
from av.frame import Frame

from greenroom.ice import IceAccess
from greenroom.media.wire import use_addresses
from greenroom.testing.signs import COLOURS, TONES, Sign, sign_of_picture, sign_of_sound

T = TypeVar("T")
WIDTH, HEIGHT, FRAMES_PER_SECOND = 320, 240, 15
SAMPLE_RATE, SAMPLES = 48_000, 960


class Peer:
    """A participant's client, on an event loop and a thread of its own.

    `sees` and `hears` count the frames that arrived, by the sign of whoever sent them: so a test
    proves not only that something comes through, but who. Silence and black count as nobody.

    Args:
        sign: what others recognise it by.
        addresses: of this machine, to offer; None for all but loopback.
        codecs: of pictures, that it offers, the most wanted first.
        relay: a TURN server that all it sends and receives goes through.

    Example:
        with Peer("red") as thierry:
            thierry.join(lambda offer: media.offer(entry_id, offer))
            assert thierry.until(lambda: thierry.sees["green"] > 3)
    """

    def __init__(
        self,
        sign: Sign,
        *,
        addresses: Sequence[str] | None = ("127.0.0.1",),
        codecs: Sequence[Literal["VP8", "H264"]] = ("VP8",),
        relay: IceAccess | None = None,
    ) -> None:
        self.sign: Sign = sign
        self._codecs = tuple(codecs)
        self._relay = relay
        self.sees: Counter[Sign] = Counter()
        self.hears: Counter[Sign] = Counter()
        self._addresses = addresses if relay is None else None
        self._news = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live, name=f"peer-{sign}", daemon=True)
        self._thread.start()
        self._connection = self._run(self._make())
        self._consumers: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def join(
        self,
        signal: Callable[[str], str],
        *,
        others: int = 1,
        sends: Sequence[Literal["audio", "video"]] = ("audio", "video"),
        screen: bool = False,
    ) -> None:
        """Offer through `signal`, take its answer.

        Args:
            signal: gives the answer to an offer, e.g. the `offer` of a MediaPort.
            others: how many participants it wants to receive; 0 to send only.
            sends: what it sends; nothing, to watch only.
            screen: whether the video is a shared screen.
        """
        answer = signal(self.offer(others=others, sends=sends, screen=screen))
        self.take(answer)

    def offer(
        self,
        *,
        others: int = 1,
        sends: Sequence[Literal["audio", "video"]] = ("audio", "video"),
        screen: bool = False,
    ) -> str:
        """An offer, for tests that carry it to the other side themselves; see `join`."""
        sdp = self._run(self._offer(others, sends))
        if screen:
            head, video, tail = sdp.partition("m=video")
            sdp = head + video + tail.replace("a=mid:", "a=content:slides\r\na=mid:", 1)
        return sdp

    def take(self, answer: str) -> None:
        """Take the answer to the last offer."""
        self._run(self._connection.setRemoteDescription(RTCSessionDescription(answer, "answer")))

    def answer(self, offer: str) -> str:
        """The answer to an offer of the other side, first or further: it receives what it can."""
        return self._run(self._answer(offer))

    def ask_for_more(self, signal: Callable[[str], str], *, others: int) -> None:
        """Offer again on the running connection, with lines to receive `others` participants."""
        self.take(signal(self._run(self._offer(others, None))))

    def until(self, condition: Callable[[], bool], timeout: float = 60) -> bool:
        """Wait until `condition` holds; looked at whenever a frame arrives."""
        with self._news:
            return self._news.wait_for(condition, timeout)

    def watch(self, seconds: float) -> tuple[set[Sign], set[Sign]]:
        """Whom it sees and hears within the next `seconds`."""
        with self._news:
            self.sees.clear()
            self.hears.clear()
        time.sleep(seconds)
        with self._news:
            return set(self.sees), set(self.hears)

    def comes_to(self, sees: Collection[Sign], hears: Collection[Sign]) -> bool:
        """Wait until these are all whom it sees and hears for 0.4 s; False after a minute."""
        wanted, ends = (set(sees), set(hears)), time.monotonic() + 60
        while (found := self.watch(0.4)) != wanted and time.monotonic() < ends:
            pass
        return found == wanted

    @property
    def behind(self) -> float:
        """Seconds that it is late with what it sends, as after its machine has stalled."""
        tracks = [one.track for one in self._connection.getSenders()]
        return max((one.behind for one in tracks if isinstance(one, _Paced)), default=0.0)

    @property
    def state(self) -> str:
        """Of the connection: `new connecting connected failed closed`."""
        return self._connection.connectionState

    @property
    def streams(self) -> int:
        """Distinct senders that the answer announced."""
        described = self._connection.remoteDescription.sdp.splitlines()
        return len({row.split()[0] for row in described if row.startswith("a=msid:")})

    def close(self) -> None:
        """End the connection, as a closed tab does. Twice is fine."""
        if self._loop.is_closed():
            return
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        finally:
            self._loop.close()

    async def _make(self) -> RTCPeerConnection:
        # With aiortc's default policy, a second line of a kind stays on a transport that bundling
        # closes, and never receives (aiortc 1.16).
        bundle = RTCBundlePolicy.MAX_BUNDLE
        servers, policy = [], RTCIceTransportPolicy.ALL
        if (relay := self._relay) is not None:
            server = RTCIceServer(list(relay.urls), relay.username, relay.credential)
            servers, policy = [server], RTCIceTransportPolicy.RELAY
        connection = RTCPeerConnection(
            RTCConfiguration(iceServers=servers, iceTransportPolicy=policy, bundlePolicy=bundle)
        )
        connection.on("track", self._arrived)
        return connection

    async def _offer(self, others: int, sends: Sequence[str] | None) -> str:
        """Lines to send on, where `sends` is given, and to receive `others`; as few as possible."""
        connection = self._connection
        for kind in sends or ():
            connection.addTrack(Tone(self.sign) if kind == "audio" else Colour(self.sign))
        for kind in ("audio", "video"):
            there = sum(line.kind == kind for line in connection.getTransceivers())
            for _ in range(others - there):
                connection.addTransceiver(kind, direction="recvonly")
        for line in connection.getTransceivers():
            if others == 0:
                line.direction = "sendonly"
            if line.kind == "video":
                line.setCodecPreferences(_preferring(self._codecs))
        if sends is not None and self._addresses is not None:
            use_addresses(connection, self._addresses)
        await connection.setLocalDescription(await connection.createOffer())
        return connection.localDescription.sdp

    async def _answer(self, offer: str) -> str:
        connection = self._connection
        first = connection.remoteDescription is None
        await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        if first and self._addresses is not None:
            use_addresses(connection, self._addresses)
        await connection.setLocalDescription()
        _learn_streams(connection, offer)
        return connection.localDescription.sdp

    async def _close(self) -> None:
        await self._connection.close()
        for consumer in self._consumers:
            consumer.cancel()
        await asyncio.gather(*self._consumers, return_exceptions=True)

    def _arrived(self, track: MediaStreamTrack) -> None:
        consumer = asyncio.get_running_loop().create_task(self._consume(track))
        self._consumers.add(consumer)
        consumer.add_done_callback(self._consumers.discard)

    async def _consume(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if isinstance(frame, VideoFrame):
                counts, sign = self.sees, sign_of_picture(frame)
            elif isinstance(frame, AudioFrame):
                counts, sign = self.hears, sign_of_sound(frame)
            else:
                continue
            with self._news:
                if sign is not None:
                    counts[sign] += 1
                self._news.notify_all()


def _learn_streams(connection: RTCPeerConnection, offer: str) -> None:
    """Have lines that are used again take their new streams, as browsers do.

    aiortc 1.16 learns of a line's streams from the offer that begins it, drops those that an offer
    announces later, and would take their first packets for late ones of the stream before.
    """
    for line in connection.getTransceivers():
        section = offer.partition(f"a=mid:{line.mid}\r\n")[2].partition("\r\nm=")[0]
        announced = re.findall(r"^a=ssrc:([0-9]+) ", section, re.MULTILINE)
        if line.mid is not None and announced:
            streams = line.receiver.transport._rtp_router.ssrc_table  # noqa: SLF001 - see above
            if int(announced[0]) not in streams:
                streams[int(announced[0])] = line.receiver
                video = line.kind == "video"
                buffer = JitterBuffer(512 if video else 16, 0 if video else 4, is_video=video)
                setattr(line.receiver, "_RTCRtpReceiver__jitter_buffer", buffer)  # noqa: B010 - see above


def _preferring(codecs: Sequence[str]) -> list[RTCRtpCodecCapability]:
    """These codecs of pictures, in this order, each with what sends its packets again."""
    known = RTCRtpSender.getCapabilities("video").codecs
    wanted = [f"video/{codec}" for codec in (*codecs, "rtx")]
    return [one for mime in wanted for one in known if one.mimeType == mime]


class _Paced(MediaStreamTrack):
    """A track whose frames come at their time."""

    rate: int
    step: int
    """Samples, of `rate` a second, from one frame to the next."""

    def __init__(self, sign: Sign) -> None:
        super().__init__()
        self.sign: Sign = sign
        self._started = 0.0
        self._number = -1

    @property
    def behind(self) -> float:
        """Seconds that the next frame is overdue; 0 before the first."""
        due = self._started + (self._number + 1) * self.step / self.rate
        return max(0.0, time.monotonic() - due) if self._started else 0.0

    async def recv(self) -> Frame:
        """The next frame, when it is due."""
        if self.readyState != "live":
            raise MediaStreamError
        self._number += 1
        self._started = self._started or time.monotonic()
        due = self._started + self._number * self.step / self.rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        frame = self.make(self._number)
        frame.pts, frame.time_base = self._number * self.step, Fraction(1, self.rate)
        return frame

    def make(self, number: int) -> AudioFrame | VideoFrame:
        """Frame number 0, 1, 2 ..."""
        raise NotImplementedError


class Tone(_Paced):
    """A sine of the sign's pitch."""

    kind = "audio"
    rate, step = SAMPLE_RATE, SAMPLES

    def __init__(self, sign: Sign) -> None:
        super().__init__(sign)
        turn = 2 * math.pi * TONES[sign] / SAMPLE_RATE
        wave = array("h", (int(12_000 * math.sin(turn * moment)) for moment in range(SAMPLES)))
        self._wave = wave.tobytes()

    def make(self, number: int) -> AudioFrame:
        """20 ms of sound, the same each time: it ends where it began."""
        del number
        frame = AudioFrame(format="s16", layout="mono", samples=SAMPLES)
        frame.planes[0].update(self._wave)
        frame.sample_rate = SAMPLE_RATE
        return frame


class Colour(_Paced):
    """The sign's colour, with a bar that moves over the upper part of it."""

    kind = "video"
    rate, step = 90_000, 90_000 // FRAMES_PER_SECOND

    def make(self, number: int) -> VideoFrame:
        """One picture."""
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        shades = zip(frame.planes, COLOURS[self.sign], strict=True)
        for which, (plane, shade) in enumerate(shades):
            picture = bytearray([shade]) * plane.buffer_size
            if which == 0:
                at = number * 8 % (WIDTH - 16)
                for row in range(HEIGHT // 8):
                    start = row * plane.line_size + at
                    picture[start : start + 16] = b"\xeb" * 16
            plane.update(bytes(picture))
        return frame
