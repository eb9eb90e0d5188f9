"""What is drawn is what it says: what could be, what might have happened, what nobody can mean."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom import Greenroom, errors
from greenroom.domain import checks
from greenroom.domain.message import CallId, EntryId, Role, Team, UserId
from greenroom.domain.settings import Settings
from greenroom.testing.by_type import register
from greenroom.testing.history import History, Wish
from greenroom.testing.strategies import (
    cids,
    courses,
    custom_data,
    grants,
    hostile_courses,
    hostile_values,
    settings_patches,
    user_ids,
)

register()


def by_type(kind: Any) -> st.SearchStrategy[Any]:
    """What Hypothesis knows of it; ids are types of their own, which its signature has not got."""
    return st.from_type(kind)


@given(by_type(CallId))
def test_a_call_id_has_two_halves_that_could_be(cid: CallId) -> None:
    assert checks.call_id(*cid.split(":")) == cid


@given(by_type(UserId), by_type(EntryId), by_type(Role), by_type(Team))
def test_ids_could_be(user: UserId, entry: EntryId, role: Role, team: Team) -> None:
    assert checks.user_id(user, "user") == user
    assert checks.entry_id(entry, "entry") == entry
    assert checks.role(role, "role") == role
    assert checks.team(team, "team") == team


@given(by_type(Settings), settings_patches())
def test_settings_could_be(whole: Settings, patch: dict[str, dict[str, Any]]) -> None:
    assert Settings.model_validate(whole.model_dump()) == whole
    checks.settings(patch)


@given(user_ids(), cids(), custom_data(), grants())
def test_a_room_takes_what_is_drawn_for_it(
    user: str, cid: str, custom: dict[str, Any], granted: dict[str, str]
) -> None:
    call_type, call_id = cid.split(":")
    with Greenroom.open("memory://", timers=False) as room:
        call = room.as_user("thierry").call(call_type, call_id)
        call.create(member_ids=[user], custom=custom)
        room.call_types.grant(call_type, **granted)
        assert {member.user_id for member in call.query_members().items} == {user}


def carry_out(course: list[Wish]) -> tuple[History, int]:
    """What comes of a course, and how much of it was refused for what it is."""
    history, refused = History(), 0
    for wish in course:
        recorded = len(history.steps)
        try:
            history.carry_out(wish)
        except errors.GreenroomError as error:
            refused += isinstance(error, errors.InvalidInput)
            assert len(history.steps) == recorded
    for stream, folded in history.states.items():
        assert history.replayed(stream) == folded.state
    return history, refused


@given(courses(shortest=1))
def test_in_a_course_nothing_is_asked_for_that_cannot_be_meant(course: list[Wish]) -> None:
    history, refused = carry_out(course)
    assert "call.created" in [step.event.name for step in history.steps]
    assert refused == 0


@given(hostile_courses())
def test_of_what_strangers_put_in_nothing_but_a_refusal_comes_or_what_it_means(
    course: list[Wish],
) -> None:
    carry_out(course)


def test_strangers_are_refused_and_let_on() -> None:
    """Of what is drawn, so that the law above is about something."""
    found = [carry_out(course) for course in _some(hostile_courses())]
    assert sum(refused for _, refused in found) > 20
    assert sum(len(history.steps) for history, _ in found) > 20


def test_most_of_what_is_hostile_is_nobodys_id() -> None:
    assert sum(not _is_an_id(value) for value in _some(hostile_values())) > 10


def _is_an_id(value: object) -> bool:
    try:
        checks.user_id(value, "user_id")
    except errors.InvalidInput:
        return False
    return True


def _some(drawn: st.SearchStrategy[Any]) -> list[Any]:
    """A hundred, whichever."""
    found: list[Any] = []

    @settings(max_examples=100, derandomize=True, database=None)
    @given(drawn)
    def take(one: Any) -> None:
        found.append(one)

    take()
    return found
