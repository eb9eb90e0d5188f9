"""What other processes are told to do: all of them want into one call."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count, cycle
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from greenroom import CallHandle, Greenroom, errors

CALL: Final = ("default", "123")
LONGEST: Final = 100.0
"""Seconds that anybody tries what ends when another process acts."""
SHARE: Final = 4
"""Of a call that all are after: how often each must have had it before any of them stops."""


@dataclass(frozen=True)
class Told:
    """What somebody was told who asked to be let in, and where the log stood around that."""

    user_id: str
    code: str
    """`in`, or that of the refusal."""
    before: int
    after: int


@dataclass(frozen=True)
class Deed:
    """One command."""

    method: str
    """Of the call's handle; of the room where there is a dot in it."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    by: str | None = "thierry"
    """Whose handle; None for the system's."""


def call_of(room: Greenroom, user_id: str | None) -> CallHandle:
    who = room.system("registry") if user_id is None else room.as_user(user_id)
    return who.call(*CALL)


def do(room: Greenroom, deed: Deed) -> int:
    """The position that it is answered with."""
    handle = room if "." in deed.method else call_of(room, deed.by)
    position: int = attrgetter(deed.method)(handle)(**deed.arguments).position
    return position


def told(room: Greenroom, user_id: str, ask: Callable[[], object] | None = None) -> Told:
    """What `user_id` is told who wants in."""
    before, code = room.position, "in"
    try:
        (ask or call_of(room, user_id).join)()
    except errors.Refused as refusal:
        code = refusal.code
    return Told(user_id, code, before, room.position)


def join_once(room: Greenroom, user_ids: Sequence[str]) -> list[Told]:
    """Each asks once to be let in, four at a time."""
    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(lambda one: told(room, one), user_ids))


def come_and_go(room: Greenroom, user_ids: Sequence[str], times: int) -> list[Told]:
    """All at once ask to be let in, again and again, and leave as soon as they are."""

    def come(user_id: str) -> list[Told]:
        answers: list[Told] = []
        for _ in range(times):
            answers.append(told(room, user_id))
            if answers[-1].code == "in":
                call_of(room, user_id).leave()
        return answers

    with ThreadPoolExecutor(len(user_ids)) as threads:
        return [one for answers in threads.map(come, user_ids) for one in answers]


def join_until(room: Greenroom, user_ids: Sequence[str], code: str) -> list[Told]:
    """One after the other joins, and from the beginning again, until that is what one is told."""
    answers: list[Told] = []
    deadline = time.time() + LONGEST
    for user_id in cycle(user_ids):
        answers.append(told(room, user_id))
        if answers[-1].code == code:
            break
        time.sleep(0.01)
        if time.time() > deadline:
            raise TimeoutError(f"nobody was told {code}, the last {answers[-1]}")
    return answers


def come_as_often_as_possible(room: Greenroom, user_id: str, over: Path) -> int:
    """How often one gets in and out again until that file stands; once at least."""
    call, times = call_of(room, user_id), 0
    while not times or not over.exists():
        call.join()
        call.leave()
        times += 1
    return times


def come_until_all_have_come(room: Greenroom, user_id: str, tallies: Path) -> int:
    """How often one gets in and out again until everybody has been in."""
    call = call_of(room, user_id)
    times = 0
    for times in until_all_have(tallies, user_id):  # noqa: B007 - the last is the answer
        call.join()
        call.leave()
    return times


def let_in_until_all_have(room: Greenroom, name: str, tallies: Path) -> int:
    """How many get in, one after the other, until everybody has let some in."""
    n = 0
    for n in until_all_have(tallies, name):
        room.as_user(f"{name}-{n}", teams=["red"]).call(*CALL).join()
    return n


def until_all_have(tallies: Path, name: str) -> Iterator[int]:
    """1, 2, 3: until each of those who keep a tally there has had their `SHARE`."""
    for n in count(1):
        yield n
        (tallies / name).write_text("x" * n)
        if all(one.stat().st_size >= SHARE for one in tallies.iterdir()):
            return


def position_of(room: Greenroom) -> int:
    return room.position


def member_ids(room: Greenroom, *, at_least: int) -> list[str]:
    page = call_of(room, "thierry").query_members(limit=1000, at_least=at_least)
    return [item.user_id for item in page.items]


def refusal_of(room: Greenroom, at_least: int) -> tuple[str, str]:
    """Code and path of what is said to whoever wants to see what is to come."""
    try:
        member_ids(room, at_least=at_least)
    except errors.InvalidInput as refusal:
        return refusal.code, refusal.path
    return "", ""


IN_THE_CALL: Final = ["get", "history", "members"]
EVERYWHERE: Final = [*IN_THE_CALL, "asked before", "user"]


def tells_of(room: Greenroom, words: str) -> list[str]:
    """Where those words of alice's are to be heard."""
    call, hers = call_of(room, "thierry"), call_of(room, "alice")
    heard = {
        "get": hers.get().membership,
        "history": call.history(),
        "members": call.query_members(filters={"user_id": "alice"}).items,
        "asked before": hers.get(request_id="alice-looked"),
        "user": room.users.get("alice"),
    }
    return [place for place, said in heard.items() if words in repr(said)]


def work(room: Greenroom, user_id: str, notebook: Path, over: Path) -> int:
    """Command after command, each under an id of its own, until that file stands; how many answers.

    What becomes of each is noted at once, so that a kill takes none of the notes with it.
    """
    answered = 0
    with notebook.open("w", buffering=1) as notes:
        for n in count():
            if over.exists():
                break
            request_id = f"{user_id}-{n}"
            notes.write(f"asked {request_id}\n")
            try:
                ask(room, user_id, request_id)
            except errors.OutcomeUnknown:
                notes.write(f"unknown {request_id}\n")
                ask_until_answered(room, user_id, request_id)
            except errors.StoreError:
                notes.write(f"failed {request_id}\n")
                time.sleep(0.05)
                continue
            notes.write(f"answered {request_id}\n")
            answered += 1
    return answered


def ask(room: Greenroom, user_id: str, request_id: str) -> None:
    """Join, or write one's own number into the call: by what the id says."""
    number = int(request_id.rpartition("-")[2])
    call = call_of(room, user_id)
    if number % 2:
        call.join(request_id=request_id)
    else:
        call_of(room, "thierry").update(custom={user_id: number + 1}, request_id=request_id)


def ask_until_answered(room: Greenroom, user_id: str, request_id: str) -> None:
    deadline = time.time() + LONGEST
    while True:
        try:
            return ask(room, user_id, request_id)
        except errors.StoreError:
            if time.time() > deadline:
                raise
        time.sleep(0.05)


def be_impatient(room: Greenroom) -> None:
    """From now on, a server that is gone is waited for no longer than a moment."""
    del room
    from greenroom.adapters import postgres_writing  # noqa: PLC0415 - only where it is used

    postgres_writing._PATIENCE = 0.01  # type: ignore[misc]  # a Final, elsewhere


def main(url: str, first: int) -> None:
    """Let 20 users join, and say of each whether they got in."""
    with Greenroom.open(url, timers=False) as room:
        for one in join_once(room, [f"user-{n}" for n in range(first, first + 20)]):
            print({"in": "in", "call_full": "full"}[one.code])  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
