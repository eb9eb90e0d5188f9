from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from greenroom import Greenroom, MediaStatistics, MediaStats
from greenroom.domain.errors import MediaError
from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.media.null_media import NullMedia
from greenroom.media.port import MediaEntry, MediaPort
from greenroom.testing.media import FINGERPRINT, TWO_WAY, FakeMedia, Told, Witness, offer_sdp
from greenroom.testing.media_contract import (
    MediaLifeContract,
    MediaPortContract,
    MediaReportsContract,
)

E1 = EntryId("e1")
ENTRY = MediaEntry(E1, CallId("default:1"), 1, UserId("thierry"), frozenset({"audio"}))


class TestFakeMedia(MediaPortContract):
    @pytest.fixture
    def media(self) -> Iterator[MediaPort]:
        media = FakeMedia()
        yield media
        media.stop()


class TestReportsOfFakeMedia(MediaReportsContract):
    @pytest.fixture
    def media(self) -> Iterator[MediaPort]:
        media = FakeMedia()
        yield media
        media.stop()

    def connect(self, media: MediaPort, entry_id: EntryId) -> Callable[[], None]:
        assert isinstance(media, FakeMedia)
        media.connect(entry_id)
        return lambda: media.lose(entry_id)


class TestNullMedia(MediaLifeContract):
    @pytest.fixture
    def media(self) -> Iterator[MediaPort]:
        media = NullMedia()
        yield media
        media.stop()


def test_a_room_without_media_goes_on_and_says_so_to_who_offers() -> None:
    with Greenroom.open("memory://", media=NullMedia()) as room:
        call = room.as_user("thierry").call("default", "1")
        entry = call.join(create=True)
        with pytest.raises(MediaError, match="no media runs in this room"):
            entry.offer(offer_sdp(*TWO_WAY))
        assert entry.slots() == {}
        assert call.media_stats() == MediaStats(MediaStatistics(), {})


def test_it_remembers_what_it_was_told_in_order() -> None:
    media = FakeMedia()
    media.start(Witness())
    media.open(ENTRY)
    media.offer(E1, offer_sdp(*TWO_WAY))
    media.close(E1)
    media.stop()
    assert media.told == [
        Told("start"),
        Told("open", E1, frozenset({"audio"})),
        Told("offer", E1),
        Told("close", E1),
        Told("stop"),
    ]


def test_the_test_says_when_a_peer_comes_and_goes() -> None:
    media, witness = FakeMedia(), Witness()
    media.start(witness)
    media.open(ENTRY)
    media.connect(E1)
    media.lose(E1)
    assert witness.connections == [(E1, FINGERPRINT)]
    assert witness.losses == [E1]


def test_an_entry_told_to_fail_is_refused_until_it_recovers() -> None:
    media = FakeMedia()
    media.start(Witness())
    media.fail(E1)
    with pytest.raises(MediaError, match="e1"):
        media.open(ENTRY)
    media.recover(E1)
    media.open(ENTRY)
    assert media.entry(E1) == ENTRY


@pytest.mark.slow
def test_no_media_library_is_loaded_before_real_media_is_wanted() -> None:
    modules = "greenroom, greenroom.media.port, greenroom.media.reactor, greenroom.testing.media"
    program = f"import sys, {modules}; print({{'aiortc', 'av', 'aioice'}} & set(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.strip() == "set()"
