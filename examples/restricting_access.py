"""Restricting a call to its members, by the roles of a call type."""

from greenroom import Greenroom, Member, errors


def tries(room: Greenroom, user: str) -> str:
    """What joining is answered."""
    try:
        room.as_user(user).call("my-call-type", "my-call-id").join()
    except errors.Refused as refusal:
        return f"{user}: {refusal.code}"
    return f"{user}: joined"


with Greenroom.open("sqlite:///calls.db") as room:
    # Step 1: roles and permissions.
    room.call_types.create("my-call-type", based_on="default")
    room.call_types.revoke("my-call-type", role="user", capability="join-call")
    room.call_types.grant("my-call-type", role="call_member", capability="join-call")

    # Step 2: the call.
    call = room.as_user("thierry").call("my-call-type", "my-call-id")
    call.create(members=[Member("alice", role="call_member")])
    print(tries(room, "alice"))
    print(tries(room, "charlie"))

    # And, if necessary, grant access to more users, or remove it from some.
    call.add_members([Member("charlie", role="call_member")])
    print(tries(room, "charlie"))
    call.remove_members(["charlie"])  # puts charlie out as well
    print(tries(room, "charlie"))

    print(call.explain("join", user="charlie").reasons[-1].because)
