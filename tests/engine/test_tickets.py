"""What a client shows to set up the media of its entry."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom import Entry, Greenroom, errors
from greenroom.domain.message import CallId, EntryId, SessionId, UserId
from greenroom.testing import VirtualClock
from greenroom.tickets import Ticket, Tickets

START = datetime(2026, 1, 1, tzinfo=UTC)
TICKETS = Tickets(b"secret")
SOMEBODYS = Ticket(
    cid=CallId("default:1"),
    entry_id=EntryId("entry-1"),
    session_id=SessionId("default:1/1"),
    user_id=UserId("thierry"),
    version=1,
    position=1,
    uses=("publish",),
    expires_at=1_800_000_000,
)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def room(clock: VirtualClock) -> Iterator[Greenroom]:
    with Greenroom.open("memory://", clock=clock) as built:
        yield built


@pytest.fixture
def entry(room: Greenroom) -> Entry:
    return room.as_user("thierry").call("default", "1").join(create=True)


def test_a_ticket_leads_back_to_its_entry(room: Greenroom, entry: Entry) -> None:
    again = room.entry(entry.ticket())
    assert (again.entry_id, again.session_id, again.user_id, again.version, again.position) == (
        (entry.entry_id, entry.session_id, entry.user_id, entry.version, entry.position)
    )
    assert again.leave().recorded == ("session.left",)
    assert entry.leave().recorded == ()


def test_a_ticket_of_the_system_leads_back_to_its_entry(room: Greenroom) -> None:
    entry = room.system("recorder").call("default", "1").join(create=True)
    again = room.entry(entry.ticket())
    assert again.user_id == "system:recorder"
    assert again.leave().recorded == ("session.left",)


def test_a_ticket_is_for_what_it_was_made_for(room: Greenroom, entry: Entry) -> None:
    assert room.entry(entry.ticket("watch"), "watch").entry_id == entry.entry_id
    with pytest.raises(errors.NotAllowed, match="thierry lacks publish"):
        room.entry(entry.ticket("watch"), "publish")
    both = entry.ticket()
    assert room.entry(both, "publish").entry_id == room.entry(both, "watch").entry_id


def test_a_ticket_expires_and_still_ends_what_was_begun(
    room: Greenroom, entry: Entry, clock: VirtualClock
) -> None:
    ticket = entry.ticket(seconds=10)
    clock.advance(timedelta(seconds=9))
    assert room.entry(ticket, "publish").entry_id == entry.entry_id
    clock.advance(timedelta(seconds=1))
    with pytest.raises(errors.TicketExpired) as refused:
        room.entry(ticket, "publish")
    assert refused.value.expired_at == START + timedelta(seconds=10)
    assert room.entry(ticket).entry_id == entry.entry_id


def test_a_ticket_of_another_process_on_the_store_is_good_and_of_another_store_is_not(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    with Greenroom.open(url) as one:
        ticket = one.as_user("thierry").call("default", "1").join(create=True).ticket()
    with Greenroom.open(url) as same:
        assert same.entry(ticket, "watch").user_id == "thierry"
    with Greenroom.open("memory://") as other, pytest.raises(errors.InvalidTicket):
        other.entry(ticket, "watch")


@given(st.data())
def test_a_ticket_that_was_changed_anywhere_is_none(data: st.DataObject) -> None:
    ticket = TICKETS.write(SOMEBODYS)
    token = bytearray(base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4)))
    place = data.draw(st.integers(0, len(token) - 1))
    token[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(errors.InvalidTicket):
        TICKETS.read(base64.urlsafe_b64encode(token).rstrip(b"=").decode())
    assert TICKETS.read(ticket) == SOMEBODYS


@given(st.text(max_size=300) | st.binary(max_size=200).map(lambda b: b.hex()))
def test_what_nobody_signed_is_no_ticket(said: str) -> None:
    with pytest.raises(errors.InvalidTicket):
        TICKETS.read(said)
