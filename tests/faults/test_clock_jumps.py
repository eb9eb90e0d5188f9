"""A clock that somebody sets, by an hour, forwards and back: all that is due is done, and once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import BigInteger, ColumnElement, literal_column
from tests.engine.conftest import START
from tests.engine.deeds import act
from tests.faults.judgement import Notes, judge
from tests.faults.sizes import sized

from greenroom import CallHandle, Greenroom, errors
from greenroom.adapters.leases import SqlLeases
from greenroom.adapters.stores import beside
from greenroom.domain.message import CallId
from greenroom.media.leases import Worker
from greenroom.testing.clock import VirtualClock
from greenroom.testing.notifier import RecordingNotifier

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

HOUR: Final = 3600.0
RINGING: Final = {"ring": {"auto_cancel_timeout_ms": 20_000, "missed_call_timeout_ms": 40_000}}
CALL: Final = CallId("default:123")


class ClockThatIsSet(VirtualClock):
    """It goes from one instant to another, maybe an earlier one, and was at none between."""

    def jump(self, seconds: float) -> None:
        """Set it; whatever is due then is done then."""
        self._now += timedelta(seconds=seconds)
        for drive in [*self._drives]:
            drive.wake()


@pytest.fixture
def clock() -> ClockThatIsSet:
    return ClockThatIsSet(START)


@pytest.fixture
def room(rooms: Rooms, file_url: str) -> Greenroom:
    return rooms.open(file_url)


def call_of(room: Greenroom, user_id: str = "thierry") -> CallHandle:
    return room.as_user(user_id).call("default", "123")


def names(call: CallHandle) -> list[str]:
    return [event.name for event in call.history()]


def note(room: Greenroom, request_id: str) -> None:
    call = room.system("registry").call("default", "notes")
    call.update(custom={request_id: 1}, request_id=request_id)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(sized(2, 60)))
def test_whatever_people_do_while_it_is_set_to_and_fro_nothing_stays_due_for_ever(
    room: Greenroom,
    clock: ClockThatIsSet,
    seed: int,
    file_url: str,
    tried: Callable[[str, int], None],
) -> None:
    lots, notes = Random(seed), Notes()
    room.system("registry").call("default", "notes").create()
    for n in range(60):
        act(room, lots)
        notes.ask(room, f"note-{n}", note)
        clock.jump(lots.choice([0, 1, 16, 31, HOUR, -HOUR, -1, -20]))
    judge(room, notes, note, url=file_url)
    for _ in range(4):  # farther than it ever was; what follows from what was due is done, too
        clock.jump(24 * HOUR)
    assert room._core.seen().lookups.next_due() is None
    assert room.outbox.next_due() is None
    for one in room.system("registry").query_calls(limit=1000).items:
        attendance = room.system("registry").call(one.type, one.id).attendance()
        assert all(stay.seconds >= 0 for stay in attendance.stays)
        assert all(session.seconds >= 0 for session in attendance.sessions)
    tried("postgresql" if "postgres" in file_url else "sqlite", 60)


@pytest.mark.parametrize("first", [HOUR, -HOUR])
def test_what_fell_due_is_done_once_though_the_clock_passes_it_twice(
    room: Greenroom, clock: ClockThatIsSet, first: float
) -> None:
    call = call_of(room)
    call.create(member_ids=["alice"], settings=RINGING, ring=True, max_duration=60)
    call.join()
    for seconds in (first, -first, HOUR, -HOUR, HOUR):
        clock.jump(seconds)
    told = names(call)
    for name in ("call.ring_cancelled", "member.missed", "call.ended", "session.ended"):
        assert told.count(name) == 1, name
    assert call.attendance().stays[0].seconds >= 0


def test_of_two_whose_clocks_are_an_hour_apart_one_does_what_is_due(
    rooms: Rooms, room: Greenroom, clock: ClockThatIsSet, file_url: str
) -> None:
    ahead = ClockThatIsSet(START + timedelta(seconds=HOUR))
    rooms.open(file_url, clock=ahead)
    call = call_of(room)
    call.create(member_ids=["alice"], settings=RINGING, ring=True, max_duration=60)
    call.join()
    for _ in range(3):
        ahead.jump(1)
        clock.jump(HOUR)
    told = names(call)
    for name in ("call.ring_cancelled", "member.missed", "call.ended", "session.ended"):
        assert told.count(name) == 1, name


@pytest.mark.parametrize("skew", [HOUR, 10.0])
def test_nobody_hears_of_a_call_later_because_a_clock_is_ahead(
    rooms: Rooms, file_url: str, skew: float
) -> None:
    """As where the one who decides and the one who delivers are on two machines."""
    ahead = ClockThatIsSet(START + timedelta(seconds=skew))
    with rooms.open(file_url, clock=ahead, timers=False) as other:
        call_of(other).create(member_ids=["alice"], ring=True)
    notifier = RecordingNotifier()
    rooms.open(file_url, notifier=notifier)
    assert [(one.user_id, one.kind) for one in notifier.sent] == [("alice", "call_ring")]


def test_what_was_put_off_is_tried_again_soon_though_the_clock_is_set_back(
    rooms: Rooms, file_url: str, clock: ClockThatIsSet
) -> None:
    notifier = RecordingNotifier()
    notifier.fail(times=1)
    room = rooms.open(file_url, notifier=notifier)
    call_of(room).create(member_ids=["alice"], ring=True)
    assert len(notifier.failed) == 1
    clock.jump(-HOUR)
    assert [one.status for one in room.outbox.entries()] == ["delivered"]


@pytest.mark.slow
def test_an_hour_forgets_no_request(room: Greenroom, clock: ClockThatIsSet) -> None:
    call = call_of(room)
    call.create(request_id="once")
    joined = call.join(request_id="in").entry_id
    for seconds in (HOUR, -2 * HOUR, HOUR):
        clock.jump(seconds)
        before = room.position
        assert call.create(request_id="once").created
        assert call.join(request_id="in").entry_id == joined
        assert room.position == before


def test_those_turned_away_are_counted_in_the_minutes_that_the_clock_showed(
    room: Greenroom, clock: ClockThatIsSet
) -> None:
    call_of(room).create()
    call_of(room).block("eve")
    for seconds in (0, HOUR, -HOUR, -HOUR):
        clock.jump(seconds)
        for _ in range(7):
            with pytest.raises(errors.Blocked):
                call_of(room, "eve").join()
    told = room.system("registry").call("default", "123").attempts()
    assert told.total == 28
    assert [one.count for one in told.counts] == [7, 14, 7]
    assert len(told.verbatim) == 15
    assert [one.at for one in told.verbatim] == sorted(
        (one.at for one in told.verbatim), reverse=True
    )


def test_a_ticket_admits_while_the_clock_says_so(room: Greenroom, clock: ClockThatIsSet) -> None:
    call_of(room).create()
    ticket = call_of(room).join().ticket("publish", seconds=60)
    clock.jump(HOUR)
    with pytest.raises(errors.TicketExpired):
        room.entry(ticket, "publish")
    clock.jump(-HOUR)
    assert room.entry(ticket, "publish").state.user_id == "thierry"
    clock.jump(60)
    with pytest.raises(errors.TicketExpired):
        room.entry(ticket, "publish")


def set_clock(leases: SqlLeases, plain: ColumnElement[int], seconds: float) -> None:
    """As if the clock of the database had been set."""
    leases._now = literal_column(f"({plain} + {round(1000 * seconds)})", type_=BigInteger())


def test_no_call_has_two_carriers_though_the_clock_of_the_database_is_set(
    room: Greenroom,
) -> None:
    """Whoever is taken for dead finds its calls gone; set back, nobody waits for who renews."""
    _, _, place = beside(room._store)
    leases = SqlLeases.open(place)
    plain = leases._now
    for name in ("first", "second"):
        leases.renew(Worker(name), 60)
    before = leases.claim("first", [CALL])[CALL]
    set_clock(leases, plain, HOUR)
    leases.renew(Worker("second"), 60)
    taken = leases.claim("second", [CALL])[CALL]
    assert (taken.worker, taken.term > before.term) == ("second", True)
    assert leases.renew(Worker("first"), 60) == {}, "it carries nothing any more"
    set_clock(leases, plain, 0)
    for name in ("first", "second"):
        leases.renew(Worker(name), 60)
    assert leases.claim("first", [CALL])[CALL].worker == "second"
    leases.close()
