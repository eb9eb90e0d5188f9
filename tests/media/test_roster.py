"""Who is there, and with whom."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from greenroom.domain.errors import MediaError
from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.media.port import MediaEntry
from greenroom.media.roster import Room, Roster

LIVE = CallId("livestream:123")


@dataclass(eq=False)
class Somebody:
    entry: MediaEntry

    @property
    def room(self) -> Room:
        return self.entry.cid, self.entry.session


def somebody(name: str, session: int = 1) -> Somebody:
    return Somebody(MediaEntry(EntryId(name), LIVE, session, UserId(name), frozenset()))


def test_people_are_beside_those_of_their_own_session() -> None:
    roster: Roster[Somebody] = Roster()
    thierry, alice, late = somebody("thierry"), somebody("alice"), somebody("charlie", 2)
    for one in (thierry, alice, late):
        roster.add(one)
    assert roster.within((LIVE, 1)) == (thierry, alice)
    assert roster.beside(alice) == [thierry]
    assert roster.beside(late) == []
    assert roster.everybody() == (thierry, alice, late)
    assert roster.entries() == {"thierry", "alice", "charlie"}


def test_who_left_is_nowhere_and_the_last_one_takes_the_room_along() -> None:
    roster: Roster[Somebody] = Roster()
    thierry = somebody("thierry")
    roster.add(thierry)
    assert roster.remove(EntryId("thierry")) is thierry
    assert roster.remove(EntryId("thierry")) is None
    assert roster.get(EntryId("thierry")) is None
    assert roster._rooms == {}
    with pytest.raises(MediaError, match="join first"):
        roster.require(EntryId("thierry"))


def test_who_came_anew_is_another_one() -> None:
    roster: Roster[Somebody] = Roster()
    before, after = somebody("thierry"), somebody("thierry")
    roster.add(before)
    roster.require_still(before)
    roster.remove(EntryId("thierry"))
    roster.add(after)
    assert roster.require(EntryId("thierry")) is after
    with pytest.raises(MediaError, match="closed meanwhile"):
        roster.require_still(before)
