"""One event that a projection cannot take holds up its call there, and nothing else anywhere."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.projections.histories import histories
from tests.projections.history import CID, SECRET, History, Pair
from tests.projections.places import Where, digest_of, execute, members_of, opened, together

from greenroom.domain import call_events as call
from greenroom.domain.errors import InvalidInput, StoreError
from greenroom.domain.membership import MemberAdded, MemberUpdated
from greenroom.domain.message import CallId, Event, Recorded
from greenroom.domain.ports import Damaged
from greenroom.domain.streams import erased_by, subjects
from greenroom.domain.user import UserUpserted
from greenroom.projections import views
from greenroom.projections.members import Members
from greenroom.projections.projection import Projection
from greenroom.projections.runner import Record
from greenroom.projections.users import Users
from greenroom.projections.views import PROJECTIONS, Views
from greenroom.projections.workspace import Rows

OTHER = CallId("default:standup")
COMPLAINT = "a complaint that quotes the diagnosis"


class PickyMembers(Members):
    """Takes no event of which `dislikes` is true."""

    def __init__(self, dislikes: Callable[[Recorded[Event]], bool]) -> None:
        self.dislikes = dislikes

    def apply(self, recorded: Recorded[Event], rows: Rows) -> None:
        if self.dislikes(recorded):
            raise ArithmeticError(COMPLAINT)
        super().apply(recorded, rows)


class PickyUsers(Users):
    """Takes nothing that is said of anybody, and forgets them all the same."""

    def apply(self, recorded: Recorded[Event], rows: Rows) -> None:
        if recorded.event.name == UserUpserted.name:
            raise ArithmeticError(COMPLAINT)
        super().apply(recorded, rows)


def about_alice(recorded: Recorded[Event]) -> bool:
    return isinstance(recorded.event, MemberAdded) and recorded.event.user_id == "alice"


def with_(picky: Projection) -> Sequence[Projection]:
    """All projections, that one in place of its like."""
    return [picky if each.name == picky.name else each for each in PROJECTIONS]


def content(anybody: object) -> bool:
    """Dislikes nothing any more."""
    del anybody
    return False


@pytest.fixture
def history(history: History) -> History:
    """Alice is added to a call, which goes on, beside another call."""
    history.created(OTHER)
    history.added("alice", custom={"diagnosis": "measles"})
    history.added("charlie")
    history.added("jaewoong", cid=OTHER)
    return history


def test_an_event_that_fails_holds_up_its_call_for_that_projection_alone(
    where: Where, history: History
) -> None:
    made = opened(where, history, projections=with_(PickyMembers(about_alice)))
    assert made.position() == history.head
    assert {found.user_id for found in made.queries.members(OTHER).items} == {"jaewoong"}
    assert members_of(made) == 9, "calls count members by themselves"
    names = {found.user_id for found in made.queries.members(CID).items}
    assert len(names) == 7
    assert "charlie" not in names, "what comes later waits"
    [parked] = made.parked()
    failed = next(record for _, record in history.pairs if about_alice(record))
    assert (parked.projection, parked.key, parked.name) == ("members", CID, "member.added")
    assert (parked.stream, parked.version) == (failed.stream, failed.version)
    assert parked.position == failed.position
    assert parked.error == f"ArithmeticError: {COMPLAINT}"
    assert parked.attempts == 1
    made.close()


def test_the_call_waits_in_later_batches_and_other_calls_do_not(
    where: Where, history: History
) -> None:
    made = opened(where, history, projections=with_(PickyMembers(about_alice)))
    history.added("thierry")
    history.added("thierry", cid=OTHER)
    made.catch_up(history.feed, until=history.head)
    assert len(made.queries.members(CID).items) == 7
    assert len(made.queries.members(OTHER).items) == 2
    assert [one.attempts for one in made.parked()] == [1], "it is not tried by the way"
    made.close()


def test_tried_again_when_it_is_mended_nothing_is_missing(where: Where, history: History) -> None:
    picky = PickyMembers(about_alice)
    made = opened(where, history, projections=with_(picky))
    history.removed("charlie")
    picky.dislikes = content
    retried = made.retry(history.feed)
    assert [one.key for one in retried.mended] == [CID]
    assert retried.parked == []
    assert made.parked() == []
    made.catch_up(history.feed, until=history.head)
    assert made.digest() == digest_of(history)
    made.close()


def test_tried_again_in_vain_it_waits_where_it_fails_now(where: Where, history: History) -> None:
    picky = PickyMembers(about_alice)
    made = opened(where, history, projections=with_(picky))
    [before] = made.parked()
    picky.dislikes = lambda recorded: recorded.stream.endswith("/charlie")
    [parked] = made.retry(history.feed).parked
    assert parked in made.parked()
    assert parked.attempts == 2
    assert parked.position > before.position
    assert parked.stream.endswith("/charlie")
    assert parked.first_at == before.first_at < parked.last_at <= datetime.now(UTC)
    assert "alice" in {found.user_id for found in made.queries.members(CID).items}
    made.close()


def test_only_what_is_named_is_tried_again(where: Where, history: History) -> None:
    history.added("alice", cid=OTHER)
    picky = PickyMembers(about_alice)
    made = opened(where, history, projections=with_(picky))
    picky.dislikes = content
    assert made.retry(history.feed, projection="calls").mended == []
    assert [one.key for one in made.retry(history.feed, key=OTHER).mended] == [OTHER]
    assert [one.key for one in made.parked()] == [CID]
    assert [one.key for one in made.retry(history.feed, projection="members").mended] == [CID]
    assert made.digest() == digest_of(history)
    with pytest.raises(InvalidInput, match="members"):
        made.retry(history.feed, projection="member")
    made.close()


def test_a_row_that_the_database_refuses_is_parked(durable: Where, history: History) -> None:
    made = Views.open(durable, secret=SECRET)
    if isinstance(durable, str):
        execute(
            durable,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'not here'; END $$",
        )
        execute(
            durable,
            "CREATE TRIGGER picky BEFORE INSERT ON members FOR EACH ROW"
            " WHEN (NEW.user_id = 'alice') EXECUTE FUNCTION refuse()",
        )
    else:
        execute(
            durable,
            "CREATE TRIGGER picky BEFORE INSERT ON members WHEN NEW.user_id = 'alice'"
            " BEGIN SELECT RAISE(ABORT, 'not here'); END",
        )
    made.catch_up(history.feed, until=history.head)
    [parked] = made.parked()
    assert (parked.projection, parked.key) == ("members", CID)
    assert "not here" in parked.error
    assert "measles" not in parked.error
    execute(durable, f"DROP TRIGGER picky{' ON members' if isinstance(durable, str) else ''}")
    assert made.retry(history.feed).parked == []
    assert made.digest() == digest_of(history)
    made.close()


def test_a_record_that_cannot_be_read_holds_up_its_call(where: Where, history: History) -> None:
    lost = next(position for position, one in history.pairs if about_alice(one))

    def feed(after: int) -> Iterator[tuple[int, Record]]:
        for position, record in history.feed(after):
            if position == lost:
                stream, version = record.stream, record.version
                yield position, Damaged(position, stream, version, "member.added", "torn")
            else:
                yield position, record

    made = Views.open(where, secret=SECRET)
    made.catch_up(feed, until=history.head)
    assert {(one.key, one.error) for one in made.parked()} == {(CID, "torn")}
    heeding = {each.name for each in PROJECTIONS if MemberAdded in each.events}
    assert {one.projection for one in made.parked()} == heeding
    assert {found.user_id for found in made.queries.members(OTHER).items} == {"jaewoong"}
    assert made.retry(history.feed).parked == []
    assert made.digest() == digest_of(history)
    made.close()


def test_where_the_database_cannot_be_used_nothing_is_parked(
    durable: Where, history: History
) -> None:
    made = Views.open(durable, secret=SECRET)
    execute(durable, "ALTER TABLE members RENAME TO gone")
    with pytest.raises(StoreError):
        made.catch_up(history.feed, until=history.head)
    execute(durable, "ALTER TABLE gone RENAME TO members")
    assert made.position() == 0
    assert made.parked() == []
    made.catch_up(history.feed, until=history.head)
    assert made.digest() == digest_of(history)
    made.close()


def test_a_log_that_cannot_be_read_parks_nothing(where: Where, history: History) -> None:
    made = Views.open(where, secret=SECRET)

    def feed(after: int) -> Iterator[Pair]:
        yield from list(history.feed(after))[:5]
        raise StoreError("the disk is gone")

    with pytest.raises(StoreError, match="disk is gone"):
        made.catch_up(feed, until=history.head)
    assert made.parked() == []
    made.close()


def test_a_parked_call_is_deleted_all_the_same(where: Where, history: History) -> None:
    made = opened(where, history, projections=with_(PickyMembers(about_alice)))
    history.in_call(call.CallDeleted, hard=True)
    history.created(CID)
    made.catch_up(history.feed, until=history.head)
    assert made.queries.members(CID).items == ()
    assert made.parked() == []
    made.close()


def test_a_parked_user_is_forgotten_all_the_same(where: Where, history: History) -> None:
    history.upserted("alice", name="Alice")
    made = opened(where, history, projections=with_(PickyUsers()))
    assert [one.projection for one in made.parked()] == ["users"]
    history.forgotten("alice")
    made.catch_up(history.feed, until=history.head)
    assert made.parked() == []
    made.close()


def test_no_error_speaks_of_who_was_erased(durable: Where, history: History) -> None:
    picky = PickyMembers(about_alice)
    made = opened(durable, history, projections=with_(picky))
    history.forgotten("alice")
    made.catch_up(history.feed, until=history.head)
    assert [one.error for one in made.parked()] == [""], "the call waits on"
    assert execute(durable, "SELECT error FROM parked") == [("",)]
    if not isinstance(durable, str):
        assert durable is not None
        for file in durable.parent.iterdir():
            assert COMPLAINT.encode() not in file.read_bytes(), file.name
    made.close()


def test_the_operator_is_told_once_and_nothing_personal(
    where: Where, history: History, caplog: pytest.LogCaptureFixture
) -> None:
    made = opened(where, history, projections=with_(PickyMembers(about_alice)))
    history.added("thierry")
    made.catch_up(history.feed, until=history.head)
    [told] = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert (vars(told)["projection"], vars(told)["key"]) == ("members", CID)
    assert vars(told)["position"] == made.parked()[0].position
    assert COMPLAINT not in caplog.text
    made.close()


def test_parked_calls_stay_parked_in_views_that_are_opened_again(
    durable: Where, history: History
) -> None:
    first = opened(durable, history, projections=with_(PickyMembers(about_alice)))
    stood = first.parked()
    first.close()
    again = opened(durable, history)
    assert again.parked() == stood
    assert again.retry(history.feed).parked == []
    assert again.digest() == digest_of(history)
    again.close()


def test_trying_again_is_exact_while_others_catch_up(
    durable: Where, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "BATCH", 2)
    picky = PickyMembers(about_alice)
    made = opened(durable, history, projections=with_(picky))
    elsewhere = Views.open(durable, secret=SECRET, projections=with_(picky))
    picky.dislikes = content
    mended = threading.Event()

    def go_on() -> None:
        number = 0
        while not mended.is_set() and number < 200:
            history.added(f"late-{number}")
            elsewhere.catch_up(history.feed, until=history.head)
            number += 1

    def retry() -> None:
        try:
            assert made.retry(history.feed).parked == []
        finally:
            mended.set()

    together(go_on, retry)
    elsewhere.catch_up(history.feed, until=history.head)
    assert made.parked() == []
    assert made.digest() == digest_of(history)
    made.close()
    elsewhere.close()


def as_the_log_tells_it(history: History) -> Callable[[int], Iterable[Pair]]:
    """What is personal of those who were erased cannot be read in a real log any more."""
    erased = {erased_by(record.event) for _, record in history.pairs}

    def told(record: Recorded[Event]) -> Recorded[Event]:
        event = record.event
        if erased.isdisjoint(subjects(record.stream)):
            return record
        if isinstance(event, MemberAdded | MemberUpdated):
            return replace(record, event=replace(event, custom={}))
        return record

    return lambda after: [(position, told(record)) for position, record in history.feed(after)]


@pytest.mark.slow
@given(histories(), st.sets(st.integers(0, 150)), st.integers(1, 9), st.integers(0, 150))
def test_any_events_fail_and_are_tried_again_and_nothing_is_missing(
    history: History, failing: set[int], size: int, tried_at: int
) -> None:
    feed = as_the_log_tells_it(history)
    picky = PickyMembers(
        lambda record: record.position in failing and erased_by(record.event) is None
    )
    made = Views.open(None, secret=SECRET, projections=with_(picky))
    whole = Views.open(None, secret=SECRET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "BATCH", size)
        made.catch_up(feed, until=min(tried_at, history.head))
        made.retry(feed)
        made.catch_up(feed, until=history.head)
        picky.dislikes = content
        assert made.retry(feed).parked == []
    whole.catch_up(feed, until=history.head)
    assert made.digest() == whole.digest()
    made.close()
    whole.close()
