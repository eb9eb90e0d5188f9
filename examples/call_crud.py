"""Create, update, get, delete."""

from greenroom import Greenroom, errors

with Greenroom.open("sqlite:///calls.db") as room:
    call = room.as_user("thierry").call("default", "123")
    call.create(custom={"color": "red"})

    # Custom data is merged: given keys replace, None removes.
    updated = call.update(custom={"secret": "secret", "color": None})
    print(dict(updated.custom))

    assert call.get().custom == {"secret": "secret"}
    print([event.name for event in call.history()])

    call.delete()
    try:
        call.get()
    except errors.CallNotFound as refusal:
        print(refusal.code)

    # A soft deletion can be taken back by the embedding application, a hard one cannot.
    system = room.system("backoffice").call("default", "123")
    assert system.restore().custom == {"secret": "secret"}
    system.delete(hard=True)
    try:
        system.restore()
    except errors.CallNotFound:
        print("gone for good")
