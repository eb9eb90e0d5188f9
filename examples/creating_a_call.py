"""Creating a call: a type and an id of your own; without an id, one is generated."""

from greenroom import Greenroom

with Greenroom.open("sqlite:///calls.db") as room:
    thierry = room.as_user("thierry")

    call = thierry.call("default", "123")
    result = call.create()
    print(f"{result.cid} created: {result.created}")

    # A call is permanent: creating it again answers it as it is, so a telemedicine application
    # uses its own appointment id, and needs no table to find the call later.
    again = thierry.call("default", "123").create(custom={"ignored": True})
    assert not again.created
    assert again.custom == {}

    unnamed = thierry.call("default")
    unnamed.create()
    print(f"an id of 36 characters was generated: {len(unnamed.id) == 36}")
