"""Several processes with media on one store divide the calls; none touches another's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from greenroom import CallHandle, Entry, Greenroom, errors
from greenroom.domain.errors import StoreError
from greenroom.media_link import MediaLink
from greenroom.testing.media import TWO_WAY, FakeMedia, offer_sdp

LEASE = 10.0
"""Seconds; nobody stalls for so long, and is taken for dead."""
SHORT = 5.0
"""Where somebody dies."""


class Process:
    """A room with media of its own, as each embedding process has it."""

    def __init__(self, url: str, lease: float, all_of_them: list[Process]) -> None:
        self.all_of_them = all_of_them
        self.media = FakeMedia()
        self.room = Greenroom.open(url)
        self.link = self.room._core.media = MediaLink(self.media, lease=lease)
        self.link.start(self.room._core)

    def call(self, call_id: str, user: str = "thierry") -> CallHandle:
        return self.room.as_user(user).call("default", call_id)

    def join(self, call_id: str, user: str = "thierry") -> Entry:
        """Whoever sees somebody enter first carries the call: the others look away meanwhile."""
        for one in self.all_of_them:
            one.adopts(entered=one is self)
        entry = self.call(call_id, user).join(create=True)
        self.link.follow()
        for one in self.all_of_them:
            one.adopts(entered=True)
        return entry

    def adopts(self, *, entered: bool) -> None:
        """Whether it is to carry calls that somebody enters."""
        self.link._holding._adopts = entered  # type: ignore[attr-defined]  # it shares them

    def has(self, *entries: Entry) -> bool:
        """Whether its media is to have these entries and no other, in a moment."""
        wanted = {one.entry_id for one in entries}
        return eventually(lambda: self.media.entries() == wanted)

    def die(self) -> None:
        """Say nothing any more: neither that it is alive, nor what media learns, nor goodbye."""
        leases = self.link._holding._leases  # type: ignore[attr-defined]  # it has some
        for name in ("renew", "retire"):
            setattr(leases, name, _broken)
        self.room._core.stop_recording()

    def names(self, call_id: str) -> list[str]:
        """What was recorded of media."""
        history = self.room.system("auditor").call("default", call_id).history()
        of_media = {"connected", "lost", "measured", "published"}
        names = [one.name.removeprefix("session.") for one in history]
        return [name for name in names if name in of_media]


def _broken(*_: object) -> None:
    raise StoreError("the store cannot be reached")


def eventually(condition: Callable[[], bool], timeout: float = 60) -> bool:
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    opened: list[Process] = []

    def another(lease: float = LEASE) -> Process:
        opened.append(Process(f"sqlite:///{tmp_path}/calls.db", lease, opened))
        return opened[-1]

    yield another
    for one in opened:
        one.room.close()


@pytest.mark.slow
def test_each_carries_the_calls_that_were_entered_through_it(
    processes: Callable[..., Process],
) -> None:
    here, there = processes(), processes()
    first, second = here.join("1"), there.join("2")
    assert here.has(first)
    assert there.has(second)
    third = there.join("1", "alice")  # into a call that is carried elsewhere
    assert here.has(first, third)
    assert there.has(second)


@pytest.mark.slow
def test_connections_of_another_process_are_not_taken_for_lost(
    processes: Callable[..., Process],
) -> None:
    here = processes(SHORT)
    entry = here.join("1")
    assert here.has(entry)
    here.media.connect(entry.entry_id)
    there = processes(SHORT)
    there.join("2")
    time.sleep(1.5 * SHORT)
    assert here.names("1") == there.names("1") == ["connected"]


@pytest.mark.slow
def test_who_asks_the_wrong_process_is_told_so(processes: Callable[..., Process]) -> None:
    here, there = processes(), processes()
    entry = here.join("1")
    assert here.has(entry)
    same = there.room.entry(entry.ticket())
    with pytest.raises(errors.MediaUnavailable, match="another process"):
        same.offer(offer_sdp(*TWO_WAY))
    began = time.monotonic()
    with pytest.raises(errors.MediaUnavailable):
        same.hang_up("ufrag")
    assert time.monotonic() - began < LEASE / 2, "it is known by now that the other one is alive"
    assert entry.offer(offer_sdp(*TWO_WAY)).startswith("v=0")


@pytest.mark.slow
def test_who_closes_leaves_its_calls_to_the_others_at_once(
    processes: Callable[..., Process],
) -> None:
    here, there = processes(SHORT), processes(SHORT)
    entry = here.join("1")
    assert here.has(entry)
    here.media.connect(entry.entry_id)
    time.sleep(SHORT)  # nobody takes over who has not been there for a while
    here.room.close()
    assert there.has(entry)
    assert there.media.entry(entry.entry_id).epoch == 1
    assert there.names("1") == ["connected", "measured"]
    assert there.media.connect(entry.entry_id) == 2


@pytest.mark.slow
def test_the_calls_of_one_that_died_are_taken_over_and_their_connections_are_lost(
    processes: Callable[..., Process],
) -> None:
    here, there = processes(SHORT), processes(SHORT)
    entry, other = here.join("1"), there.join("2")
    assert here.has(entry)
    assert there.has(other)
    for one, its in ((here, entry), (there, other)):
        one.media.connect(its.entry_id)
    here.die()
    assert there.has(entry, other)
    assert eventually(lambda: there.names("1") == ["connected", "lost"])
    assert there.names("2") == ["connected"]
    assert there.media.connect(entry.entry_id) == 2


@pytest.mark.slow
def test_an_offer_waits_for_one_that_may_be_dead(processes: Callable[..., Process]) -> None:
    here, there = processes(SHORT), processes(SHORT)
    entry = here.join("1")
    assert here.has(entry)
    here.die()
    assert there.room.entry(entry.ticket()).offer(offer_sdp(*TWO_WAY)).startswith("v=0")
    assert there.has(entry)


@pytest.mark.slow
def test_one_that_was_cut_off_drops_what_others_took_and_tells_nothing_of_it(
    processes: Callable[..., Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = processes(SHORT)
    entry, kept = here.join("1"), here.join("2")
    assert here.has(entry, kept)
    there = processes(SHORT)
    for one in (entry, kept):
        here.media.connect(one.entry_id)
    leases = here.link._holding._leases  # type: ignore[attr-defined]  # it has some
    there.link.takes = False  # takes nothing of itself
    with monkeypatch.context() as cut_off:
        cut_off.setattr(leases, "renew", _broken)
        time.sleep(1.5 * SHORT)
        here.media.publish(kept.entry_id, "audio")  # told, but by whom?
        time.sleep(SHORT / 5)
        assert here.names("2") == ["connected"]
        with pytest.raises(errors.MediaUnavailable):
            kept.offer(offer_sdp(*TWO_WAY))
        there.room.entry(entry.ticket()).offer(offer_sdp(*TWO_WAY))
    assert here.has(kept)
    assert there.has(entry)
    assert eventually(lambda: here.names("2") == ["connected", "published"])
    assert eventually(lambda: here.names("1") == ["connected", "lost"])
    assert kept.offer(offer_sdp(*TWO_WAY)).startswith("v=0")


@pytest.mark.slow
def test_a_call_that_everybody_left_is_anybodys(processes: Callable[..., Process]) -> None:
    here = processes()
    entry = here.join("1")
    assert here.has(entry)
    entry.leave()
    assert here.has()
    here.link.look_over()
    there = processes()
    again = there.join("1")
    assert there.has(again)
    assert here.has()


@pytest.mark.slow
def test_one_of_them_carries_it_when_it_is_entered_again(
    processes: Callable[..., Process],
) -> None:
    here, there = processes(), processes()
    entry = here.join("1")
    assert here.has(entry)
    there.link.follow()
    there.link.look_over()  # it knows whose the call is, and asks no more for a while
    entry.leave()
    assert here.has()
    here.link.look_over()
    again = there.join("1").entry_id
    assert eventually(lambda: [*here.media.entries(), *there.media.entries()] == [again])
