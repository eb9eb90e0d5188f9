"""What other processes are told to do at the door of a call that is changed all the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from time import sleep
from typing import Final

from tests.engine.joiners import Told, call_of, told

from greenroom import CallHandle, Greenroom, Member, errors

CAPACITY: Final = 3


def crowd_in(room: Greenroom, user_ids: Sequence[str], times: int) -> list[Told]:
    """All at once ask to be let in, again and again; every other time they stay for a while."""

    def come(user_id: str) -> list[Told]:
        lots, answers = Random(user_id), list[Told]()
        for _ in range(times):
            answers.append(told(room, user_id))
            if answers[-1].code == "in" and lots.random() < 0.5:
                call_of(room, user_id).leave()
        return answers

    with ThreadPoolExecutor(len(user_ids)) as threads:
        return [one for answers in threads.map(come, user_ids) for one in answers]


def disturb(room: Greenroom, user_ids: Sequence[str], seed: int, times: int) -> int:
    """End the call, open it, put people out, change how many it takes; how often it was refused."""
    lots, refused = Random(seed), 0
    call = call_of(room, "thierry")
    for _ in range(times):
        try:
            lots.choice(_DEEDS)(call, lots.choice(user_ids), lots)
        except errors.Refused:
            refused += 1
        sleep(lots.uniform(0, 0.02))
    call.go_live()
    return refused


_DEEDS: Final[Sequence[Callable[[CallHandle, str, Random], object]]] = (
    lambda call, _, __: call.end(),
    lambda call, _, __: call.go_live(),
    lambda call, _, __: call.go_live(),
    lambda call, user, _: call.block(user),
    lambda call, user, _: call.unblock(user),
    lambda call, user, _: call.kick(user),
    lambda call, user, _: call.remove_members([user]),
    lambda call, user, _: call.add_members([Member(user)]),
    lambda call, _, lots: call.update(max_participants=lots.choice([1, CAPACITY, 6])),
    lambda call, _, __: call.stop_live(),
)
