"""A process that gives commands until it is killed, and acknowledges each answer on a pipe."""

from __future__ import annotations

from itertools import count
from multiprocessing.connection import Connection

from greenroom import Greenroom


def command_for_ever(url: str, acknowledge: Connection) -> None:
    """Say `(n, position)` of the n-th update once it was answered."""
    with Greenroom.open(url, create=False) as room:
        call = room.as_user("thierry").call("default", "123")
        start = int(str(call.get().custom["n"]))
        for n in count(start + 1):
            entry = call.join(request_id=f"join-{n}")
            call.update(custom={"n": n}, request_id=f"update-{n}")
            answer = entry.leave(request_id=f"leave-{n}")
            acknowledge.send((n, answer.position))
