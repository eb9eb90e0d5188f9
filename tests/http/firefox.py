"""Debian's Firefox, driven by WebDriver BiDi, which is a protocol of its own over a websocket."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.http.browsers import PICTURE, eventually, near
from websockets.sync.client import ClientConnection, connect

from greenroom.testing.signs import TONES, Sign

FIREFOX: Final = "/usr/bin/firefox-esr"
_PREFERENCES: Final[Mapping[str, object]] = {
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
}
_DEVICES: Final = """() => {
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async () => {
        const canvas = Object.assign(document.createElement("canvas"), {width: 320, height: 240});
        const pen = canvas.getContext("2d");
        let at = 0;
        setInterval(() => {
            pen.fillStyle = "COLOUR";
            pen.fillRect(0, 0, 320, 240);
            pen.fillStyle = "white";
            pen.fillRect(at = (at + 8) % 304, 0, 16, 30);
        }, 50);
        const asItIs = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
        const [picture, sound] = [canvas.captureStream(20), await ask({audio: asItIs})];
        return new MediaStream([...picture.getTracks(), ...sound.getTracks()]);
    };
}"""
"""A camera that shows a sign; Firefox's own fake shows what it likes. Its microphone is told."""


class Firefox:
    """A browser with one page open."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._asked = 0
        self.ask("session.new", capabilities={})
        self._page = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def ask(self, method: str, **parameters: object) -> Any:
        """What it answers to one command."""
        self._asked += 1
        said = {"id": self._asked, "method": method, "params": parameters}
        self._socket.send(json.dumps(said))
        while True:
            told = json.loads(self._socket.recv(timeout=60))
            if told.get("id") == self._asked:
                assert told["type"] == "success", told
                return told["result"]

    def show(self, sign: Sign) -> None:
        """Have a camera that shows the sign."""
        colour = {"green": "#00ff00", "red": "#ff0000"}[sign]
        script = _DEVICES.replace("COLOUR", colour)
        self.ask("script.addPreloadScript", functionDeclaration=script)

    def visit(self, url: str) -> None:
        """Load a page."""
        self.ask("browsingContext.navigate", context=self._page, url=url, wait="complete")

    def run(self, script: str) -> Any:
        """What an expression comes to."""
        told = self.ask(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({script}) ?? null))()",
            target={"context": self._page},
            awaitPromise=True,
        )
        assert told["type"] == "success", told
        return json.loads(told["result"]["value"])

    def enter(self, user: str, call_id: str) -> None:
        """Fill in the demo's form, and go in."""
        assert eventually(lambda: self.run("document.querySelector('#types').value") == "default")
        self.run(
            f"""(() => {{
                const form = document.querySelector("#enter");
                form.elements.user.value = {json.dumps(user)};
                form.elements.id.value = {json.dumps(call_id)};
                form.querySelector("[value=join]").click();
            }})()"""
        )

    def sees(self, user: str, colour: tuple[int, int, int]) -> bool:
        """Whether the picture of that user comes to be of that colour."""
        picture = f"({PICTURE})({json.dumps(user)})"
        return eventually(lambda: near(self.run(picture), colour))

    def hears(self) -> bool:
        """Whether sound comes to be heard, and goes on."""
        energy = f"({_ENERGY})()"
        before = self.run(energy)
        return eventually(lambda: self.run(energy) > before)


_ENERGY: Final = """async () => {
    let sum = 0;
    for (const peer of window.peers)
        for (const one of (await peer.getStats()).values())
            if (one.type === "inbound-rtp") sum += one.totalAudioEnergy ?? 0;
    return sum;
}"""
_WATCHED: Final = """() => {
    window.peers = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...args) { super(...args); window.peers.push(this); }
    };
}"""


@contextmanager
def firefox(profile: Path, sign: Sign) -> Iterator[Firefox]:
    """A browser of one's own, with that folder to live in, and devices that show the sign."""
    told = {**_PREFERENCES, "media.navigator.audio.fake_frequency": TONES[sign]}
    rows = [f"user_pref({json.dumps(name)}, {json.dumps(said)});" for name, said in told.items()]
    (profile / "user.js").write_text("\n".join(rows))
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile)]
    with subprocess.Popen(
        [*command, "--remote-debugging-port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as browser:
        try:
            assert browser.stderr is not None
            found = (re.search(r"BiDi listening on (\S+)", line) for line in browser.stderr)
            url = next(match[1] for match in found if match)
            threading.Thread(target=browser.stderr.read, daemon=True).start()
            with connect(f"{url}/session", max_size=None) as socket:
                driven = Firefox(socket)
                driven.ask("script.addPreloadScript", functionDeclaration=_WATCHED)
                driven.show(sign)
                yield driven
        finally:
            browser.terminate()
