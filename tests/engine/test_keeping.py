"""Keeping the past in tables: the same answers, whoever moves the views, as long as wanted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.engine.conftest import Rooms
from tests.engine.test_erasure import files_that_say
from tests.engine.test_past import seen

from greenroom import Greenroom, KeptPast, Member, errors
from greenroom.projections import versions
from greenroom.projections.as_of import Replayed

HEALTH = "hypertension-and-a-peanut-allergy"


@pytest.fixture
def no_replay(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The log is not read for what was."""
    monkeypatch.setattr(Replayed, "__init__", lambda *_: pytest.fail("read from the log"))
    yield
    monkeypatch.undo()


def something(room: Greenroom, n: int = 0) -> int:
    """Let a few things happen in the call; the position then."""
    call = room.as_user("thierry").call("default", "123")
    if n == 0:
        call.create(members=[Member("alice", role="host"), Member("tommaso")], ring=True)
    room.as_user("alice").call("default", "123").join()
    call.update(custom={"n": n})
    call.add_members([Member(f"charlie-{n}", custom={"n": n})])
    room.users.upsert(f"charlie-{n}", name=f"Charlie {n}")
    return room.position


def past_of(room: Greenroom, positions: list[int]) -> list[Any]:
    found = []
    for position in positions:
        with room.at(position) as past:
            found.append(seen(past))
    return found


@pytest.mark.slow
def test_kept_or_not_the_past_is_the_same(room: Greenroom, request: pytest.FixtureRequest) -> None:
    positions = [something(room, n) for n in range(3)]
    read = past_of(room, positions)
    assert room.kept_past() is None
    told: list[tuple[int, int]] = []
    reached = room.keep_past(lambda *said: told.append(said))
    assert reached == room.position
    assert told[-1] == (reached, reached)
    assert room.kept_past() == KeptPast(room.position, whole=True)
    request.getfixturevalue("no_replay")
    assert past_of(room, positions) == read


@pytest.mark.slow
def test_it_goes_along_with_what_happens(room: Greenroom, request: pytest.FixtureRequest) -> None:
    room.keep_past()
    positions = [something(room, n) for n in range(3)]
    then = [seen(room)]
    request.getfixturevalue("no_replay")
    assert past_of(room, positions)[-1:] == then
    assert room.kept_past() == KeptPast(room.position, whole=True)


@pytest.mark.slow
def test_other_processes_keep_it_too(
    rooms: Rooms, file_url: str, request: pytest.FixtureRequest
) -> None:
    one, other = (rooms.open(file_url, timers=False) for _ in range(2))
    something(one)
    one.keep_past()
    position = something(other, 1)
    then = seen(other)
    request.getfixturevalue("no_replay")
    assert past_of(other, [position]) == past_of(one, [position]) == [then]
    with rooms.open(file_url, timers=False) as later:
        assert past_of(later, [position]) == [then]


@pytest.mark.slow
def test_dropped_it_is_read_from_the_log_again(room: Greenroom) -> None:
    positions = [something(room)]
    then = past_of(room, positions)
    room.keep_past()
    with room.at(positions[0]) as past:
        first = past.as_user("thierry").call("default", "123").query_members(limit=1)
        assert room.drop_past()
        call = past.as_user("thierry").call("default", "123")
        assert call.query_members(limit=1, cursor=first.next).items
    assert not room.drop_past()
    assert room.kept_past() is None
    something(room, 1)
    assert past_of(room, positions) == then


@pytest.mark.slow
def test_interrupted_it_goes_on_where_it_was(
    room: Greenroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.projections.keeping._AT_ONCE", 5)
    positions = [something(room, n) for n in range(2)]
    then = past_of(room, positions)

    def enough(position: int, _: int) -> None:
        if position >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        room.keep_past(enough)
    positions.append(something(room, 2))
    assert room.kept_past() == KeptPast(10, whole=False)
    assert past_of(room, positions[:2]) == then
    begun: list[int] = []
    room.keep_past(lambda position, _: begun.append(position))
    assert begun[0] == 10
    assert room.kept_past() == KeptPast(room.position, whole=True)
    assert past_of(room, positions[:2]) == then


def test_dropped_while_it_is_being_filled_it_is_to_be_kept_again(room: Greenroom) -> None:
    something(room)

    def drop(*_: int) -> None:
        room.drop_past()

    with pytest.raises(errors.StoreError, match="dropped while it was being filled"):
        room.keep_past(drop)
    assert room.kept_past() is None


@pytest.mark.slow
def test_two_who_fill_it_at_once_count_each_record_once(
    room: Greenroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.projections.keeping._AT_ONCE", 5)
    positions = [something(room, n) for n in range(2)]
    then = past_of(room, positions)
    others = iter([room])

    def another(*_: int) -> None:
        for other in others:
            other.keep_past()

    room.keep_past(another)
    assert room.kept_past() == KeptPast(room.position, whole=True)
    assert past_of(room, positions) == then


@pytest.mark.slow
def test_a_rebuild_keeps_it(room: Greenroom, request: pytest.FixtureRequest) -> None:
    positions = [something(room, n) for n in range(2)]
    then = past_of(room, positions)
    room.keep_past()
    room.rebuild()
    assert room.kept_past() == KeptPast(room.position, whole=True)
    request.getfixturevalue("no_replay")
    positions.append(something(room, 2))
    then.append(seen(room))
    assert past_of(room, positions) == then


@pytest.mark.parametrize("filled", [True, False])
def test_what_is_erased_is_in_no_version(
    rooms: Rooms, file_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, filled: bool
) -> None:
    monkeypatch.setattr("greenroom.projections.keeping._AT_ONCE", 5)
    room = rooms.open(file_url)
    call = room.as_user("thierry").call("default", "123")
    call.create(custom={"notes": HEALTH}, members=[Member("alice", custom={"notes": HEALTH})])
    room.users.upsert("charlie", name=HEALTH)
    position = something(room, 1)

    def enough(reached: int, _: int) -> None:
        if not filled and reached >= position - 5:
            raise KeyboardInterrupt

    try:
        room.keep_past(enough)
    except KeyboardInterrupt:
        assert not filled
    room.users.erase("charlie")
    room.system("registry").call("default", "123").delete(hard=True)
    assert files_that_say(HEALTH, tmp_path) == []
    with room.at(position) as past:
        then = past.as_user("thierry").call("default", "123")
        assert then.get().custom == {}
        assert {str(item.custom) for item in then.query_members().items} <= {"{}"}


@pytest.mark.slow
def test_what_it_cannot_take_holds_up_nobody(
    room: Greenroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.keep_past()
    before = something(room)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(versions.Versions, "workspace", broken)
    position = something(room, 1)
    assert seen(room)
    kept = room.kept_past()
    assert kept is not None
    assert not kept.whole
    then = past_of(room, [before, position])
    with pytest.raises(ZeroDivisionError):
        room.keep_past()
    monkeypatch.undo()
    room.keep_past()
    monkeypatch.setattr(Replayed, "__init__", lambda *_: pytest.fail("read from the log"))
    assert past_of(room, [before, position]) == then


def test_progress_has_to_be_a_function(room: Greenroom) -> None:
    with pytest.raises(errors.InvalidInput):
        room.keep_past("slowly")  # type: ignore[arg-type]  # what is refused
