"""A PostgreSQL server of one's own, for tests and benchmarks.

For example, in a `conftest.py`::

    @pytest.fixture(scope="session")
    def postgres() -> Iterator[PrivatePostgres]:
        with PrivatePostgres(fsync=False) as server:
            yield server

    @pytest.fixture
    def postgres_url(postgres: PrivatePostgres) -> Iterator[str]:
        with postgres.database() as url:
            yield url

It needs PostgreSQL's programs, not a running server, and no rights that its user has not.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from random import SystemRandom
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Final, Self

HOST: Final = "127.0.0.1"
USER: Final = "postgres"
"""The superuser of every private server."""

# Below the ports that clients are given: a client that tries again and again to reach a server
# which is down may be given that very port, connect to itself, and keep the server from it.
_PORTS: Final = range(20_000, 32_000)
_PROGRAMS: Final = ("initdb", "postgres", "psql")
_PATIENCE: Final = 60.0
"""Seconds that a slow machine has for starting or stopping a server."""
_WATCH: Final = 'read -r _; kill -INT "$1"; while kill -0 "$1"; do sleep 0.1; done; rm -rf "$2"'
"""Ends the server of a process that died without ending it: then nothing holds its stdin open."""


class PrivatePostgres:
    """A server on a free port of the loopback, gone with all its data when the `with` ends.

    Nothing is shared with a server that runs already: its files are in a temporary directory, its
    superuser has a password of its own, it listens on no other address and on no socket file. As
    root, which PostgreSQL refuses to run as, it belongs to `postgres` or else to `nobody`. Where
    the process that started it is killed, it ends by itself.

    Args:
        fsync: whether commits reach the disk. Without, tests are quicker, what was committed still
            outlives `kill`, and figures mean nothing.
        settings: further ones of the server, as in `postgresql.conf`.

    Raises:
        FileNotFoundError: PostgreSQL is not installed; says how to install it.
        RuntimeError: the server does not start; holds the end of its log.
    """

    def __init__(self, *, fsync: bool = True, settings: Mapping[str, str] | None = None) -> None:
        self._bin = find_programs()
        self._settings = {
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "on" if fsync else "off",
            **(settings or {}),
        }
        self._owner = _owner()
        self._password = secrets.token_urlsafe(18)
        self._numbers = count(1)
        self._server: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._directory = Path()
        self.port = 0
        """On which it listens; the same after `kill` and `start`."""

    def __enter__(self) -> Self:
        self._directory = Path(tempfile.mkdtemp(prefix="greenroom-postgres-"))
        try:
            if self._owner:
                os.chown(self._directory, self._owner["user"], self._owner["group"])
            self._make_cluster()
            self._start_somewhere()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def url(self, database: str | None = None) -> str:
        """`postgresql://...` of `database`; of the one for maintenance where none is named."""
        return f"postgresql://{USER}:{self._password}@{HOST}:{self.port}/{database or 'postgres'}"

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The URL of a fresh database, dropped afterwards, whoever is still connected to it.

        Args:
            template: a database of this server that it is a copy of; nobody may be connected to it.
        """
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            if self._server is not None:
                self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, statement: str, database: str | None = None) -> str:
        """What `psql` answers to one statement: a line a row, columns separated by `|`.

        Raises:
            RuntimeError: the server refuses it; holds its message.
        """
        place = [f"--host={HOST}", f"--port={self.port}", f"--username={USER}"]
        quiet = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--no-password"]
        asked = [f"--dbname={database or 'postgres'}", f"--command={statement}"]
        return self._run("psql", *place, *quiet, *asked).strip()

    def start(self) -> None:
        """Start again what was stopped or killed; it answers when this returns.

        Raises:
            RuntimeError: it runs already, or does not start; holds the end of its log.
        """
        if self._server is not None:
            raise RuntimeError("the server is running; stop or kill it first")
        deadline = monotonic() + _PATIENCE
        while not self._started(deadline):
            # Memory of a killed server is in use until the last of its processes is gone.
            if monotonic() > deadline or "shared memory" not in self._end_of_log():
                raise RuntimeError(f"PostgreSQL does not start:\n{self._end_of_log()}")
            sleep(0.1)

    def stop(self) -> None:
        """End it as an administrator would: connections are broken, nothing is left to recover."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._kill_all(self._server)
            self._forget()

    def kill(self) -> None:
        """End it as a crash would: SIGKILL for every process of it, whatever they are doing."""
        if self._server is not None:
            self._kill_all(self._server)
            self._forget()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Meanwhile every process of it stands still: connections stand, and nobody answers."""
        server = self._server
        if server is None:
            raise RuntimeError("the server does not run")
        processes = [server.pid]
        try:
            server.send_signal(signal.SIGSTOP)  # first, so that it starts no more
            processes += _children(server.pid)
            for process in processes:
                os.kill(process, signal.SIGSTOP)
            yield
        finally:
            for process in processes:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def _make_cluster(self) -> None:
        password = self._directory / "password"
        password.write_text(self._password)
        password.chmod(0o644)  # the directory lets nobody else in
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        self._run("initdb", f"--username={USER}", f"--pwfile={password}", *options, self._data)
        password.unlink()

    def _start_somewhere(self) -> None:
        """On a port that was free a moment ago; on another where somebody else was quicker."""
        for _ in range(5):
            self.port = _free_port()
            try:
                self.start()
            except RuntimeError:
                if "could not bind" not in self._end_of_log():
                    raise
            else:
                return
        raise RuntimeError(f"PostgreSQL finds no free port:\n{self._end_of_log()}")

    def _started(self, deadline: float) -> bool:
        """Whether a server started now answers; False where it ended at once."""
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        command = [self._bin / "postgres", "-D", self._data, "-p", str(self.port), *settings]
        with self._log.open("wb") as log:
            server = self._popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            while monotonic() < deadline and server.poll() is None:
                if self._is_ready(server.pid):
                    watch = ["sh", "-c", _WATCH, "watch", str(server.pid), str(self._directory)]
                    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
                    self._watcher = self._popen(watch, stdin=subprocess.PIPE, **quiet)
                    self._server = server
                    return True
                sleep(0.02)
        finally:
            if self._server is None and server.poll() is None:
                self._kill_all(server)
        return False

    def _is_ready(self, pid: int) -> bool:
        """As the server itself says in the file that `pg_ctl` waits for."""
        try:
            lines = (self._directory / "data" / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return lines[:1] == [str(pid)] and lines[7:8] == ["ready   "]

    def _forget(self) -> None:
        """Of the server that has ended."""
        self._server = None
        if self._watcher is not None:
            self._watcher.kill()  # before its stdin ends: it must not act now
            self._watcher.wait()
            if self._watcher.stdin is not None:
                self._watcher.stdin.close()
            self._watcher = None

    def _remove(self) -> None:
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(  # noqa: S603  # programs of PostgreSQL, found by us
            [self._bin / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._directory,
            env={**_environment(), "PGPASSWORD": self._password},
            timeout=_PATIENCE,
            **self._owner,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.strip()}")
        answer: str = done.stdout
        return answer

    def _popen(self, command: Sequence[Any], **streams: Any) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[Any] = subprocess.Popen(  # noqa: S603  # as above
            command,
            cwd=self._directory,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for the tests, which then end it in order
            **streams,
            **self._owner,
        )
        return process

    @staticmethod
    def _kill_all(server: subprocess.Popen[bytes]) -> None:
        processes = _children(server.pid)
        server.kill()
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        server.wait()

    def _end_of_log(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    @property
    def _data(self) -> str:
        return str(self._directory / "data")

    @property
    def _log(self) -> Path:
        return self._directory / "log"


def find_programs() -> Path:
    """The directory of PostgreSQL's programs: on PATH, where Debian has them, or by `pg_config`.

    Raises:
        FileNotFoundError: PostgreSQL is not installed; says how to install it.
    """
    for directory in _places():
        if all((directory / program).is_file() for program in _PROGRAMS):
            return directory
    raise FileNotFoundError(
        f"PostgreSQL's programs ({', '.join(_PROGRAMS)}) were not found on PATH, in"
        " /usr/lib/postgresql/*/bin, nor by pg_config; install them: `apt-get install postgresql`"
        " (Debian, Ubuntu), `dnf install postgresql-server` (Fedora), `brew install postgresql`"
    )


def _places() -> Iterator[Path]:
    if on_path := shutil.which("initdb"):
        yield Path(on_path).parent
        yield Path(on_path).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(installed, key=lambda place: _number(place.parent.name), reverse=True)
    if pg_config := shutil.which("pg_config"):
        asked = [pg_config, "--bindir"]
        told = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603  # no input of anybody's
        yield Path(told.stdout.strip())


def _number(version: str) -> float:
    try:
        return float(version)
    except ValueError:
        return 0


def _owner() -> dict[str, Any]:
    """Who the server runs as, for `subprocess`: ourselves, unless we are root."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return {}
    from pwd import getpwnam  # noqa: PLC0415  # not on Windows

    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            user = getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise RuntimeError("PostgreSQL refuses to run as root, and there is no user postgres or nobody")


def _environment() -> dict[str, str]:
    """Ours, without what names another server or cluster (`PGHOST`, `PGDATA`, ...)."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _free_port() -> int:
    chance = SystemRandom()
    for _ in range(100):
        port = chance.choice(_PORTS)
        with socket.socket() as listener, suppress(OSError):
            listener.bind((HOST, port))
            return port
    raise RuntimeError(f"no free port between {_PORTS.start} and {_PORTS.stop}")


def _children(parent: int) -> list[int]:
    """The processes that `parent` started, where the system shows them in /proc."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # pid (name, which may hold anything) state parent ...
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found
