"""The machine over HTTP: the web example keeps to the rules; what a proxy breaks is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from examples.web import fastapi_app
from examples.web.machine import (
    ServedDriver,
    WebDriver,
    WebMachine,
    on_clock,
    serving,
)
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.testing.machines import tried

from greenroom.domain.ports import Clock
from greenroom.testing import Disagreement, Driver, wish

ROOT = Path(__file__).parents[2]
UNTIL_FOUND = settings(
    tried("HTTP"), max_examples=50, derandomize=True, database=None, phases=[Phase.generate]
)
COURSE = [
    wish("thierry", "create", member_ids=["alice", "charlie"], max_participants=1),
    wish("alice", "join"),
    wish("charlie", "join", after=5),
    wish("charlie", "query_members", limit=1),
    wish("charlie", "query_members", role="host"),
    wish("alice", "leave", after=5),
    wish("alice", "end", after=31),
    wish("thierry", "end"),
    wish("charlie", "join"),
]


def losing_keys(clock: Clock) -> ASGIApp:
    """Behind a proxy that does not hand on by which name a request goes."""
    app = on_clock(clock)

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            kept = [(name, said) for name, said in scope["headers"] if name != b"idempotency-key"]
            scope = {**scope, "headers": kept}
        await app(scope, receive, send)

    return proxy


class BehindAProxy(WebMachine):
    def driver(self) -> Driver:
        return ServedDriver(losing_keys)


@pytest.mark.slow
def test_what_is_asked_over_http_keeps_to_the_rules() -> None:
    WebMachine.replay("default:123", COURSE)


@pytest.mark.slow
def test_an_application_with_a_clock_of_its_own_keeps_to_the_rules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GREENROOM_URL", "memory://")
    with serving(fastapi_app.app) as port:

        class Deployed(WebMachine):
            pauses = False

            def driver(self) -> Driver:
                return WebDriver(f"http://127.0.0.1:{port}")

        for _ in range(2):  # what there was before is in nobody's way
            Deployed.replay("default:123", COURSE)


@pytest.mark.slow
@pytest.mark.hypothesis
def test_whatever_is_asked_over_http_keeps_to_the_rules() -> None:
    run_state_machine_as_test(WebMachine, settings=tried("HTTP"))


@pytest.mark.slow
def test_what_a_proxy_breaks_is_found_and_the_test_that_is_told_shows_it(tmp_path: Path) -> None:
    with pytest.raises(Disagreement, match="asked again under the same key") as found:
        run_state_machine_as_test(BehindAProxy, settings=UNTIL_FOUND)
    written = tmp_path / "test_written.py"
    written.write_text(str(found.value).partition("a test that shows it:\n")[2])
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", ROOT / "pyproject.toml", written],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "asked again under the same key" in ran.stdout
