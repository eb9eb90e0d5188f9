"""Leaving: closes one's own connection; leaving twice records nothing."""

from greenroom import Greenroom

with Greenroom.open("sqlite:///calls.db") as room:
    phone = room.as_user("thierry").call("default", "123")
    laptop = room.as_user("thierry").call("default", "123")
    phone.join(create=True)
    laptop.join()

    print(phone.leave().recorded)
    print(phone.leave().recorded)
    assert len(laptop.query_participants().items) == 1  # the other connection is still there
    laptop.leave()
    assert laptop.query_participants().items == ()
