"""The third act: a call type whose calls only members may join."""

from __future__ import annotations

from greenroom import CallHandle, Greenroom, Member
from greenroom.cli.demo.stage import Stage, Step
from greenroom.cli.explain import reasons_table
from greenroom.domain.access import CALL_MEMBER, USER, Capability
from greenroom.domain.errors import NotAllowed

TYPE = "my-call-type"


def play(stage: Stage, room: Greenroom) -> None:
    """Play it."""
    call = {
        user_id: room.as_user(user_id).call(TYPE, "my-call-id")
        for user_id in ("alice", "charlie", "eve")
    }
    host = room.system("dashboard").call(TYPE, "my-call-id")
    with stage.act("3  A call for members only"):
        with stage.step(
            f"{TYPE}: join-call is revoked from user, and stays with call_member"
        ) as step:
            room.call_types.create(TYPE, based_on="default")
            room.call_types.revoke(TYPE, role=USER, capability=Capability.JOIN_CALL)
            state = room.call_types.grant(TYPE, role=CALL_MEMBER, capability=Capability.JOIN_CALL)
            step.check(Capability.JOIN_CALL not in state.grants[USER], "user has it still")
            step.see(f"version {state.version} of the type", version=state.version)
        with stage.step("alice, added as call_member, joins") as step:
            host.create(members=[Member("alice", role=CALL_MEMBER)])
            call["alice"].join()
        with stage.step("eve, a stranger, is refused") as step:
            _refused(step, call["eve"])
        with stage.step("charlie is added, and joins") as step:
            host.add_members([Member("charlie", role=CALL_MEMBER)])
            call["charlie"].join()
        with stage.step("charlie is removed: put out, and refused from then on") as step:
            before = _present(host)
            host.remove_members(["charlie"])
            after = _present(host)
            step.check(before - after == {"charlie"}, f"{before} became {after}")
            _refused(step, call["charlie"])
        stage.show(reasons_table(host.explain("join", user="charlie")))


def _refused(step: Step, call: CallHandle) -> None:
    try:
        call.join()
    except NotAllowed as refusal:
        step.see(f"{refusal.code}: {refusal}", code=refusal.code)
    else:
        step.check(holds=False, otherwise="the join was admitted")


def _present(call: CallHandle) -> set[str]:
    return {one.user_id for one in call.query_participants().items}
