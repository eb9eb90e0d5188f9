"""A page of calls shows only what its reader may read."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.projections.history import History
from tests.projections.places import Refill

from greenroom.domain.message import CallId, Role, Team, UserId
from greenroom.projections.items import CallItem
from greenroom.projections.reader import Reader

TYPES = ("default", "livestream", "audio_room")
TEAMS = st.sampled_from(["red", "blue"])
ROLES = st.sampled_from(["host", "call_member"])
PEOPLE = st.sampled_from(["thierry", "alice", "charlie"])
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(TYPES),
            "team": st.none() | TEAMS,
            "by": PEOPLE,
            "members": st.dictionaries(PEOPLE, ROLES, max_size=2),
        }
    ),
    max_size=10,
)
READERS = st.builds(
    Reader,
    user_id=PEOPLE.map(UserId),
    teams=st.frozensets(TEAMS.map(Team)),
    role_types=st.frozensets(st.sampled_from(TYPES), max_size=2),
    owner_types=st.frozensets(st.sampled_from(TYPES), max_size=2),
    member_roles=st.dictionaries(st.sampled_from(TYPES), st.frozensets(ROLES.map(Role))),
)


def may_read(reader: Reader, said: dict[str, Any]) -> bool:
    """The rule in words: a role lets them in, and no team keeps them out."""
    mine = said["by"] == reader.user_id
    role = said["members"].get(reader.user_id)
    by_role = said["type"] in reader.role_types
    by_ownership = mine and said["type"] in reader.owner_types
    by_membership = role in reader.member_roles.get(said["type"], frozenset())
    of_team = said["team"] is None or said["team"] in reader.teams or mine or role is not None
    return (by_role or by_ownership or by_membership) and of_team


@given(CALLS, READERS)
def test_a_reader_sees_exactly_the_calls_they_may_read(
    refilled: Refill, calls: list[dict[str, Any]], reader: Reader
) -> None:
    history = History()
    cids: list[CallId] = []
    for number, said in enumerate(calls):
        cids.append(CallId(f"{said['type']}:{number}"))
        history.created(cids[-1], by=said["by"], team=said["team"])
        for user_id, role in said["members"].items():
            history.added(user_id, role, cids[-1])
    views = refilled(history)
    seen = views.queries.calls(reader=reader, limit=1000).items
    expected = [cid for cid, said in zip(cids, calls, strict=True) if may_read(reader, said)]
    assert {item.cid for item in seen} == set(expected)
    assert {item.cid for item in views.queries.calls(limit=1000).items} == set(cids)
    walked: list[CallItem] = []
    page = views.queries.calls(reader=reader, limit=1)
    walked += page.items
    while page.next:
        page = views.queries.calls(reader=reader, limit=1, cursor=page.next)
        walked += page.items
    assert walked == list(seen)
