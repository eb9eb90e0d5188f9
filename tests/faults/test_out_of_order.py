"""Commands and reports of media that come twice, late, in any order, and after the end of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import chain
from random import Random
from typing import TYPE_CHECKING, Final

import pytest
from pydantic import TypeAdapter
from tests.engine.referee import Referee
from tests.faults.judgement import Notes, judge
from tests.faults.sizes import sized

from greenroom import CallHandle, Entry, Greenroom, errors
from greenroom.answers import Done, done
from greenroom.domain.message import CallId, EntryId
from greenroom.domain.operations import media
from greenroom.domain.session_events import MediaEvent, MediaStatistics, Track
from greenroom.domain.turn import Claim

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

pytestmark = pytest.mark.slow

CID: Final = CallId("default:123")
MEDIA: Final = Claim("media", system=True)
DONE: Final = TypeAdapter(Done)
STATISTICS: Final = MediaStatistics(seconds=60, packets_received=3000)
UNKNOWN: Final = EntryId("entry-of-nobody")
LIVES: Final[Sequence[list[str]]] = (
    [],
    ["session.lost"],
    ["session.connected"],
    ["session.connected", "session.lost"],
    ["session.connected", "session.measured"],
    ["session.connected", "session.lost", "session.measured"],
)
"""What may be on record of one connection."""
Message = Callable[[], object]


def call_of(room: Greenroom, user_id: str) -> CallHandle:
    return room.as_user(user_id).call("default", "123")


def reports(room: Greenroom, entry: EntryId) -> list[Message]:
    """All that media has to say of an entry with three connections."""
    said = [
        report
        for epoch in (1, 2, 3)
        for report in (
            media.connected(entry, epoch, "sha-256 AB:CD"),
            media.published(entry, epoch, Track.AUDIO),
            media.unpublished(entry, epoch, Track.AUDIO),
            media.lost(entry, epoch),
            *(media.measured(entry, session, epoch, STATISTICS) for session in (1, 2, 7)),
        )
    ]
    return [partial(room._core.ask, CID, MEDIA, one, answer=done, kind=DONE) for one in said]


def commands(room: Greenroom, entry: Entry) -> list[Message]:
    """What its client asks for, some of it under request ids."""
    call, name = call_of(room, entry.user_id), entry.entry_id
    return [
        partial(call.update, custom={name: 1}, request_id=f"update-{name}"),
        partial(call.join, request_id=f"again-{name}"),
        partial(call_of(room, "thierry").mute, [entry.user_id], audio=True),
        partial(entry.unmute, audio=True),
        partial(entry.leave, request_id=f"leave-{name}"),
        entry.leave,
    ]


def deliver(messages: Sequence[Message]) -> None:
    """All of them, by three at once; what the rules refuse is refused."""

    def say(message: Message) -> None:
        with suppress(errors.Refused):
            message()

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(say, messages))


def disordered(messages: Sequence[Message], lots: Random) -> list[Message]:
    """Each once, twice or three times, in any order."""
    found = list(chain.from_iterable([one] * lots.randint(1, 3) for one in messages))
    lots.shuffle(found)
    return found


@pytest.mark.parametrize("seed", range(sized(2, 60)))
def test_each_connection_stands_once_and_is_over_once_and_each_request_is_done_once(
    rooms: Rooms, file_url: str, seed: int, tried: Callable[[str, int], None]
) -> None:
    lots, room = Random(seed), rooms.open(file_url, timers=False)
    host = call_of(room, "thierry")
    host.create(max_participants=10)
    before = [call_of(room, name).join() for name in ("alice", "charlie")]
    host.end()
    host.go_live()
    now = [call_of(room, name).join() for name in ("alice", "thierry", "jaewoong")]
    entries = [*before, *now]
    messages = [
        *chain.from_iterable(reports(room, one.entry_id) for one in entries),
        *reports(room, UNKNOWN),
        *chain.from_iterable(commands(room, one) for one in now),
    ]
    sent = disordered(messages, lots)
    deliver(sent)
    check(room)
    deliver(disordered(messages, lots))  # what came too early before comes in time now
    check(room)
    host.end()
    stood = room.position
    deliver(disordered([one for entry in entries for one in reports(room, entry.entry_id)], lots))
    late = [record.event.name for _, record in room._store.feed(stood)]
    assert {*late} <= {"session.measured"}, "nothing else is news of what is over"
    check(room)
    judge(room, Notes(), lambda *_: None, url=file_url)
    tried(file_url.partition(":")[0], len(sent))


def check(room: Greenroom) -> None:
    """What is on record makes sense, and the views say the same."""
    referee = Referee(room)
    referee.check()
    lives: dict[tuple[str, int], list[str]] = {}
    for record in referee.log:
        event = record.event
        if isinstance(event, MediaEvent) and "publish" not in event.name:
            lives.setdefault((event.entry_id, event.epoch), []).append(event.name)
        assert getattr(event, "entry_id", None) != UNKNOWN
    assert all(life in LIVES for life in lives.values()), lives
    page = call_of(room, "thierry").query_participants(limit=1000, at_least=room.position)
    assert {one.user_id for one in page.items} == referee.present()
