"""Call types: built in, and the embedder's own."""

from __future__ import annotations

import pytest

from greenroom import Greenroom, errors

BUILT_IN = ["audio_room", "default", "development", "livestream"]


def test_a_new_store_has_the_built_in_types_written_down(room: Greenroom) -> None:
    assert [one.name for one in room.call_types.list()] == BUILT_IN
    assert room.position == len(BUILT_IN)


def test_all_types_are_listed_with_what_they_are_now(room: Greenroom) -> None:
    room.call_types.create("clinic", based_on="default")
    room.call_types.revoke("clinic", role="user", capability="join-call")
    listed = {one.name: one for one in room.call_types.list()}
    assert sorted(listed) == sorted([*BUILT_IN, "clinic"])
    assert "join-call" not in listed["clinic"].grants["user"]
    assert listed["clinic"] == room.call_types.get("clinic")


def test_what_nobody_defined_is_not_there(room: Greenroom) -> None:
    with pytest.raises(errors.CallTypeNotFound):
        room.call_types.get("clinic")
    with pytest.raises(errors.CallTypeNotFound):
        room.as_user("thierry").call("clinic", "123").create()
