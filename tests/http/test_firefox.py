"""Firefox in a call with a peer that is no browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.http.browsers import demo
from tests.http.firefox import firefox

from greenroom.testing.peer import Peer


@pytest.mark.slow
def test_firefox_and_a_peer_see_and_hear_each_other(tmp_path: Path) -> None:
    with (
        demo() as site,
        Peer("blue", addresses=None) as tommaso,
        firefox(tmp_path, "green") as alice,
    ):
        entry = site.room.as_user("tommaso").call("default", "meeting").join(create=True)
        tommaso.join(entry.offer)
        alice.visit(site.url)
        alice.enter("alice", "meeting")
        assert tommaso.until(lambda: tommaso.sees["green"] > 5), tommaso.sees
        assert tommaso.until(lambda: tommaso.hears["green"] > 5), tommaso.hears
        assert alice.sees("tommaso", (0, 0, 255))
        assert alice.hears()
        assert alice.run("document.querySelector('#problem').textContent") == ""
