"""Offers by the server, asked for and waited for through an entry."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from tests.hostile.evil import NEVER, STRANGE

from greenroom import Entry, Greenroom, errors
from greenroom.aio import Greenroom as AsyncGreenroom
from greenroom.testing.descriptions import TWO_WAY, answer_sdp
from greenroom.testing.media import FakeMedia

HERE = "default", "1"


class Hall:
    """Thierry and alice have joined; media is the fake."""

    def __init__(self) -> None:
        self.media = FakeMedia()
        self.room = Greenroom.open("memory://", media=self.media)
        self.thierry = self.join("thierry")
        self.alice = self.join("alice")

    def join(self, user: str) -> Entry:
        entry = self.room.as_user(user).call(*HERE).join(create=True)
        assert entry.entry_id in self.media.entries() or entry.slots() == {}
        return entry

    def publish(self, entry: Entry) -> None:
        entry.slots()  # media has followed
        epoch = self.media.connect(entry.entry_id)
        self.media.publish(entry.entry_id, "audio", epoch=epoch)


@pytest.fixture
def hall() -> Iterator[Hall]:
    hall = Hall()
    yield hall
    hall.room.close()


def test_who_is_alone_is_not_invited_and_does_not_wait_longer_than_they_want(hall: Hall) -> None:
    assert hall.thierry.invite() is None
    assert hall.thierry.next_invitation(seconds=0) is None


def test_an_invitation_has_a_line_for_each_track_of_the_others(hall: Hall) -> None:
    hall.publish(hall.alice)
    invitation = hall.thierry.invite()
    assert invitation is not None
    assert (invitation.number, invitation.sdp.count("m=audio")) == (1, 1)
    hall.thierry.accept(invitation.number, answer_sdp(("audio", "recvonly")))
    hall.thierry.accept(invitation.number, answer_sdp(("audio", "recvonly")))
    assert hall.thierry.invite(after=1) is None


@pytest.mark.slow
def test_who_waits_is_invited_as_soon_as_somebody_comes(hall: Hall) -> None:
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(hall.thierry.next_invitation, seconds=120)
        time.sleep(0.1)
        assert not coming.done()
        hall.publish(hall.alice)
        invitation = coming.result(60)
    assert invitation is not None


@pytest.mark.slow
def test_who_waits_and_is_put_out_is_told(hall: Hall) -> None:
    moderation = hall.room.system("moderation").call(*HERE)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(hall.alice.next_invitation, seconds=120)
        time.sleep(0.1)
        moderation.kick("alice")
        with pytest.raises(errors.EntryNotFound):
            coming.result(60)


def test_a_stale_number_is_refused(hall: Hall) -> None:
    hall.publish(hall.alice)
    first, second = hall.thierry.invite(), hall.thierry.invite()
    assert first is not None
    assert second is not None
    with pytest.raises(errors.MediaError, match="another"):
        hall.thierry.accept(first.number, answer_sdp(("audio", "recvonly")))
    with pytest.raises(errors.MediaError, match="new one"):
        hall.thierry.invite(after=first.number)
    hall.thierry.accept(second.number, answer_sdp(("audio", "recvonly")))


WRONG_NUMBERS: Final[dict[str, Callable[[], Any]]] = {
    **NEVER,
    "too small": lambda: -1,
    "too large": lambda: 2**60,
    "a boolean": lambda: True,
    "a digit": lambda: "1",
}


@pytest.mark.parametrize("what", WRONG_NUMBERS)
def test_what_is_no_number_is_refused_with_its_name(hall: Hall, what: str) -> None:
    wrong = WRONG_NUMBERS[what]()
    with pytest.raises(errors.InvalidInput, match="after"):
        hall.thierry.invite(after=wrong)
    with pytest.raises(errors.InvalidInput, match="number"):
        hall.thierry.accept(wrong, answer_sdp(*TWO_WAY))
    with pytest.raises(errors.InvalidInput, match="seconds"):
        hall.thierry.next_invitation(seconds=wrong)


@pytest.mark.parametrize("what", [*NEVER, *STRANGE])
def test_what_is_no_text_accepts_nothing(hall: Hall, what: str) -> None:
    hall.publish(hall.alice)
    invitation = hall.thierry.invite()
    assert invitation is not None
    wrong: Any = {**NEVER, **STRANGE}[what]()
    with pytest.raises(errors.MediaError):
        hall.thierry.accept(invitation.number, wrong)
    hall.thierry.accept(invitation.number, answer_sdp(("audio", "recvonly")))


def test_who_has_left_is_not_invited(hall: Hall) -> None:
    hall.alice.leave()
    with pytest.raises(errors.EntryNotFound):
        hall.alice.invite()
    with pytest.raises(errors.EntryNotFound):
        hall.alice.accept(1, answer_sdp(*TWO_WAY))


@pytest.mark.slow
def test_a_room_that_closes_lets_nobody_wait(hall: Hall, caplog: pytest.LogCaptureFixture) -> None:
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(hall.thierry.next_invitation, seconds=120)
        time.sleep(0.1)
        closing = threading.Thread(target=hall.room.close)
        closing.start()
        with pytest.raises(errors.StoreClosed):
            coming.result(60)
        closing.join(60)
    assert [told.what for told in hall.media.told].count("start") == 1
    time.sleep(0.1)
    assert caplog.records == []


def test_who_asks_just_before_all_are_told_does_not_keep_it_from_the_others() -> None:
    async def story() -> None:
        media = FakeMedia()
        async with AsyncGreenroom.open("memory://", media=media) as room:
            alice = await room.as_user("alice").call(*HERE).join(create=True)
            thierry = await room.as_user("thierry").call(*HERE).join()
            assert await thierry.invite() is None
            waiting = asyncio.create_task(thierry.next_invitation(seconds=120))
            asked = len(media.told)
            while len(media.told) == asked:  # noqa: ASYNC110 - it has no event for that
                await asyncio.sleep(0.01)
            media._published[alice.entry_id] = {"audio"}  # nobody is told yet
            assert await thierry.invite() is not None
            assert await asyncio.wait_for(waiting, 60) is not None

    asyncio.run(story())


@pytest.mark.slow
def test_a_thousand_tasks_wait_without_a_thread_each() -> None:
    async def story() -> None:
        media = FakeMedia()
        async with AsyncGreenroom.open("memory://", media=media) as room:
            alice = await room.as_user("alice").call(*HERE).join(create=True)
            thierry = await room.as_user("thierry").call(*HERE).join()
            await thierry.slots()
            waiting = [
                asyncio.create_task(thierry.next_invitation(seconds=120)) for _ in range(1_000)
            ]
            await asyncio.sleep(0.2)
            assert threading.active_count() < 100
            waiting[0].cancel()
            epoch = media.connect(alice.entry_id)
            media.publish(alice.entry_id, "audio", epoch=epoch)
            invited = await asyncio.wait_for(asyncio.gather(*waiting[1:]), 60)
            assert None not in invited
            assert await thierry.next_invitation(seconds=0) is not None
            last = await thierry.invite()
            assert last is not None
            await thierry.accept(last.number, answer_sdp(("audio", "recvonly")))
            assert await thierry.next_invitation(after=last.number, seconds=0) is None

    asyncio.run(story())
