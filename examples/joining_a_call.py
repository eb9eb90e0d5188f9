"""Joining a call: an entry for every connection, and a refusal that says what would help."""

from greenroom import Greenroom, errors

with Greenroom.open("sqlite:///calls.db") as room:
    room.as_user("thierry").call("default", "123").create()

    call = room.as_user("alice").call("default", "123")
    entry = call.join()
    print(f"{entry.user_id} is in session {entry.session_id}")
    # entry.offer(sdp) is the media signalling of this very connection: see media.py.

    second_device = room.as_user("alice").call("default", "123").join()
    assert second_device.entry_id != entry.entry_id
    assert len(call.query_participants().items) == 2

    try:
        room.as_user("alice").call("default", "124").join()
    except errors.CallNotFound as refusal:
        print(f"{refusal.code}: {refusal}")
