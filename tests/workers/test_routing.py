"""Media in workers is asked for as media of one's own is."""

from __future__ import annotations

import threading
import time

import httpx2
import pytest
from tests.workers.conftest import SHORT, Site, eventually

from greenroom import Entry, Greenroom, WorkerMedia, errors
from greenroom.domain.session_events import MediaStatistics
from greenroom.testing.descriptions import answer_sdp
from greenroom.testing.media import TRICKLE, TWO_WAY, FakeMedia, offer_sdp
from greenroom.workers.control import ASK, Asked, encode


def joined(site: Site, call_id: str, user: str = "thierry") -> Entry:
    return site.room.as_user(user).call("default", call_id).join(create=True)


@pytest.mark.slow
def test_signalling_reaches_the_worker_that_carries_the_call(site: Site) -> None:
    worker = site.hire()
    entry = joined(site, "1")
    assert entry.offer(offer_sdp(*TWO_WAY)).startswith("v=0")
    assert worker.media.entries() == {entry.entry_id}
    assert [*entry.slots().values()] == [None, None]
    entry.candidates(TRICKLE)
    worker.media.connect(entry.entry_id)
    worker.media.measure(entry.entry_id, MediaStatistics(packets_received=7))
    assert eventually(lambda: site.names("1") == ["connected"])
    stats = site.room.as_user("thierry").call("default", "1").media_stats()
    assert stats is not None
    assert stats.entries[entry.entry_id].packets_received == 7
    ufrag = offer_sdp(*TWO_WAY).partition("a=ice-ufrag:")[2].split()[0]
    assert entry.hang_up(ufrag) is False
    entry.leave()
    assert eventually(lambda: worker.media.entries() == frozenset())


@pytest.mark.slow
def test_invitations_and_the_news_of_them_cross(site: Site) -> None:
    worker = site.hire()
    speaker, listener = joined(site, "1"), joined(site, "1", "alice")
    speaker.offer(offer_sdp(*TWO_WAY))
    assert listener.invite() is None
    told = []
    asking = threading.Thread(target=lambda: told.append(listener.next_invitation(seconds=120)))
    asking.start()
    time.sleep(0.3)
    worker.media.connect(speaker.entry_id)
    worker.media.publish(speaker.entry_id, "audio")
    asking.join(60)
    [invitation] = told
    assert invitation is not None
    assert invitation.number == 1
    listener.accept(invitation.number, answer_sdp(("audio", "recvonly")))
    assert worker.media.told[-1].what == "accept"


@pytest.mark.slow
def test_who_leaves_is_waited_for_no_more(site: Site) -> None:
    site.hire()
    entry = joined(site, "1")
    refused = []

    def wait() -> None:
        try:
            entry.next_invitation(seconds=120)
        except errors.EntryNotFound as error:
            refused.append(error)

    asking = threading.Thread(target=wait)
    asking.start()
    time.sleep(0.3)
    entry.leave()
    asking.join(60)
    assert len(refused) == 1


@pytest.mark.slow
def test_what_the_worker_refuses_is_refused_in_the_same_words(site: Site) -> None:
    site.hire()
    entry = joined(site, "1")
    with pytest.raises(errors.MediaError) as refused:
        entry.offer("hello")
    with pytest.raises(errors.MediaError) as own:
        FakeMediaRoom().entry.offer("hello")
    assert (type(refused.value), str(refused.value)) == (type(own.value), str(own.value))
    with pytest.raises(errors.MediaError, match="ice-ufrag"):
        entry.candidates(TRICKLE)
    entry.leave()
    for ask in (
        lambda: entry.offer(offer_sdp(*TWO_WAY)),
        entry.invite,
        lambda: entry.accept(1, "v=0"),
        lambda: entry.candidates(TRICKLE),
    ):
        with pytest.raises(errors.EntryNotFound) as gone:
            ask()
        assert entry.entry_id in str(gone.value)
    assert entry.hang_up("ufrag") is False


class FakeMediaRoom:
    """The same call with media of its own."""

    def __init__(self) -> None:
        room = Greenroom.open("memory://", media=FakeMedia())
        self.entry = room.as_user("thierry").call("default", "1").join(create=True)


@pytest.mark.slow
def test_calls_are_shared_out(site: Site) -> None:
    workers = [site.hire() for _ in range(2)]
    entries = [joined(site, str(number)) for number in range(4)]
    for entry in entries:
        entry.offer(offer_sdp(*TWO_WAY))
    assert [len(one.media.entries()) for one in workers] == [2, 2]


@pytest.mark.slow
def test_where_no_worker_is_alive_signalling_says_so_and_all_else_works(site: Site) -> None:
    entry = joined(site, "1")
    began = time.monotonic()
    with pytest.raises(errors.MediaUnavailable, match="greenroom media run"):
        entry.offer(offer_sdp(*TWO_WAY))
    assert time.monotonic() - began < 30, "nobody is waited for"
    with pytest.raises(errors.MediaError):
        entry.candidates(TRICKLE)
    assert entry.hang_up("ufrag") is False
    stats = site.room.as_user("thierry").call("default", "1").media_stats()
    assert stats is not None
    assert stats.entries == {}
    entry.leave()
    site.hire()
    assert joined(site, "1").offer(offer_sdp(*TWO_WAY))


@pytest.mark.slow
def test_full_workers_are_given_no_further_call_and_keep_theirs(site: Site) -> None:
    worker = site.hire()
    first, second = joined(site, "1"), joined(site, "2")
    first.offer(offer_sdp(*TWO_WAY))
    worker.media.fullness = 1.0  # type: ignore[attr-defined]  # as the adapter on aiortc says
    assert eventually(lambda: site.router._leases.roster()[0].worker.load == 1)
    with pytest.raises(errors.MediaOverloaded):
        second.offer(offer_sdp(*TWO_WAY))
    assert first.offer(offer_sdp(*TWO_WAY))


@pytest.mark.slow
def test_the_calls_of_a_worker_that_died_are_found_with_another(site: Site) -> None:
    dead, alive = site.hire(SHORT), site.hire(SHORT)
    entries = [joined(site, str(number)) for number in range(4)]
    for entry in entries:
        entry.offer(offer_sdp(*TWO_WAY))
        site.worker_of(entry._call.cid).media.connect(entry.entry_id)
    theirs = [one for one in entries if one.entry_id in dead.media.entries()]
    assert len(theirs) == 2
    dead.fall_silent()
    first, second = theirs
    assert first.offer(offer_sdp(*TWO_WAY)), "it waits until somebody else has it"
    assert eventually(lambda: {one.entry_id for one in entries} == alive.media.entries())
    calls = [one._call.id for one in theirs]
    wanted = [["connected", "lost"]] * 2
    assert eventually(lambda: [site.names(call_id) for call_id in calls] == wanted)
    assert alive.media.connect(second.entry_id) == 2
    assert all(site.names(one._call.id) == ["connected"] for one in entries if one not in theirs)


@pytest.mark.slow
def test_a_worker_that_makes_way_is_given_nothing_and_leaves_the_rest_behind(site: Site) -> None:
    leaving = site.hire(SHORT)
    entry = joined(site, "1")
    entry.offer(offer_sdp(*TWO_WAY))
    leaving.media.connect(entry.entry_id)
    leaving.link.takes = False
    fresh = site.hire(SHORT)
    time.sleep(1.5 * SHORT)
    other = joined(site, "2")
    other.offer(offer_sdp(*TWO_WAY))
    assert fresh.media.entries() == {other.entry_id}
    assert leaving.link.carries()
    assert entry.offer(offer_sdp(*TWO_WAY)), "who is there may come back"
    leaving.close()
    assert eventually(lambda: fresh.media.entries() == {other.entry_id, entry.entry_id})
    assert site.names("1") == ["connected", "measured"]
    assert fresh.media.connect(entry.entry_id) == 2


@pytest.mark.slow
def test_a_worker_whose_last_call_ended_carries_nothing(site: Site) -> None:
    worker = site.hire()
    entry = joined(site, "1")
    entry.offer(offer_sdp(*TWO_WAY))
    assert worker.link.carries()
    entry.leave()
    assert eventually(lambda: not worker.link.carries())
    worker.link.look_over()
    assert site.lease("default:1") is None


@pytest.mark.slow
def test_the_figures_of_all_workers_are_the_figures_of_the_room(site: Site) -> None:
    workers = [site.hire() for _ in range(2)]
    entries = [joined(site, str(number)) for number in range(2)]
    for entry in entries:
        entry.offer(offer_sdp(*TWO_WAY))
        worker = site.worker_of(entry._call.cid)
        worker.media.connect(entry.entry_id)
        worker.media.measure(entry.entry_id, MediaStatistics(packets_sent=5))
    assert all(one.media.entries() for one in workers)
    stats = site.room.media_stats()
    assert stats is not None
    assert stats.counted.packets_sent == 10
    assert {*stats.calls} == {"default:0", "default:1"}
    workers[0].fall_silent()
    less = site.room.media_stats()
    assert less is not None
    assert len(less.calls) == 1
    assert less.counted.packets_sent == 10  # what went through a worker that is gone went through


@pytest.mark.slow
def test_a_call_of_a_process_that_cannot_be_asked_is_unavailable(site: Site) -> None:
    entry = joined(site, "1")
    with Greenroom.open(site._url, media=FakeMedia()) as own:
        assert own._core.media is not None
        with pytest.raises(errors.MediaUnavailable, match="cannot be asked"):
            entry.offer(offer_sdp(*TWO_WAY))


def test_a_store_in_memory_has_no_workers() -> None:
    with pytest.raises(errors.InvalidInput, match="media"):
        Greenroom.open("memory://", media=WorkerMedia())


@pytest.mark.parametrize("wrong", [{"timeout": -1}, {"patience": "long"}, {"timeout": True}])
def test_what_is_no_length_of_time_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(errors.InvalidInput, match=next(iter(wrong))):
        WorkerMedia(**wrong)  # type: ignore[arg-type]  # that is the point


@pytest.mark.slow
def test_closed_it_asks_nobody(site: Site) -> None:
    site.hire()
    entry = joined(site, "1")
    router = site.router
    site.room.close()
    for ask in (
        lambda: router.offer(entry._call.cid, entry.entry_id, "v=0"),
        router.stats,
    ):
        with pytest.raises(errors.MediaUnavailable):
            ask()


def signed(site: Site, body: bytes) -> dict[str, str]:
    return {"Authorization": site.room._core.signatures().sign(ASK, body)}


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        Asked("stop"),
        Asked("_media"),
        Asked("offer", ("default:1",)),
        Asked("offer", ("default:1", "entry", 7)),
        Asked("invite", ("default:1", "entry", "after")),
        Asked("statistics", (3,)),
        Asked("accept", ("default:1", "entry", "1", "v=0")),
        Asked("stats", ("default:1",)),
    ],
    ids=str,
)
def test_what_is_no_question_harms_no_worker(site: Site, asked: Asked) -> None:
    worker = site.hire()
    asking = site.router._asking
    with httpx2.Client(base_url=worker.url, timeout=60) as client:
        body = encode(asked)
        told = client.post(ASK, content=body, headers=signed(site, body))
        assert told.json()["code"] == "invalid_input"
    assert asking.ask(worker.url, Asked("stats")).counted.packets_sent == 0
    assert joined(site, "1").offer(offer_sdp(*TWO_WAY))
