"""Create and join in one operation: both happen, or neither."""

from greenroom import Greenroom, errors

with Greenroom.open("sqlite:///calls.db") as room:
    thierry = room.as_user("thierry").call("default", "123")
    try:
        thierry.join(create=False)
    except errors.CallNotFound as refusal:
        print(refusal.code)

    entry = thierry.join(create=True)
    print(f"created with the join: {entry.created}")

    tommaso = room.as_user("tommaso").call("default", "123").join(create=True)
    assert not tommaso.created
    assert tommaso.session_id == entry.session_id
    print("then joined as it is")
