"""Races: several clients ask one call for things at once, in threads or in processes.

The large size, for a store of your own, or with `postgresql` alone on a server of its own:
`python -m greenroom.testing.races sqlite:///races.db --histories 1000`.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from random import Random
from time import monotonic_ns, sleep
from typing import Any, Final

from greenroom import Greenroom
from greenroom.domain.errors import CallNotFound, Refused
from greenroom.domain.operations.members import Member
from greenroom.testing.clock import VirtualClock
from greenroom.testing.driver import OBSERVER, RoomDriver, counted, looks
from greenroom.testing.history import START, Wish, wish
from greenroom.testing.linearizability import Did, order, told
from greenroom.testing.model import CallModel, Outcome
from greenroom.testing.postgres import PrivatePostgres
from greenroom.testing.processes import Workers

_LOOKED_AT: Final = ("exists", "ended", "backstage", "blocked", "session")
_HEAD_START: Final = 2_000_000
"""Nanoseconds from telling processes to begin until all of them do."""


class RaceDriver(RoomDriver):
    """A room whose one call several ask at once; safe for many threads.

    Beside the wishes of a call's handle there are three reads: `look` at the call, `who` is in,
    and `review` all that is on record.

    Args:
        room: it lives in; closed by whoever opened it.
        cid: of the call.
    """

    def __init__(self, room: Greenroom, cid: str) -> None:
        super().__init__()
        self.room = room
        self.cid = cid

    def do(self, asked: Wish) -> Did:
        """Carry it out, and note from when to when."""
        begin = monotonic_ns()
        if asked.name in {"look", "who", "review"}:
            seen: Mapping[str, Any] = getattr(self, asked.name)()
            return Did(asked, begin, monotonic_ns(), Outcome(), seen)
        outcome = self.carry_out(asked)
        return Did(asked, begin, monotonic_ns(), outcome)

    def look(self) -> Mapping[str, Any]:
        """The call as it is."""
        try:
            found = looks(self.call(OBSERVER).get())
        except CallNotFound:
            return {"exists": False}
        return {name: found[name] for name in _LOOKED_AT}

    def who(self) -> Mapping[str, Any]:
        """Who is in, by all that has been recorded."""
        position = self.room.position
        try:
            page = self.call(OBSERVER).query_participants(limit=1000, at_least=position)
        except Refused:
            return {"exists": False}
        return {"participants": sorted((one.user_id, *one.muted) for one in page.items)}

    def review(self) -> Mapping[str, Any]:
        """How many events of each name there are: none was lost, and none came twice."""
        return {"history": counted(self.call(OBSERVER))}


def races(seed: int, *, clients: int = 3, each: int = 4) -> list[list[Wish]]:
    """What each of several clients is to ask for, drawn by the seed."""
    lot = Random(seed)  # noqa: S311 - the same again by its seed
    return [[lot.choice(_ASKED)(lot) for _ in range(each)] for _ in range(clients)]


def founded(driver: RaceDriver) -> CallModel:
    """Let thierry create the call, for two at once; the model of it."""
    founding = wish("thierry", "create", members=[Member("alice")], max_participants=2)
    model = CallModel(driver.cid, START)
    if driver.carry_out(founding) != model.tell(founding):
        raise AssertionError(f"{driver.cid} exists already")
    return model


def in_threads(
    room: Greenroom,
    histories: int,
    *,
    seed: int = 0,
    clients: int = 3,
    driver: Callable[[Greenroom, str], RaceDriver] = RaceDriver,
) -> Iterator[tuple[int, list[Did]]]:
    """Let threads race for so many calls of a room; seed and history of what has no order.

    Args:
        room: in which no call `default:race-<seed>` exists; its clock stands still.
        histories: how many.
        seed: of the first.
        clients: threads.
        driver: what they drive.
    """
    with ThreadPoolExecutor(clients) as pool:
        for one in range(seed, seed + histories):
            driven = driver(room, cid_of(one))
            model = founded(driven)
            history = _raced(driven, races(one, clients=clients), pool)
            history.append(driven.do(_REVIEW))
            if order(model, history) is None:
                yield one, history


def in_processes(
    room: Greenroom, url: str, workers: Workers, histories: int, *, seed: int = 0
) -> Iterator[tuple[int, list[Did]]]:
    """The same with processes, each with a room of its own on the store at `url`.

    Args:
        room: on that store, to found the calls in.
        url: of the store.
        workers: the processes.
        histories: how many.
        seed: of the first.
    """
    everybody = range(len(workers))
    for worker in everybody:
        workers.open(worker, url, cid_of(seed), START, timers=False)
    try:
        for one in range(seed, seed + histories):
            model = founded(RaceDriver(room, cid_of(one)))
            parts = races(one, clients=len(workers))
            at = monotonic_ns() + _HEAD_START
            playing = [
                workers.begin(worker, _played, cid_of(one), parts[worker], at)
                for worker in everybody
            ]
            history = [did for part in playing for did in part.result()]
            history.append(RaceDriver(room, cid_of(one)).do(_REVIEW))
            if order(model, history) is None:
                yield one, history
    finally:
        for worker in everybody:
            workers.close(worker)


def cid_of(seed: int) -> str:
    """The call that the race of this seed is about."""
    return f"default:race-{seed}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Race for many calls of a store, and tell what could not have happened one by one."""
    parser = argparse.ArgumentParser(prog="greenroom.testing.races", description=main.__doc__)
    parser.add_argument(
        "url", help="of a store that races may be left in; `postgresql` for a server of its own"
    )
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=0, help="so many, in place of 3 threads")
    said = parser.parse_args(arguments)
    with ExitStack() as opened:
        url: str = said.url
        if url == "postgresql":
            server = opened.enter_context(PrivatePostgres(fsync=False))
            url = opened.enter_context(server.database())
        clock = VirtualClock(START)
        room = opened.enter_context(Greenroom.open(url, clock=clock, timers=False))
        if said.processes:
            workers = opened.enter_context(Workers(said.processes))
            found = [*in_processes(room, url, workers, said.histories, seed=said.seed)]
        else:
            found = [*in_threads(room, said.histories, seed=said.seed)]
    for seed, history in found:
        sys.stdout.write(f"seed {seed} has no order:\n{told(history)}\n")
    sys.stdout.write(f"{said.histories} histories, {len(found)} without an order\n")
    return 1 if found else 0


def _raced(
    driver: RaceDriver, plan: Sequence[Sequence[Wish]], pool: ThreadPoolExecutor
) -> list[Did]:
    """What threads did, all at once, each its own part in order."""
    ready = threading.Barrier(len(plan))

    def play(part: Sequence[Wish]) -> list[Did]:
        ready.wait()
        return [driver.do(one) for one in part]

    return [did for part in pool.map(play, plan) for did in part]


def _played(opened: RoomDriver, cid: str, part: Sequence[Wish], at: int) -> list[Did]:
    """What this process did, from that instant on."""
    driver = RaceDriver(opened.room, cid)
    sleep(max(0, at - monotonic_ns()) / 1e9)
    return [driver.do(one) for one in part]


def _somebody(lot: Random) -> str:
    return lot.choice(("thierry", "alice", "charlie"))


_ASKED: Final[Sequence[Callable[[Random], Wish]]] = (
    lambda lot: wish(_somebody(lot), "join"),
    lambda lot: wish(_somebody(lot), "join"),
    lambda lot: wish(_somebody(lot), "leave"),
    lambda lot: wish("thierry", lot.choice(("block", "unblock", "kick")), user_id=_somebody(lot)),
    lambda lot: wish("thierry", lot.choice(("end", "go_live", "stop_live", "go_live"))),
    lambda lot: wish("thierry", "update", max_participants=lot.choice((1, 2, 3))),
    lambda lot: wish(_somebody(lot), "mute", audio=True),
    lambda _: wish("thierry", "ring", member_ids=["alice"]),
    lambda _: wish("thierry", "look"),
    lambda _: wish("thierry", "look"),
    lambda _: wish("thierry", "who"),
)
"""What is asked for in a race."""
_REVIEW: Final = wish("thierry", "review")
"""What is looked at when it is over."""


if __name__ == "__main__":
    sys.exit(main())
