"""Every course of a few wishes of three people: what needs four of a kind is seldom drawn."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Final

import pytest
from tests.domain.test_properties import attempted, gave_up_their_own, is_one_off
from tests.laws import times

from greenroom.domain.errors import Refused
from greenroom.domain.operations import presence
from greenroom.domain.operations.life import Backstage
from greenroom.domain.operations.members import Member
from greenroom.testing.history import EMBEDDER, START, History, Wish, wish
from greenroom.testing.model import CallModel

PEOPLE: Final = ("thierry", "tommaso", "alice")
"""Who created the call, a host of it, somebody of no role of their own."""
FOUNDING: Final = wish(
    "thierry", "create", members=[Member("tommaso", role="host"), Member("alice")]
)


def of_all(name: str, **arguments: Any) -> list[Wish]:
    """Each of the three wishes for it."""
    return [wish(one, name, **arguments) for one in PEOPLE]


RINGING: Final = [
    *[wish(one, "ring", member_ids=[other]) for one, other in permutations(PEOPLE, 2)],
    wish("thierry", "ring", member_ids=["alice", "tommaso"]),
    wish("thierry", "get", ring=True),
    *of_all("accept"),
    *of_all("reject"),
    *of_all("reject", reason="cancel"),
    *of_all("cancel_ring"),
    wish("system:x", "cancel_ring"),
    *of_all("join"),
    *of_all("leave"),
    wish("system:x", "timers", after=20),
    wish("thierry", "block", user_id="alice"),
    wish("thierry", "unblock", user_id="alice"),
    wish("thierry", "remove_members", user_ids=["tommaso"]),
    wish("thierry", "end"),
]
COMING: Final = [
    *of_all("join"),
    wish("alice", "join", create=True),
    *of_all("leave"),
    *of_all("end"),
    wish("thierry", "go_live"),
    wish("alice", "go_live"),
    wish("thierry", "stop_live"),
    wish("thierry", "start_recording"),
    wish("thierry", "stop_recording"),
    *[wish("thierry", "update", backstage=Backstage(enabled=yes)) for yes in (True, False)],
    wish("thierry", "update", max_duration=10),
    wish("thierry", "update", max_participants=1),
    wish("system:x", "timers", after=20),
    *[wish("thierry", "kick", user_id="alice", block=yes) for yes in (True, False)],
    wish("thierry", "unblock", user_id="alice"),
    wish("thierry", "pin", user_id="alice"),
    wish("thierry", "unpin", user_id="alice"),
    wish("thierry", "mute", user_ids=None, audio=True),
    wish("alice", "create"),
    wish("thierry", "delete"),
    wish("system:x", "delete", hard=True),
    wish("system:x", "restore"),
]
BELONGING: Final = [
    *[
        wish(one, "add_members", members=[Member("alice", role=role, custom=custom)])
        for one in ("thierry", "alice")
        for role, custom in ((None, {"color": "red"}), (None, {"color": None}), ("host", None))
    ],
    wish("tommaso", "add_members", members=[Member("tommaso", role="user")]),
    *[
        wish("thierry", "update_members", members=[one])
        for one in (Member("alice", custom={"color": True}), Member("thierry", role="user"))
    ],
    *[wish(one, "remove_members", user_ids=["tommaso"]) for one in ("thierry", "tommaso")],
    *[
        wish(one, name, user_id=other, permissions=["send-audio"])
        for name in ("grant_permissions", "revoke_permissions")
        for one in ("thierry", "tommaso")
        for other in ("alice", "tommaso")
    ],
    wish("alice", "request_permissions", permissions=["send-audio"]),
    *[wish("tommaso", "block", user_id=one) for one in ("thierry", "tommaso")],
    wish("thierry", "unblock", user_id="tommaso"),
    wish("alice", "join"),
    wish(EMBEDDER, "types.grant", role="user", capability="send-audio"),
    wish(EMBEDDER, "types.revoke", role="user", capability="send-audio"),
    wish(EMBEDDER, "types.revoke", role="admin", capability="block-users"),
    *[
        wish(EMBEDDER, "types.update", settings={"recording": {"mode": m}})
        for m in (None, "auto-on")
    ],
    wish("thierry", "update", settings={"recording": {"mode": "disabled"}}),
    *[wish(EMBEDDER, "users.upsert", user_id="alice", role=role) for role in ("admin", "user")],
    wish(EMBEDDER, "users.upsert", user_id="alice", custom={"color": "red"}),
]
WORLDS: Final[Mapping[str, Sequence[Wish]]] = {
    "ringing": RINGING,
    "coming": COMING,
    "belonging": BELONGING,
}


@dataclass(frozen=True)
class Moment:
    """Where a course has led to, and where it ought to have."""

    history: History
    model: CallModel
    course: tuple[Wish, ...] = ()

    def after(self, wish: Wish) -> Moment:
        """Where the wish leads, carried out or refused, and asked for twice."""
        course = (*self.course, wish)
        history, model = self.history.clone(), self.model.clone()
        expected = model.tell(wish)
        refused = carried_out(history, wish)
        recorded = history.steps[len(self.history.steps) :]
        if wish.name != "timers":  # what time brings the model does not tell
            names = tuple(sorted(step.event.name for step in recorded))
            assert (refused and refused.code, names) == (expected.code, expected.recorded), course
        if recorded and not is_one_off(wish):
            again = history.clone()
            second = carried_out(again, wish)
            assert again.steps == history.steps, course
            assert second is None or gave_up_their_own(wish), course
        tuple(history.fire_timers())  # what it made due, as in the model
        return Moment(history, model, course)

    def digest(self) -> str:
        """What tells it from others that were reached another way."""
        states = {stream: folded.state for stream, folded in sorted(self.history.states.items())}
        return f"{self.history.now} {states}"


def carried_out(history: History, wish: Wish) -> Refused | None:
    """The refusal; None where it was carried out. Whoever leaves does so from everywhere."""
    if wish.name != "leave":
        return attempted(history, wish)
    for entry_id, entry in history.session.entries.items():
        if entry.user_id == wish.by.name:
            history.ask(presence.leave(entry_id), by=wish.by)
    return None


def founded() -> Moment:
    """The call has just been created."""
    beginning = Moment(History(), CallModel("default:123", START)).after(FOUNDING)
    return Moment(beginning.history, beginning.model)


def lived(among: Sequence[Wish], longest: int) -> int:
    """Live every course of up to so many of these wishes; how many moments there are."""
    moment = founded()
    reached, known = deque([moment]), {moment.digest()}
    while reached:
        moment = reached.popleft()
        for one in among:
            if one.name == "leave" and one.by.name not in moment.history.session.occupants:
                continue
            after = moment.after(one)
            if len(after.course) == longest or after.digest() in known:
                continue
            known.add(after.digest())
            reached.append(after)
    return len(known)


@pytest.mark.parametrize("world", WORLDS)
def test_every_course_of_two_wishes_goes_as_it_should_and_asking_twice_is_asking_once(
    world: str,
) -> None:
    assert lived(WORLDS[world], 2) > 10


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_so_does_every_longer_one(world: str) -> None:
    assert lived(WORLDS[world], 4 if times(1) == 1 else 5) > 500
