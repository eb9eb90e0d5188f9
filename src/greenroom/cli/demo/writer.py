"""A program that writes to a store until it is killed: `python -m greenroom.cli.demo.writer URL`.

It says the number of each member on standard output once the room has acknowledged them, and
never before.
"""

from __future__ import annotations

import sys
from itertools import count

from greenroom import Greenroom, Member

CALL = ("default", "crash")


def write(url: str) -> None:
    """Add members `writer-1`, `writer-2` ... for ever."""
    with Greenroom.open(url, timers=False) as room:
        call = room.system("writer").call(*CALL)
        call.create()
        for number in count(1):
            call.add_members([Member(f"writer-{number}")])
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    write(sys.argv[1])
