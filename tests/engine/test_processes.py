"""Several processes in one room: the rules hold exactly, and whoever looks sees what is so."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest
from tests.engine.joiners import (
    EVERYWHERE,
    IN_THE_CALL,
    Deed,
    Told,
    call_of,
    come_and_go,
    come_as_often_as_possible,
    do,
    join_once,
    join_until,
    member_ids,
    position_of,
    refusal_of,
    tells_of,
    told,
)
from tests.engine.processes import PATIENCE, Process
from tests.engine.referee import Referee

from greenroom import Greenroom, Member
from greenroom.adapters.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Rooms

pytestmark = pytest.mark.slow

NAMES: Final = ("thierry", "tommaso", "alice", "eve")
"""Of those who are in the red team."""


@pytest.fixture(scope="module")
def processes() -> Iterator[list[Process]]:
    with ExitStack() as started:
        yield [started.enter_context(Process()) for _ in range(4)]


@pytest.fixture
def room(rooms: Rooms, file_url: str) -> Greenroom:
    """Our own, with the call that everybody wants into; all of them are in the red team."""
    room = rooms.open(file_url, clock=SystemClock(), timers=False)
    for user_id in NAMES:
        room.users.upsert(user_id, teams=["red"])
    call_of(room, "thierry").create(team="red")
    return room


@pytest.fixture
def four(processes: list[Process], room: Greenroom, file_url: str) -> Iterator[list[Process]]:
    """Four others in the same room."""
    for process in processes:
        process.open(file_url)
    yield processes
    for process in processes:
        process.leave()


def answers(asked: Sequence[Future[list[Told]]]) -> list[Told]:
    return [one for future in asked for one in future.result(PATIENCE)]


def crowd(name: str, size: int) -> list[str]:
    return [f"{name}-{n}" for n in range(size)]


# How many get in


def test_exactly_as_many_get_in_as_the_call_takes(four: list[Process], room: Greenroom) -> None:
    teams = [crowd(f"team-{n}", 15) for n in range(4)]
    for user_id in (one for team in teams for one in team):
        room.users.upsert(user_id, teams=["red"])
    call_of(room, "thierry").update(max_participants=25)
    asked = [process.begin(join_once, team) for process, team in zip(four, teams, strict=True)]
    heard = answers(asked)
    assert Counter(one.code for one in heard) == {"in": 25, "call_full": 35}
    referee = Referee(room)
    referee.check()
    assert sorted(referee.admitted()) == sorted(one.user_id for one in heard if one.code == "in")
    assert all(referee.was_true(one) for one in heard if one.code != "in")


def test_nobody_is_turned_away_but_from_a_full_call(four: list[Process], room: Greenroom) -> None:
    """Where people come and go, each was refused at a moment at which it was full indeed."""
    teams = [crowd(f"team-{n}", 3) for n in range(4)]
    for user_id in (one for team in teams for one in team):
        room.users.upsert(user_id, teams=["red"])
    call_of(room, "thierry").update(max_participants=3)
    asked = [process.begin(come_and_go, team, 8) for process, team in zip(four, teams, strict=True)]
    heard = answers(asked)
    assert {"in"} <= {one.code for one in heard} <= {"in", "call_full"}
    referee = Referee(room)
    referee.check()
    assert len(referee.admitted()) == sum(one.code == "in" for one in heard)
    assert [one for one in heard if one.code != "in" and not referee.was_true(one)] == []


# What one does, and what the others are told


CLOSING: Final = {
    "call_ended": Deed("end"),
    "blocked": Deed("block", {"user_id": "eve"}),
    "not_allowed": Deed(
        "call_types.revoke", {"name": "default", "role": "user", "capability": "join-call"}
    ),
    "not_live_yet": Deed("stop_live"),
    "wrong_team": Deed("users.upsert", {"user_id": "eve", "teams": []}),
    "call_not_found": Deed("delete"),
}
"""What keeps eve out, by the reason that she is then told."""

OPENING: Final = {
    "call_ended": Deed("go_live"),
    "blocked": Deed("unblock", {"user_id": "eve"}),
    "not_allowed": Deed(
        "call_types.grant", {"name": "default", "role": "user", "capability": "join-call"}
    ),
    "not_live_yet": Deed("go_live"),
    "wrong_team": Deed("users.upsert", {"user_id": "eve", "teams": ["red"]}),
    "call_not_found": Deed("restore", by=None),
    "call_full": Deed("leave", by="tommaso"),
}
"""What lets her in again."""


@pytest.mark.parametrize("code", CLOSING)
def test_nobody_gets_in_past_the_moment_it_was_closed_to_them(
    code: str, four: list[Process], room: Greenroom
) -> None:
    """Three processes let eve in, time and again, while the fourth is about to keep her out."""
    began = room.position
    joining = [process.begin(join_until, ["eve"], code) for process in four[:3]]
    while room.position < began + 30:
        time.sleep(0.005)
    closed = four[3].ask(do, CLOSING[code])
    heard = answers(joining)
    assert Counter(one.code for one in heard) == {"in": len(heard) - 3, code: 3}
    referee = Referee(room)
    referee.check()
    assert referee.last_admission() < closed
    assert all(one.before < closed for one in heard if one.code == "in")
    assert all(referee.was_true(one) for one in heard if one.code != "in")
    stays_in = code in {"not_allowed", "wrong_team"}  # they keep out, and put nobody out
    assert referee.present() == ({"eve"} if stays_in else set())


@pytest.mark.parametrize("code", OPENING)
def test_what_another_process_allows_or_forbids_holds_at_once(
    code: str, four: list[Process], room: Greenroom
) -> None:
    """However sure a process is of what it knows: it remembers the call, and every refusal."""
    one, other, *_ = four
    if code == "call_full":
        call_of(room, "thierry").update(max_participants=1)
    closing = CLOSING.get(code, Deed("join", by="tommaso"))
    for _ in range(3):
        assert one.ask(told, "eve").code == "in"
        one.ask(do, Deed("leave", by="eve"))
        other.ask(do, closing)
        assert [one.ask(told, "eve").code for _ in range(2)] == [code] * 2
        other.ask(do, OPENING[code])
    assert one.ask(told, "eve").code == "in"
    Referee(room).check()


# Reading what others have written


def test_whoever_is_told_a_position_finds_what_stands_there(
    four: list[Process], room: Greenroom, tmp_path: Path
) -> None:
    """One writes, the next reads at least that, and goes on from there; two others write, too."""
    one, other, *busy = four
    over = tmp_path / "over"
    found: list[str] = []
    beside = [
        each.begin(come_as_often_as_possible, user, over)
        for each, user in zip(busy, NAMES[:2], strict=True)
    ]
    for n in range(20):
        writer, reader = (one, other) if n % 2 else (other, one)
        position = writer.ask(do, Deed("add_members", {"members": [Member(f"member-{n}")]}))
        found = reader.ask(member_ids, at_least=position)
        assert f"member-{n}" in found
        assert reader.ask(position_of) >= position
    over.touch()
    assert all(others.result(PATIENCE) for others in beside)
    assert one.ask(member_ids, at_least=0) == other.ask(member_ids, at_least=0) == found


def test_nobody_is_shown_what_is_still_to_come(four: list[Process], room: Greenroom) -> None:
    to_come = room.position + 1
    assert four[0].ask(refusal_of, to_come) == ("invalid_input", "at_least")


def test_what_one_process_erases_no_other_tells_any_more(
    four: list[Process], room: Greenroom
) -> None:
    """However often it has told of it before, and from wherever: memory, views, past answers."""
    words = "what-alice-said-of-herself"
    one, *others = four
    call = call_of(room, "thierry")
    call.add_members([Member("alice", custom={"notes": words})])
    room.users.upsert("alice", name=words, custom={"notes": words}, teams=["red"])
    call_of(room, "alice").get(request_id="alice-looked")
    for process in others:
        assert process.ask(tells_of, words) == EVERYWHERE
    one.ask(do, Deed("users.erase", {"user_id": "alice"}))
    for process in others:
        assert process.ask(tells_of, words) == []
    call.add_members([Member("alice", custom={"notes": words})])  # alice comes back
    assert all(process.ask(tells_of, words) == IN_THE_CALL for process in others)
