"""The outbox: who hears what, once, however often it is asked, tried and interrupted."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.adapters.outbox import Outbox
from greenroom.adapters.outbox_tables import Status
from greenroom.domain.call_events import (
    CallEnded,
    CallRung,
    EndReason,
    MembersNotified,
    SessionStarted,
    WentLive,
)
from greenroom.domain.errors import CallNotFound, StoreClosed, StoreError, WrongSchema
from greenroom.domain.membership import RingMissed
from greenroom.domain.message import (
    Actor,
    CallId,
    Event,
    EventId,
    Recorded,
    RequestId,
    StreamId,
    UserId,
)
from greenroom.domain.ports import Notification
from greenroom.domain.settings import NotificationTemplate
from greenroom.projections import postgres_engine
from greenroom.testing.clock import VirtualClock
from greenroom.testing.notifier import RecordingNotifier
from greenroom.testing.postgres import PrivatePostgres

Where = Path | str | None
"""A file, the URL of a PostgreSQL database, in memory."""
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CID = CallId("default:123")
THIERRY, TOMMASO, ALICE, CHARLIE, JAEWOONG = map(
    UserId, ["thierry", "tommaso", "alice", "charlie", "jaewoong"]
)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def rung(*user_ids: UserId, ring: int = 1, seconds: float = 0) -> CallRung:
    return CallRung(
        at=at(seconds),
        cid=CID,
        ring=ring,
        caller=THIERRY,
        user_ids=user_ids,
        video=True,
        auto_cancel_at=at(seconds + 15),
        missed_at=at(seconds + 20),
    )


def missed(user_id: UserId, *, ring: int = 1, seconds: float = 20) -> RingMissed:
    return RingMissed(at=at(seconds), cid=CID, user_id=user_id, ring=ring)


def notified(*user_ids: UserId) -> MembersNotified:
    return MembersNotified(at=at(0), cid=CID, user_ids=user_ids)


def session_started(by: UserId, *, backstage: bool = False) -> SessionStarted:
    return SessionStarted(at=at(0), cid=CID, session=1, started_by=by, backstage=backstage)


def went_live() -> WentLive:
    return WentLive(at=at(0), cid=CID, backstage=True)


def ended() -> CallEnded:
    return CallEnded(at=at(0), cid=CID, reason=EndReason.ENDED)


@dataclass
class World:
    """A log, and what there is to know of the calls in it."""

    log: list[Recorded[Event]] = field(default_factory=list)
    members: list[UserId] = field(default_factory=list)
    inside: frozenset[UserId] = frozenset()
    switched_off: set[str] = field(default_factory=set)
    gone: bool = False
    title: str = "${user.name}: ${call.cid}"

    def record(self, *events: Event, by: str = "thierry") -> None:
        for event in events:
            position = 10 * (len(self.log) + 1)  # positions have gaps
            self.log.append(
                Recorded(
                    stream=StreamId(f"call-{CID}"),
                    version=len(self.log) + 1,
                    event=event,
                    event_id=EventId(f"event-{position}"),
                    by=Actor(name=by, system=by == "timers"),
                    request_id=RequestId("request"),
                    correlation_id=RequestId("request"),
                    position=position,
                )
            )

    def feed(
        self, after: int = 0, *, until: int | None = None
    ) -> Iterator[tuple[int, Recorded[Event]]]:
        for recorded in self.log[after // 10 :]:
            if until is not None and recorded.position > until:
                return
            yield recorded.position, recorded

    def template(self, cid: CallId, kind: str) -> NotificationTemplate:
        if self.gone:
            raise CallNotFound(cid)
        return NotificationTemplate(enabled=kind not in self.switched_off, title=self.title)

    def facts(self, cid: CallId, caused_by: UserId) -> Mapping[str, Any]:
        return {"call": {"cid": cid}, "user": {"name": caused_by.title()}}

    def open(self, where: Where, *, head: int = 0) -> Outbox:
        return Outbox.open(where, head=head, template=self.template, facts=self.facts)

    def followed_by(self, outbox: Outbox, until: int | None = None) -> int:
        return outbox.follow(
            self.feed,
            until,
            member_ids=lambda _: iter(self.members),
            present=lambda _: self.inside,
        )


@pytest.fixture
def world() -> World:
    return World()


ON_POSTGRES = pytest.param("on PostgreSQL", marks=pytest.mark.slow)


def place(kind: str, request: pytest.FixtureRequest) -> Where:
    """Where no outbox has been yet."""
    if kind == "on PostgreSQL":
        url: str = request.getfixturevalue("postgres_url")
        execute(url, "CREATE SCHEMA greenroom")  # as the event store has done before
        return url
    directory: Path = request.getfixturevalue("tmp_path")
    return directory / "calls.db" if kind == "in a file" else None


@pytest.fixture(params=["in memory", "in a file", ON_POSTGRES])
def outbox(world: World, request: pytest.FixtureRequest) -> Iterator[Outbox]:
    with closing(world.open(place(request.param, request))) as outbox:
        yield outbox


@pytest.fixture(params=["in a file", ON_POSTGRES])
def durable(request: pytest.FixtureRequest) -> Where:
    """A place that outlives whoever uses it, and that several can use at once."""
    return place(request.param, request)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


def execute(where: Where, statement: str) -> None:
    """Do something to the tables behind the outbox's back."""
    if isinstance(where, str):
        with psycopg.connect(where, options="-c search_path=greenroom") as postgres:
            postgres.execute(statement.encode())
    else:
        assert where is not None
        with closing(sqlite3.connect(where)) as file, file:
            file.execute(statement)


def delivered(outbox: Outbox, limit: int = 1_000) -> Sequence[Notification]:
    notifier = RecordingNotifier()
    outbox.deliver_due(at(60), notifier, limit)
    return notifier.sent


def heard(outbox: Outbox) -> Sequence[tuple[str, UserId]]:
    return [(sent.kind, sent.user_id) for sent in delivered(outbox)]


# Who hears what


def test_everybody_rung_hears_the_ring_with_all_a_device_needs(
    world: World, outbox: Outbox
) -> None:
    world.record(rung(ALICE, CHARLIE))
    world.followed_by(outbox)
    to_alice, to_charlie = delivered(outbox)
    assert (to_alice.user_id, to_charlie.user_id) == (ALICE, CHARLIE)
    assert to_alice == Notification(
        key="event-10/call_ring/alice",
        kind="call_ring",
        cid=CID,
        user_id=ALICE,
        caused_by=THIERRY,
        cause=EventId("event-10"),
        title="Thierry: default:123",
        body="",
        data={
            "video": True,
            "ring": 1,
            "auto_cancel_at": "2026-01-01T12:00:15+00:00",
            "missed_at": "2026-01-01T12:00:20+00:00",
        },
    )


def test_everybody_notified_hears_of_it(world: World, outbox: Outbox) -> None:
    world.record(notified(ALICE, JAEWOONG), by="tommaso")
    world.followed_by(outbox)
    assert [(n.kind, n.user_id, n.caused_by) for n in delivered(outbox)] == [
        ("call_notification", ALICE, TOMMASO),
        ("call_notification", JAEWOONG, TOMMASO),
    ]


def test_who_missed_the_call_hears_who_had_rung_not_which_timer_ran_out(
    world: World, outbox: Outbox
) -> None:
    world.record(rung(ALICE))
    world.record(missed(ALICE), by="timers")
    world.followed_by(outbox)
    _, missed_call = delivered(outbox)
    assert (missed_call.kind, missed_call.user_id) == ("call_missed", ALICE)
    assert missed_call.caused_by == THIERRY
    assert missed_call.data == {"ring": 1}


def test_who_had_rung_is_known_after_a_restart_and_with_rings_switched_off(
    world: World, durable: Where
) -> None:
    world.switched_off = {"call_ring"}
    world.record(rung(ALICE, ring=7))
    with closing(world.open(durable)) as outbox:
        world.followed_by(outbox)
    world.record(missed(ALICE, ring=7), by="timers")
    with closing(world.open(durable)) as outbox:
        world.followed_by(outbox)
        (missed_call,) = delivered(outbox)
    assert missed_call.caused_by == THIERRY


def test_a_ring_from_before_the_outbox_was_missed_by_whoever_recorded_it(
    world: World, outbox: Outbox
) -> None:
    world.record(missed(ALICE), by="timers")
    world.followed_by(outbox)
    assert [n.caused_by for n in delivered(outbox)] == ["system:timers"]


def test_members_hear_that_a_session_has_started_but_not_who_started_it_or_is_in(
    world: World, outbox: Outbox
) -> None:
    world.members = [THIERRY, ALICE, CHARLIE, JAEWOONG]
    world.inside = frozenset([THIERRY, CHARLIE])
    world.record(session_started(THIERRY))
    world.followed_by(outbox)
    assert heard(outbox) == [("session_started", ALICE), ("session_started", JAEWOONG)]


def test_whoever_started_the_session_is_not_told_even_after_leaving(
    world: World, outbox: Outbox
) -> None:
    world.members = [THIERRY, ALICE]
    world.record(session_started(THIERRY))
    world.followed_by(outbox)
    assert heard(outbox) == [("session_started", ALICE)]


def test_nobody_hears_of_a_session_in_backstage_until_it_goes_live(
    world: World, outbox: Outbox
) -> None:
    world.members = [THIERRY, TOMMASO, ALICE]
    world.record(session_started(THIERRY, backstage=True))
    world.followed_by(outbox)
    assert heard(outbox) == []
    world.inside = frozenset([THIERRY])
    world.record(went_live(), by="tommaso")
    world.followed_by(outbox)
    assert heard(outbox) == [("call_live_started", ALICE)]


def test_other_events_tell_nobody_anything(world: World, outbox: Outbox) -> None:
    world.members = [ALICE]
    world.record(ended())
    assert world.followed_by(outbox) == 10
    assert outbox.entries() == []


def test_five_thousand_members_are_told(world: World, outbox: Outbox) -> None:
    world.members = [UserId(f"user-{number}") for number in range(5_000)]
    world.record(went_live(), notified(ALICE))
    assert world.followed_by(outbox) == 20
    assert len(outbox.entries(limit=10_000)) == 5_001


# Exactly once


def test_following_again_adds_nothing(world: World, outbox: Outbox) -> None:
    world.record(rung(ALICE), ended())
    assert world.followed_by(outbox) == world.followed_by(outbox) == 20
    assert heard(outbox) == [("call_ring", ALICE)]
    assert heard(outbox) == []


def test_a_new_outbox_on_an_old_log_starts_where_it_is_told(world: World, durable: Where) -> None:
    world.record(rung(ALICE))
    with closing(world.open(durable, head=10)) as outbox:
        world.record(rung(CHARLIE, ring=2))
        world.followed_by(outbox)
        assert heard(outbox) == [("call_ring", CHARLIE)]
    with closing(world.open(durable, head=999)) as outbox:
        assert outbox.position() == 20  # an existing one goes on where it was


def test_only_what_is_up_to_the_given_position_is_noted(world: World, outbox: Outbox) -> None:
    world.record(rung(ALICE), rung(CHARLIE, ring=2))
    assert world.followed_by(outbox, until=10) == 10
    assert heard(outbox) == [("call_ring", ALICE)]


events = st.sampled_from(
    [
        rung(ALICE, CHARLIE),
        rung(ALICE, ALICE),
        missed(ALICE),
        notified(JAEWOONG),
        session_started(THIERRY),
        session_started(ALICE, backstage=True),
        went_live(),
        ended(),
    ]
)


@pytest.mark.slow
@given(steps=st.lists(st.tuples(events, st.booleans(), st.booleans()), max_size=8))
def test_however_the_log_is_followed_and_the_outbox_reopened_everybody_hears_it_once(
    steps: list[tuple[Event, bool, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    world = World(members=[THIERRY, ALICE, CHARLIE])
    file = tmp_path_factory.mktemp("outbox") / "calls.db"
    outbox, other, heard_so_far = world.open(file), world.open(file), list[tuple[str, UserId]]()
    for event, reopen, follow in steps:
        world.record(event)
        if reopen:
            outbox.close()
            outbox = world.open(file)
        if follow:
            world.followed_by(other)
            world.followed_by(outbox)
            heard_so_far += heard(outbox)
    world.followed_by(outbox)
    world.followed_by(other)
    heard_so_far += heard(other)

    with closing(world.open(None)) as at_one_go:
        world.followed_by(at_one_go)
        assert Counter(heard_so_far) == Counter(heard(at_one_go))
    outbox.close()
    other.close()


@pytest.mark.slow
def test_two_outboxes_that_follow_and_deliver_at_once_tell_everybody_once(
    world: World, durable: Where
) -> None:
    world.members = [UserId(f"user-{number}") for number in range(100)]
    world.record(went_live(), rung(ALICE), session_started(THIERRY))
    notifier, together = RecordingNotifier(), threading.Barrier(4)
    outboxes = [world.open(durable) for _ in range(2)]

    def work(outbox: Outbox) -> None:
        together.wait()
        world.followed_by(outbox)
        while outbox.deliver_due(at(60), notifier, limit=7):
            pass

    threads = [threading.Thread(target=work, args=[outbox]) for outbox in outboxes * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(notifier.sent) == 201
    assert len({sent.key for sent in notifier.sent}) == 201
    for outbox in outboxes:
        outbox.close()


# Settings and words


def test_a_kind_that_was_switched_off_is_never_sent_not_even_once_it_is_on_again(
    world: World, durable: Where
) -> None:
    world.members = [ALICE]
    world.switched_off = {"call_ring"}
    world.record(rung(ALICE), went_live())
    with closing(world.open(durable)) as outbox:
        world.followed_by(outbox)
    world.switched_off = set()
    with closing(world.open(durable)) as outbox:
        world.followed_by(outbox)
        assert heard(outbox) == [("call_live_started", ALICE)]


def test_who_becomes_a_member_later_does_not_hear_of_what_was_before(
    world: World, durable: Where
) -> None:
    world.record(went_live())
    with closing(world.open(durable)) as outbox:
        world.followed_by(outbox)
    world.members = [ALICE]
    with closing(world.open(durable)) as outbox:
        world.followed_by(outbox)
        assert heard(outbox) == []


def test_switching_a_kind_off_stops_what_is_still_to_be_sent(world: World, outbox: Outbox) -> None:
    world.record(rung(ALICE))
    world.followed_by(outbox)
    world.switched_off = {"call_ring"}
    assert heard(outbox) == []
    world.switched_off = set()
    assert heard(outbox) == []
    assert [entry.status for entry in outbox.entries()] == [Status.SWITCHED_OFF]


def test_a_call_that_is_gone_holds_up_nobody(world: World, outbox: Outbox) -> None:
    world.gone = True
    world.record(rung(ALICE))
    world.followed_by(outbox)
    world.gone = False
    world.record(rung(CHARLIE, JAEWOONG, ring=2))
    world.followed_by(outbox)
    assert [sent.user_id for sent in delivered(outbox, limit=1)] == [CHARLIE]
    world.gone = True
    assert heard(outbox) == []
    assert [entry.status for entry in outbox.entries()] == [Status.DELIVERED, Status.SWITCHED_OFF]


def test_a_store_that_cannot_be_read_for_a_while_loses_no_notification(
    world: World, outbox: Outbox
) -> None:
    def out_of_order(cid: CallId) -> frozenset[UserId]:
        raise StoreError("the disk is away")

    world.members = [ALICE]
    world.record(rung(CHARLIE), went_live())
    with pytest.raises(StoreError):
        outbox.follow(world.feed, None, member_ids=lambda _: [ALICE], present=out_of_order)
    assert outbox.entries() == []
    world.followed_by(outbox)
    assert heard(outbox) == [("call_ring", CHARLIE), ("call_live_started", ALICE)]


def test_the_words_are_those_of_the_moment_of_delivery(world: World, outbox: Outbox) -> None:
    world.record(rung(ALICE))
    world.followed_by(outbox)
    world.title = "${user.name} [${call.custom.missing}]"
    assert [sent.title for sent in delivered(outbox)] == ["Thierry []"]


# Failing deliveries


def test_a_failing_delivery_is_tried_again_ever_more_slowly_and_given_up_in_the_end(
    world: World, outbox: Outbox
) -> None:
    world.record(rung(ALICE))
    world.followed_by(outbox)
    clock, notifier, tried_at = VirtualClock(at(0)), RecordingNotifier(), list[datetime]()
    notifier.fail(times=100)

    class Deliveries:
        def next_due(self) -> datetime | None:
            return outbox.next_due()

        def fire_due(self) -> None:
            tried_at.append(clock.now())
            outbox.deliver_due(clock.now(), notifier)

    clock.drive(Deliveries())
    clock.advance(timedelta(hours=1))
    assert tried_at == [at(2**attempt - 1) for attempt in range(10)]
    (entry,) = outbox.entries(Status.GAVE_UP)
    assert (entry.attempts, entry.next_attempt_at) == (10, None)
    assert entry.last_error == "ConnectionError: the push service is down"


def test_the_pause_between_attempts_never_exceeds_five_minutes(world: World) -> None:
    world.record(rung(ALICE))
    with closing(
        Outbox.open(None, head=0, template=world.template, facts=world.facts, max_attempts=13)
    ) as outbox:
        world.followed_by(outbox)
        notifier, pauses = RecordingNotifier(), list[float]()
        notifier.fail(times=12)
        while now := outbox.next_due():
            outbox.deliver_due(now, notifier)
            pauses.append(((outbox.next_due() or now) - now).total_seconds())
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 0]
    assert notifier.kinds_for(ALICE) == ["call_ring"]


def test_a_failing_delivery_is_visible_and_holds_up_nobody_else(
    world: World, outbox: Outbox
) -> None:
    world.record(rung(ALICE, CHARLIE))
    world.followed_by(outbox)
    notifier = RecordingNotifier()
    notifier.fail(times=1)
    assert outbox.deliver_due(at(0), notifier) == 2
    assert notifier.kinds_for(CHARLIE) == ["call_ring"]
    (pending,) = outbox.entries(Status.PENDING)
    assert (pending.user_id, pending.attempts) == (ALICE, 1)
    assert pending.next_attempt_at == outbox.next_due() == at(1)
    assert outbox.deliver_due(at(0.9), notifier) == 0
    assert outbox.deliver_due(at(1), notifier) == 1
    assert [sent.key for sent in notifier.failed + notifier.sent[1:]] == [pending.key] * 2


def test_words_that_cannot_be_had_are_a_failed_attempt(world: World, durable: Where) -> None:
    def facts(cid: CallId, caused_by: UserId) -> Mapping[str, Any]:
        raise LookupError("no such call")

    world.record(rung(ALICE))
    with closing(Outbox.open(durable, head=0, template=world.template, facts=facts)) as outbox:
        world.followed_by(outbox)
        assert heard(outbox) == []
        assert [entry.last_error for entry in outbox.entries()] == ["LookupError: no such call"]


def test_what_was_given_up_can_be_tried_again_by_hand(world: World, outbox: Outbox) -> None:
    world.record(rung(ALICE))
    world.followed_by(outbox)
    notifier = RecordingNotifier()
    notifier.fail(times=10)
    while now := outbox.next_due():
        outbox.deliver_due(now, notifier)
    (entry,) = outbox.entries(Status.GAVE_UP)
    assert outbox.retry(entry.key, at(9_000))
    assert outbox.deliver_due(at(9_000), notifier) == 1
    assert notifier.kinds_for(ALICE) == ["call_ring"]
    assert not outbox.retry(entry.key, at(9_000))  # it has been delivered
    assert not outbox.retry("nothing", at(9_000))


def test_no_more_than_the_limit_is_attempted_oldest_first(world: World, outbox: Outbox) -> None:
    world.record(rung(CHARLIE, JAEWOONG, seconds=1), rung(ALICE, ring=2, seconds=0))
    world.followed_by(outbox)
    assert [n.user_id for n in delivered(outbox, limit=2)] == [ALICE, CHARLIE]
    assert [n.user_id for n in delivered(outbox, limit=2)] == [JAEWOONG]


def test_nothing_is_locked_while_a_notifier_runs(world: World, durable: Where) -> None:
    world.record(rung(ALICE))
    with closing(world.open(durable)) as outbox, closing(world.open(durable)) as other:
        world.followed_by(outbox)
        seen: list[Status] = []

        class Curious:
            def notify(self, notification: Notification) -> None:
                seen.extend(entry.status for entry in outbox.entries())
                world.record(rung(CHARLIE, ring=2))
                world.followed_by(other)  # writes to the same tables

        outbox.deliver_due(at(0), Curious(), limit=1)
        assert seen == [Status.UNKNOWN]
        assert [entry.status for entry in outbox.entries()] == [Status.DELIVERED, Status.PENDING]


# Crashes


def test_a_notification_whose_process_died_on_the_way_is_never_sent_again_by_itself(
    world: World, durable: Where
) -> None:
    class Dies:
        def notify(self, notification: Notification) -> None:
            raise KeyboardInterrupt

    world.record(rung(ALICE, CHARLIE))
    with closing(world.open(durable)) as outbox:
        world.followed_by(outbox)
        with pytest.raises(KeyboardInterrupt):
            outbox.deliver_due(at(0), Dies())

    with closing(world.open(durable)) as outbox:
        world.followed_by(outbox)
        assert heard(outbox) == [("call_ring", CHARLIE)]
        (unknown,) = outbox.entries(Status.UNKNOWN)
        assert (unknown.user_id, unknown.attempts, unknown.next_attempt_at) == (ALICE, 1, None)
        assert outbox.retry(unknown.key, at(60))  # somebody has found out that it did not arrive
        assert heard(outbox) == [("call_ring", ALICE)]


_DELIVERING_PROCESS = """
import os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from greenroom.adapters.outbox import Outbox
from greenroom.domain.settings import NotificationTemplate

where, heard, dies_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
where = where if where.startswith("postgresql:") else Path(where)

class Writes:
    count = 0

    def notify(self, notification):
        self.count += 1
        if self.count == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        with open(heard, "a") as lines:
            lines.write(notification.user_id + "\\n")
        if self.count == 50:
            sys.stdin.readline()  # some are left for the others, however slow they are

outbox = Outbox.open(where, head=0, template=lambda *_: NotificationTemplate(), facts=lambda *_: {})
print("ready", flush=True)
sys.stdin.readline()
outbox.deliver_due(datetime(2026, 1, 2, tzinfo=UTC), Writes(), limit=10_000)
"""


@pytest.mark.slow
def test_processes_that_deliver_at_once_and_are_killed_tell_nobody_twice(
    world: World, durable: Where, tmp_path: Path
) -> None:
    people = [UserId(f"user-{number}") for number in range(300)]
    world.record(notified(*people))
    with closing(world.open(durable)) as outbox:
        world.followed_by(outbox)
        processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _DELIVERING_PROCESS,
                    str(durable),
                    tmp_path / heard,
                    dies_at,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for heard, dies_at in [("heard-1", "5"), ("heard-2", "0"), ("heard-3", "0")]
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
        processes[0].wait(60)
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        codes = [process.wait(60) for process in processes]
        for process in processes:
            assert process.stdout is not None
            process.stdout.close()
        lines = [line for f in tmp_path.glob("heard-*") for line in f.read_text().splitlines()]
        unknown = [entry.user_id for entry in outbox.entries(Status.UNKNOWN)]
        left = outbox.entries(Status.PENDING)
    assert codes == [-signal.SIGKILL, 0, 0]
    assert len(unknown) == 1
    assert left == []
    assert sorted([*lines, *unknown]) == sorted(people)


# The tables


def test_what_was_settled_a_month_ago_is_forgotten_and_the_rest_is_kept(
    world: World, outbox: Outbox
) -> None:
    class Dies:
        def notify(self, notification: Notification) -> None:
            raise KeyboardInterrupt

    world.record(rung(ALICE), rung(CHARLIE, ring=2))
    world.followed_by(outbox)
    with pytest.raises(KeyboardInterrupt):
        outbox.deliver_due(at(0), Dies())
    outbox.deliver_due(at(0), RecordingNotifier())

    world.record(rung(JAEWOONG, ring=3))
    world.followed_by(outbox)
    outbox.deliver_due(at(60) + timedelta(days=30), RecordingNotifier())
    assert [(entry.user_id, entry.status) for entry in outbox.entries()] == [
        (ALICE, Status.UNKNOWN),
        (JAEWOONG, Status.DELIVERED),
    ]


def test_a_long_stretch_that_nobody_hears_of_is_read_once_and_not_stored_each_time(
    world: World, durable: Where
) -> None:
    with closing(world.open(durable)) as outbox:
        world.record(*[ended()] * 60)
        assert world.followed_by(outbox) == 600
        assert outbox.position() == 0
        world.record(*[ended()] * 260)
        assert world.followed_by(outbox) == 3_200
        assert outbox.position() > 0


def test_a_closed_outbox_says_so(outbox: Outbox) -> None:
    outbox.close()
    outbox.close()
    with pytest.raises(StoreClosed):
        outbox.next_due()
    with pytest.raises(StoreClosed):
        outbox.deliver_due(at(0), RecordingNotifier())


def test_a_file_that_is_no_database_is_refused(world: World, file: Path) -> None:
    file.write_text("a shopping list, and a long one " * 100)
    with pytest.raises(StoreError, match="cannot be used"):
        world.open(file)


def test_an_outbox_of_a_later_greenroom_is_refused(world: World, durable: Where) -> None:
    world.open(durable).close()
    execute(durable, "UPDATE greenroom_effects_follower SET schema = 2")
    with pytest.raises(WrongSchema) as refused:
        world.open(durable)
    assert (refused.value.found, refused.value.supported) == (2, 1)


def test_a_file_that_is_locked_for_too_long_is_an_error_and_nothing_is_half_done(
    world: World, file: Path
) -> None:
    world.record(rung(ALICE))
    with closing(world.open(file)) as outbox:
        with outbox._database.reading() as ours:
            ours.exec_driver_sql("PRAGMA busy_timeout = 20")
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="locked"):
                world.followed_by(outbox)
            connection.execute("ROLLBACK")
        assert outbox.entries() == []
        world.followed_by(outbox)
        assert heard(outbox) == [("call_ring", ALICE)]


def test_postgres_that_is_locked_for_too_long_is_an_error_and_nothing_is_half_done(
    world: World, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(postgres_url, "CREATE SCHEMA greenroom")
    monkeypatch.setitem(postgres_engine._SETTINGS, "lock_timeout", "50ms")
    world.record(rung(ALICE))
    with closing(world.open(postgres_url)) as outbox, closing(world.open(postgres_url)) as other:
        with (
            other._database.writing(),
            pytest.raises(StoreError, match=r"the outbox on .* too long; try again"),
        ):
            world.followed_by(outbox)
        assert outbox.entries() == []
        world.followed_by(outbox)
        assert heard(outbox) == [("call_ring", ALICE)]


@pytest.mark.slow
def test_what_was_claimed_before_the_server_crashed_is_not_sent_again(world: World) -> None:
    world.record(rung(ALICE, CHARLIE))
    # Without the outbox asking for it, nothing would reach the disk before the crash.
    lazy = {"synchronous_commit": "off", "wal_writer_delay": "10s"}
    with PrivatePostgres(settings=lazy) as server:
        execute(server.url(), "CREATE SCHEMA greenroom")
        with closing(world.open(server.url())) as outbox:
            world.followed_by(outbox)

            class Crashes:
                def notify(self, notification: Notification) -> None:
                    server.kill()

            with pytest.raises(StoreError):
                outbox.deliver_due(at(0), Crashes(), limit=1)
            server.start()
            assert [sent.user_id for sent in delivered(outbox)] == [CHARLIE]
            assert [entry.user_id for entry in outbox.entries(Status.UNKNOWN)] == [ALICE]
