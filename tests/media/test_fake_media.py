from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from greenroom import Greenroom, MediaStatistics, MediaStats
from greenroom.domain.errors import MediaError
from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.media.description import Description
from greenroom.media.null_media import NullMedia
from greenroom.media.port import MediaEntry, MediaPort
from greenroom.testing.descriptions import TRICKLE, answer_sdp
from greenroom.testing.media import FINGERPRINT, TWO_WAY, FakeMedia, Told, Witness, offer_sdp
from greenroom.testing.media_contract import (
    MediaLifeContract,
    MediaPortContract,
    MediaReportsContract,
)
from greenroom.testing.recording_contract import RecordsContract, RecordsNothingContract

E1, E2 = EntryId("e1"), EntryId("e2")
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


class TestRecordingsOfFakeMedia(RecordsContract):
    @pytest.fixture
    def media(self) -> Iterator[MediaPort]:
        media = FakeMedia()
        yield media
        media.stop()


class TestNullMedia(MediaLifeContract, RecordsNothingContract):
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
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=150
    )
    assert run.stdout.strip() == "set()"


def invited() -> tuple[FakeMedia, str]:
    """Thierry receives alice by invitation; the ICE user name of his answer."""
    media, answer = FakeMedia(), answer_sdp(("audio", "recvonly"))
    media.start(Witness())
    media.open(ENTRY)
    media.open(MediaEntry(E2, ENTRY.cid, 1, UserId("alice"), frozenset({"audio"})))
    media.connect(E2)
    media.publish(E2, "audio")
    invitation = media.invite(E1)
    assert invitation is not None
    media.accept(E1, invitation.number, answer)
    assert media.invite(E1, after=1) is None
    return media, Description.of_answer(answer).ufrag


def test_who_is_lost_has_lost_what_they_were_invited_to() -> None:
    media, _ = invited()
    media.connect(E1)
    media.lose(E1)
    with pytest.raises(MediaError, match="its connection is over"):
        media.invite(E1, after=1)
    assert media.invite(E1) is not None


def test_who_lost_another_connection_has_not() -> None:
    media, _ = invited()
    media.lose(E1, epoch=media.connect(E1))
    assert media.invite(E1, after=1) is None


def test_what_one_was_invited_to_is_hung_up_by_the_name_in_the_answer() -> None:
    media, ufrag = invited()
    media.offer(E1, offer_sdp(("audio", "sendonly")).replace("abcd", "efgh"))
    media.candidates(E1, TRICKLE.replace("abcd", ufrag))
    assert media.hang_up(E1, ufrag)
    with pytest.raises(MediaError, match="no connection"):
        media.candidates(E1, TRICKLE.replace("abcd", ufrag))
    assert not media.hang_up(E1, "efgh")
