"""Tickets that nobody made, and what nobody can ask of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pytest
from tests.hostile.evil import NEVER, STRANGE

from greenroom import Entry, Greenroom, errors

EVIL: Final[dict[str, Callable[[], object]]] = {**NEVER, **STRANGE}


@pytest.fixture(scope="module")
def room() -> Iterator[Greenroom]:
    with Greenroom.open("memory://") as built:
        yield built


@pytest.fixture(scope="module")
def entry(room: Greenroom) -> Entry:
    return room.as_user("thierry").call("default", "1").join(create=True)


@pytest.mark.parametrize("what", EVIL)
def test_what_is_no_ticket_admits_nobody(what: str, room: Greenroom) -> None:
    with pytest.raises(errors.InvalidTicket):
        room.entry(EVIL[what]())  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("what", [what for what in EVIL if EVIL[what]() is not None])
def test_what_is_no_use_is_refused(what: str, room: Greenroom, entry: Entry) -> None:
    with pytest.raises(errors.InvalidInput):
        entry.ticket(EVIL[what]())  # type: ignore[arg-type]  # that is the point
    with pytest.raises(errors.InvalidInput):
        room.entry(entry.ticket(), EVIL[what]())  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("what", [what for what in EVIL if not issubclass(type(EVIL[what]()), int)])
def test_what_is_no_number_of_seconds_is_refused(what: str, entry: Entry) -> None:
    with pytest.raises(errors.InvalidInput):
        entry.ticket(seconds=EVIL[what]())  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("seconds", [-1, 0, 86_401, 2**70])
def test_a_ticket_is_valid_for_a_day_at_most(seconds: int, entry: Entry) -> None:
    with pytest.raises(errors.InvalidInput):
        entry.ticket(seconds=seconds)
