"""Queries may miss what others have just recorded, where somebody follows: only that, not long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.joiners import call_of
from tests.engine.processes import Process

from greenroom import Greenroom, Member
from greenroom.adapters.clock import SystemClock
from greenroom.domain.errors import StoreError
from greenroom.projections import trailing
from greenroom.projections.leading import Lead
from greenroom.projections.trailing import LONGEST, LOOKS, Trailing

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

FOR_EVER: Final = 3600.0
"""Seconds; so that it is no matter of time what a test sees."""


@pytest.fixture
def opened(rooms: Rooms, file_url: str) -> Iterator[Callable[[], Greenroom]]:
    """Opens rooms of the same store in which nothing happens by itself."""

    def opened() -> Greenroom:
        room = rooms.open(file_url, clock=SystemClock(), timers=False)
        call_of(room, "thierry").create()
        return room

    yield opened
    rooms.close()


@pytest.fixture
def idle_leader(opened: Callable[[], Greenroom]) -> Iterator[Lead]:
    """Has the role of who follows the log, and does nothing about it."""
    lead = opened()._views.lead()
    assert lead is not None
    assert lead.taken()
    yield lead
    lead.give_up()


@pytest.fixture
def two(opened: Callable[[], Greenroom]) -> tuple[Greenroom, Greenroom]:
    """Who reads and who writes; the reader has looked, and found the views in step with the log."""
    reader, writer = opened(), opened()
    add(writer, "alice")
    assert shown(reader) == ["alice"]
    time.sleep(1.5 * LOOKS)
    return reader, writer


@pytest.fixture
def without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes: no time is too long to wait for the leader."""
    monkeypatch.setattr(trailing, "LONGEST", FOR_EVER)


def add(room: Greenroom, user_id: str) -> int:
    """The position at which they have become a member."""
    return call_of(room, "thierry").add_members([Member(user_id)]).position


def shown(room: Greenroom, *, at_least: int | None = None) -> list[str]:
    page = call_of(room, "thierry").query_members(limit=1000, at_least=at_least)
    return [item.user_id for item in page.items]


@pytest.mark.slow
def test_where_nobody_follows_a_query_shows_all_that_is_recorded(
    two: tuple[Greenroom, Greenroom],
) -> None:
    reader, writer = two
    for number in range(2, 6):
        add(writer, f"member-{number}")
        assert len(shown(reader)) == number


@pytest.mark.slow
@pytest.mark.usefixtures("idle_leader", "without_end")
def test_where_somebody_follows_it_is_left_to_them(two: tuple[Greenroom, Greenroom]) -> None:
    reader, writer = two
    add(writer, "tommaso")
    assert shown(reader) == ["alice"]
    assert shown(writer) == ["alice", "tommaso"]  # who has written brings the views along
    assert shown(reader) == ["alice", "tommaso"]


@pytest.mark.slow
@pytest.mark.usefixtures("idle_leader", "without_end")
def test_what_must_be_there_is_there_at_once(two: tuple[Greenroom, Greenroom]) -> None:
    """What is asked for, what the room itself wrote, and all that stands before it."""
    reader, writer = two
    position = add(writer, "tommaso")
    assert shown(reader) == ["alice"]
    assert shown(reader, at_least=position) == ["alice", "tommaso"]
    add(writer, "charlie")
    assert shown(reader) == ["alice", "tommaso"]
    add(reader, "jaewoong")
    assert shown(reader) == ["alice", "tommaso", "charlie", "jaewoong"]


@pytest.mark.slow
@pytest.mark.usefixtures("idle_leader", "without_end")
def test_what_was_answered_before_is_there_for_who_asks_again(
    two: tuple[Greenroom, Greenroom],
) -> None:
    reader, writer = two
    for room, expected in ((writer, ["alice"]), (reader, ["alice", "tommaso"])):
        members = [Member("tommaso")]
        call_of(room, "thierry").add_members(members, request_id="thierry-adds-tommaso")
        assert shown(reader) == expected


@pytest.mark.slow
@pytest.mark.usefixtures("idle_leader")
def test_a_leader_who_does_not_come_along_is_waited_for_no_longer_than_that(
    two: tuple[Greenroom, Greenroom], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trailing, "LONGEST", 0.2)
    reader, writer = two
    for number in range(2, 5):
        add(writer, f"member-{number}")
        time.sleep(0.2)
        assert len(shown(reader)) == number


@pytest.mark.slow
@pytest.mark.usefixtures("without_end")
def test_when_nobody_leads_any_more_queries_show_all_again(
    idle_leader: Lead, two: tuple[Greenroom, Greenroom]
) -> None:
    reader, writer = two
    add(writer, "tommaso")
    assert shown(reader) == ["alice"]
    idle_leader.give_up()
    time.sleep(1.5 * LOOKS)
    assert shown(reader) == ["alice", "tommaso"]


@pytest.mark.slow
@pytest.mark.usefixtures("idle_leader", "without_end")
def test_decisions_and_history_miss_nothing(two: tuple[Greenroom, Greenroom]) -> None:
    """Whom a ring is for is decided, and not looked up in what may be a moment old."""
    reader, writer = two
    position = add(writer, "tommaso")
    assert shown(reader) == ["alice"]
    assert call_of(reader, "thierry").history()[-1].position == position
    add(writer, "charlie")
    assert shown(reader) == ["alice", "tommaso"]
    call_of(reader, "thierry").get(ring=True)
    rung = {user_id for one in history_of(reader, "call.rung") for user_id in one["user_ids"]}
    assert rung == {"alice", "tommaso", "charlie"}


def history_of(room: Greenroom, name: str) -> list[Mapping[str, Any]]:
    """What the events of that name say."""
    return [one.event for one in call_of(room, "thierry").history() if one.name == name]


@pytest.mark.slow
def test_beside_a_process_that_follows_everything_is_shown_in_time(
    opened: Callable[[], Greenroom], file_url: str
) -> None:
    """A leader that works, one that is killed at it, and again one that works."""
    reader, writer = opened(), opened()
    with Process() as first, Process() as second:
        first.open(file_url, timers=True)
        second.open(file_url, timers=True)
        for number in range(1, 31):
            add(writer, f"member-{number}")
            assert number - 1 <= len(shown(reader)) <= number
            if number == 10:
                first.kill()
            time.sleep(LONGEST)
            assert len(shown(reader)) == number


@dataclass
class Told:
    """Views that stand where they are told to."""

    standing: int = 0
    known: int = 0
    leading: bool | None = True
    """None where it cannot be told."""

    def position(self) -> int:
        self.known = self.standing
        return self.standing

    def hold(self, position: int) -> bool:
        return self.known >= position

    def led(self) -> bool:
        if self.leading is None:
            raise StoreError("it cannot be told")
        return self.leading


@dataclass
class World:
    """A log, views that trail it, and what the log held at which time."""

    now: float = 1000.0
    head: int = 0
    views: Told = field(default_factory=Told)
    held: list[tuple[float, int]] = field(default_factory=list)

    def record(self, events: int) -> None:
        self.head += events
        self.held.append((self.now, self.head))

    def due(self) -> int:
        """What was recorded more than so long ago."""
        return max((head for at, head in self.held if at < self.now - LONGEST), default=0)


STEPS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from([0.001, 0.05, 0.11, 0.3, 0.6, 5.0])),
        st.tuples(st.just("record"), st.integers(1, 3)),
        st.tuples(st.just("follow"), st.integers(0, 5)),
        st.tuples(st.just("lead"), st.sampled_from([True, False, None])),
        st.tuples(st.just("ask"), st.integers(0, 10)),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_only_the_last_moment_is_missing(steps: list[tuple[str, float]]) -> None:
    world = World()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trailing, "monotonic", lambda: world.now)
        asked = Trailing(lambda: world.head, world.views)
        for step, amount in steps:
            match step:
                case "wait":
                    world.now += amount
                case "record":
                    world.record(int(amount))
                case "follow":
                    world.views.standing = min(world.head, world.views.standing + int(amount))
                case "lead":
                    world.views.leading = amount  # type: ignore[assignment]  # as drawn
                case _ if asked.suffice(int(amount)):
                    assert world.views.standing >= max(int(amount), world.due())


def test_a_leader_who_comes_along_in_time_is_enough() -> None:
    """Beside a writer who never rests: no question but the first needs anything brought along."""
    world = World()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trailing, "monotonic", lambda: world.now)
        asked = Trailing(lambda: world.head, world.views)
        answers = []
        for _ in range(1000):
            world.now += 0.01
            world.views.standing = max(
                (h for at, h in world.held if at < world.now - 0.15), default=0
            )
            world.record(2)
            answers.append(asked.suffice(0))
        assert all(answers[30:])


def test_where_nobody_leads_nothing_suffices() -> None:
    world = World(views=Told(leading=False))
    asked = Trailing(lambda: world.head, world.views)
    assert not asked.suffice(0)
