"""Whatever people do in a room, drawn by lot; as often as not it makes no sense, and is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final

from greenroom import CallHandle, Greenroom, Member, errors

PEOPLE: Final = ("thierry", "tommaso", "alice", "charlie", "jaewoong")


@dataclass(frozen=True)
class Scene:
    """Somebody in one call, with somebody else."""

    user_id: str
    own: CallHandle
    """As `user_id` sees it."""
    call: CallHandle
    """As the system does, which may do anything."""
    other: str
    number: int


def _create(scene: Scene) -> None:
    members = [Member(scene.user_id, role="host"), Member(scene.other)]
    scene.call.create(members=members, custom={"n": scene.number}, ring=scene.number % 2 == 0)


def _update(scene: Scene) -> None:
    scene.call.update(custom={"n": scene.number})


def _add(scene: Scene) -> None:
    crowd = [Member(f"{scene.user_id}-{n}", custom={"n": n}) for n in range(scene.number % 5)]
    scene.call.add_members([Member(scene.user_id), Member(scene.other), *crowd])


def _change(scene: Scene) -> None:
    changed = Member(scene.user_id, role="host", custom={"n": scene.number})
    scene.call.update_members([changed])


def _ring(scene: Scene) -> None:
    scene.call.add_members([Member(scene.user_id), Member(scene.other)])
    scene.call.ring([scene.user_id, scene.other])
    scene.own.accept() if scene.number % 2 else scene.own.reject("busy")


def _meet(scene: Scene) -> None:
    scene.call.go_live()
    scene.call.join()
    entry = scene.own.join()
    scene.call.pin(scene.user_id)
    entry.leave()


def _block(scene: Scene) -> None:
    scene.call.block(scene.other)
    scene.call.unblock(scene.other)


def _delete(scene: Scene) -> None:
    hard = scene.number % 5 == 0
    scene.call.delete(hard=hard)
    if not hard:
        scene.call.restore()


DEEDS: Final[Mapping[Callable[[Scene], object], int]] = {
    _create: 4,
    _update: 2,
    _add: 4,
    _change: 2,
    lambda scene: scene.call.remove_members([scene.user_id]): 2,
    _ring: 2,
    _meet: 2,
    lambda scene: scene.own.join(): 4,
    lambda scene: scene.own.leave(): 3,
    _block: 1,
    lambda scene: scene.call.stop_live(): 1,
    lambda scene: scene.call.end(): 1,
    _delete: 2,
}
"""What they do, and how often compared with the rest."""


def act(room: Greenroom, lots: Random) -> None:
    """One deed, in one of a few calls; from time to time others take the place of those."""
    user_id, other = lots.sample(PEOPLE, 2)
    chance = lots.random()
    with suppress(errors.Refused):
        if chance < 0.005:
            room.users.erase(user_id)
        elif chance < 0.05:
            room.users.upsert(user_id, name=user_id.title(), custom={"n": lots.randrange(1000)})
        else:
            (deed,) = lots.choices([*DEEDS], [*DEEDS.values()])
            deed(_scene(room, user_id, other, lots))


def _scene(room: Greenroom, user_id: str, other: str, lots: Random) -> Scene:
    call = (lots.choice(["default", "livestream"]), f"{room.position // 100 + lots.randrange(2)}")
    own, of_all = room.as_user(user_id).call(*call), room.system("registry").call(*call)
    return Scene(user_id, own, of_all, other, lots.randrange(1000))


def look(room: Greenroom, lots: Random) -> None:
    """Ask for something: what has happened since is projected first."""
    room.system("registry").query_calls(filters={"members": {"$in": [lots.choice(PEOPLE)]}})
