"""Who may do what, and why (semantics 2 and 4)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.domain.story import SYSTEM, Story, anonymous, guest, of_team, story

from greenroom.domain import checks
from greenroom.domain.access import ALL, BUILT_IN_GRANTS, Capability, Standing, effective, sources
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import InvalidInput, NotAllowed, WrongTeam
from greenroom.domain.message import Actor, Role
from greenroom.domain.operations import life, people, policy, presence, recording, rings
from greenroom.domain.operations.life import Backstage
from greenroom.domain.operations.members import Member
from greenroom.domain.operations.operation import Operation
from greenroom.domain.session_events import Joined
from greenroom.domain.turn import Claim
from greenroom.testing.history import EMBEDDER

Make = Callable[[], Operation[CallTurn]]
LIMIT = {"limits": {"max_participants": 2}}

NEEDS: list[tuple[str, str, Make]] = [
    ("create", "create-call", lambda: life.create(life.new_call())),
    ("create what exists", "read-call", lambda: life.create(life.new_call())),
    ("get", "read-call", life.get),
    ("read", "read-call", people.read),
    ("update custom", "update-call", lambda: life.update(custom={"a": 1})),
    ("update starts_at", "update-call", lambda: life.update(starts_at=None)),
    ("update nothing", "update-call", life.update),
    ("update settings", "update-call-settings", lambda: life.update(settings=LIMIT)),
    ("update the limit", "update-call-settings", lambda: life.update(max_participants=2)),
    ("backstage", "update-call-settings", lambda: life.update(backstage=Backstage(enabled=True))),
    ("update the duration", "change-max-duration", lambda: life.update(max_duration=60)),
    ("join", "join-call", lambda: presence.join(checks.entry_id("entry-9", "entry_id"))),
    ("go_live", "update-call", life.go_live),
    ("stop_live", "update-call", life.stop_live),
    ("end", "end-call", life.end),
    ("delete", "delete-call", life.delete),
    ("add_members", "update-call-member", lambda: people.put([Member("charlie")])),
    ("add nobody", "update-call-member", lambda: people.put([])),
    ("role", "update-call-member-role", lambda: people.put([Member("charlie", role="host")])),
    ("remove_members", "remove-call-member", lambda: people.remove(["alice"])),
    ("remove a stranger", "remove-call-member", lambda: people.remove(["charlie"])),
    ("block", "block-users", lambda: people.block("charlie")),
    ("unblock", "block-users", lambda: people.unblock("charlie")),
    ("kick", "kick-user", lambda: people.kick("charlie")),
    ("mute", "mute-users", lambda: people.mute(["thierry"], audio=True)),
    ("mute an empty call", "mute-users", lambda: people.mute(None, audio=True)),
    ("request", "request-permissions", lambda: people.request_permissions(["send-audio"])),
    ("grant", "update-call-permissions", lambda: people.grant_permissions("bob", ["send-audio"])),
    ("revoke", "update-call-permissions", lambda: people.revoke_permissions("b", ["send-audio"])),
    ("pin", "pin-for-everyone", lambda: people.pin("thierry")),
    ("unpin", "pin-for-everyone", lambda: people.unpin("thierry")),
    ("start_recording", "start-record-call", recording.start),
    ("stop_recording", "stop-record-call", recording.stop),
    ("send_event", "send-event", lambda: people.send_event({"wave": 1})),
    ("ring", "read-call", lambda: rings.ring(["tommaso"])),
    ("notify", "read-call", lambda: rings.notify(["tommaso"])),
]
"""What each operation needs, by alice, who is a member and holds everything else."""


def told_of_alice(capability: Capability, *, held: bool) -> Story:
    """A call that thierry is in; alice holds every capability but this one, or every one."""
    told = Story("development:123")
    told.create(member_ids=["alice", "tommaso"])
    told.join("thierry")
    if not held:
        for role in ("user", "call_member"):
            told.ask(policy.revoke("development", role, capability), by=EMBEDDER)
    return told


@pytest.mark.parametrize(
    ("capability", "make"), [(n[1], n[2]) for n in NEEDS], ids=[f"{n[0]}: {n[1]}" for n in NEEDS]
)
def test_every_operation_needs_its_capability_and_no_other(capability: str, make: Make) -> None:
    needed = Capability(capability)
    refusal = told_of_alice(needed, held=False).refused(NotAllowed, make(), by="alice")
    assert refusal.capability == needed
    told_of_alice(needed, held=True).ask(make(), by="alice")


@pytest.mark.parametrize(
    ("capability", "make"), [(n[1], n[2]) for n in NEEDS], ids=[f"{n[0]}: {n[1]}" for n in NEEDS]
)
def test_holding_only_what_is_needed_is_enough(capability: str, make: Make) -> None:
    needed = {Capability(capability)}
    if capability == "update-call-member-role":
        needed |= {Capability.UPDATE_CALL_MEMBER}
    if make is NEEDS[0][2] or make is NEEDS[1][2]:
        needed |= {Capability.CREATE_CALL, Capability.READ_CALL}
    told = told_of_alice(Capability(capability), held=True)
    for other in sorted(ALL - needed):
        for role in ("user", "call_member"):
            told.ask(policy.revoke("development", role, other), by=EMBEDDER)
    told.ask(make(), by="alice")


def test_only_who_belongs_to_a_call_disturbs_its_members() -> None:
    told = story(member_ids=["alice", "tommaso"])
    for operation in (rings.ring(["tommaso"]), rings.notify(["tommaso"])):
        assert told.refused(NotAllowed, operation, by="charlie").capability == "update-call"
        told.ask(operation, by="alice")


# Effective capabilities


def test_capabilities_add_up_over_all_roles_and_what_was_said_in_this_call() -> None:
    grants = {
        Role("user"): frozenset({Capability.READ_CALL}),
        Role("host"): frozenset({Capability.END_CALL, Capability.SEND_AUDIO}),
        Role("owner"): frozenset({Capability.DELETE_CALL}),
    }
    standing = Standing(
        user_role=Role("user"),
        member_role=Role("host"),
        owner=True,
        granted=frozenset({Capability.SCREENSHARE}),
        revoked=frozenset({Capability.SEND_AUDIO}),
    )
    assert effective(grants, standing) == {
        Capability.READ_CALL, Capability.END_CALL, Capability.DELETE_CALL, Capability.SCREENSHARE,
    }  # fmt: skip  # a set
    assert effective(grants, Standing(user_role=Role("unheard-of"))) == frozenset()
    assert list(sources(grants, standing, Capability.SEND_AUDIO)) == [
        "role host", "revoked in this call",
    ]  # fmt: skip  # a list
    assert list(sources(grants, standing, Capability.SCREENSHARE)) == ["granted in this call"]


def test_what_was_granted_in_this_call_is_held_there_and_what_was_revoked_is_not() -> None:
    told = story("livestream:123")
    send = Capability.SEND_AUDIO

    def alice_may() -> bool:
        return told.rehearse(people.read(), by="thierry").asker(Actor("alice")).may(send)

    assert not alice_may()
    told.ask(people.grant_permissions("alice", [send]), by="thierry")
    assert alice_may()
    told.ask(people.revoke_permissions("alice", [send]), by="thierry")
    assert not alice_may()


def test_the_creator_holds_what_a_host_holds() -> None:
    for grants in BUILT_IN_GRANTS.values():
        assert grants[Role("owner")] == grants[Role("host")]
    told = story()
    told.ask(life.end(), by="thierry")


READ_JOIN = {"read-call", "join-call"}
TALK = READ_JOIN | {
    "send-audio", "send-video", "screenshare", "create-reaction", "send-event",
    "request-permissions",
}  # fmt: skip  # a set
LISTEN = READ_JOIN | {"create-reaction", "request-permissions"}
MODERATE = {
    "join-backstage", "mute-users", "block-users", "kick-user", "remove-call-member",
    "update-call-permissions", "pin-for-everyone",
}  # fmt: skip  # a set
HOST = {
    "update-call", "update-call-settings", "update-call-member", "update-call-member-role",
    "change-max-duration", "end-call", "join-ended-call", "delete-call",
    *(f"{do}-{what}-call" for do in ("start", "stop")
      for what in ("record", "broadcast", "transcription", "closed-captions")),
}  # fmt: skip  # a set
SENDING = {"send-audio", "send-video", "screenshare"}
DEFAULTS: dict[str, dict[str, set[str]]] = {
    "default": {
        "anonymous": set(), "guest": READ_JOIN | {"send-audio", "send-video"},
        "user": TALK | {"create-call"}, "call_member": TALK,
        "moderator": TALK | MODERATE, "host": TALK | MODERATE | HOST,
    },
    "audio_room": {
        "anonymous": READ_JOIN, "guest": LISTEN,
        "user": LISTEN | {"create-call"}, "call_member": LISTEN | {"send-event"},
        "moderator": LISTEN | {"send-event", "send-audio"} | MODERATE,
        "host": LISTEN | {"send-event", "send-audio"} | MODERATE | HOST,
    },
    "livestream": {
        "anonymous": READ_JOIN, "guest": READ_JOIN | {"create-reaction"},
        "user": LISTEN | {"create-call"}, "call_member": LISTEN | {"send-event"},
        "moderator": LISTEN | {"send-event"} | MODERATE,
        "host": LISTEN | {"send-event"} | SENDING | MODERATE | HOST,
    },
}  # fmt: skip  # the table of semantics 4


@pytest.mark.parametrize("call_type", DEFAULTS)
def test_the_built_in_types_grant_what_the_table_says(call_type: str) -> None:
    grants = BUILT_IN_GRANTS[call_type]
    for role, held in DEFAULTS[call_type].items():
        assert grants[Role(role)] == held, role
    assert grants[Role("admin")] == ALL
    assert grants[Role("owner")] == DEFAULTS[call_type]["host"]


def test_everybody_may_do_everything_in_development() -> None:
    assert set(BUILT_IN_GRANTS["development"]) == set(BUILT_IN_GRANTS["default"])
    assert set(BUILT_IN_GRANTS["development"].values()) == {ALL}


# The restriction of the seed


def test_a_call_can_be_restricted_to_its_members() -> None:
    told = Story("my-call-type:123")
    told.ask(policy.define_type("my-call-type", based_on="default"), by=EMBEDDER)
    told.ask(policy.revoke("my-call-type", "user", "join-call"), by=EMBEDDER)
    told.ask(policy.grant("my-call-type", "call_member", "join-call"), by=EMBEDDER)
    told.create(member_ids=["alice"])
    told.join("alice")
    told.refused_join(NotAllowed, "charlie")
    told.add("charlie")
    told.join("charlie")
    told.ask(people.remove(["charlie"]), by="thierry")
    told.refused_join(NotAllowed, "charlie")
    assert told.present == ["alice"]


def test_who_is_removed_from_a_call_of_their_team_stays_if_anybody_of_it_may_come() -> None:
    told = Story()
    told.create(of_team("thierry", "blue"), team="blue", member_ids=["alice"])
    told.join(of_team("alice", "blue"))
    told.ask(people.remove(["alice"]), by=of_team("thierry", "blue"))
    assert told.present == ["alice"]


def test_grants_change_at_once_and_each_decision_cites_the_version_it_used() -> None:
    told = story()
    told.join("alice")
    assert told.last(Joined).evidence.call_type == 1
    told.ask(policy.revoke("default", "guest", "join-call"), by=EMBEDDER)
    told.refused_join(NotAllowed, guest("jaewoong"))
    told.ask(policy.grant("default", "guest", "join-call"), by=EMBEDDER)
    told.join(guest("jaewoong"))
    assert told.last(Joined).evidence.call_type == 3


def test_a_revoked_grant_puts_nobody_out() -> None:
    told = story()
    told.join("alice")
    told.ask(policy.revoke("default", "user", "join-call"), by=EMBEDDER)
    assert told.present == ["alice"]


def test_an_unknown_capability_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(InvalidInput) as fault:
        policy.grant("default", "user", "join-cal")
    assert (fault.value.path, fault.value.nearest) == ("capability", "join-call")


# Who acts


def test_role_and_teams_come_from_the_user_record() -> None:
    told = story()
    told.upsert("charlie", role="admin")
    told.ask(life.end(), by="charlie")


def test_a_handle_may_say_role_and_teams_itself_and_the_decision_cites_them() -> None:
    told = story()
    told.upsert("charlie", role="admin")
    told.refused(NotAllowed, life.end(), by=guest("charlie"))
    told.join(guest("charlie"))
    assert told.last(Joined).role == "guest"
    assert told.last(Joined).evidence.user == 0


def test_a_handle_may_say_one_of_them_and_leave_the_other_to_the_record() -> None:
    told = Story()
    told.upsert("charlie", role="admin", teams=["blue"])
    told.create(Claim("thierry", None, checks.teams(["blue"], "teams")), team="blue")
    told.join(Claim("charlie", Role("guest"), None))
    told.refused_join(WrongTeam, Claim("charlie", None, ()))
    assert told.last(Joined).role == "guest"


def test_the_system_is_exempt_from_grants_and_from_the_team_and_named_in_the_record() -> None:
    told = Story()
    told.create(Claim("thierry", None, checks.teams(["blue"], "teams")), team="blue")
    for capability in sorted(ALL):
        for role in BUILT_IN_GRANTS["default"]:
            told.ask(policy.revoke("default", role, capability), by=EMBEDDER)
    told.join(SYSTEM)
    told.ask(life.end(), by=SYSTEM)
    assert told.steps[-1].by.user_id == "system:scheduler"
    assert told.steps[-1].by.role == "system"
    told.refused(NotAllowed, life.go_live(), by=anonymous("thierry"))
