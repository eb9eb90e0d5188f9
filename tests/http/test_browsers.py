"""Real browsers in real calls, through the demo's page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, sync_playwright
from tests.http.browsers import Site, Visitor, demo, visit

from greenroom.testing.peer import Peer, Sign

pytestmark = pytest.mark.slow  # browsers

Visits = Callable[[str, Sign], Visitor]


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("devices")


@pytest.fixture
def site() -> Iterator[Site]:
    with demo() as site:
        yield site


@pytest.fixture
def visits(site: Site, playwright: Playwright, devices: Path) -> Iterator[Visits]:
    visitors: list[Visitor] = []

    def come(user: str, sign: Sign) -> Visitor:
        visitors.append(visit(playwright, site, user, sign, devices))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.page.context.browser.close()  # type: ignore[union-attr]  # it was launched above
    assert [fault for visitor in visitors for fault in visitor.faults] == []


def test_two_browsers_and_a_peer_see_and_hear_each_other(site: Site, visits: Visits) -> None:
    thierry, alice = visits("thierry", "red"), visits("alice", "green")
    thierry.enter("default", "meeting", create=True)
    alice.enter("default", "meeting")
    with Peer("blue", addresses=None) as tommaso:
        entry = site.room.as_user("tommaso").call("default", "meeting").join()
        tommaso.join(entry.offer, others=2)
        for one, other, sign in ((thierry, "alice", "green"), (alice, "thierry", "red")):
            assert one.sees(other, sign)
            assert one.sees("tommaso", "blue")
            assert one.receives_more()
        assert tommaso.until(
            lambda: (
                all(tommaso.sees[sign] > 5 for sign in ("red", "green"))
                and all(tommaso.hears[sign] > 5 for sign in ("red", "green"))
            )
        ), (tommaso.sees, tommaso.hears)
    history = [
        event.name for event in site.room.system("auditor").call("default", "meeting").history()
    ]
    assert history.count("session.joined") == 3
