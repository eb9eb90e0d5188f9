"""Real media: two aiortc peers see and hear each other through the room (extra `media`).

`Peer` stands for a browser: it makes an offer, takes the answer, sends a colour and a tone, and
counts the frames that arrive by whose colour and tone they carry.
"""

from greenroom import Greenroom
from greenroom.media.aiortc_media import AiortcMedia
from greenroom.testing import Peer

with Greenroom.open("memory://", media=AiortcMedia(addresses=["127.0.0.1"])) as room:
    thierry = room.as_user("thierry").call("default", "123")
    alice = room.as_user("alice").call("default", "123")
    with Peer("red") as red, Peer("green") as green:
        red.join(thierry.join(create=True).offer)
        green.join(alice.join().offer)
        assert green.until(lambda: green.sees["red"] > 3 and green.hears["red"] > 3)
        assert red.until(lambda: red.sees["green"] > 3 and red.hears["green"] > 3)
        print("thierry and alice see and hear each other")

        thierry.revoke_permissions("alice", ["send-video"])
        red.watch(0.5)
        before = red.sees["green"]
        red.watch(0.5)
        print(f"alice's picture after the revocation: {red.sees['green'] - before} frames")

    connected = [event for event in thierry.history() if event.name == "session.connected"]
    print(f"{len(connected)} connections in the record")
