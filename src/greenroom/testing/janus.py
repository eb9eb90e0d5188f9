"""A Janus of one's own: started on this machine, on free ports, and gone afterwards.

It takes the program `janus` (Debian and Ubuntu: `apt-get install janus`).
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, Self

_STARTS_WITHIN: Final = 60.0
_STOPS_WITHIN: Final = 60.0
_PLUGIN: Final = "libjanus_videoroom.so"
_TRANSPORT: Final = "libjanus_websockets.so"
_LIBRARIES: Final = ("/usr/lib/*/janus", "/usr/lib/janus", "/usr/local/lib/janus")

_CORE: Final = """\
general: {{
    configs_folder = "{folder}"
    plugins_folder = "{folder}/plugins"
    transports_folder = "{folder}/transports"
    events_folder = "{folder}/events"
    loggers_folder = "{folder}/loggers"
    api_secret = "{secret}"
    admin_secret = "{admin_secret}"
    interface = "127.0.0.1"
    debug_level = 4
    event_loops = 1
}}
media: {{ rtp_port_range = "{ports}" }}
nat: {{
    nice_debug = false
    ice_keepalive_conncheck = true
}}
"""
_WEBSOCKETS: Final = """\
general: {{
    ws = true
    ws_port = {port}
    ws_ip = "127.0.0.1"
}}
admin: {{
    admin_ws = true
    admin_ws_port = {admin_port}
    admin_ws_ip = "127.0.0.1"
}}
"""


class JanusUnavailable(Exception):  # noqa: N818 - the fact, as in the library
    """Janus is not installed, or did not start; the message says what to do."""


class PrivateJanus:
    """A Janus with the VideoRoom plugin alone, reached over WebSockets on loopback.

    Media goes over the addresses of this machine other than loopback, which Janus never offers:
    a peer is made with `Peer(..., addresses=None)`.

    Example:
        with PrivateJanus() as janus:
            media = JanusMedia(janus.url, secret=janus.secret)
    """

    def __init__(self) -> None:
        self.secret = secrets.token_hex(8)
        """What every request has to show."""
        self.admin_secret = secrets.token_hex(8)
        """What every request of the admin API has to show."""
        self._port, self._admin_port = _free_port(), _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="greenroom-janus-"))

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"ws://127.0.0.1:{self._port}"

    @property
    def admin_url(self) -> str:
        """Where its admin API is."""
        return f"ws://127.0.0.1:{self._admin_port}"

    @property
    def process(self) -> int | None:
        """The number of its process, while it runs."""
        return None if self._process is None else self._process.pid

    def __enter__(self) -> Self:
        try:
            self._configure()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Run it, and wait until it answers; after a `stop`, on the same ports.

        Raises:
            JanusUnavailable: it is not installed, or ended at once.
        """
        program = shutil.which("janus")
        if program is None:
            raise JanusUnavailable("install Janus, e.g. with: apt-get install janus")
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(  # noqa: S603 - the program that was found, and our own folder
                [program, "-F", str(self._folder), "-C", str(self._folder / "janus.jcfg")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env={**os.environ, "HOME": str(self._folder)},
            )
        deadline = time.monotonic() + _STARTS_WITHIN
        while not _answers(self._port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise JanusUnavailable(f"Janus did not start:\n{self.log()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it at once, as a crash would: no goodbyes. Twice is fine."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(_STOPS_WITHIN)

    def log(self) -> str:
        """What it has said so far."""
        said = self._folder / "log"
        return said.read_text(errors="replace") if said.exists() else ""

    def _configure(self) -> None:
        """A folder with its settings, and with the one plugin and the one transport it loads."""
        for name in ("plugins", "transports", "events", "loggers"):
            (self._folder / name).mkdir()
        library = _library()
        (self._folder / "plugins" / _PLUGIN).symlink_to(library / "plugins" / _PLUGIN)
        (self._folder / "transports" / _TRANSPORT).symlink_to(library / "transports" / _TRANSPORT)
        first = 40_000 + secrets.randbelow(100) * 200
        core = _CORE.format(
            folder=self._folder,
            secret=self.secret,
            admin_secret=self.admin_secret,
            ports=f"{first}-{first + 199}",
        )
        (self._folder / "janus.jcfg").write_text(core)
        (self._folder / "janus.plugin.videoroom.jcfg").write_text("general: { }\n")
        sockets = _WEBSOCKETS.format(port=self._port, admin_port=self._admin_port)
        (self._folder / "janus.transport.websockets.jcfg").write_text(sockets)


def _library() -> Path:
    """Where Janus keeps what it loads."""
    for pattern in _LIBRARIES:
        for folder in sorted(Path("/").glob(pattern.lstrip("/"))):
            if (folder / "plugins" / _PLUGIN).exists():
                return folder
    raise JanusUnavailable(
        f"{_PLUGIN} was not found; install Janus, e.g. with: apt-get install janus"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
