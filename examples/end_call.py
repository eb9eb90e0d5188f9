"""Ending a call: needs `end-call`, terminates it for everyone; few may join an ended call."""

from greenroom import Greenroom, errors

with Greenroom.open("sqlite:///calls.db") as room:
    thierry = room.as_user("thierry").call("default", "123")
    tommaso = room.as_user("tommaso").call("default", "123")
    thierry.join(create=True)
    tommaso.join()

    try:
        tommaso.end()
    except errors.NotAllowed as refusal:
        print(f"tommaso lacks {refusal.capability}")

    ended = thierry.end()
    print(f"{ended.recorded.count('session.left')} put out")
    assert ended.ended_at is not None

    try:
        tommaso.join()
    except errors.CallEnded as refusal:
        print(f"{refusal.code}: {refusal.ended_at == ended.ended_at}")
    thierry.join()  # its creator holds `join-ended-call`
    print("thierry is back in the ended call")
