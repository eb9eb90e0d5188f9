"""News on their way to the observer."""

from __future__ import annotations

import threading

import pytest

from greenroom.domain.errors import MediaError
from greenroom.domain.message import EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.relay import Relay, report_published
from greenroom.testing.media import Witness

ENTRY = EntryId("entry-of-thierry")


class Slow(Witness):
    """Hears nothing before it may, and remembers where it heard it."""

    def __init__(self) -> None:
        super().__init__()
        self.may_hear = threading.Event()
        self.threads: set[str] = set()

    def connected(self, entry_id: EntryId, epoch: int, fingerprint: str) -> None:
        assert self.may_hear.wait(60)
        self.threads.add(threading.current_thread().name)
        super().connected(entry_id, epoch, fingerprint)


def test_everything_is_told_in_order_on_another_thread_and_nobody_waits() -> None:
    relay, slow = Relay("news-under-test"), Slow()
    relay.start(slow)
    relay.connected(ENTRY, 1, "sha-256 AA")
    report_published(relay, ENTRY, 1, frozenset(), frozenset({"video", "audio"}))
    report_published(relay, ENTRY, 1, frozenset({"video", "audio"}), frozenset({"video"}))
    relay.lost(ENTRY, 1)
    relay.ended(ENTRY, 1, MediaStatistics(seconds=1.5))
    relay.outdated(ENTRY)
    assert slow.news == []
    slow.may_hear.set()
    relay.stop()
    told = [one.what for one in slow.news]
    assert told == [
        "connected", "published", "published", "unpublished", "lost", "ended", "outdated"
    ]  # fmt: skip
    assert [one.kind for one in slow.news[1:4]] == ["audio", "video", "audio"]
    assert slow.threads == {"news-under-test"}


def test_who_fails_to_listen_hears_what_comes_next() -> None:
    class Failing(Witness):
        def lost(self, entry_id: EntryId, epoch: int) -> None:
            raise RuntimeError("no ears")

    relay, failing = Relay("news-under-test"), Failing()
    relay.start(failing)
    relay.lost(ENTRY, 1)
    relay.outdated(ENTRY)
    relay.stop()
    assert [one.what for one in failing.news] == ["outdated"]


def test_it_starts_once_and_stops_for_good() -> None:
    relay, witness = Relay("news-under-test"), Witness()
    relay.outdated(ENTRY)  # to nobody
    assert not relay.running
    relay.start(witness)
    assert relay.running
    with pytest.raises(MediaError, match="once"):
        relay.start(witness)
    relay.stop()
    relay.stop()
    relay.outdated(ENTRY)
    assert not relay.running
    assert witness.news == []
    with pytest.raises(MediaError, match="once"):
        relay.start(witness)
