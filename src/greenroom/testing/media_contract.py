"""The exam that every media port has to pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Literal

import pytest

from greenroom.domain.errors import MediaError
from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.media.port import Kind, MediaEntry, MediaPort
from greenroom.testing.descriptions import (
    HOSTILE,
    HOSTILE_FRAGMENTS,
    TRICKLE,
    TWO_WAY,
    answer_sdp,
    offer_sdp,
)
from greenroom.testing.media import Witness


class _Exam:
    def entry(self, name: str = "thierry", *may_send: Kind) -> MediaEntry:
        """An entry of the call `default:exam`."""
        return MediaEntry(
            EntryId(f"entry-{name}"), CallId("default:exam"), 1, UserId(name), frozenset(may_send)
        )


class MediaLifeContract(_Exam):
    """How every MediaPort opens and closes, even one that answers no offer.

    Derive, and give a fixture `media`: it yields a port that was not started, and stops it
    afterwards.
    """

    def test_nothing_opens_before_it_is_started(self, media: MediaPort) -> None:
        with pytest.raises(MediaError):
            media.open(self.entry())
        assert media.entries() == frozenset()

    def test_whoever_was_opened_and_not_closed_is_open(self, media: MediaPort) -> None:
        media.start(Witness())
        media.open(self.entry("thierry"))
        media.open(self.entry("alice"))
        assert media.entries() == {"entry-thierry", "entry-alice"}
        media.close(EntryId("entry-alice"))
        assert media.entries() == {"entry-thierry"}

    def test_opening_twice_opens_once(self, media: MediaPort) -> None:
        media.start(Witness())
        media.open(self.entry())
        media.open(self.entry())
        media.open(replace(self.entry(), may_send=frozenset({"audio"})))
        assert media.entries() == {"entry-thierry"}

    def test_closing_twice_closes_once_and_an_unknown_entry_is_fine(self, media: MediaPort) -> None:
        media.start(Witness())
        media.open(self.entry())
        media.close(EntryId("entry-thierry"))
        media.close(EntryId("entry-thierry"))
        media.close(EntryId("entry-nobody"))
        assert media.entries() == frozenset()

    def test_stopping_what_was_never_started_is_fine(self, media: MediaPort) -> None:
        media.stop()
        assert media.entries() == frozenset()

    def test_after_stop_nothing_is_open_and_nothing_opens(self, media: MediaPort) -> None:
        media.start(Witness())
        media.open(self.entry())
        media.stop()
        media.stop()
        assert media.entries() == frozenset()
        assert media.statistics() == {}
        with pytest.raises(MediaError):
            media.open(self.entry())
        media.close(EntryId("entry-thierry"))

    def test_who_is_not_open_cannot_signal(self, media: MediaPort) -> None:
        media.start(Witness())
        for _ in range(2):
            with pytest.raises(MediaError, match="entry-thierry"):
                media.offer(EntryId("entry-thierry"), offer_sdp(*TWO_WAY))
            with pytest.raises(MediaError, match="entry-thierry"):
                media.candidates(EntryId("entry-thierry"), TRICKLE)
            with pytest.raises(MediaError, match="entry-thierry"):
                media.slots(EntryId("entry-thierry"))
            assert not media.hang_up(EntryId("entry-thierry"), "abcd")
            media.open(self.entry())
            media.close(EntryId("entry-thierry"))

    def test_nobody_is_counted_who_is_not_connected(self, media: MediaPort) -> None:
        media.start(Witness())
        assert media.statistics() == {}
        media.open(self.entry())
        assert media.statistics() == {}

    def test_many_threads_may_open_and_close_at_once(self, media: MediaPort) -> None:
        media.start(Witness())

        def come_and_go(name: str) -> None:
            for _ in range(20):
                media.open(self.entry(name, "audio"))
                media.close(EntryId(f"entry-{name}"))
            media.open(self.entry(name, "video"))

        threads = [threading.Thread(target=come_and_go, args=(f"u{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert media.entries() == {f"entry-u{n}" for n in range(8)}


class MediaPortContract(MediaLifeContract):
    """What every MediaPort must do that answers offers, without a single packet."""

    invites: ClassVar[bool] = True
    """Whether this port invites; one that does not refuses to."""
    direction: ClassVar[Literal["sendrecv", "sendonly"]] = "sendrecv"
    """What lines may be offered to this port: one that takes only what sends refuses the rest."""

    def offered(self, text: str | None = None) -> str:
        """An offer, or a text with one in it, with lines as this port takes them."""
        return (text or offer_sdp(*TWO_WAY)).replace("sendrecv", self.direction)

    def test_only_an_open_entry_can_offer(self, media: MediaPort) -> None:
        media.start(Witness())
        with pytest.raises(MediaError, match="entry-thierry"):
            media.offer(EntryId("entry-thierry"), offer_sdp(*TWO_WAY))
        media.open(self.entry())
        media.close(EntryId("entry-thierry"))
        with pytest.raises(MediaError, match="entry-thierry"):
            media.offer(EntryId("entry-thierry"), offer_sdp(*TWO_WAY))
        with pytest.raises(MediaError, match="entry-thierry"):
            media.slots(EntryId("entry-thierry"))

    @pytest.mark.parametrize("wrong", HOSTILE)
    def test_a_hostile_offer_is_refused_and_the_next_one_answered(
        self, media: MediaPort, wrong: str
    ) -> None:
        media.start(Witness())
        media.open(self.entry())
        hostile = HOSTILE[wrong]
        hostile = self.offered(hostile) if hostile and isinstance(hostile, str) else hostile
        with pytest.raises(MediaError):
            media.offer(EntryId("entry-thierry"), hostile)  # type: ignore[arg-type]  # the point
        assert media.entries() == {"entry-thierry"}
        assert media.offer(EntryId("entry-thierry"), self.offered()).startswith("v=0")

    def test_the_lines_that_can_receive_are_free_slots(self, media: MediaPort) -> None:
        media.start(Witness())
        media.open(self.entry())
        assert media.slots(EntryId("entry-thierry")) == {}
        lines = (("audio", "sendrecv"), ("video", "sendonly"), ("video", "recvonly"))
        if self.direction == "sendonly":
            with pytest.raises(MediaError, match="invite"):
                media.offer(EntryId("entry-thierry"), offer_sdp(*lines))
            return
        media.offer(EntryId("entry-thierry"), offer_sdp(*lines))
        assert media.slots(EntryId("entry-thierry")) == {"0": None, "2": None}

    def test_only_an_open_entry_is_invited(self, media: MediaPort) -> None:
        media.start(Witness())
        with pytest.raises(MediaError, match="entry-thierry"):
            media.invite(EntryId("entry-thierry"))
        with pytest.raises(MediaError, match="entry-thierry"):
            media.accept(EntryId("entry-thierry"), 1, answer_sdp(*TWO_WAY))

    def test_nobody_is_invited_to_nobody(self, media: MediaPort) -> None:
        media.start(Witness())
        media.open(self.entry("thierry", "audio"))
        media.open(self.entry("alice", "audio"))
        if self.invites:
            assert media.invite(EntryId("entry-thierry")) is None
        else:
            with pytest.raises(MediaError, match="invite"):
                media.invite(EntryId("entry-thierry"))

    def test_what_was_not_offered_cannot_be_accepted_nor_gone_on_with(
        self, media: MediaPort
    ) -> None:
        media.start(Witness())
        media.open(self.entry())
        for number in (0, 1):
            with pytest.raises(MediaError, match="invitation"):
                media.accept(EntryId("entry-thierry"), number, answer_sdp(*TWO_WAY))
        with pytest.raises(MediaError, match="invit"):
            media.invite(EntryId("entry-thierry"), after=1)
        assert media.slots(EntryId("entry-thierry")) == {}

    def test_candidates_go_to_the_connection_that_they_name(self, media: MediaPort) -> None:
        media.start(Witness())
        media.open(self.entry())
        media.offer(EntryId("entry-thierry"), self.offered())
        for _ in range(2):
            media.candidates(EntryId("entry-thierry"), TRICKLE)
        with pytest.raises(MediaError, match="ufrag"):
            media.candidates(EntryId("entry-thierry"), TRICKLE.replace("abcd", "other"))
        with pytest.raises(MediaError, match="entry-alice"):
            media.candidates(EntryId("entry-alice"), TRICKLE)

    @pytest.mark.parametrize("wrong", HOSTILE_FRAGMENTS)
    def test_hostile_candidates_are_refused(self, media: MediaPort, wrong: str) -> None:
        media.start(Witness())
        media.open(self.entry())
        media.offer(EntryId("entry-thierry"), self.offered())
        with pytest.raises(MediaError):
            media.candidates(EntryId("entry-thierry"), HOSTILE_FRAGMENTS[wrong])  # type: ignore[arg-type]  # the point
        media.candidates(EntryId("entry-thierry"), TRICKLE)

    def test_hanging_up_ends_the_connection_and_not_the_entry(self, media: MediaPort) -> None:
        witness = Witness()
        media.start(witness)
        media.open(self.entry())
        media.offer(EntryId("entry-thierry"), self.offered())
        assert media.hang_up(EntryId("entry-thierry"), "other")
        there = {"0": None, "1": None} if self.direction == "sendrecv" else {}
        assert media.slots(EntryId("entry-thierry")) == there
        assert not media.hang_up(EntryId("entry-thierry"), "abcd")
        assert media.slots(EntryId("entry-thierry")) == {}
        assert not media.hang_up(EntryId("entry-thierry"), "abcd")
        assert not media.hang_up(EntryId("entry-alice"), "abcd")
        assert media.entries() == {"entry-thierry"}
        assert not witness.heard(lambda heard: bool(heard.losses), timeout=0.1)

    def test_leaving_is_not_a_loss(self, media: MediaPort) -> None:
        witness = Witness()
        media.start(witness)
        media.open(self.entry())
        media.offer(EntryId("entry-thierry"), self.offered())
        media.close(EntryId("entry-thierry"))
        assert not witness.heard(lambda heard: bool(heard.losses), timeout=0.1)

    def test_a_stop_ends_what_was_offered(self, media: MediaPort) -> None:
        media.start(Witness())
        media.open(self.entry())
        media.offer(EntryId("entry-thierry"), self.offered())
        media.stop()
        media.stop()
        assert media.entries() == frozenset()
        with pytest.raises(MediaError):
            media.open(self.entry())
        media.close(EntryId("entry-thierry"))


class MediaReportsContract(_Exam):
    """What every MediaPort must report of its connections: derive, and say how a peer connects."""

    def connect(self, media: MediaPort, entry_id: EntryId) -> Callable[[], None]:
        """Let a peer connect to this entry, which is open.

        Returns:
            What makes that peer vanish without a word to us.
        """
        raise NotImplementedError

    def connected(
        self, media: MediaPort, witness: Witness, *names: str, epoch: int = 0
    ) -> list[Callable[[], None]]:
        """Open these entries, connect each, and wait for that; how each vanishes."""
        media.start(witness)
        vanish = []
        for name in names:
            media.open(replace(self.entry(name, "audio", "video"), epoch=epoch))
            vanish.append(self.connect(media, EntryId(f"entry-{name}")))
        assert witness.heard(lambda heard: len(heard.told("connected")) == len(names))
        return vanish

    def test_connections_are_counted_on_from_what_is_on_record(self, media: MediaPort) -> None:
        witness = Witness()
        self.connected(media, witness, "thierry", epoch=4)
        [told] = witness.told("connected")
        assert (told.entry_id, told.epoch) == ("entry-thierry", 5)
        algorithm, _, digits = told.fingerprint.partition(" ")
        assert algorithm.startswith("sha-")
        assert set(digits) <= set("0123456789ABCDEFabcdef:")

    def test_each_entry_counts_for_itself_and_is_counted(self, media: MediaPort) -> None:
        witness = Witness()
        self.connected(media, witness, "thierry", "alice")
        assert {(one.entry_id, one.epoch) for one in witness.told("connected")} == {
            ("entry-thierry", 1),
            ("entry-alice", 1),
        }
        found = media.statistics()
        assert set(found) == {"entry-thierry", "entry-alice"}
        assert all(one.seconds >= 0 and one.packets_lost >= 0 for one in found.values())

    def test_who_vanishes_is_lost_and_measured_and_may_come_back(self, media: MediaPort) -> None:
        witness = Witness()
        [vanish] = self.connected(media, witness, "thierry")
        vanish()
        assert witness.heard(lambda heard: bool(heard.told("ended")))
        about = [one for one in witness.news if one.what in {"lost", "ended"}]
        assert [(one.what, one.epoch) for one in about] == [("lost", 1), ("ended", 1)]
        assert media.entries() == {"entry-thierry"}
        assert media.statistics() == {}
        self.connect(media, EntryId("entry-thierry"))
        assert witness.heard(lambda heard: len(heard.told("connected")) == 2)
        assert witness.told("connected")[1].epoch == 2

    def test_whoever_is_closed_is_measured_once_and_not_lost(self, media: MediaPort) -> None:
        witness = Witness()
        self.connected(media, witness, "thierry", "alice")
        for _ in range(2):
            media.close(EntryId("entry-thierry"))
        assert witness.heard(lambda heard: bool(heard.told("ended")))
        media.stop()
        assert [(one.entry_id, one.epoch) for one in witness.told("ended")] == [
            ("entry-thierry", 1),
            ("entry-alice", 1),
        ]
        assert witness.losses == []

    def test_an_entry_that_is_opened_again_counts_from_what_it_is_told(
        self, media: MediaPort
    ) -> None:
        witness = Witness()
        self.connected(media, witness, "thierry")
        media.close(EntryId("entry-thierry"))
        media.open(replace(self.entry(), epoch=1))
        self.connect(media, EntryId("entry-thierry"))
        assert witness.heard(lambda heard: len(heard.told("connected")) == 2)
        assert [one.epoch for one in witness.told("connected")] == [1, 2]
