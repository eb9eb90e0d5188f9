"""Call types and users: what the embedder decides (semantics 4)."""

from __future__ import annotations

import pytest
from tests.domain.story import Story, names, story

from greenroom.domain import checks
from greenroom.domain.access import USER, Capability
from greenroom.domain.call_type import CallType, CallTypeDefined, FieldsDeclared
from greenroom.domain.errors import CallTypeExists, CallTypeNotFound, InvalidInput
from greenroom.domain.message import UserId
from greenroom.domain.operations import life, people, policy
from greenroom.domain.operations.members import Member
from greenroom.domain.streams import type_stream, user_stream
from greenroom.domain.user import User, UserErased
from greenroom.testing.history import EMBEDDER


def call_type(told: Story, name: str) -> CallType:
    found: CallType = told.states[type_stream(name)].state
    return found


def user(told: Story, name: str) -> User:
    found: User = told.states[user_stream(UserId(name))].state
    return found


def test_every_store_begins_with_the_built_in_types() -> None:
    told = Story()
    assert names(step.event for step in told.steps) == ["type.defined"] * 4
    assert told.ask(policy.define_built_in_types(), by=EMBEDDER) == ()


def test_a_type_is_a_copy_that_goes_its_own_way() -> None:
    told = Story()
    settings = {"audio": {"mic_default_on": False}}
    told.ask(policy.define_type("clinic", based_on="default", settings=settings), by=EMBEDDER)
    told.ask(policy.revoke("default", "user", "join-call"), by=EMBEDDER)
    clinic = call_type(told, "clinic")
    assert not clinic.settings.audio.mic_default_on
    assert Capability.JOIN_CALL in clinic.grants[USER]


def test_the_same_definition_again_records_nothing_and_another_is_refused() -> None:
    told = Story()
    define = policy.define_type("clinic", based_on="default")
    told.ask(define, by=EMBEDDER)
    assert told.ask(define, by=EMBEDDER) == ()
    other = policy.define_type("clinic", based_on="livestream")
    assert told.refused(CallTypeExists, other, by=EMBEDDER).name == "clinic"


def test_a_definition_with_other_fields_is_another_and_what_it_is_based_on_is_on_record() -> None:
    told = Story()
    told.ask(policy.define_type("class", based_on="default"), by=EMBEDDER)
    assert told.last(CallTypeDefined).based_on == "default"
    fields = {"calls": {"room": "string"}}
    other = policy.define_type("class", based_on="default", indexed_custom=fields)
    told.refused(CallTypeExists, other, by=EMBEDDER)


def test_nothing_is_done_with_a_type_that_nobody_defined() -> None:
    told = Story("clinic:123")
    for operation in (
        policy.grant("clinic", "user", "join-call"),
        policy.revoke("clinic", "user", "join-call"),
        policy.change_type("clinic", {"audio": {"mic_default_on": False}}),
        policy.define_type("ward", based_on="clinic"),
        life.create(life.new_call()),
    ):
        told.refused(CallTypeNotFound, operation, by=EMBEDDER)


def test_granting_and_revoking_twice_records_nothing_the_second_time() -> None:
    told = Story()
    for operation, name in (
        (policy.grant("default", "nurse", "end-call"), "type.granted"),
        (policy.revoke("default", "nurse", "end-call"), "type.revoked"),
        (
            policy.change_type("default", {"audio": {"mic_default_on": False}}),
            "type.settings_changed",
        ),
    ):
        assert names(told.ask(operation, by=EMBEDDER)) == [name]
        assert told.ask(operation, by=EMBEDDER) == ()


def test_declared_custom_fields_are_checked_on_every_write() -> None:
    told = Story("clinic:123")
    declared = {"members": {"seat": "number"}, "calls": {"opens": "instant", "paid": "boolean"}}
    told.ask(policy.define_type("clinic", based_on="default", indexed_custom=declared), by=EMBEDDER)
    with pytest.raises(InvalidInput, match=r"custom\.opens"):
        told.create(custom={"opens": "tomorrow"})
    told.create(custom={"opens": "2026-01-01T00:00:00Z", "paid": True, "other": 1})
    told.create(custom={"opens": "ignored, for the call exists"})
    with pytest.raises(InvalidInput, match=r"custom\.paid"):
        told.ask(life.update(custom={"paid": 1}), by="thierry")
    with pytest.raises(InvalidInput, match=r"members\[0\]\.custom\.seat"):
        told.add(Member("alice", custom={"seat": True}))
    told.ask(life.update(custom={"paid": None}), by="thierry")
    told.add(Member("alice", custom={"seat": 1.5}))


@pytest.mark.parametrize(
    ("declared", "path", "nearest"),
    [
        ({"member": {}}, "indexed_custom.member", "members"),
        ({"members": {"seat": "numbr"}}, "indexed_custom.members.seat", "number"),
        ({"members": {"a b": "number"}}, "indexed_custom.members.a b", None),
    ],
)
def test_a_wrong_declaration_is_refused_with_its_path(
    declared: dict[str, dict[str, str]], path: str, nearest: str | None
) -> None:
    with pytest.raises(InvalidInput) as fault:
        policy.define_type("clinic", based_on="default", indexed_custom=declared)
    assert (fault.value.path, fault.value.nearest) == (path, nearest)


# Users


def test_what_is_not_said_about_a_user_stays_as_it_is() -> None:
    told = Story()
    told.upsert("alice", name="Alice", role="guest", teams=["red", "blue"], custom={"plan": "gold"})
    told.upsert("alice", custom={"age": 7})
    alice = user(told, "alice")
    assert (alice.display_name, alice.role, alice.teams) == ("Alice", "guest", ("blue", "red"))
    assert alice.custom == {"plan": "gold", "age": 7}
    again = policy.upsert_user("alice", name="Alice", custom={"age": 7})
    assert told.ask(again, by=EMBEDDER) == ()
    told.upsert("alice", custom={"age": 1})
    told.upsert("alice", custom={"age": True})
    assert user(told, "alice").custom["age"] is True


def test_nobody_need_be_told_about_to_take_part() -> None:
    told = story()
    told.join("charlie")
    assert not user(told, "charlie").known


def test_erasing_forgets_all_but_the_id() -> None:
    told = Story()
    told.upsert("alice", name="Alice", role="admin", custom={"plan": "gold"})
    told.ask(policy.erase_user("alice"), by=EMBEDDER)
    assert user(told, "alice") == User()


def test_somebody_known_only_from_their_calls_is_erased_too_and_each_time_anew() -> None:
    """Calls may hold more about them since the last time; the user's own stream does not know."""
    told = story(members=[Member("alice", custom={"allergies": "nuts"})])
    for _ in range(2):
        assert names(told.ask(policy.erase_user("alice"), by=EMBEDDER)) == [UserErased.name]


def test_what_a_user_carries_does_not_grow_past_its_limit() -> None:
    told = Story()
    told.upsert("alice", custom={"a": "x" * 6_000})
    with pytest.raises(InvalidInput, match=r"^custom: expected at most"):
        told.upsert("alice", custom={"b": "x" * 6_000})


@pytest.mark.parametrize("name", ["", "a/b", "x" * 129, "system:timers", "ü", 7])
def test_no_user_id_can_be_taken_for_the_systems_or_for_part_of_a_stream_name(name: object) -> None:
    with pytest.raises(InvalidInput) as fault:
        policy.upsert_user(name)  # type: ignore[arg-type]  # one of them is no text
    assert fault.value.path == "user_id"
    with pytest.raises(InvalidInput):
        people.block(name)  # type: ignore[arg-type]  # as above


def test_declared_fields_can_be_changed_later() -> None:
    told = Story()
    color = policy.change_type("default", indexed_custom={"members": {"color": "string"}})
    assert names(told.ask(color, by=EMBEDDER)) == ["type.fields_declared"]
    assert told.ask(color, by=EMBEDDER) == ()
    more = {"members": {"size": "number"}, "calls": {"due": "instant"}}
    (declared,) = told.ask(policy.change_type("default", indexed_custom=more), by=EMBEDDER)
    assert isinstance(declared, FieldsDeclared)
    assert declared.indexed_custom == {
        "members": {"color": "string", "size": "number"},
        "calls": {"due": "instant"},
    }
    fewer: dict[str, dict[str, str | None]] = {"calls": {"due": None}, "members": {"color": None}}
    (declared,) = told.ask(policy.change_type("default", indexed_custom=fewer), by=EMBEDDER)
    assert isinstance(declared, FieldsDeclared)
    assert declared.indexed_custom == {"members": {"size": "number"}}
    many = {"members": {f"field_{n}": "string" for n in range(16)}}
    with pytest.raises(InvalidInput, match="at most 16 fields"):
        told.ask(policy.change_type("default", indexed_custom=many), by=EMBEDDER)


@pytest.mark.parametrize("due", ["2026-01-31", "2026-02-30T00:00:00Z", "20260131T120000Z", 5])
def test_a_declared_instant_is_text_that_everybody_reads_alike(due: object) -> None:
    with pytest.raises(InvalidInput, match="an instant"):
        checks.typed({"due": due}, {"due": "instant"}, "custom")
    checks.typed({"due": "2026-01-31T12:00:00.5+01:00"}, {"due": "instant"}, "custom")
